/**
 * A packet is its headers: objects with named fields in host order, and a payload of byte slices
 * that are never copied inside the stack (Linux `struct sk_buff`, which is bytes with offsets).
 * Bytes are made and read only at byte edges, by `wire/frame.ts`.
 *
 * Ownership: a packet has one owner at a time. Who passes it on (xmit, enqueue, deliver) may not
 * touch it again; who wants to keep it clones it. `eth` is immutable and shared; the other header
 * objects belong to the packet; payload slices are immutable for everybody.
 */
import type { NetDevice } from './link/net-device.ts';
import type { Route } from './network/route/route.ts';
import type { Route6 } from './network/route6/route.ts';
import type { ArpHeader } from './wire/arp.ts';
import type { EthHeader } from './wire/ethernet.ts';
import type { IcmpHeader } from './wire/icmp.ts';
import type { Ipv4Header } from './wire/ipv4.ts';
import type { Ipv6Header } from './wire/ipv6.ts';
import type { TcpHeader } from './wire/tcp.ts';
import type { UdpHeader } from './wire/udp.ts';
import type { VlanTag } from './wire/vlan.ts';

/** For whom a received frame is (`skb->pkt_type`, `include/uapi/linux/if_packet.h`). */
export const PACKET_HOST = 0;
export const PACKET_BROADCAST = 1;
export const PACKET_MULTICAST = 2;
export const PACKET_OTHERHOST = 3;
export const PACKET_OUTGOING = 4;
/** A copy of our own group packet (`Packet.looped`): captures do not see it again. */
export const PACKET_LOOPBACK = 5;

/** The IPv4 header's checksum was wrong on the wire. */
export const BAD_IP_CSUM = 1;
/** The checksum of the transport header was wrong on the wire. */
export const BAD_L4_CSUM = 2;
/** The transport header could not be parsed: `data` holds all bytes behind the IP header. */
export const BAD_L4 = 4;
/** The network header could not be parsed: `data` holds all bytes behind the Ethernet header. */
export const BAD_L3 = 8;
/** A UDP datagram over IPv4 that carries no checksum (RFC 768). Not an error. */
export const NO_UDP_CSUM = 16;
/** It was redirected before and comes back: filters of the device do not look again (`skb->tc_skip_classify`). */
export const TC_SKIP = 32;
/** How often it was redirected: what goes in circles ends. */
export const TC_HOP = 64;
export const TC_HOPS = 448;

export type Payload = readonly Uint8Array[];

export const NO_PAYLOAD: Payload = Object.freeze([]);

/** Told of a packet's way out (`SKBTX_SCHED_TSTAMP`, `SKBTX_SW_TSTAMP`). */
export interface TxStamp {
  queued(pkt: Packet): void;
  left(pkt: Packet): void;
}

/** Who is told when a packet has left the queues of its host (`skb->destructor`); packets of one `flow` belong together. */
export interface PacketOwner {
  readonly flow: number;
  released(): void;
}

/** From where a packet was sent to an ifb device, and whether it had come in there or was about to leave. */
export interface Redirect {
  readonly dev: NetDevice;
  readonly ingress: boolean;
}

