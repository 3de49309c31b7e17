/** `bridge link` and `bridge fdb` (iproute2). */

import type { BridgePortInfo, BridgePortSet, FdbInfo } from '../core/control/bridge.ts';
import { Entry, type Json, type PrintOptions, printList } from '../core/control/ip/entry.ts';
import { failure, type ToolContext, type ToolResult } from '../core/control/ip/ip.ts';
import { nearestOf } from '../core/control/ip/nearest.ts';
import {
  abbreviates,
  CommandError,
  EXIT_USAGE,
  noDevice,
  notImplemented,
  Words,
} from '../core/control/ip/words.ts';
import { parseMac } from '../core/index.ts';
import { bridgeVxlan, vxlanEntries } from './bridge-vxlan.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Runs `bridge` with the words that follow its name. */
export function bridgeTool(ctx: ToolContext, argv: readonly string[]): ToolResult {
  try {
    const words = new Words(argv);
    const { options, ns } = parseOptions(ctx, words);
    const inner: ToolContext = { ...ctx, ns };
    const object = words.empty ? 'help' : words.next();
    if (abbreviates(object, 'link'))
      return { stdout: link(inner, words, options), stderr: '', code: 0 };
    if (abbreviates(object, 'fdb'))
      return { stdout: fdb(inner, words, options), stderr: '', code: 0 };
    if (['mdb', 'vlan', 'vni', 'monitor'].some((o) => abbreviates(object, o)))
      throw notImplemented(`bridge ${object}`, 'the objects are link and fdb');
    throw new CommandError(
      `Object "${object}" is unknown, try "bridge help".\nDid you mean "bridge ${nearestOf(object, ['link', 'fdb'])}"?`,
      EXIT_USAGE,
    );
  } catch (e) {
    // LINUX: bridge(8) hands whatever went wrong to exit() as -1.
    return { ...failure(e, ''), code: EXIT_USAGE };
  }
}

function parseOptions(
  ctx: ToolContext,
  words: Words,
): { options: PrintOptions; ns: ToolContext['ns'] } {
  const o: Mutable<PrintOptions> = {
    json: false,
    pretty: false,
    brief: false,
    oneline: false,
    details: false,
    stats: 0,
    numeric: false,
    family: '',
  };
  let { ns } = ctx;
  while (words.peek.startsWith('-')) {
    const word = words.next();
    if (abbreviates(word, '-statistics')) o.stats++;
    else if (abbreviates(word, '-details')) o.details = true;
    else if (abbreviates(word, '-json')) o.json = true;
    else if (abbreviates(word, '-pretty')) o.pretty = true;
    else if (abbreviates(word, '-oneline')) o.oneline = true;
    else if (abbreviates(word, '-netns')) {
      const name = words.next();
      const found = ctx.findNetns(name);
      if (found === undefined)
        throw new CommandError(
          `Cannot open network namespace "${name}": No such file or directory`,
          EXIT_USAGE,
        );
      ns = found;
    } else throw new CommandError(`Option "${word}" is unknown, try "bridge help".`, EXIT_USAGE);
  }
  return { options: o, ns };
}

function link(ctx: ToolContext, words: Words, options: PrintOptions): string {
  if (words.empty) return showPorts(ctx, words, options);
  const word = words.next();
  if (abbreviates(word, 'set') || abbreviates(word, 'change')) return setPort(ctx, words);
  if (abbreviates(word, 'show') || word === 'lst' || abbreviates(word, 'list'))
    return showPorts(ctx, words, options);
  throw new CommandError(
    `Command "${word}" is unknown, try "bridge link help".\nDid you mean "bridge link ${nearestOf(word, ['show', 'set'])}"?`,
    EXIT_USAGE,
  );
}

function showPorts(ctx: ToolContext, words: Words, options: PrintOptions): string {
  let dev: string | undefined;
  while (!words.empty) {
    words.take('dev');
    dev = words.next();
    if (!ctx.ns.link.has(dev)) throw noDevice(dev);
  }
  const ports = ctx.ns.bridge.ports().filter((p) => dev === undefined || p.dev === dev);
  return printList(
    ports.map((p) => portEntry(p, options)),
    options,
  );
}

function portEntry(p: BridgePortInfo, options: PrintOptions): Entry {
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
  if (options.details) {
    out.add('\n    ');
    for (const [key, value] of [
      ['hairpin', p.hairpin],
      ['learning', p.learning],
      ['flood', p.flood],
      ['mcast_flood', p.mcastFlood],
      ['bcast_flood', p.bcastFlood],
      ['isolated', p.isolated],
    ] as const)
      out.put(key, value, `${key} ${value ? 'on' : 'off'} `);
  }
  return out.add('\n');
}

const STATES: readonly string[] = ['disabled', 'listening', 'learning', 'forwarding', 'blocking'];
const PORT_WORDS: readonly string[] = [
  'dev',
  'cost',
  'priority',
  'state',
  'hairpin',
  'learning',
  'flood',
  'mcast_flood',
  'bcast_flood',
  'isolated',
];

