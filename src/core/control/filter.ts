/** Filters at the edges of devices, as users write them: `tc qdisc … clsact`, `tc filter` (S17, V2). */
import { EEXIST, EINVAL, ENOENT, EOPNOTSUPP, NetError } from '../errno.ts';
import { Handover } from '../link/handover.ts';
import { Mirred } from '../link/mirred.ts';
import type { NetDevice } from '../link/net-device.ts';
import {
  TC_ACT_OK,
  TC_ACT_SHOT,
  TC_ACT_UNSPEC,
  type TcAction,
  type TcChain,
  type TcFilter,
  TcHooks,
} from '../link/tc.ts';
import { Gact, type GactVerdict, ProgramAction, Skbedit } from '../link/tc-action.ts';
import { FlowerMatch, FwMatch, MATCH_ALL, type TcMatch } from '../link/tc-match.ts';
import type { NetNs } from '../net.ts';
import type { Packet } from '../packet.ts';
import { ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 } from '../wire/ethernet.ts';
import { type FilterMatch, keysOf, matchWords } from './filter-match.ts';
import { findDevice } from './find-device.ts';
import type { Namespace } from './namespace.ts';

/** Where a packet is to appear. */
export interface HandoverTarget {
  readonly netns: Namespace;
  /** A device there; the first that is up when absent. */
  readonly dev?: string;
}

/** What is done to a packet. */
export type FilterAction =
  | { readonly kind: GactVerdict }
  | {
      readonly kind: 'mirred';
      readonly mode: 'redirect' | 'mirror';
      /** As if `dev` sent it, or had received it; egress when absent. */
      readonly side?: 'egress' | 'ingress';
      readonly dev: string;
    }
  | { readonly kind: 'skbedit'; readonly mark?: number; readonly priority?: number }
  /** Hands the packet to a namespace, on a device there; ingress only. */
  | ({ readonly kind: 'netns' } & HandoverTarget);

/** What a program says of a packet; `'continue'`: the next filter decides. */
export type ProgramVerdict = 'pass' | 'drop' | 'continue' | HandoverTarget;

export type FilterProgram = (pkt: Packet) => ProgramVerdict;

export interface FilterSpec {
  /** `'ingress'` when absent. */
  readonly at?: 'ingress' | 'egress';
  /** `ETH_P_*`; all when absent. */
  readonly protocol?: number;
  /** Smaller goes first; one less than the smallest when absent, 49152 for the first. */
  readonly pref?: number;
  readonly handle?: number;
  /** `flower`; absent, with `mark` and `program`: all packets. */
  readonly match?: FilterMatch;
  /** `fw`: packets with this mark. */
  readonly mark?: number;
  /** Decides for itself, instead of `actions`. It must not keep or change the packet. */
  readonly program?: FilterProgram;
  /** In turn, while they say `pipe`; `skbedit` and a mirrored packet do. */
  readonly actions?: readonly FilterAction[];
}

/** One filter, as `tc filter show` tells it. */
export interface FilterInfo {
  readonly dev: string;
  readonly at: 'ingress' | 'egress';
  readonly pref: number;
  readonly protocol: number;
  readonly handle: number;
  readonly kind: TcMatch['kind'];
  /** The words of `flower` and their values. */
  readonly match: readonly (readonly [string, string | number])[];
  readonly actions: readonly FilterActionInfo[];
  /** What it matched. */
  readonly packets: number;
  readonly bytes: number;
}

export type FilterActionInfo =
  | { readonly kind: 'gact'; readonly verdict: GactVerdict }
  /** `dev`: null when the device is gone, and packets that go there are dropped. */
  | {
      readonly kind: 'mirred';
      readonly mode: 'redirect' | 'mirror';
      readonly side: 'egress' | 'ingress';
      readonly dev: string | null;
    }
  | { readonly kind: 'skbedit'; readonly mark: number | null; readonly priority: number | null }
  | { readonly kind: 'netns'; readonly netns: string; readonly dev: string | null }
  | { readonly kind: 'program' };

/** Linux `tcf_auto_prio` of the first filter. */
const FIRST_PREF = 0xc000;
const NO_PARENT = "Parent Qdisc doesn't exists.";

