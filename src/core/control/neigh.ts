/** The neighbours of a namespace, of IPv4 and of IPv6: `ip neigh` (Linux `neigh_add`, `neigh_delete`). */
import { EINVAL, ENOENT, NetError } from '../errno.ts';
import type { Neighbour } from '../link/neighbour.ts';
import { neighAdd, neighDel } from '../link/neighbour-admin.ts';
import { NUD_NONE, NUD_VALID } from '../link/neighbour-state.ts';
import type { NeighbourTable } from '../link/neighbour-table.ts';
import type { NetNs } from '../net.ts';
import { formatIpv4, formatMac, parseIpv4, parseMac } from '../util/address.ts';
import type { Ip6Addr } from '../util/ip6-addr.ts';
import { address6Of } from './addr6.ts';
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
    if (isIpv6(spec.dst)) write(this.net.ipv6.ndisc, address6Of(spec.dst), this.net, spec, verb);
    else write(this.net.arp, addressOf(spec.dst), this.net, spec, verb);
  }

  /** ENOENT: there is none. */
  del(dst: string, dev: string): void {
    const device = findDevice(this.net, dev);
    const errno = isIpv6(dst)
      ? neighDel(this.net.ipv6.ndisc, device, address6Of(dst))
      : neighDel(this.net.arp, device, addressOf(dst));
    if (errno < 0) throw new NetError(errno, 'rtnetlink');
  }

  /** ENOENT: there is none. */
  get(dst: string, dev: string): NeighbourInfo {
    const device = findDevice(this.net, dev);
    const neigh = isIpv6(dst)
      ? this.net.ipv6.ndisc.find(device, address6Of(dst))
      : this.net.arp.find(device, addressOf(dst));
    if (neigh === undefined) throw new NetError(ENOENT, 'rtnetlink', 'Neighbour entry not found');
    return neighbourInfo(neigh);
  }

  /** Of IPv4, then of IPv6; `family`: of one of them. */
  list(family?: 'inet' | 'inet6'): NeighbourInfo[] {
    const arp = family === 'inet6' ? [] : [...(this.net.arpMaybe ?? [])].map(neighbourInfo);
    const ndisc = this.net.ipv6Maybe?.ndiscMaybe ?? [];
    return family === 'inet' ? arp : [...arp, ...[...ndisc].map(neighbourInfo)];
  }

  /** Deletes what `filter` chooses, or all but permanent entries; returns how many. */
  flush(filter: NeighbourFilter = isTransient): number {
    const wanted = this.list().filter(filter);
    for (const n of wanted) this.del(n.dst, n.dev);
    return wanted.length;
  }
}

function isIpv6(text: string): boolean {
  return text.includes(':');
}

function write<A>(
  table: NeighbourTable<A>,
  addr: A,
  net: NetNs,
  spec: NeighbourSpec,
  verb: 'add' | 'change' | 'replace',
): void {
  const errno = neighAdd(table, {
    dev: findDevice(net, spec.dev),
    addr,
    mac: spec.lladdr === undefined ? null : macOf(spec.lladdr),
    state: stateOf(spec.state ?? 'PERMANENT'),
    create: verb !== 'change',
    exclusive: verb === 'add',
    replace: verb !== 'add',
  });
  if (errno < 0) throw new NetError(errno, 'rtnetlink', table.extack);
}

/** An entry as `ip neigh show` tells it. */
export function neighbourInfo(n: Neighbour<number> | Neighbour<Ip6Addr>): NeighbourInfo {
  const now = n.dev.net.kernel.nowUs;
  return {
    family: typeof n.addr === 'number' ? 'inet' : 'inet6',
    dst: typeof n.addr === 'number' ? formatIpv4(n.addr) : String(n.addr),
    dev: n.dev.name,
    lladdr: hasMac(n) ? formatMac(n.mac) : null,
    router: n.isRouter,
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

function hasMac(n: { readonly state: number }): boolean {
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
