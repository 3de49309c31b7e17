/** `ip link add|set|del|show` (iproute2 `ip/iplink.c`): words to the calls of `Namespace.link`. */

import { EINVAL, ESRCH, NetError } from '../../errno.ts';
import { isValidDeviceName } from '../../link/device-list.ts';
import { parseMac } from '../../util/address.ts';
import type { LinkInfo } from '../info.ts';
import type { LinkAdd } from '../link-add.ts';
import { ADDR_GEN_MODES, type AddrGenMode, type LinkSet } from '../link-set.ts';
import type { Namespace } from '../namespace.ts';
import { bridgeOptions, bridgeSlaveOptions } from './bridge-words.ts';
import { printList } from './entry.ts';
import type { IpContext } from './ip.ts';
import { kindOptions, macvlanOptions } from './kind-words.ts';
import { linkEntry } from './link-show.ts';
import { nearestOf } from './nearest.ts';
import { netkitOptions, netkitPolicy } from './netkit-words.ts';
import { kindChanges } from './other-kinds.ts';
import { policyWords } from './policy-words.ts';
import {
  abbreviates,
  CommandError,
  duplicateArgument,
  EXIT_PARSE,
  EXIT_USAGE,
  garbageArgument,
  noDevice,
  notImplemented,
  parseUnsigned,
  unknownCommand,
  type Words,
  wrongArgument,
} from './words.ts';

const COMMANDS: readonly string[] = ['add', 'set', 'delete', 'show'];
/** Words of ip-link(8) that this stack has no use for, or not yet. */
const UNIMPLEMENTED: readonly string[] = [
  'allmulticast',
  'trailers',
  'dynamic',
  'vf',
  'xdp',
  'xdpgeneric',
  'xdpdrv',
  'xdpoffload',
  'mode',
  'state',
  'vrf',
  'protodown',
  'numtxqueues',
  'numrxqueues',
  'gso_max_size',
  'gso_max_segs',
  'gro_max_size',
  'link-netnsid',
  'link-netns',
  'parentdev',
  'carrier',
];
/** What `ip link set`, `add` and their kin understand; for the nearest word. */
const ATTRIBUTES: readonly string[] = [
  'up',
  'down',
  'name',
  'address',
  'broadcast',
  'txqueuelen',
  'mtu',
  'netns',
  'multicast',
  'promisc',
  'arp',
  'alias',
  'group',
  'index',
  'master',
  'nomaster',
  'addrgenmode',
  'type',
];

export function ipLink(ctx: IpContext, words: Words): string {
  if (words.empty) return showLinks(ctx, words);
  const word = words.next();
  if (abbreviates(word, 'add')) return addLink(ctx, words);
  if (abbreviates(word, 'set') || abbreviates(word, 'change')) return setLink(ctx, words);
  if (abbreviates(word, 'replace')) throw notImplemented('ip link replace', 'use add or set');
  if (abbreviates(word, 'delete')) return deleteLink(ctx, words);
  if (abbreviates(word, 'show') || word === 'lst' || abbreviates(word, 'list'))
    return showLinks(ctx, words);
  throw unknownCommand(word, 'link', COMMANDS);
}