export class FilterControl {
  private readonly net: NetNs;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** `tc qdisc add dev DEV clsact`. EEXIST: it has one. */
  attach(dev: string, kind: 'clsact' | 'ingress' = 'clsact'): void {
    const device = findDevice(this.net, dev);
    if (device.tc !== null)
      throw new NetError(EEXIST, 'rtnetlink', 'Exclusivity flag on, cannot modify.');
    device.tc = new TcHooks(kind);
  }

  /** `tc qdisc del dev DEV clsact`: all filters go with it. ENOENT: there is none. */
  detach(dev: string): void {
    const device = findDevice(this.net, dev);
    if (device.tc === null)
      throw new NetError(ENOENT, 'rtnetlink', 'Cannot find specified qdisc on specified device.');
    device.tc = null;
  }

  /** Which of both the device has; null: neither. */
  attached(dev: string): 'clsact' | 'ingress' | null {
    return findDevice(this.net, dev).tc?.kind ?? null;
  }

  /**
   * Adds a filter, and what it belongs to if the device has none yet. EEXIST: this `pref` and `handle` are taken.
   * EINVAL: no such address, no such device, another protocol or kind at this `pref`.
   */
  add(dev: string, spec: FilterSpec): FilterInfo {
    const device = findDevice(this.net, dev);
    const at = spec.at ?? 'ingress';
    if (at === 'egress' && device.tc?.kind === 'ingress')
      throw new NetError(EINVAL, 'rtnetlink', NO_PARENT);
    const hooks = device.tc ?? new TcHooks('clsact');
    const filter = filterOf(device, hooks[at], spec);
    device.tc = hooks;
    const { filters } = hooks[at];
    const behind = filters.findIndex((f) => f.pref > filter.pref);
    const index = behind < 0 ? filters.length : behind;
    hooks[at].filters = [...filters.slice(0, index), filter, ...filters.slice(index)];
    return infoOf(device, at, filter);
  }

  /** Deletes the filters with this `pref` (and `handle`), or all of one direction. ENOENT: there is none. */
  del(
    dev: string,
    which: {
      readonly at?: 'ingress' | 'egress';
      readonly pref?: number;
      readonly handle?: number;
    } = {},
  ): void {
    const device = findDevice(this.net, dev);
    if (device.tc === null) throw new NetError(EINVAL, 'rtnetlink', NO_PARENT);
    const chain = device.tc[which.at ?? 'ingress'];
    const { pref, handle } = which;
    const goes = (f: TcFilter): boolean =>
      (pref === undefined || f.pref === pref) && (handle === undefined || f.handle === handle);
    if (pref !== undefined && !chain.filters.some((f) => f.pref === pref))
      throw new NetError(
        ENOENT,
        'rtnetlink',
        chain.filters.length === 0
          ? 'Cannot find specified filter chain.'
          : 'Filter with specified priority/protocol not found.',
      );
    if (handle !== undefined && !chain.filters.some(goes))
      throw new NetError(ENOENT, 'rtnetlink', 'Specified filter handle not found.');
    chain.filters = chain.filters.filter((f) => !goes(f));
  }

  /** The filters of a device in one direction, in the order in which packets meet them. */
  list(dev: string, at: 'ingress' | 'egress' = 'ingress'): FilterInfo[] {
    const device = findDevice(this.net, dev);
    return (device.tc?.[at].filters ?? []).map((f) => infoOf(device, at, f));
  }
}

function infoOf(dev: NetDevice, at: 'ingress' | 'egress', f: TcFilter): FilterInfo {
  const { pref, protocol, handle, packets, bytes } = f;
  const match = f.match instanceof FlowerMatch ? matchWords(f.match.keys) : [];
  const actions = f.actions.map(actionInfo);
  return {
    dev: dev.name,
    at,
    pref,
    protocol,
    handle,
    kind: f.match.kind,
    match,
    actions,
    packets,
    bytes,
  };
}

function actionInfo(action: TcAction): FilterActionInfo {
  if (action instanceof Gact) return { kind: 'gact', verdict: action.verdict };
  if (action instanceof Skbedit)
    return { kind: 'skbedit', mark: action.mark, priority: action.priority };
  if (action instanceof Mirred)
    return {
      kind: 'mirred',
      mode: action.mirror ? 'mirror' : 'redirect',
      side: action.toIngress ? 'ingress' : 'egress',
      dev: action.gone ? null : action.target.name,
    };
  if (action instanceof Handover)
    return { kind: 'netns', netns: action.net.name ?? `#${action.net.id}`, dev: action.devName };
  return { kind: 'program' };
}

