/** `bridge vlan` (iproute2 `bridge/vlan.c`). */
import type { BridgeVlanEntry, BridgeVlanInfo } from '../core/control/bridge.ts';
import { Entry, type Json, printList } from '../core/control/ip/entry.ts';
import type { ToolContext } from '../core/control/ip/ip.ts';
import {
  abbreviates,
  CommandError,
  EXIT_USAGE,
  notImplemented,
  type Words,
} from '../core/control/ip/words.ts';
import { NetError } from '../core/index.ts';
import type { BridgeOptions } from './bridge.ts';
import { looseNumber, needDevice, unknownBridgeCommand } from './bridge-words.ts';

const USAGE = `Usage: bridge vlan { add | del } vid VLAN_ID dev DEV [ pvid ] [ untagged ]
                                                     [ self ] [ master ]
       bridge vlan { set } vid VLAN_ID dev DEV [ state STP_STATE ]
       bridge vlan { show } [ dev DEV ] [ vid VLAN_ID ]`;
const STATES = ['disabled', 'listening', 'learning', 'forwarding', 'blocking'] as const;
const VLAN_N_VID = 4096;
const NAME_WIDTH = 16;

export function bridgeVlan(ctx: ToolContext, words: Words, options: BridgeOptions): string {
  if (words.empty) return show(ctx, words, options);
  const word = words.next();
  if (abbreviates(word, 'add')) return modify(ctx, words, true);
  if (abbreviates(word, 'delete')) return modify(ctx, words, false);
  if (abbreviates(word, 'set')) return set(ctx, words);
  if (abbreviates(word, 'show') || word === 'lst' || abbreviates(word, 'list'))
    return show(ctx, words, options);
  if (abbreviates(word, 'tunnelshow') || abbreviates(word, 'global'))
    throw notImplemented(
      `bridge vlan ${word}`,
      'VLANs have no tunnels and no settings of multicast',
    );
  if (abbreviates(word, 'help')) throw new CommandError(USAGE, EXIT_USAGE);
  throw unknownBridgeCommand(word, 'vlan', ['add', 'del', 'set', 'show']);
}

interface VlanWords {
  dev: string | undefined;
  from: number;
  to: number;
  pvid: boolean;
  untagged: boolean;
  self: boolean;
  master: boolean;
  state: number;
}

function parse(words: Words): VlanWords {
  const w: VlanWords = {
    dev: undefined,
    from: -1,
    to: -1,
    pvid: false,
    untagged: false,
    self: false,
    master: false,
    state: -1,
  };
  while (!words.empty) {
    const word = words.next();
    if (word === 'dev') w.dev = words.next();
    else if (word === 'vid') rangeWord(words.next(), w);
    else if (word === 'self') w.self = true;
    else if (word === 'master') w.master = true;
    else if (abbreviates(word, 'pvid')) w.pvid = true;
    else if (abbreviates(word, 'untagged')) w.untagged = true;
    // LINUX: any word that is none of these is passed over; this one says what is so anyway.
    else if (abbreviates(word, 'tagged')) w.untagged = false;
    else if (word === 'state') w.state = stateWord(words.next());
    else if (word === 'tunnel_info' || word === 'mcast_router')
      throw notImplemented(`bridge vlan … ${word}`, 'a VLAN has pvid, untagged and a state');
    else throw new CommandError(USAGE, EXIT_USAGE);
  }
  return w;
}

function rangeWord(word: string, w: VlanWords): void {
  const dash = word.indexOf('-');
  w.from = looseNumber(dash < 0 ? word : word.slice(0, dash));
  w.to = dash < 0 ? w.from : looseNumber(word.slice(dash + 1));
  if (w.from >= VLAN_N_VID) throw new CommandError(`Invalid VLAN ID "${word}"`, EXIT_USAGE);
  if (dash >= 0 && (w.to >= VLAN_N_VID || w.from >= w.to))
    throw new CommandError(`Invalid VLAN range "${word}"`, EXIT_USAGE);
}

function stateWord(word: string): number {
  const n = /^\d+$/.test(word) ? Number(word) : STATES.indexOf(word as (typeof STATES)[number]);
  if (n < 0 || n >= STATES.length) throw new CommandError('Error: invalid STP state', EXIT_USAGE);
  return n;
}

