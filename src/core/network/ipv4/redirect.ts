/**
 * Redirects (RFC 792; RFC 1812 §5.2.7.2; Linux `ip_rt_send_redirect`, `__ip_do_redirect`): telling a host on
 * the link of a better first hop, and believing one.
 */
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import type { Packet } from '../../packet.ts';
import { isMulticast, isZeronet } from '../../util/address.ts';
import { ICMP_REDIRECT } from '../../wire/icmp.ts';
import type { Ipv4Header } from '../../wire/ipv4.ts';
import { inetAddrType } from '../route/addr-type.ts';
import { updateGateway } from '../route/exception.ts';
import { RT_TABLE_MAIN } from '../route/fib.ts';
import { routeOutput } from '../route/output.ts';
import { type Route, RTN_UNICAST } from '../route/route.ts';
import { icmpSend } from './icmp.ts';
import { onSubnet } from './select-addr.ts';

/** ICMP redirect for the host. */
const ICMP_REDIR_HOST = 1;

/**
 * Tells the sender of `pkt`, which is about to go back out of `dev`, where it should go instead; not again and
 * again if it does not listen.
 */
export function sendRedirect(pkt: Packet, dev: NetDevice, route: Route): void {
  const conf = dev.ipv4?.conf;
  if (conf === undefined) return;
  const all = dev.net.ipv4ConfAll;
  if (conf.sendRedirects === 0 && all.sendRedirects === 0) return;
  const ip = pkt.ip as Ipv4Header;
  const gateway = route.gateway === 0 ? ip.dst : route.gateway;
  const shared = conf.sharedMedia !== 0 || all.sharedMedia !== 0;
  if (!shared && !onSubnet(dev, ip.src, gateway)) return;
  const { peers } = dev.net.ipv4;
  if (!peers.allowRedirect(ip.src)) return;
  icmpSend(pkt, ICMP_REDIRECT, ICMP_REDIR_HOST, gateway);
  peers.sentRedirect(ip.src);
}

/** A router said that `gateway` is the better way to `dst`; obeyed if the rules of RFC 1122 §3.2.2.2 hold. */
export function acceptRedirect(
  net: NetNs,
  dev: NetDevice,
  from: number,
  dst: number,
  gateway: number,
): void {
  const conf = dev.ipv4?.conf;
  if (conf === undefined || !acceptsRedirects(net, dev)) return;
  if (gateway === from || isMulticast(gateway) || gateway === -1 || isZeronet(gateway)) return;
  const all = net.ipv4ConfAll;
  const shared = conf.sharedMedia !== 0 || all.sharedMedia !== 0;
  if (!shared && !onSubnet(dev, gateway, from)) return;
  const secure = conf.secureRedirects !== 0 || all.secureRedirects !== 0;
  if (!shared && secure && !isDefaultGateway(dev, gateway)) return;
  if (shared && inetAddrType(net, gateway) !== RTN_UNICAST) return;
  const route = routeOutput(net, dst, 0, 0, 0);
  if (typeof route === 'number' || route.gateway !== from || route.dev !== dev) return;
  updateGateway(net, dst, gateway);
}

/** Is there a default route through `gateway` (`ip_fib_check_default`)? */
function isDefaultGateway(dev: NetDevice, gateway: number): boolean {
  const routes = dev.net.ipv4.findTable(RT_TABLE_MAIN)?.at(0, 0) ?? [];
  return routes.some((r) => r.nexthops.some((n) => n.dev === dev && n.gateway === gateway));
}

/** A router obeys when both settings say so, a host when one does (`IN_DEV_RX_REDIRECTS`). */
function acceptsRedirects(net: NetNs, dev: NetDevice): boolean {
  const own = dev.ipv4?.conf.acceptRedirects ?? 0;
  const all = net.ipv4ConfAll.acceptRedirects;
  const forwarding = (dev.ipv4?.conf.forwarding ?? 0) !== 0;
  return forwarding ? own !== 0 && all !== 0 : own !== 0 || all !== 0;
}
