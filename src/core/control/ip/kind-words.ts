/** What follows `type KIND` in `ip link add` and `ip link set` (iproute2 `ip/iplink_*.c`). */
import { EOPNOTSUPP, NetError } from '../../errno.ts';
import { parseMac } from '../../util/address.ts';
import type { MacvlanInfo } from '../info.ts';
import type { LinkAdd, VlanOptions } from '../link-add.ts';
import type { MacvlanOptions } from '../link-set.ts';
import { bridgeOptions } from './bridge-words.ts';
import { otherKind } from './other-kinds.ts';
import {
  abbreviates,
  CommandError,
  EXIT_PARSE,
  EXIT_USAGE,
  notImplemented,
  type Words,
  wrongArgument,
} from './words.ts';

/** Kinds that Linux has and this stack has not. */
const OTHER_KINDS: readonly string[] = [
  'bareudp',
  'erspan',
  'geneve',
  'gtp',
  'ip6gre',
  'ip6tnl',
  'ipvtap',
  'macsec',
  'netdevsim',
  'nlmon',
  'team',
  'vcan',
  'vti',
  'vxcan',
  'wireguard',
  'xfrm',
];

/** Options of a kind other than veth, whose peer is a device of its own. */
export function kindOptions(kind: string, words: Words): LinkAdd {
  switch (kind) {
    case 'bridge':
      return { kind, bridge: bridgeOptions(words) };
    case 'dummy':
      if (!words.empty)
        throw new CommandError(
          `Garbage instead of arguments "${words.peek} ...". Try "ip link help".`,
          EXIT_USAGE,
        );
      return { kind };
    case 'vlan': {
      const vlan = vlanOptions(words);
      return vlan === undefined ? { kind } : { kind, vlan };
    }
    case 'macvlan':
    case 'macvtap':
      return { kind, macvlan: macvlanOptions(words, []) };
    default: {
      const options = otherKind(kind, words);
      if (options !== null) return options;
      if (OTHER_KINDS.includes(kind))
        throw notImplemented(`type ${kind}`, 'see docs/devices.md for the kinds that are there');
      throw new NetError(EOPNOTSUPP, 'rtnetlink', 'Unknown device type');
    }
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Words of `type vlan` that this stack has no use for, or not yet. */
const OTHER_VLAN_WORDS: readonly string[] = [
  'gvrp',
  'mvrp',
  'bridge_binding',
  'ingress-qos-map',
  'egress-qos-map',
];

/** Undefined when nothing was said. */
function vlanOptions(words: Words): VlanOptions | undefined {
  const options: Partial<Mutable<VlanOptions>> = {};
  while (!words.empty) {
    const word = words.next();
    if (abbreviates(word, 'protocol')) options.protocol = protocolWord(words.next());
    else if (abbreviates(word, 'id')) options.id = words.unsigned('id is invalid', 0xffff);
    else if (abbreviates(word, 'loose_binding'))
      options.looseBinding = words.onOff('loose_binding');
    else if (abbreviates(word, 'reorder_hdr')) {
      if (!words.onOff('reorder_hdr'))
        throw notImplemented('reorder_hdr off', 'the tag of a frame is no part of its header here');
    } else if (OTHER_VLAN_WORDS.some((w) => abbreviates(word, w)))
      throw notImplemented(`type vlan ${word}`, 'the words are protocol, id and loose_binding');
    else throw new CommandError(`vlan: unknown command "${word}"?`, EXIT_USAGE);
  }
  const { id } = options;
  return id === undefined ? undefined : { ...options, id };
}

function protocolWord(word: string): '802.1Q' | '802.1ad' {
  if (/^(802\.1q|0x8100|33024)$/i.test(word)) return '802.1Q';
  if (/^(802\.1ad|0x88a8|34984)$/i.test(word)) return '802.1ad';
  throw wrongArgument('protocol is invalid', word);
}

const MODE_NAMES: readonly MacvlanInfo['mode'][] = [
  'private',
  'vepa',
  'bridge',
  'passthru',
  'source',
];

/** `type macvlan …`; `sources`: the MACs that the device has now. */
export function macvlanOptions(words: Words, sources: readonly string[]): MacvlanOptions {
  const options: Mutable<MacvlanOptions> = {};
  while (!words.empty) {
    const word = words.next();
    if (abbreviates(word, 'mode')) options.mode = modeWord(words.next());
    else if (abbreviates(word, 'macaddr'))
      options.sources = macaddrWords(words, options.sources ?? sources);
    else if (['flag', 'nopromisc', 'nodst', 'bcqueuelen', 'bclim'].includes(word))
      throw notImplemented(`type macvlan ${word}`, 'the words are mode and macaddr');
    else throw new CommandError(`macvlan: unknown option "${word}"?`, EXIT_PARSE);
  }
  return options;
}

function modeWord(word: string): MacvlanInfo['mode'] {
  const mode = MODE_NAMES.find((m) => m === word);
  if (mode === undefined)
    throw new CommandError(
      `Error: argument of "mode" must be "private", "vepa", "bridge", "passthru" or "source", not "${word}"`,
      EXIT_PARSE,
    );
  return mode;
}

/** `macaddr add|del MAC`, `macaddr set MAC…`, `macaddr flush`. */
function macaddrWords(words: Words, old: readonly string[]): readonly string[] {
  const word = words.next();
  if (abbreviates(word, 'add')) {
    const mac = macWord(words.next());
    return old.includes(mac) ? old : [...old, mac];
  }
  if (abbreviates(word, 'del')) {
    const mac = macWord(words.next());
    return old.filter((m) => m !== mac);
  }
  if (abbreviates(word, 'flush')) return [];
  if (!abbreviates(word, 'set'))
    throw new CommandError(
      `Error: argument of "macaddr" must be "add", "del", "set" or "flush", not "${word}"`,
      EXIT_PARSE,
    );
  const list: string[] = [];
  while (!words.empty && parseMac(words.peek) !== undefined) list.push(macWord(words.next()));
  return list;
}

function macWord(word: string): string {
  if (parseMac(word) === undefined)
    throw new CommandError(`"${word}" is invalid lladdr.`, EXIT_PARSE);
  return word.toLowerCase();
}
