/** `bridge fdb` (iproute2 `bridge/fdb.c`). */
import type { FdbInfo, FdbOptions } from '../core/control/bridge.ts';
import { Entry, type Json, printList } from '../core/control/ip/entry.ts';
import type { ToolContext } from '../core/control/ip/ip.ts';
import {
  abbreviates,
  CommandError,
  EXIT_USAGE,
  notImplemented,
  type Words,
  wrongArgument,
} from '../core/control/ip/words.ts';
import { NetError, parseMac } from '../core/index.ts';
import type { BridgeOptions } from './bridge.ts';
import { bridgeVxlan, vxlanEntries } from './bridge-vxlan.ts';
import { needDevice, unknownBridgeCommand, vidWord } from './bridge-words.ts';

const USAGE = `Usage: bridge fdb { add | append | del | replace } ADDR dev DEV
              [ self ] [ master ] [ local | static | dynamic ]
              [ vlan VID ] [ sticky ] [ extern_learn ]
       bridge fdb [ show [ br BRDEV ] [ brport DEV ] [ vlan VID ]
              [ state STATE ] [ dynamic ] ]
       bridge fdb get ADDR [ dev DEV ] [ br BRDEV ] [ vlan VID ] [ self ] [ master ] [ dynamic ]
       bridge fdb flush dev DEV [ brport DEV ] [ vlan VID ] [ static | dynamic | permanent ]`;

export function bridgeFdb(ctx: ToolContext, words: Words, options: BridgeOptions): string {
  if (words.empty) return show(ctx, words, options);
  if (bridgeVxlan(ctx.ns, words)) return '';
  const word = words.next();
  if (abbreviates(word, 'add')) return modify(ctx, words, 'add');
  if (abbreviates(word, 'append')) return modify(ctx, words, 'replace');
  if (abbreviates(word, 'replace')) return modify(ctx, words, 'replace');
  if (abbreviates(word, 'delete')) return modify(ctx, words, 'del');
  if (abbreviates(word, 'flush')) return flush(ctx, words);
  if (abbreviates(word, 'get')) return get(ctx, words, options);
  if (abbreviates(word, 'show') || word === 'lst' || abbreviates(word, 'list'))
    return show(ctx, words, options);
  if (abbreviates(word, 'help')) throw new CommandError(USAGE, EXIT_USAGE);
  throw unknownBridgeCommand(word, 'fdb', ['add', 'replace', 'del', 'flush', 'get', 'show']);
}

interface FdbWords {
  dev: string | undefined;
  br: string | undefined;
  mac: string | undefined;
  state: FdbInfo['state'];
  vlan: number;
  self: boolean;
  master: boolean;
  sticky: boolean;
  externLearn: boolean;
}

function newWords(): FdbWords {
  return {
    dev: undefined,
    br: undefined,
    mac: undefined,
    state: 'permanent',
    vlan: 0,
    self: false,
    master: false,
    sticky: false,
    externLearn: false,
  };
}

function fdbWord(word: string, words: Words, f: FdbWords): void {
  switch (word) {
    case 'dev':
      f.dev = words.next();
      return;
    case 'br':
      f.br = words.next();
      return;
    case 'static':
    case 'temp':
      f.state = 'static';
      return;
    case 'dynamic':
      f.state = '';
      return;
    case 'local':
    case 'permanent':
      f.state = 'permanent';
      return;
    case 'master':
      f.master = true;
      return;
    case 'self':
      f.self = true;
      return;
    case 'vlan':
      f.vlan = vidWord(words.next());
      return;
    case 'sticky':
      f.sticky = true;
      return;
    case 'extern_learn':
      f.externLearn = true;
      return;
    case 'dst':
    case 'port':
    case 'vni':
    case 'via':
    case 'nhid':
    case 'src_vni':
    case 'use':
    case 'router':
      throw notImplemented(`bridge fdb … ${word}`, 'an entry has a port, a VLAN and a state');
    default:
      f.mac = word === 'to' ? words.next() : word;
  }
}

function modify(ctx: ToolContext, words: Words, verb: 'add' | 'replace' | 'del'): string {
  const f = newWords();
  while (!words.empty) fdbWord(words.next(), words, f);
  const { dev, mac } = f;
  if (dev === undefined || mac === undefined)
    throw new CommandError('Device and address are required arguments.', EXIT_USAGE);
  if (parseMac(mac) === undefined) throw new CommandError(`Invalid mac address ${mac}`, EXIT_USAGE);
  needDevice(ctx, dev);
  const isBridge = ctx.ns.link.show(dev).kind === 'bridge';
  // LINUX: without a word the device itself is meant, which for a bridge is its table.
  const self = f.self || !f.master;
  if (f.master && isBridge && !f.self) throw new NetError(95, 'rtnetlink');
  const options: FdbOptions = {
    state: f.state,
    vlan: f.vlan,
    sticky: f.sticky,
    externLearn: f.externLearn,
    self,
  };
  const { bridge } = ctx.ns;
  if (verb === 'del') bridge.fdbDel(mac, dev, options);
  else if (verb === 'add') bridge.fdbAdd(mac, dev, options);
  else bridge.fdbReplace(mac, dev, options);
  return '';
}

