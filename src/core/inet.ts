/** Fills the switchboard: the one place that knows which function serves which protocol. */
import { bridgeEvent } from './device/bridge.ts';
import { macvlanEvent } from './device/macvlan.ts';
import { vlanEvent } from './device/vlan.ts';
import { neighbourEvent } from './link/neighbour-table.ts';
import { arpInput } from './network/ipv4/arp.ts';
import { inetdevEvent } from './network/ipv4/device.ts';
import { icmpInput } from './network/ipv4/icmp-input.ts';
import { ipInput } from './network/ipv4/input.ts';
import { ipLinkFailure, ipTooBig } from './network/ipv4/link-failure.ts';
import type { Protocols } from './protocols.ts';
import { pingError } from './transport/ping/error.ts';
import { pingInput } from './transport/ping/input.ts';
import { rawInput } from './transport/raw/input.ts';
import { tcpError } from './transport/tcp/error.ts';
import { tcpInput } from './transport/tcp/input.ts';
import { udpError } from './transport/udp/error.ts';
import { udpInput } from './transport/udp/input.ts';
import { ETH_P_ARP, ETH_P_IP } from './wire/ethernet.ts';
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from './wire/ipv4.ts';

/** The switchboard of a kernel. */
export function makeProtocols(): Protocols {
  const p: Protocols = {
    ether: new Map(),
    inet: [],
    inetError: [],
    linkFailure: ipLinkFailure,
    tooBig: ipTooBig,
    pingReply: pingInput,
    raw: rawInput,
    netdev: [inetdevEvent, neighbourEvent, bridgeEvent, vlanEvent, macvlanEvent],
  };
  p.ether.set(ETH_P_IP, ipInput);
  p.ether.set(ETH_P_ARP, arpInput);
  p.inet[IPPROTO_ICMP] = icmpInput;
  p.inet[IPPROTO_TCP] = tcpInput;
  p.inet[IPPROTO_UDP] = udpInput;
  p.inetError[IPPROTO_ICMP] = pingError;
  p.inetError[IPPROTO_TCP] = tcpError;
  p.inetError[IPPROTO_UDP] = udpError;
  return p;
}
