/** The neighbours of a namespace: `ip neigh` (Linux `neigh_add`, `neigh_delete`). */
import { EINVAL, ENOENT, NetError } from '../errno.ts';
import type { Neighbour } from '../link/neighbour.ts';
import { neighAdd, neighDel } from '../link/neighbour-admin.ts';
import { NUD_NONE, NUD_VALID } from '../link/neighbour-state.ts';
import type { NetNs } from '../net.ts';
import { formatIpv4, formatMac, parseIpv4, parseMac } from '../util/address.ts';
import { findDevice } from './find-device.ts';
import type { NeighbourInfo } from './info.ts';
import { NEIGH_STATES } from './names.ts';

/** What `ip neigh add` takes. */
export interface NeighbourSpec {
  readonly dst: string;
  readonly dev: string;
  /** MAC address. */
  readonly lladdr?: string;
  /** `'PERMANENT'` when absent; `'REACHABLE'`, `'STALE'` … */
  readonly state?: string;
}

export type NeighbourFilter = (neighbour: NeighbourInfo) => boolean;

export class NeighControl {
  private readonly net: NetNs;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** EEXIST: there is one. */
  add(spec: NeighbourSpec): void {
    this.write(spec, 'add');
  }

  /** ENOENT: there is none. */
  change(spec: NeighbourSpec): void {
    this.write(spec, 'change');
  }

  replace(spec: NeighbourSpec): void {
    this.write(spec, 'replace');
  }

  private write(spec: NeighbourSpec, verb: 'add' | 'change' | 'replace'): void {
    const dev = findDevice(this.net, spec.dev);
    const addr = addressOf(spec.dst);
    const state = stateOf(spec.state ?? 'PERMANENT');
    const mac = spec.lladdr === undefined ? null : macOf(spec.lladdr);
    const errno = neighAdd(this.net.arp, {
      dev,
      addr,
      mac,
      state,
      create: verb !== 'change',
      exclusive: verb === 'add',
      replace: verb !== 'add',
    });
    if (errno < 0) throw new NetError(errno, 'rtnetlink', this.net.arp.extack);
  }

  /** ENOENT: there is none. */
  del(dst: string, dev: string): void {
    const errno = neighDel(this.net.arp, findDevice(this.net, dev), addressOf(dst));
    if (errno < 0) throw new NetError(errno, 'rtnetlink');
  }

  /** ENOENT: there is none. */
  get(dst: string, dev: string): NeighbourInfo {
    const neigh = this.net.arp.find(findDevice(this.net, dev), addressOf(dst));
    if (neigh === undefined) throw new NetError(ENOENT, 'rtnetlink', 'Neighbour entry not found');
    return neighbourInfo(neigh);
  }

  list(): NeighbourInfo[] {
    return [...this.net.arp].map((n) => neighbourInfo(n));
  }

  /** Deletes what `filter` chooses, or all but permanent entries; returns how many. */
  flush(filter: NeighbourFilter = isTransient): number {
    const wanted = [...this.net.arp].filter((n) => filter(neighbourInfo(n)));
    for (const neigh of wanted) neighDel(this.net.arp, neigh.dev, neigh.addr);
    return wanted.length;
  }
}

/** An entry as `ip neigh show` tells it. */
export function neighbourInfo(n: Neighbour): NeighbourInfo {
  const now = n.dev.net.kernel.nowUs;
  return {
    dst: formatIpv4(n.addr),
    dev: n.dev.name,
    lladdr: hasMac(n) ? formatMac(n.mac) : null,
    state: NEIGH_STATES.find(([bit]) => bit === n.state)?.[1] ?? 'NONE',
    used: (now - n.usedUs) / 1e6,
    confirmed: (now - n.confirmedUs) / 1e6,
    updated: (now - n.updatedUs) / 1e6,
    probes: n.probes,
  };
}

function isTransient(n: NeighbourInfo): boolean {
  return n.state !== 'PERMANENT' && n.state !== 'NOARP';
}

function hasMac(n: Neighbour): boolean {
  return (n.state & NUD_VALID) !== 0;
}

function addressOf(text: string): number {
  const addr = parseIpv4(text);
  if (addr === undefined)
    throw new NetError(EINVAL, 'rtnetlink', `"${text}" is not an IPv4 address`);
  return addr;
}

function macOf(text: string): number {
  const mac = parseMac(text);
  if (mac === undefined) throw new NetError(EINVAL, 'rtnetlink', `"${text}" is invalid lladdr`);
  return mac;
}

function stateOf(name: string): number {
  if (name.toUpperCase() === 'NONE') return NUD_NONE;
  const found = NEIGH_STATES.find(([, n]) => n === name.toUpperCase());
  if (found === undefined) throw new NetError(EINVAL, 'rtnetlink', `"${name}" is no state`);
  return found[0];
}
