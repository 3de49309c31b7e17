/**
 * What looks at packets at the edges of a device, before rx handlers and protocols and behind them (Linux `sch_ingress`:
 * `clsact`, `sch_handle_ingress`, `sch_handle_egress`; `net/sched/cls_api.c`). It belongs to the device's own
 * namespace: on the host's end of a wire nobody inside can reach it. A device without pays one comparison with null.
 *
 * From: `link/input.ts`, `link/output.ts`
 */
import { drop } from '../drop.ts';
import { type Packet, TC_SKIP } from '../packet.ts';
import { ETH_P_ALL } from '../wire/ethernet.ts';
import { frameLength } from '../wire/frame.ts';
import type { NetDevice } from './net-device.ts';
import type { TcMatch } from './tc-match.ts';

/** What an action or a filter says becomes of a packet (`include/uapi/linux/pkt_cls.h`). */
export const TC_ACT_UNSPEC = -1;
export const TC_ACT_OK = 0;
export const TC_ACT_SHOT = 2;
export const TC_ACT_PIPE = 3;
export const TC_ACT_STOLEN = 4;

/** What is done to a packet that a filter matches. */
export interface TcAction {
  /** `'gact'`, `'skbedit'`, `'mirred'` as in Linux; `'netns'`: `link/handover.ts`. */
  readonly kind: string;
  /** Returns `TC_ACT_*`; with TC_ACT_STOLEN it took ownership of the packet. */
  act(pkt: Packet, dev: NetDevice, ingress: boolean): number;
}

/** Linux `tcf_proto` with one filter. */
export interface TcFilter {
  readonly pref: number;
  /** `ETH_P_*`; ETH_P_ALL: any. */
  readonly protocol: number;
  readonly handle: number;
  readonly match: TcMatch;
  readonly actions: readonly TcAction[];
  /** What it matched: `tc -s`. */
  packets: number;
  bytes: number;
}

/** The filters of one direction, by `pref`. Replaced, never changed: a packet may be in it. */
export class TcChain {
  filters: readonly TcFilter[] = [];
  /** A packet is in it: one that comes again by way of a redirection goes in circles. */
  busy = false;
}

/** `NetDevice.tc`: `tc qdisc add dev D clsact`, or the older `ingress`, which has no egress. */
export class TcHooks {
  readonly kind: 'clsact' | 'ingress';
  readonly ingress: TcChain = new TcChain();
  readonly egress: TcChain = new TcChain();

  constructor(kind: 'clsact' | 'ingress') {
    this.kind = kind;
  }
}

/** Shows a packet that `dev` received to its filters; false: they took it. */
export function tcIngress(pkt: Packet, dev: NetDevice, hooks: TcHooks): boolean {
  return pass(pkt, dev, hooks.ingress, true);
}

/** The same of a packet that is about to leave. */
export function tcEgress(pkt: Packet, dev: NetDevice, hooks: TcHooks): boolean {
  return pass(pkt, dev, hooks.egress, false);
}

function pass(pkt: Packet, dev: NetDevice, chain: TcChain, ingress: boolean): boolean {
  // Back from an ifb: it has been here (`tc_skip_classify`).
  if ((pkt.flags & TC_SKIP) !== 0) {
    pkt.flags &= ~TC_SKIP;
    return true;
  }
  if (chain.filters.length === 0) return true;
  const verdict = chain.busy ? TC_ACT_SHOT : classify(pkt, dev, chain, ingress);
  if (verdict === TC_ACT_STOLEN) return false;
  if (verdict !== TC_ACT_SHOT) return true;
  drop(dev.net, pkt, ingress ? 'TC_INGRESS' : 'TC_EGRESS', dev.name);
  return false;
}

/** Linux `tcf_classify`: the first filter that matches decides, unless it says `continue`. */
function classify(pkt: Packet, dev: NetDevice, chain: TcChain, ingress: boolean): number {
  const { filters } = chain;
  const protocol = pkt.vlan === null ? pkt.proto : pkt.vlan.proto;
  chain.busy = true;
  let verdict = TC_ACT_UNSPEC;
  for (let i = 0; i < filters.length && verdict === TC_ACT_UNSPEC; i++) {
    const filter = filters[i] as TcFilter;
    if (filter.protocol !== ETH_P_ALL && filter.protocol !== protocol) continue;
    if (!filter.match.matches(pkt)) continue;
    verdict = execute(filter, pkt, dev, ingress);
  }
  chain.busy = false;
  return verdict;
}

/** Linux `tcf_action_exec`: each action in turn, while they say `pipe`. */
function execute(filter: TcFilter, pkt: Packet, dev: NetDevice, ingress: boolean): number {
  const { actions } = filter;
  filter.packets++;
  filter.bytes += frameLength(pkt);
  for (let i = 0; i < actions.length; i++) {
    const verdict = (actions[i] as TcAction).act(pkt, dev, ingress);
    if (verdict !== TC_ACT_PIPE) return verdict;
  }
  return TC_ACT_OK;
}