export class Packet {
  /** Follows the packet through NAT, bridges and fragmentation; a clone has its original's. */
  id: number;
  /** The device that received it, or through which it leaves. Its `net` is the packet's namespace. */
  dev: NetDevice | null = null;
  /** EtherType in host order (`ETH_P_*`). */
  proto: number;
  /** `PACKET_*`; set by `link/input.ts`. */
  pktType: number = PACKET_HOST;
  /** Null on a device without link-layer header, and before `link/neighbour.ts` on the way out. */
  eth: EthHeader | null = null;
  /** VLAN tags, outermost first; null: untagged. `proto` is the type behind them. */
  vlan: VlanTag | null = null;
  arp: ArpHeader | null = null;
  ip: Ipv4Header | null = null;
  /** At most one of `arp`, `ip` and `ip6` is set. */
  ip6: Ipv6Header | null = null;
  /** At most one of the transport headers is set; none: `data` is all that follows the IP header. */
  tcp: TcpHeader | null = null;
  udp: UdpHeader | null = null;
  /** ICMP behind `ip`, ICMPv6 behind `ip6`. */
  icmp: IcmpHeader | null = null;
  /** What follows the innermost header above. */
  data: Payload;
  /** Total length of `data` in bytes. */
  len: number;
  /** `BAD_*`, `NO_UDP_CSUM`: what the byte edge found, 0 for what this kernel built; `TC_*`. */
  flags = 0;
  /** Payload bytes per segment when this stands for several (GSO); 0 when it is one segment. */
  gsoSize = 0;
  /** `skb->truesize` of what came in through a tun device; 0: this kernel made it. */
  truesize = 0;
  /** `skb->mark` */
  mark = 0;
  /** `skb->priority` */
  priority = 0;
  /** Routing decision, input or output (`skb_dst`). */
  route: Route | null = null;
  /** The same of a packet with `ip6`. */
  route6: Route6 | null = null;
  /** May be fragmented in spite of DF: its sender asked for it (`skb->ignore_df`). */
  ignoreDf = false;
  /** Its sender minds the device's MTU only, not what was learnt of the path (IP_PMTUDISC_PROBE). */
  linkMtu = false;
  /** Group packets: no copy to our own receivers (IP_MULTICAST_LOOP 0). */
  noLoop = false;
  /** Such a copy: it came from ourselves (`PACKET_LOOPBACK`). */
  looped = false;
  /** Time of arrival or of sending, microseconds of the kernel's clock. */
  timeUs = 0;
  /** Its sender wants to know when it is queued and when it leaves; null: nobody asked. */
  txStamp: TxStamp | null = null;
  /** Set on the way to a queue that paces only; a clone has none. */
  owner: PacketOwner | null = null;
  /** When it is to leave (`skb->tstamp`: earliest departure time); a queue that paces minds it. */
  departUs = 0;
  /** By which device it came to a layer-3 master, which is `dev` then (`IPSKB_L3SLAVE`); null: there was none. */
  slave: NetDevice | null = null;
  /** The packet socket that sent it and is not shown it (`skb->sk`); a clone has none. */
  sender: object | null = null;
  /** Where an ifb device gives it back (`skb->redirected`, `skb_iif`); null: it was not redirected. */
  redirect: Redirect | null = null;

  constructor(id: number, proto: number, data: Payload, len: number) {
    this.id = id;
    this.proto = proto;
    this.data = data;
    this.len = len;
  }

  /**
   * An independent packet with the same content (Linux `skb_clone` + private headers): header objects
   * that the stack changes are copied, payload is shared.
   */
  clone(): Packet {
    const copy = new Packet(this.id, this.proto, this.data, this.len);
    copy.dev = this.dev;
    copy.pktType = this.pktType;
    copy.eth = this.eth;
    copy.vlan = this.vlan;
    copy.arp = this.arp;
    copy.ip = this.ip === null ? null : this.ip.copy();
    copy.ip6 = this.ip6 === null ? null : this.ip6.copy();
    copy.tcp = this.tcp;
    copy.udp = this.udp;
    copy.icmp = this.icmp;
    copy.flags = this.flags;
    copy.gsoSize = this.gsoSize;
    copy.truesize = this.truesize;
    copy.mark = this.mark;
    copy.priority = this.priority;
    copy.route = this.route;
    copy.route6 = this.route6;
    copy.ignoreDf = this.ignoreDf;
    copy.linkMtu = this.linkMtu;
    copy.noLoop = this.noLoop;
    copy.looped = this.looped;
    copy.timeUs = this.timeUs;
    copy.txStamp = this.txStamp;
    copy.slave = this.slave;
    copy.redirect = this.redirect;
    return copy;
  }
}

/** Bytes from the IP header on, whatever its length field can say (more than 65535 with GSO). */
export function ipLength(pkt: Packet): number {
  let len = pkt.len;
  if (pkt.ip !== null) len += pkt.ip.headerLen();
  else if (pkt.ip6 !== null) len += pkt.ip6.headerLen();
  if (pkt.tcp !== null) len += pkt.tcp.headerLen();
  else if (pkt.udp !== null) len += 8;
  else if (pkt.icmp !== null) len += 8;
  return len;
}

/** Removes what must not cross from one namespace to another (Linux `skb_scrub_packet`). */
export function scrubPacket(pkt: Packet): void {
  pkt.flags &= ~(TC_SKIP | TC_HOPS);
  pkt.mark = 0;
  pkt.route = null;
  pkt.route6 = null;
  pkt.ignoreDf = false;
  pkt.linkMtu = false;
  pkt.noLoop = false;
  pkt.timeUs = 0;
  pkt.txStamp = null;
  pkt.owner = null;
  pkt.departUs = 0;
  pkt.slave = null;
  pkt.sender = null;
  pkt.redirect = null;
}
