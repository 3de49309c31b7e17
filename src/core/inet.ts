/** Fills the switchboard: the one place that knows which function serves which protocol. */
import { bondEvent } from './device/bond.ts';
import { bridgeEvent } from './device/bridge.ts';
import { ipvlanEvent } from './device/ipvlan.ts';
import { macvlanEvent } from './device/macvlan.ts';
import { venetEvent } from './device/venet.ts';
import { vlanEvent } from './device/vlan.ts';
import { vrfEvent } from './device/vrf.ts';
import { neighbourEvent } from './link/neighbour-table.ts';
import type { NetDevice } from './link/net-device.ts';
import { arpInput } from './network/ipv4/arp.ts';
import { inetdevEvent } from './network/ipv4/device.ts';
import { icmpInput } from './network/ipv4/icmp-input.ts';
import { igmpInput } from './network/ipv4/igmp-input.ts';
import { ipInput } from './network/ipv4/input.ts';
import { ipLinkFailure, ipTooBig } from './network/ipv4/link-failure.ts';
import { ipRouteOut } from './network/ipv4/reroute.ts';
import { inet6devEvent } from './network/ipv6/addrconf.ts';
import { icmp6Input } from './network/ipv6/icmp-input.ts';
import { ip6Input } from './network/ipv6/input.ts';
import { addressesDue6 } from './network/ipv6/lifetime.ts';
import { ip6LinkFailure, ip6TooBig } from './network/ipv6/link-failure.ts';
import { ip6RouteOut } from './network/ipv6/reroute.ts';
import { nexthopEvent } from './network/nexthop/event.ts';
import { rulesEvent } from './network/rule/event.ts';
import type { Packet } from './packet.ts';
import type { Protocols } from './protocols.ts';
import { packetEvent } from './transport/packet/event.ts';
import { pingError } from './transport/ping/error.ts';
import { pingInput } from './transport/ping/input.ts';
import { ping6Error } from './transport/ping/send6.ts';
import { rawInput, rawRouterAlert } from './transport/raw/input.ts';
import { raw6Error, raw6Input } from './transport/raw/ipv6.ts';
import { tcp6Error, tcpError } from './transport/tcp/error.ts';
import { tcpInput } from './transport/tcp/input.ts';
import { udpError } from './transport/udp/error.ts';
import { udpInput } from './transport/udp/input.ts';
import { udp6Error, udp6Input } from './transport/udp/input6.ts';
import { ETH_P_ARP, ETH_P_IP, ETH_P_IPV6 } from './wire/ethernet.ts';
import { IPPROTO_ICMP, IPPROTO_IGMP, IPPROTO_TCP, IPPROTO_UDP } from './wire/ipv4.ts';
import { IPPROTO_ICMPV6 } from './wire/ipv6.ts';

/** The switchboard of a kernel. */
export function makeProtocols(): Protocols {
  const p: Protocols = {
    ether: new Map(),
    inet: [],
    inetError: [],
    inet6: [],
    inet6Error: [],
    linkFailure,
    tooBig,
    routeOut,
    pingReply: pingInput,
    raw: rawInput,
    routerAlert: rawRouterAlert,
    raw6: raw6Input,
    raw6Error,
    addressesDue6,
    netdev: [
      inetdevEvent,
      inet6devEvent,
      neighbourEvent,
      bridgeEvent,
      vlanEvent,
      macvlanEvent,
      ipvlanEvent,
      vrfEvent,
      rulesEvent,
      nexthopEvent,
      bondEvent,
      venetEvent,
      packetEvent,
    ],
  };
  p.ether.set(ETH_P_IP, ipInput);
  p.ether.set(ETH_P_ARP, arpInput);
  p.ether.set(ETH_P_IPV6, ip6Input);
  p.inet[IPPROTO_ICMP] = icmpInput;
  p.inet[IPPROTO_IGMP] = igmpInput;
  p.inet6[IPPROTO_ICMPV6] = icmp6Input;
  p.inet6[IPPROTO_TCP] = tcpInput;
  p.inet6[IPPROTO_UDP] = udp6Input;
  p.inet6Error[IPPROTO_TCP] = tcp6Error;
  p.inet6Error[IPPROTO_UDP] = udp6Error;
  p.inet6Error[IPPROTO_ICMPV6] = ping6Error;
  p.inet[IPPROTO_TCP] = tcpInput;
  p.inet[IPPROTO_UDP] = udpInput;
  p.inetError[IPPROTO_ICMP] = pingError;
  p.inetError[IPPROTO_TCP] = tcpError;
  p.inetError[IPPROTO_UDP] = udpError;
  return p;
}

function linkFailure(pkt: Packet): void {
  if (pkt.ip6 === null) ipLinkFailure(pkt);
  else ip6LinkFailure(pkt);
}

function tooBig(pkt: Packet, mtu: number): void {
  if (pkt.ip6 === null) ipTooBig(pkt, mtu);
  else ip6TooBig(pkt, mtu);
}

function routeOut(pkt: Packet, via: NetDevice): number {
  return pkt.ip6 === null ? ipRouteOut(pkt, via) : ip6RouteOut(pkt, via);
}
