/** `bridge link` (iproute2 `bridge/link.c`). */
import type { BridgePortInfo, BridgePortSet } from '../core/control/bridge.ts';
import { portWord, refusedPortWord } from '../core/control/ip/bridge-words.ts';
import { Entry, printList } from '../core/control/ip/entry.ts';
import type { ToolContext } from '../core/control/ip/ip.ts';
import { abbreviates, CommandError, EXIT_USAGE, type Words } from '../core/control/ip/words.ts';
import { NetError } from '../core/index.ts';
import type { BridgeOptions } from './bridge.ts';
import { needDevice, unknownBridgeCommand } from './bridge-words.ts';

const USAGE = `Usage: bridge link set dev DEV [ cost COST ] [ priority PRIO ] [ state STATE ]
                               [ guard {on | off} ]
                               [ hairpin {on | off} ]
                               [ fastleave {on | off} ]
                               [ root_block {on | off} ]
                               [ learning {on | off} ]
                               [ flood {on | off} ]
                               [ mcast_router MULTICAST_ROUTER ]
                               [ mcast_flood {on | off} ]
                               [ bcast_flood {on | off} ]
                               [ mcast_to_unicast {on | off} ]
                               [ neigh_suppress {on | off} ]
                               [ isolated {on | off} ]
                               [ locked {on | off} ]
                               [ backup_port DEVICE ] [ nobackup_port ]
                               [ self ] [ master ]
       bridge link show [dev DEV]`;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function bridgeLink(ctx: ToolContext, words: Words, options: BridgeOptions): string {
  if (words.empty) return show(ctx, words, options);
  const word = words.next();
  if (abbreviates(word, 'set') || abbreviates(word, 'change')) return set(ctx, words);
  if (abbreviates(word, 'show') || word === 'lst' || abbreviates(word, 'list'))
    return show(ctx, words, options);
  if (abbreviates(word, 'help')) throw new CommandError(USAGE, EXIT_USAGE);
  throw unknownBridgeCommand(word, 'link', ['show', 'set']);
}

function show(ctx: ToolContext, words: Words, options: BridgeOptions): string {
  let dev: string | undefined;
  while (!words.empty) {
    // LINUX: any other word is passed over.
    if (words.next() !== 'dev') continue;
    dev = words.next();
    needDevice(ctx, dev);
  }
  const ports = ctx.ns.bridge.ports().filter((p) => dev === undefined || p.dev === dev);
  return printList(
    ports.map((p) => portEntry(p, options)),
    options,
  );
}

/** One port, as `bridge link` and `bridge monitor` print it. */
export function portEntry(p: BridgePortInfo, options: BridgeOptions): Entry {
  const out = new Entry();
  const shown = p.link === null ? p.dev : `${p.dev}@${p.link}`;
  out.put('ifindex', p.ifindex, `${p.ifindex}: `);
  if (p.link !== null) out.set('link', p.link);
  out.put('ifname', p.dev, `${shown}: `);
  out.put('flags', p.flags, `<${p.flags.join(',')}> `);
  out.put('mtu', p.mtu, `mtu ${p.mtu} `);
  out.put('master', p.master, `master ${p.master} `);
  out.put('state', p.state, `state ${p.state} `);
  out.put('priority', p.priority, `priority ${p.priority} `);
  out.put('cost', p.cost, `cost ${p.cost} `);
  if (options.details) putDetails(out, p);
  return out.add('\n');
}

function putDetails(out: Entry, p: BridgePortInfo): void {
  out.add('\n    ');
  const put = (key: string, value: boolean): void => {
    out.put(key, value, `${key} ${value ? 'on' : 'off'} `);
  };
  put('hairpin', p.hairpin);
  put('guard', p.bpduGuard);
  put('root_block', p.rootBlock);
  put('fastleave', p.mcastFastLeave);
  put('learning', p.learning);
  put('flood', p.flood);
  put('mcast_flood', p.mcastFlood);
  put('bcast_flood', p.bcastFlood);
  out.put('mcast_router', p.mcastRouter, `mcast_router ${p.mcastRouter} `);
  put('mcast_to_unicast', p.mcastToUnicast);
  put('neigh_suppress', p.neighSuppress);
  put('vlan_tunnel', false);
  if (p.backup !== null) out.put('backup_port', p.backup, `backup_port ${p.backup} `);
  put('isolated', p.isolated);
  put('locked', p.locked);
}

const STATES: readonly string[] = ['disabled', 'listening', 'learning', 'forwarding', 'blocking'];
/** EOPNOTSUPP: the device itself knows nothing of bridges. */
const NOT_SUPPORTED = 95;

function set(ctx: ToolContext, words: Words): string {
  let dev: string | undefined;
  let self = false;
  let master = false;
  const wanted: Mutable<BridgePortSet> = {};
  while (!words.empty) {
    const word = words.next();
    if (word === 'dev') dev = words.next();
    else if (word === 'self') self = true;
    else if (word === 'master') master = true;
    else if (word === 'state') wanted.state = stateWord(words);
    else if (!portWord(word, words, wanted) && !refusedPortWord(word, words))
      throw new CommandError(USAGE, EXIT_USAGE);
  }
  if (dev === undefined) throw new CommandError('Device is a required argument.', EXIT_USAGE);
  needDevice(ctx, dev);
  if (self && !master) throw new NetError(NOT_SUPPORTED, 'rtnetlink');
  // LINUX: a cost of 0 is none that was said.
  const { cost, ...rest } = wanted;
  ctx.ns.bridge.setPort(dev, cost === 0 ? rest : wanted);
  return '';
}

function stateWord(words: Words): number {
  const word = words.next();
  const n = /^\d+$/.test(word) ? Number(word) : STATES.indexOf(word);
  if (n < 0) throw new CommandError('Error: invalid STP port state', EXIT_USAGE);
  return n;
}