function checked(ctx: ToolContext, w: VlanWords): string {
  const { dev } = w;
  if (dev === undefined || w.from < 0)
    throw new CommandError('Device and VLAN ID are required arguments.', EXIT_USAGE);
  if (w.pvid && w.from !== w.to)
    throw new CommandError('pvid cannot be configured for a vlan range', EXIT_USAGE);
  needDevice(ctx, dev);
  if (w.from === 0 || w.to > 4094)
    throw new NetError(22, 'rtnetlink', 'bridge: Vlan id is invalid');
  return dev;
}

function modify(ctx: ToolContext, words: Words, add: boolean): string {
  const w = parse(words);
  const dev = checked(ctx, w);
  const { from, to, pvid, untagged, self, master } = w;
  const range = { from, to, pvid, untagged };
  for (const own of self && master ? [true, false] : [self])
    if (add) ctx.ns.bridge.vlanAdd(dev, range, own);
    else ctx.ns.bridge.vlanDel(dev, range, own);
  return '';
}

function set(ctx: ToolContext, words: Words): string {
  const w = parse(words);
  const dev = checked(ctx, w);
  const state = STATES[w.state];
  if (state === undefined) throw new CommandError('Error: no option was given.', EXIT_USAGE);
  ctx.ns.bridge.vlanSet(dev, { from: w.from, to: w.to }, state);
  return '';
}

function show(ctx: ToolContext, words: Words, options: BridgeOptions): string {
  let dev: string | undefined;
  let vid = 0;
  while (!words.empty) {
    const word = words.next();
    if (word === 'dev') dev = words.next();
    else if (word === 'vid') vid = looseNumber(words.next());
  }
  if (dev !== undefined) needDevice(ctx, dev);
  const list = ctx.ns.bridge
    .vlans()
    .filter((v) => dev === undefined || v.dev === dev)
    .map((v) => ({ dev: v.dev, vlans: v.vlans.filter((e) => vid === 0 || e.vlan === vid) }))
    .filter((v) => v.vlans.length > 0);
  const entries = list.map((v) => vlanEntry(v, options));
  const head = options.json ? '' : `${'port'.padEnd(NAME_WIDTH)}  vlan-id  \n`;
  return head + printList(entries, options);
}

/** The VLANs of one device, as `bridge vlan` and `bridge monitor` print them. */
export function vlanEntry(info: BridgeVlanInfo, options: BridgeOptions): Entry {
  const out = new Entry();
  const vlans: Json[] = [];
  ranges(info.vlans, options.compress).forEach(([first, last], i) => {
    const flags = [...(first.pvid ? ['PVID'] : []), ...(first.untagged ? ['Egress Untagged'] : [])];
    const range = first === last ? `${first.vlan}` : `${first.vlan}-${last.vlan}`;
    out.add(`${(i === 0 ? info.dev : '').padEnd(NAME_WIDTH)}  ${range}`);
    out.add(flags.map((f) => ` ${f}`).join(''));
    const json: Record<string, Json> = { vlan: first.vlan };
    if (first !== last) json['vlanEnd'] = last.vlan;
    if (flags.length > 0) json['flags'] = flags;
    const indent = ' '.repeat(NAME_WIDTH + 4);
    if (options.details) {
      json['state'] = first.state;
      out.add(`\n${indent}state ${first.state}`);
    }
    if (options.stats > 0) {
      const { rxBytes, rxPackets, txBytes, txPackets } = first;
      Object.assign(json, {
        rx_bytes: rxBytes,
        rx_packets: rxPackets,
        tx_bytes: txBytes,
        tx_packets: txPackets,
      });
      out.add(`\n${indent}RX: ${rxBytes} bytes ${rxPackets} packets`);
      out.add(`\n${indent}TX: ${txBytes} bytes ${txPackets} packets`);
    }
    out.add('\n');
    vlans.push(json);
  });
  return out.set('ifname', info.dev).set('vlans', vlans);
}

/** Neighbours that are alike are one line with `-compressvlans`. */
function ranges(
  list: readonly BridgeVlanEntry[],
  compress: boolean,
): (readonly [BridgeVlanEntry, BridgeVlanEntry])[] {
  const out: [BridgeVlanEntry, BridgeVlanEntry][] = [];
  for (const v of list) {
    const last = out.at(-1);
    const joins =
      compress &&
      last !== undefined &&
      last[1].vlan + 1 === v.vlan &&
      last[1].untagged === v.untagged &&
      last[1].state === v.state &&
      !v.pvid &&
      !last[1].pvid;
    if (joins) last[1] = v;
    else out.push([v, v]);
  }
  return out;
}