function flush(ctx: ToolContext, words: Words): string {
  let dev: string | undefined;
  let port: string | undefined;
  let vlan: number | undefined;
  const states: FdbInfo['state'][] = [];
  while (!words.empty) {
    const word = words.next();
    if (word === 'dev') dev = words.next();
    else if (word === 'brport') port = words.next();
    else if (word === 'vlan') vlan = vidWord(words.next());
    else if (word === 'static') states.push('static');
    else if (word === 'dynamic') states.push('');
    else if (word === 'permanent') states.push('permanent');
    else if (word !== 'master' && word !== 'self')
      throw notImplemented(`bridge fdb flush ${word}`, 'the selectors are brport, vlan and state');
  }
  if (dev === undefined) throw new CommandError('Device is a required argument.', EXIT_USAGE);
  needDevice(ctx, dev);
  if (port !== undefined) needDevice(ctx, port);
  const base = {
    ...(port === undefined ? {} : { port }),
    ...(vlan === undefined ? {} : { vlan }),
  };
  if (states.length === 0) ctx.ns.bridge.fdbFlush(dev, base);
  for (const state of states) ctx.ns.bridge.fdbFlush(dev, { ...base, state });
  return '';
}

function get(ctx: ToolContext, words: Words, options: BridgeOptions): string {
  const f = newWords();
  while (!words.empty) fdbWord(words.next(), words, f);
  const { mac, vlan } = f;
  const where = f.br ?? f.dev;
  if (mac === undefined || where === undefined)
    throw new CommandError('Device or master device is required.', EXIT_USAGE);
  needDevice(ctx, where);
  const link = ctx.ns.link.show(where);
  const master = link.kind === 'bridge' ? where : link.master;
  const found = ctx.ns.bridge
    .fdb()
    .find((e) => e.mac === mac.toLowerCase() && e.vlan === vlan && e.master === master);
  if (found === undefined) throw new NetError(2, 'rtnetlink', 'Fdb entry not found');
  return printList([fdbEntry(found, options, false)], options);
}

interface Selector {
  dev: string | undefined;
  br: string | undefined;
  vlan: number | undefined;
  state: readonly FdbInfo['state'][];
}

const STATE_WORDS: Readonly<Record<string, readonly FdbInfo['state'][]>> = {
  permanent: ['permanent'],
  local: ['permanent'],
  static: ['static'],
  temp: ['static'],
  reachable: ['', 'static'],
  dynamic: [''],
  stale: [''],
  all: ['permanent', 'static', ''],
};

function show(ctx: ToolContext, words: Words, options: BridgeOptions): string {
  const s: Selector = {
    dev: undefined,
    br: undefined,
    vlan: undefined,
    state: ['permanent', 'static', ''],
  };
  while (!words.empty) selectorWord(words.next(), words, s);
  const { dev, br, vlan } = s;
  for (const name of [dev, br]) if (name !== undefined) needDevice(ctx, name);
  const ofBridge = (f: FdbInfo): boolean =>
    f.dev === br || f.master === br || ctx.ns.link.show(f.dev).master === br;
  const indexes = new Map(ctx.ns.link.list().map((l) => [l.name, l.ifindex]));
  const all = [...ctx.ns.bridge.fdb(), ...ctx.ns.bridge.fdbSelf()];
  // Linux goes from device to device.
  all.sort((a, b) => (indexes.get(a.dev) ?? 0) - (indexes.get(b.dev) ?? 0));
  const entries = all
    .filter((f) => dev === undefined || f.dev === dev)
    .filter((f) => br === undefined || ofBridge(f))
    .filter((f) => vlan === undefined || f.vlan === vlan)
    .filter((f) => s.state.includes(f.state));
  const shown = entries.map((f) => fdbEntry(f, options, dev !== undefined));
  if (br === undefined) shown.push(...vxlanEntries(ctx.ns, dev));
  return printList(shown, options);
}

function selectorWord(word: string, words: Words, s: Selector): void {
  if (word === 'br') s.br = words.next();
  else if (word === 'brport' || word === 'dev') s.dev = words.next();
  else if (word === 'vlan') s.vlan = vidWord(words.next());
  // LINUX: whatever can be seen without being permanent.
  else if (word === 'dynamic') s.state = ['', 'static'];
  else if (word === 'state') {
    const state = words.next();
    const wanted = STATE_WORDS[state];
    if (wanted === undefined) throw wrongArgument('invalid state\n', state);
    s.state = wanted;
  } else s.dev = word;
}

/** One entry, as `bridge fdb` and `bridge monitor` print it. */
export function fdbEntry(f: FdbInfo, options: BridgeOptions, devKnown: boolean): Entry {
  const out = new Entry();
  out.put('mac', f.mac, `${f.mac} `);
  if (!devKnown) out.put('ifname', f.dev, `dev ${f.dev} `);
  if (f.vlan !== 0) out.put('vlan', f.vlan, `vlan ${f.vlan} `);
  if (options.stats > 0 && f.master !== null) {
    const times: Json[] = [Math.floor(f.used), Math.floor(f.updated)];
    out.put('used', times[0] ?? 0, `used ${times.join('/')} `).set('updated', times[1] ?? 0);
  }
  const flags = [
    ...(f.master === null ? ['self'] : []),
    ...(f.externLearn ? ['extern_learn'] : []),
    ...(f.sticky ? ['sticky'] : []),
  ];
  out.put('flags', flags, flags.map((flag) => `${flag} `).join(''));
  if (f.master !== null) out.put('master', f.master, `master ${f.master} `);
  out.put('state', f.state, f.state);
  return out.add('\n');
}