/** What the words of one device say. */
interface Parsed {
  device: string | undefined;
  newName: string | undefined;
  /** Object of `name` was `''`: no attribute named the device. */
  kind: string | undefined;
  netns: string | undefined;
  /** The device below. */
  link: string | undefined;
  index: number | undefined;
  set: Mutable<LinkSet>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Reads attributes up to the end, or up to and with `type KIND` (`iplink_parse`). */
function parseAttributes(ctx: IpContext, words: Words): Parsed {
  const p: Parsed = {
    device: undefined,
    newName: undefined,
    kind: undefined,
    netns: undefined,
    link: undefined,
    index: undefined,
    set: {},
  };
  while (!words.empty) {
    const word = words.next();
    if (abbreviates(word, 'type')) {
      p.kind = words.next();
      return p;
    }
    if (flagWord(word, words, p) || valueWord(ctx, word, words, p)) continue;
    deviceWord(word, words, p);
  }
  return p;
}

/** Attributes without a value, or with on and off. */
function flagWord(word: string, words: Words, p: Parsed): boolean {
  switch (word) {
    case 'up':
      p.set.up = true;
      return true;
    case 'down':
      p.set.up = false;
      return true;
    case 'nomaster':
      p.set.master = null;
      return true;
    case 'multicast':
    case 'promisc':
    case 'arp':
      p.set[word] = words.onOff(word);
      return true;
    default:
      return false;
  }
}

function valueWord(ctx: IpContext, word: string, words: Words, p: Parsed): boolean {
  if (abbreviates(word, 'address')) {
    p.set.address = macWord(words);
    return true;
  }
  if (abbreviates(word, 'broadcast') || word === 'brd') {
    p.set.broadcast = macWord(words);
    return true;
  }
  switch (word) {
    case 'link':
      p.link = words.next();
      return true;
    case 'name':
      p.newName = nameWord('name', words.next());
      return true;
    case 'txqueuelen':
    case 'qlen':
    case 'txqlen':
      p.set.txQueueLen = words.unsigned('Invalid "txqueuelen" value', 0x7fffffff);
      return true;
    case 'mtu':
      if (p.set.mtu !== undefined) throw duplicateArgument('mtu', words.next());
      p.set.mtu = words.unsigned('Invalid "mtu" value', 0x7fffffff);
      return true;
    case 'netns':
      p.netns = words.next();
      if (ctx.findNetns(p.netns) === undefined && !/^\d+$/.test(p.netns))
        throw wrongArgument('Invalid "netns" value\n', p.netns);
      return true;
    case 'index':
      if (p.index !== undefined) throw duplicateArgument('index', words.next());
      p.index = indexWord(words.next());
      return true;
    case 'group':
      p.set.group = groupWord(words.next());
      return true;
    case 'addrgenmode':
      p.set.addrGenMode = genModeWord(words.next());
      return true;
    case 'policy':
      p.set.policy = policyWords(words);
      return true;
    case 'alias':
    case 'ifalias':
      p.set.alias = words.next();
      return true;
    case 'master': {
      const master = words.next();
      if (!ctx.ns.link.has(master)) throw wrongArgument('Device does not exist\n', master);
      p.set.master = master;
      return true;
    }
    default:
      return false;
  }
}

function genModeWord(word: string): AddrGenMode {
  const mode = ADDR_GEN_MODES.find((m) => m === word.toLowerCase());
  if (mode === undefined) throw wrongArgument('Invalid address generation mode\n', word);
  return mode;
}

function macWord(words: Words): string {
  const word = words.next();
  // Some bytes, but not six: it is the kernel that refuses.
  if (/^[0-9a-f]{1,2}([:.][0-9a-f]{1,2})*$/i.test(word) && parseMac(word) === undefined)
    throw new NetError(EINVAL, 'rtnetlink');
  if (parseMac(word) === undefined)
    throw new CommandError(`"${word}" is invalid lladdr.`, EXIT_PARSE);
  return word;
}

/** iproute2 takes what `atoi` makes of it. */
function indexWord(word: string): number {
  const index = Number.parseInt(word, 10);
  if (!(index > 0)) throw wrongArgument('Invalid "index" value\n', word);
  return index;
}

/** `/etc/iproute2/group` names one group alone. */
function groupWord(word: string): number {
  const group = word === 'default' ? 0 : parseUnsigned(word);
  if (group === undefined) throw wrongArgument('Invalid "group" value\n', word);
  return group;
}

/** The namespace that `netns` names. A number is a process, and there are none here. */
function netnsWord(ctx: IpContext, name: string): Namespace {
  const ns = ctx.findNetns(name);
  if (ns === undefined) throw new NetError(ESRCH, 'rtnetlink');
  return ns;
}

function nameWord(key: string, name: string): string {
  if (!isValidDeviceName(name)) throw wrongArgument(`"${key}" not a valid ifname`, name);
  return name;
}

function deviceWord(word: string, words: Words, p: Parsed): void {
  if (UNIMPLEMENTED.includes(word))
    throw notImplemented(
      `ip link … ${word}`,
      `the nearest word is "${nearestOf(word, ATTRIBUTES)}"`,
    );
  const name = word === 'dev' ? words.next() : word;
  if (p.device !== undefined) throw garbageArgument('dev', name, ATTRIBUTES);
  p.device = nameWord('dev', name);
}

function addLink(ctx: IpContext, words: Words): string {
  const p = parseAttributes(ctx, words);
  if (p.kind === undefined)
    throw new CommandError('Not enough information: "type" argument is required', EXIT_PARSE);
  if (p.link !== undefined && !ctx.ns.link.has(p.link)) throw noDevice(p.link);
  const name = p.newName ?? p.device;
  const base = {
    ...p.set,
    ...(name === undefined ? {} : { name }),
    ...(p.netns === undefined ? {} : { netns: netnsWord(ctx, p.netns) }),
    ...(p.index === undefined ? {} : { ifindex: p.index }),
  };
  ctx.ns.link.add(kindOf(ctx, words, p, base));
  return '';
}

function kindOf(ctx: IpContext, words: Words, p: Parsed, base: Partial<LinkAdd>): LinkAdd {
  const { kind = '' } = p;
  const lower = p.link === undefined ? {} : { link: p.link };
  if (kind === 'veth') return { ...base, kind, ...vethPeer(ctx, words) };
  if (kind === 'netkit') return { ...base, kind, ...netkitPair(ctx, words) };
  return { ...base, ...lower, ...kindOptions(kind, words) };
}

function vethPeer(ctx: IpContext, words: Words): Partial<LinkAdd> {
  if (words.empty) return {};
  const word = words.next();
  if (word !== 'peer') {
    // LINUX: iplink_veth hands back a word that it does not know, and the caller calls it garbage.
    throw garbageArgument('dev', word);
  }
  return peerWords(ctx, words);
}

function peerWords(ctx: IpContext, words: Words): Partial<LinkAdd> {
  const p = parseAttributes(ctx, words);
  const name = p.newName ?? p.device;
  // LINUX: what is said of the peer's master is not listened to (`veth_newlink`).
  const { master: _master, ...rest } = p.set;
  return {
    peer: {
      ...rest,
      ...(name === undefined ? {} : { name }),
      ...(p.netns === undefined ? {} : { netns: netnsWord(ctx, p.netns) }),
      ...(p.index === undefined ? {} : { ifindex: p.index }),
    },
  };
}

/** `type netkit [mode M] [POLICY] [peer [POLICY] [attributes]]`. */
function netkitPair(ctx: IpContext, words: Words): Partial<LinkAdd> {
  const netkit = netkitOptions(words);
  if (words.empty) return { netkit };
  words.next();
  const peerPolicy = netkitPolicy(words);
  const options = peerPolicy === undefined ? netkit : { ...netkit, peerPolicy };
  return { netkit: options, ...peerWords(ctx, words) };
}

function setLink(ctx: IpContext, words: Words): string {
  const p = parseAttributes(ctx, words);
  if (p.device === undefined)
    throw new CommandError('Not enough information: "dev" argument is required.', EXIT_USAGE);
  if (!ctx.ns.link.has(p.device)) throw noDevice(p.device);
  if (p.index !== undefined && p.netns === undefined)
    throw new CommandError(
      'index can be used only when creating devices or when moving device to another netns.',
      EXIT_USAGE,
    );
  const set: LinkSet = {
    ...p.set,
    ...(p.newName === undefined ? {} : { name: p.newName }),
    ...(p.netns === undefined ? {} : { netns: netnsWord(ctx, p.netns) }),
    ...(p.index === undefined ? {} : { newIfindex: p.index }),
  };
  if (p.link !== undefined)
    throw notImplemented('ip link set … link', 'a device stands on another for life');
  if (p.kind !== undefined) setKind(ctx, words, p.device, p.kind);
  ctx.ns.link.set(p.device, set);
  return '';
}

function setKind(ctx: IpContext, words: Words, dev: string, kind: string): void {
  if (kind === 'bridge') ctx.ns.bridge.set(dev, bridgeOptions(words));
  else if (kind === 'bridge_slave') ctx.ns.bridge.setPort(dev, bridgeSlaveOptions(words));
  else if (kind === 'macvlan' || kind === 'macvtap') {
    const sources = ctx.ns.link.show(dev).macvlan?.sources ?? [];
    ctx.ns.link.set(dev, { macvlan: macvlanOptions(words, sources) });
  } else ctx.ns.link.set(dev, kindChanges(ctx, kind, words));
}

function deleteLink(ctx: IpContext, words: Words): string {
  const p = parseAttributes(ctx, words);
  const name = p.device ?? p.newName;
  if (name === undefined)
    throw new CommandError('Not enough information: "dev" argument is required.', EXIT_USAGE);
  if (!ctx.ns.link.has(name)) throw noDevice(name);
  ctx.ns.link.del(name);
  return '';
}

interface Selector {
  device: string | undefined;
  up: boolean;
  master: string | undefined;
  kind: string | undefined;
}

function selectorWord(ctx: IpContext, word: string, words: Words, s: Selector): void {
  if (word === 'up') s.up = true;
  else if (word === 'master') {
    s.master = words.next();
    if (!ctx.ns.link.has(s.master)) throw wrongArgument('Device does not exist\n', s.master);
  } else if (word === 'type') s.kind = words.next();
  else if (word === 'vrf') {
    s.master = words.next();
    if (!ctx.ns.link.has(s.master) || ctx.ns.link.show(s.master).kind !== 'vrf')
      throw wrongArgument('Not a valid VRF name\n', s.master);
  } else if (word === 'nomaster' || word === 'group')
    throw notImplemented(`ip link show ${word}`, 'the selectors are dev, up, master and type');
  else {
    const name = word === 'dev' ? words.next() : word;
    if (s.device !== undefined) throw garbageArgument('dev', name);
    s.device = name;
  }
}

function isSelected(l: LinkInfo, s: Selector): boolean {
  if (s.device !== undefined && l.name !== s.device) return false;
  if (s.up && !l.up) return false;
  if (s.master !== undefined && l.master !== s.master) return false;
  return s.kind === undefined || l.kind === s.kind;
}

function showLinks(ctx: IpContext, words: Words): string {
  const s: Selector = { device: undefined, up: false, master: undefined, kind: undefined };
  while (!words.empty) selectorWord(ctx, words.next(), words, s);
  if (s.device !== undefined && !ctx.ns.link.has(s.device))
    throw new CommandError(`Device "${s.device}" does not exist.`, EXIT_PARSE);
  const links = ctx.ns.link.list().filter((l) => isSelected(l, s));
  return printList(
    links.map((l) => linkEntry(l, ctx.options, 'link')),
    ctx.options,
  );
}