function filterOf(dev: NetDevice, chain: TcChain, spec: FilterSpec): TcFilter {
  const { protocol = ETH_P_ALL } = spec;
  const { filters } = chain;
  const pref = spec.pref ?? Math.max(1, (filters[0]?.pref ?? FIRST_PREF + 1) - 1);
  const match = matchOf(spec, protocol);
  const same = filters.filter((f) => f.pref === pref);
  // One `pref` is one `tcf_proto`: of one kind and one protocol; and matchall has one filter.
  if (same.some((f) => f.protocol !== protocol || f.match.kind !== match.kind))
    throw new NetError(EINVAL, 'rtnetlink', 'Specified filter protocol/kind mismatch.');
  if (same.length > 0 && match.kind === 'matchall')
    throw new NetError(EEXIST, 'rtnetlink', 'Filter already exists.');
  const most = same.reduce((n, f) => Math.max(n, f.handle), 0);
  const handle = spec.mark ?? spec.handle ?? most + 1;
  if (same.some((f) => f.handle === handle))
    throw new NetError(EEXIST, 'rtnetlink', 'Filter already exists.');
  return { pref, protocol, handle, match, actions: actionsOf(dev, spec), packets: 0, bytes: 0 };
}

function matchOf(spec: FilterSpec, protocol: number): TcMatch {
  if (spec.program !== undefined) return PROGRAM;
  if (spec.mark !== undefined) return new FwMatch(spec.mark);
  if (spec.match === undefined) return MATCH_ALL;
  const keys = keysOf(spec.match);
  for (const key of [keys.src, keys.dst])
    if (key !== undefined && protocol !== (key.v6 ? ETH_P_IPV6 : ETH_P_IP))
      throw new NetError(EINVAL, 'tc', 'addresses need their protocol: ip or ipv6');
  return new FlowerMatch(keys);
}

const PROGRAM: TcMatch = { kind: 'bpf', matches: () => true };

function actionsOf(dev: NetDevice, spec: FilterSpec): TcAction[] {
  if (spec.program !== undefined) return [programOf(spec.program, spec.at !== 'egress')];
  return (spec.actions ?? []).map((a) => actionOf(dev, a, spec.at ?? 'ingress'));
}

function programOf(program: FilterProgram, mayHandOver: boolean): TcAction {
  const handovers = new Map<NetNs, Map<string | null, Handover>>();
  return new ProgramAction((pkt) => {
    const said = program(pkt);
    if (said === 'pass') return TC_ACT_OK;
    if (said === 'continue') return TC_ACT_UNSPEC;
    if (said === 'drop' || !mayHandOver) return TC_ACT_SHOT;
    const { net } = said.netns;
    const dev = said.dev ?? null;
    const known = handovers.get(net)?.get(dev);
    if (known !== undefined) return known;
    // Namespaces that have ended are not kept.
    for (const other of handovers.keys()) if (other.dead) handovers.delete(other);
    const made = new Handover(net, dev);
    const list = handovers.get(net) ?? new Map<string | null, Handover>();
    handovers.set(net, list.set(dev, made));
    return made;
  });
}

function actionOf(dev: NetDevice, action: FilterAction, at: 'ingress' | 'egress'): TcAction {
  switch (action.kind) {
    case 'mirred': {
      const target = dev.net.devs.find(action.dev);
      if (target === undefined)
        throw new NetError(EINVAL, 'rtnetlink', 'Specified device does not exist');
      return new Mirred(target, action.mode === 'mirror', action.side === 'ingress');
    }
    case 'skbedit':
      return new Skbedit(action.mark ?? null, action.priority ?? null);
    case 'netns':
      if (at === 'egress')
        throw new NetError(EOPNOTSUPP, 'tc', 'what leaves is given to no namespace but by a wire');
      if (action.netns.net.kernel !== dev.net.kernel)
        throw new NetError(EINVAL, 'tc', 'a namespace of another kernel');
      return new Handover(action.netns.net, action.dev ?? null);
    default:
      return new Gact(action.kind);
  }
}
