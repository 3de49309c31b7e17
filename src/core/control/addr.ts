/** The IPv4 addresses of a namespace: `ip addr` (Linux `net/ipv4/devinet.c`). */
import { EADDRNOTAVAIL, EINVAL, NetError } from '../errno.ts';
import type { NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import {
  INFINITE_LIFETIME,
  type Ipv4Address,
  inetAddrAdd,
  inetAddrChange,
  inetAddrDel,
  type AddressSpec as StackAddress,
} from '../network/ipv4/device.ts';
import { formatIpv4, isLoopback, maskOf, parseIpv4 } from '../util/address.ts';
import { findDevice } from './find-device.ts';
import type { AddressInfo } from './info.ts';
import { scopeName, scopeNumber } from './names.ts';

/** What `ip addr add` takes. */
export interface AddressSpec {
  /** `'10.0.0.1/24'`; without a length it is 32. */
  readonly local: string;
  readonly dev: string;
  /** The other end of a point-to-point link. */
  readonly peer?: string;
  /** An address; `'+'`: host bits all ones, `'-'`: all zeros. None when absent. */
  readonly broadcast?: string;
  /** `'global'`, `'link'`, `'host'` or a number; host for 127/8, otherwise global. */
  readonly scope?: string;
  readonly label?: string;
  /** Metric of the route to the prefix. */
  readonly metric?: number;
  /** Seconds; Infinity: for ever. */
  readonly validLft?: number;
  readonly preferredLft?: number;
  /** The prefix gets no route. */
  readonly noprefixroute?: boolean;
}

/** What `ip addr del` takes: everything that is given must fit. */
export interface AddressMatch {
  readonly dev: string;
  readonly local?: string;
  readonly prefixLen?: number;
  readonly peer?: string;
  readonly label?: string;
}

export type AddressFilter = (address: AddressInfo) => boolean;

export class AddrControl {
  private readonly net: NetNs;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** EEXIST: it is there; ENODEV; EINVAL: lifetimes or scope. */
  add(spec: AddressSpec): void;
  add(local: string, dev: string): void;
  add(spec: AddressSpec | string, dev = ''): void {
    const given = typeof spec === 'string' ? { local: spec, dev } : spec;
    this.insert(given);
  }

  /** Adds it, or gives it new lifetimes and metric. */
  replace(spec: AddressSpec): void {
    const dev = findDevice(this.net, spec.dev);
    if (!inetAddrChange(dev, this.stackSpec(spec))) this.insert(spec);
  }

  /** LINUX: as `replace`; the kernel creates what is to be changed and is not there. */
  change(spec: AddressSpec): void {
    this.replace(spec);
  }

  private insert(spec: AddressSpec): void {
    const dev = findDevice(this.net, spec.dev);
    const errno = inetAddrAdd(dev, this.stackSpec(spec));
    if (errno < 0) throw new NetError(errno, 'rtnetlink', this.net.ipv4.extack);
  }

  /** EADDRNOTAVAIL: nothing fits. */
  del(match: AddressMatch): void;
  del(local: string, dev: string): void;
  del(match: AddressMatch | string, dev = ''): void {
    const wanted = typeof match === 'string' ? matchOf(match, dev) : match;
    const device = findDevice(this.net, wanted.dev);
    const found = device.ipv4?.addresses.find((a) => fits(a, wanted));
    if (found === undefined)
      throw new NetError(EADDRNOTAVAIL, 'rtnetlink', 'ipv4: Address not found');
    inetAddrDel(device, found.local, found.prefixLen);
  }

  /** Deletes all for which `filter` is true, of one device when it is a name; returns how many. */
  flush(filter: AddressFilter | string): number {
    const isWanted = typeof filter === 'string' ? (a: AddressInfo) => a.dev === filter : filter;
    if (typeof filter === 'string') findDevice(this.net, filter);
    const before = this.list().length;
    for (const a of this.list()) {
      if (!isWanted(a) || !this.has(a)) continue;
      inetAddrDel(findDevice(this.net, a.dev), number(a.local), a.prefixLen);
    }
    return before - this.list().length;
  }

  /** A deletion takes secondary addresses along. */
  private has(info: AddressInfo): boolean {
    const addresses = this.net.devs.find(info.dev)?.ipv4?.addresses ?? [];
    const local = number(info.local);
    return addresses.some((a) => a.local === local && a.prefixLen === info.prefixLen);
  }

  /** All addresses, or those of one device, in the order of `ip addr`. */
  list(dev?: string): AddressInfo[] {
    const devices = dev === undefined ? [...this.net.devs] : [findDevice(this.net, dev)];
    return devices
      .sort((a, b) => a.ifindex - b.ifindex)
      .flatMap((d) => (d.ipv4?.addresses ?? []).map((a) => addressInfo(d, a)));
  }

  private stackSpec(spec: AddressSpec): StackAddress {
    const { local, prefixLen } = splitPrefix(spec.local);
    const scope = spec.scope ?? (isLoopback(local) ? 'host' : 'global');
    const scopeValue = scopeNumber(scope);
    if (scopeValue === undefined) throw new NetError(EINVAL, 'rtnetlink', `"${scope}" is no scope`);
    const validLft = lifetime(spec.validLft);
    const preferredLft = lifetime(spec.preferredLft ?? spec.validLft);
    if (validLft === 0 || preferredLft > validLft)
      throw new NetError(EINVAL, 'rtnetlink', 'ipv4: address lifetime invalid');
    const peer = spec.peer === undefined ? undefined : number(spec.peer);
    return {
      local,
      prefixLen,
      scope: scopeValue,
      validLft,
      preferredLft,
      ...(peer === undefined ? {} : { peer }),
      ...broadcastOf(spec.broadcast, peer ?? local, prefixLen),
      ...(spec.label === undefined ? {} : { label: spec.label }),
      ...(spec.metric === undefined ? {} : { metric: spec.metric }),
      ...(spec.noprefixroute === true ? { noPrefixRoute: true } : {}),
    };
  }
}

function matchOf(local: string, dev: string): AddressMatch {
  const { local: addr, prefixLen } = splitPrefix(local);
  return { dev, local: formatIpv4(addr), ...(local.includes('/') ? { prefixLen } : {}) };
}

/** Linux `inet_rtm_deladdr`. */
function fits(a: Ipv4Address, m: AddressMatch): boolean {
  if (m.local !== undefined && a.local !== number(m.local)) return false;
  if (m.label !== undefined && a.label !== m.label) return false;
  if (m.prefixLen === undefined) return m.peer === undefined || a.address === number(m.peer);
  const peer = m.peer ?? m.local;
  const mask = maskOf(a.prefixLen);
  const sameNet = peer === undefined || (number(peer) & mask) === (a.address & mask);
  return a.prefixLen === m.prefixLen && sameNet;
}

/** An address that the caller writes; EINVAL if it writes none. */
function number(text: string): number {
  const addr = parseIpv4(text);
  if (addr === undefined)
    throw new NetError(EINVAL, 'rtnetlink', `"${text}" is not an IPv4 address`);
  return addr;
}

function splitPrefix(text: string): { local: number; prefixLen: number } {
  const [address = '', len = '32'] = text.split('/');
  const prefixLen = /^\d{1,2}$/.test(len) ? Number(len) : Number.NaN;
  if (!(prefixLen <= 32)) throw new NetError(EINVAL, 'rtnetlink', `"${text}" is not a prefix`);
  return { local: number(address), prefixLen };
}

/** ip-address(8): `+` sets the host bits, `-` clears them; a /31 and a /32 have none to set. */
function broadcastOf(
  text: string | undefined,
  address: number,
  prefixLen: number,
): { broadcast?: number } {
  if (text === undefined) return {};
  if (text !== '+' && text !== '-') return { broadcast: number(text) };
  if (prefixLen > 30) return {};
  const mask = maskOf(prefixLen);
  return { broadcast: text === '+' ? address | ~mask : address & mask };
}

function lifetime(seconds: number | undefined): number {
  if (seconds === undefined || seconds === Number.POSITIVE_INFINITY) return INFINITE_LIFETIME;
  return Math.floor(seconds);
}

/** An address as `ip addr show` tells it. */
export function addressInfo(dev: NetDevice, a: Ipv4Address): AddressInfo {
  const elapsed = (dev.net.kernel.nowUs - a.updatedUs) / 1e6;
  const validLft = left(a.validLft, elapsed);
  const preferredLft = left(a.preferredLft, elapsed);
  return {
    family: 'inet',
    ifindex: dev.ifindex,
    dev: dev.name,
    local: formatIpv4(a.local),
    peer: a.address === a.local ? null : formatIpv4(a.address),
    prefixLen: a.prefixLen,
    broadcast: a.broadcast === 0 ? null : formatIpv4(a.broadcast),
    scope: scopeName(a.scope),
    label: a.label,
    secondary: a.secondary,
    noprefixroute: a.noPrefixRoute,
    deprecated: preferredLft <= 0,
    flags: [],
    metric: a.metric,
    validLft,
    preferredLft,
  };
}

/** Seconds left of a lifetime. */
function left(lft: number, elapsed: number): number {
  if (lft === INFINITE_LIFETIME) return Number.POSITIVE_INFINITY;
  return Math.max(0, Math.floor(lft - elapsed));
}