function setPort(ctx: ToolContext, words: Words): string {
  let dev: string | undefined;
  const set: Mutable<BridgePortSet> = {};
  while (!words.empty) {
    const word = words.next();
    if (word === 'dev') dev = words.next();
    else if (word === 'cost') set.cost = words.unsigned('invalid cost', 65535);
    else if (word === 'priority') set.priority = words.unsigned('invalid priority', 63);
    else if (word === 'state') set.state = stateWord(words);
    else if (word === 'hairpin' || word === 'learning' || word === 'flood' || word === 'isolated')
      set[word] = words.onOff(word);
    else if (word === 'mcast_flood') set.mcastFlood = words.onOff(word);
    else if (word === 'bcast_flood') set.bcastFlood = words.onOff(word);
    else
      throw notImplemented(
        `bridge link set ${word}`,
        `the nearest word is "${nearestOf(word, PORT_WORDS)}"`,
      );
  }
  if (dev === undefined) throw new CommandError('Device is a required argument.', EXIT_USAGE);
  if (!ctx.ns.link.has(dev)) throw noDevice(dev);
  ctx.ns.bridge.setPort(dev, set);
  return '';
}

function stateWord(words: Words): BridgePortInfo['state'] {
  const word = words.next();
  const name = STATES[Number(word)] ?? STATES.find((s) => s === word);
  if (name === undefined) throw new CommandError('Error: invalid STP port state', EXIT_USAGE);
  return name as BridgePortInfo['state'];
}

function fdb(ctx: ToolContext, words: Words, options: PrintOptions): string {
  if (words.empty) return showFdb(ctx, words, options);
  if (bridgeVxlan(ctx.ns, words)) return '';
  const word = words.next();
  if (abbreviates(word, 'add')) return modifyFdb(ctx, words, 'add');
  if (abbreviates(word, 'append')) throw notImplemented('bridge fdb append', 'use add');
  if (abbreviates(word, 'replace')) return modifyFdb(ctx, words, 'replace');
  if (abbreviates(word, 'delete')) return modifyFdb(ctx, words, 'del');
  if (abbreviates(word, 'flush')) throw notImplemented('bridge fdb flush', 'use del');
  if (abbreviates(word, 'show') || word === 'lst' || abbreviates(word, 'list'))
    return showFdb(ctx, words, options);
  throw new CommandError(
    `Command "${word}" is unknown, try "bridge fdb help".\nDid you mean "bridge fdb ${nearestOf(word, ['add', 'replace', 'del', 'show'])}"?`,
    EXIT_USAGE,
  );
}

interface FdbWords {
  dev: string | undefined;
  mac: string | undefined;
  state: FdbInfo['state'];
}

function fdbWord(word: string, words: Words, f: FdbWords): void {
  switch (word) {
    case 'dev':
      f.dev = words.next();
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
      return;
    case 'self':
    case 'dst':
    case 'vlan':
    case 'router':
      throw notImplemented(`bridge fdb … ${word}`, 'entries belong to the master');
    default:
      f.mac = word;
  }
}

function modifyFdb(ctx: ToolContext, words: Words, verb: 'add' | 'replace' | 'del'): string {
  const f: FdbWords = { dev: undefined, mac: undefined, state: 'permanent' };
  while (!words.empty) fdbWord(words.next(), words, f);
  const { dev, mac, state } = f;
  if (dev === undefined || mac === undefined)
    throw new CommandError('Device and address are required arguments.', EXIT_USAGE);
  if (parseMac(mac) === undefined) throw new CommandError(`Invalid address "${mac}"`, EXIT_USAGE);
  if (!ctx.ns.link.has(dev)) throw noDevice(dev);
  if (verb === 'del') ctx.ns.bridge.fdbDel(mac, dev);
  else if (verb === 'add') ctx.ns.bridge.fdbAdd(mac, dev, state);
  else ctx.ns.bridge.fdbReplace(mac, dev, state);
  return '';
}

function showFdb(ctx: ToolContext, words: Words, options: PrintOptions): string {
  let dev: string | undefined;
  let br: string | undefined;
  while (!words.empty) {
    const word = words.next();
    if (word === 'br') br = words.next();
    else if (word === 'brport') dev = words.next();
    else if (word === 'state' || word === 'vlan' || word === 'dynamic')
      throw notImplemented(`bridge fdb show ${word}`, 'the selectors are br, brport and dev');
    else dev = word === 'dev' ? words.next() : word;
  }
  for (const name of [dev, br])
    if (name !== undefined && !ctx.ns.link.has(name)) throw noDevice(name);
  const entries = ctx.ns.bridge
    .fdb()
    .filter((f) => dev === undefined || f.dev === dev)
    .filter((f) => br === undefined || f.master === br || f.dev === br)
    .map((f) => fdbEntry(f, options, dev !== undefined));
  if (br === undefined) entries.push(...vxlanEntries(ctx.ns, dev));
  return printList(entries, options);
}

function fdbEntry(f: FdbInfo, options: PrintOptions, devKnown: boolean): Entry {
  const out = new Entry();
  out.put('mac', f.mac, `${f.mac} `);
  if (!devKnown) out.put('ifname', f.dev, `dev ${f.dev} `);
  if (options.stats > 0) {
    const times: Json[] = [Math.floor(f.used), Math.floor(f.updated)];
    out.put('used', times[0] ?? 0, `used ${times.join('/')} `).set('updated', times[1] ?? 0);
  }
  out.set('flags', []);
  if (f.master !== null) out.put('master', f.master, `master ${f.master} `);
  out.put('state', f.state, f.state);
  return out.add('\n');
}
