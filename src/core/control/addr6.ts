/** The IPv6 addresses of a namespace: `ip -6 addr` (Linux `inet6_rtm_newaddr`). */
import { EADDRNOTAVAIL, EINVAL, NetError } from '../errno.ts';
import type { NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import {
  inet6AddrAdd,
  inet6AddrChange,
  inet6AddrDel,
  type AddressSpec6 as StackAddress6,
} from '../network/ipv6/addrconf.ts';
import {
  findAddr6,
  IFA_F_DADFAILED,
  IFA_F_DEPRECATED,
  IFA_F_HOMEADDRESS,
  IFA_F_MANAGETEMPADDR,
  IFA_F_NODAD,
  IFA_F_NOPREFIXROUTE,
  IFA_F_OPTIMISTIC,
  IFA_F_PERMANENT,
  IFA_F_STABLE_PRIVACY,
  IFA_F_TEMPORARY,
  IFA_F_TENTATIVE,
  INFINITE_LIFETIME6,
  type Ipv6Address,
} from '../network/ipv6/address.ts';
import { type Ip6Addr, parseIpv6 } from '../util/ip6-addr.ts';
import { findDevice } from './find-device.ts';
import type { AddressInfo } from './info.ts';
import { scopeName } from './names.ts';

/** What `ip -6 addr add` takes. */
export interface AddressSpec6 {
  /** `'fd00::1/64'`; without a length it is 128. */
  readonly local: string;
  readonly dev: string;
  /** The other end of a point-to-point link. */
  readonly peer?: string;
  /** Metric of the route to the prefix. */
  readonly metric?: number;
  /** Seconds; Infinity: for ever. */
  readonly validLft?: number;
  readonly preferredLft?: number;
  /** The prefix gets no route. */
  readonly noprefixroute?: boolean;
  /** Nobody is asked whether the address is taken. */
  readonly nodad?: boolean;
  /** It may be used while they are asked (RFC 4429). */
  readonly optimistic?: boolean;
  /** Temporary addresses are made beside it (RFC 8981); its length must be 64. */
  readonly mngtmpaddr?: boolean;
  /** The home address of a mobile node: other sources come after it (RFC 6275). */
  readonly home?: boolean;
}

export type AddressFilter6 = (address: AddressInfo) => boolean;

export class Addr6Control {
  private readonly net: NetNs;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** EEXIST: it is there; ENODEV; EACCES: the device has no IPv6. */
  add(spec: AddressSpec6): void;
  add(local: string, dev: string): void;
  add(spec: AddressSpec6 | string, dev = ''): void {
    const given = typeof spec === 'string' ? { local: spec, dev } : spec;
    this.check(inet6AddrAdd(findDevice(this.net, given.dev), stackSpec(given)));
  }

  /** Adds it, or gives it new lifetimes and metric. */
  replace(spec: AddressSpec6): void {
    if (!inet6AddrChange(findDevice(this.net, spec.dev), stackSpec(spec))) this.add(spec);
  }

  /** LINUX: as `replace`; the kernel creates what is to be changed and is not there. */
  change(spec: AddressSpec6): void {
    this.replace(spec);
  }

  /** EADDRNOTAVAIL: there is none; a length that is written must fit. */
  del(local: string, dev: string): void {
    const { addr, prefixLen } = splitPrefix6(local);
    const device = findDevice(this.net, dev);
    this.check(inet6AddrDel(device, addr, local.includes('/') ? prefixLen : -1));
  }

  /** Deletes all for which `filter` is true; returns how many. */
  flush(filter: AddressFilter6): number {
    let n = 0;
    for (const a of this.list()) {
      if (!filter(a)) continue;
      n++;
      this.del(a.local, a.dev);
    }
    return n;
  }

  /** All addresses, or those of one device, in the order of `ip -6 addr`. */
  list(dev?: string): AddressInfo[] {
    const devices = dev === undefined ? [...this.net.devs] : [findDevice(this.net, dev)];
    return devices
      .sort((a, b) => a.ifindex - b.ifindex)
      .flatMap((d) => (d.ipv6?.addresses ?? []).map((a) => address6Info(d, a)));
  }

  /** EADDRNOTAVAIL: there is none. */
  get(local: string, dev: string): AddressInfo {
    const device = findDevice(this.net, dev);
    const found = findAddr6(device, address6Of(local));
    if (found === null) throw new NetError(EADDRNOTAVAIL, 'rtnetlink', 'ipv6: address not found');
    return address6Info(device, found);
  }

  private check(errno: number): void {
    if (errno < 0) throw new NetError(errno, 'rtnetlink', this.net.ipv6.extack);
  }
}

function stackSpec(spec: AddressSpec6): StackAddress6 {
  const { addr, prefixLen } = splitPrefix6(spec.local);
  const flags =
    (spec.nodad === true ? IFA_F_NODAD : 0) |
    (spec.optimistic === true ? IFA_F_OPTIMISTIC : 0) |
    (spec.noprefixroute === true ? IFA_F_NOPREFIXROUTE : 0) |
    (spec.mngtmpaddr === true ? IFA_F_MANAGETEMPADDR : 0) |
    (spec.home === true ? IFA_F_HOMEADDRESS : 0);
  return {
    addr,
    prefixLen,
    flags,
    validLft: lifetime(spec.validLft),
    preferredLft: lifetime(spec.preferredLft ?? spec.validLft),
    ...(spec.peer === undefined ? {} : { peer: address6Of(spec.peer) }),
    ...(spec.metric === undefined ? {} : { metric: spec.metric }),
  };
}

function lifetime(seconds: number | undefined): number {
  if (seconds === undefined || seconds === Number.POSITIVE_INFINITY) return INFINITE_LIFETIME6;
  return Math.floor(seconds);
}

/** An address that the caller writes; EINVAL if it writes none. */
export function address6Of(text: string): Ip6Addr {
  const addr = parseIpv6(text);
  if (addr === undefined)
    throw new NetError(EINVAL, 'rtnetlink', `"${text}" is not an IPv6 address`);
  return addr;
}

/** `'fd00::1/64'`; without a length it is 128. */
export function splitPrefix6(text: string): { addr: Ip6Addr; prefixLen: number } {
  const [address = '', len = '128'] = text.split('/');
  const prefixLen = /^\d{1,3}$/.test(len) ? Number(len) : Number.NaN;
  if (!(prefixLen <= 128)) throw new NetError(EINVAL, 'rtnetlink', `"${text}" is not a prefix`);
  return { addr: address6Of(address), prefixLen };
}

/** In the order in which iproute2 prints them. */
const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [IFA_F_TEMPORARY, 'temporary'],
  [IFA_F_NODAD, 'nodad'],
  [IFA_F_OPTIMISTIC, 'optimistic'],
  [IFA_F_DADFAILED, 'dadfailed'],
  [IFA_F_HOMEADDRESS, 'home'],
  [IFA_F_DEPRECATED, 'deprecated'],
  [IFA_F_TENTATIVE, 'tentative'],
  [IFA_F_MANAGETEMPADDR, 'mngtmpaddr'],
  [IFA_F_NOPREFIXROUTE, 'noprefixroute'],
  [IFA_F_STABLE_PRIVACY, 'stable-privacy'],
];

