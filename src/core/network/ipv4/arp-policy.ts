/**
 * Which addresses ARP answers for, and from which it asks: net.ipv4.conf.*.arp_ignore, arp_filter,
 * arp_announce, arp_accept (Linux `arp_ignore`, `arp_filter`, `arp_solicit`, `arp_accept`).
 */
import { l3Table } from '../../link/l3mdev.ts';
import { MIB } from '../../mib.ts';
import type { Ipv4Conf } from '../../sysctl.ts';
import { maskOf } from '../../util/address.ts';
import { inetAddrType } from '../route/addr-type.ts';
import { routeOutput } from '../route/output.ts';
import { RTN_LOCAL } from '../route/route.ts';
import type { Ipv4Address, Ipv4Device } from './device.ts';
import { inetSelectAddr } from './select-addr.ts';

const RT_SCOPE_LINK = 253;
const RT_SCOPE_HOST = 254;

/** Effective value of a setting: the larger of `all`'s and the device's (`IN_DEV_MAXCONF`). */
export function maxConf(ipv4: Ipv4Device, key: Exclude<keyof Ipv4Conf, 'with'>): number {
  return Math.max(ipv4.conf[key], ipv4.dev.net.ipv4ConfAll[key]);
}

/** True: nobody answers a request of `spa` for `tpa`, though it is ours. */
export function arpIgnore(ipv4: Ipv4Device, spa: number, tpa: number): boolean {
  switch (maxConf(ipv4, 'arpIgnore')) {
    case 1:
      return !isConfigured(ipv4, 0, tpa, RT_SCOPE_HOST);
    case 2:
      return !isConfigured(ipv4, spa, tpa, RT_SCOPE_HOST);
    case 3:
      for (const dev of ipv4.dev.net.devs)
        if (dev.ipv4 !== null && isConfigured(dev.ipv4, 0, tpa, RT_SCOPE_LINK)) return false;
      return true;
    case 8:
      return true;
    default:
      return false;
  }
}

/** True: packets to who asks leave by another device, which is to answer instead. */
export function arpFilter(ipv4: Ipv4Device, spa: number, tpa: number): boolean {
  if (maxConf(ipv4, 'arpFilter') === 0) return false;
  const net = ipv4.dev.net;
  const route = routeOutput(net, spa, tpa, 0, 0);
  if (typeof route === 'number') return true;
  if (route.dev === ipv4.dev) return false;
  net.mib[MIB.TcpExtArpFilter]++;
  return true;
}

/** May an unasked packet of `spa` make a new entry? */
export function arpAccept(ipv4: Ipv4Device, spa: number): boolean {
  const accept = maxConf(ipv4, 'arpAccept');
  if (accept !== 2) return accept !== 0;
  return onSubnet(ipv4, spa, spa);
}

/** The sender address of a request for `target`; `wanted`: that of the packet that waits, 0 for none. */
export function arpSource(ipv4: Ipv4Device, target: number, wanted: number): number {
  const dev = ipv4.dev;
  const announce = maxConf(ipv4, 'arpAnnounce');
  const isOurs =
    announce < 2 && wanted !== 0 && inetAddrType(dev.net, wanted, l3Table(dev)) === RTN_LOCAL;
  if (isOurs && (announce === 0 || onSubnet(ipv4, target, wanted))) return wanted;
  return inetSelectAddr(dev, target, RT_SCOPE_LINK);
}

/**
 * Linux `inet_confirm_addr` for a given address: it is one of the device's, of no wider a scope, and
 * `peer`, unless 0, is on its subnet.
 */
function isConfigured(ipv4: Ipv4Device, peer: number, local: number, scope: number): boolean {
  let confirmed = false;
  let shared = false;
  for (const a of ipv4.addresses) {
    // Addresses of local networks are of link scope at most.
    if (a.local === local && Math.min(a.scope, RT_SCOPE_LINK) <= scope) confirmed = true;
    if (contains(a, local) && (peer === 0 || contains(a, peer))) shared = true;
  }
  return confirmed && shared;
}

/** Are both addresses on one subnet of the device (`inet_addr_onlink`)? */
function onSubnet(ipv4: Ipv4Device, a: number, b: number): boolean {
  for (const x of ipv4.addresses) if (contains(x, a) && contains(x, b)) return true;
  return false;
}

function contains(a: Ipv4Address, addr: number): boolean {
  return ((a.address ^ addr) & maskOf(a.prefixLen)) === 0;
}