/** What is not permanent is called dynamic, between these. */
function flagNames(flags: number): string[] {
  const names = FLAG_NAMES.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
  if ((flags & IFA_F_PERMANENT) !== 0) return names;
  const at = FLAG_NAMES.filter(([bit]) => bit < IFA_F_PERMANENT && (flags & bit) !== 0).length;
  return [...names.slice(0, at), 'dynamic', ...names.slice(at)];
}

/** An address as `ip -6 addr show` tells it. */
export function address6Info(dev: NetDevice, a: Ipv6Address): AddressInfo {
  const elapsed = (dev.net.kernel.nowUs - a.updatedUs) / 1e6;
  return {
    family: 'inet6',
    ifindex: dev.ifindex,
    dev: dev.name,
    local: String(a.addr),
    peer: a.peer === null ? null : String(a.peer),
    prefixLen: a.prefixLen,
    broadcast: null,
    scope: scopeName(a.scope),
    label: '',
    secondary: false,
    noprefixroute: (a.flags & IFA_F_NOPREFIXROUTE) !== 0 && String(a.addr) !== '::1',
    deprecated: (a.flags & IFA_F_DEPRECATED) !== 0,
    flags: flagNames(String(a.addr) === '::1' ? a.flags & ~IFA_F_NOPREFIXROUTE : a.flags),
    metric: a.metric,
    validLft: left(a.validLft, elapsed),
    preferredLft: left(a.preferredLft, elapsed),
  };
}

/** Seconds left of a lifetime. */
function left(lft: number, elapsed: number): number {
  if (lft === INFINITE_LIFETIME6) return Number.POSITIVE_INFINITY;
  return Math.max(0, Math.floor(lft - elapsed));
}
