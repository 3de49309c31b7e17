/**
 * The switchboard: the only upward knowledge of the stack. Which function takes a packet of which
 * EtherType (Linux `ptype_base`) and of which IP protocol (`inet_protos`). Filled once, in
 * `kernel.ts`'s composition; read by `link/input.ts` and `network/ipv4/input.ts`.
 */
import type { NetDevice } from './link/net-device.ts';
import type { Packet } from './packet.ts';
import type { Ip6Addr } from './util/ip6-addr.ts';

/** Takes a received packet: delivers it or drops it. */
export type PacketHandler = (pkt: Packet) => void;

/**
 * Tells a transport that an ICMP error came back for a packet it had sent. `pkt.data` starts at the
 * quoted packet's IP header, which is parsed into `quoted`.
 */
export type IcmpErrorHandler = (pkt: Packet, error: IcmpError) => void;

/** An ICMP error and the packet that it quotes (RFC 792; RFC 1122 §3.2.2). */
export interface IcmpError {
  readonly type: number;
  readonly code: number;
  /** The header's second word: the next-hop MTU for fragmentation needed. */
  readonly info: number;
  /** Source and destination of the quoted packet: source is our own address. */
  readonly src: number;
  readonly dst: number;
  /** The quoted bytes behind the quoted IP header; at least 8. */
  readonly bytes: Uint8Array;
}

/** The same for ICMPv6; `pkt.data` starts at the quoted packet's IPv6 header. */
export type Icmp6ErrorHandler = (pkt: Packet, error: Icmp6Error) => void;

/** An ICMPv6 error and the packet that it quotes (RFC 4443). */
export interface Icmp6Error {
  readonly type: number;
  readonly code: number;
  /** The header's second word: MTU or pointer. */
  readonly info: number;
  readonly src: Ip6Addr;
  readonly dst: Ip6Addr;
  readonly protocol: number;
  /** By which device the error came: whom link-local addresses belong to. */
  readonly ifindex: number;
  /** The quoted bytes behind the quoted packet's extension headers; at least 8. */
  readonly bytes: Uint8Array;
}

/** What happened to a device (Linux `enum netdev_cmd`); told after the fact, to every notifier in turn. */
export type NetdevEvent =
  | 'register'
  | 'up'
  | 'goingDown'
  | 'down'
  | 'change'
  | 'changeMtu'
  | 'changeAddr'
  | 'changeName'
  | 'changeUpper'
  | 'notifyPeers'
  | 'unregister';

/** Told of device events (Linux `netdev_chain`). */
export type NetdevNotifier = (event: NetdevEvent, dev: NetDevice) => void;

export interface Protocols {
  /** By EtherType, host order. */
  readonly ether: Map<number, PacketHandler>;
  /** By IP protocol number; undefined: ICMP protocol unreachable. */
  readonly inet: (PacketHandler | undefined)[];
  readonly inetError: (IcmpErrorHandler | undefined)[];
  /** The same of IPv6; undefined: ICMPv6 parameter problem. */
  readonly inet6: (PacketHandler | undefined)[];
  readonly inet6Error: (Icmp6ErrorHandler | undefined)[];
  /** A packet could not be sent because its next hop does not answer (`dst_link_failure`). */
  linkFailure: PacketHandler;
  /** A packet that may not be cut does not fit into `mtu` bytes: its sender is told (RFC 1191 §4). Not taken. */
  tooBig: (pkt: Packet, mtu: number) => void;
  /** Routes and sends a packet as one of the namespace of `via`, by way of it; 0 or `-errno`. Takes ownership. */
  routeOut: (pkt: Packet, via: NetDevice) => number;
  /** Echo replies for ping sockets (`ping_rcv`); true: some socket took a copy. */
  pingReply: (pkt: Packet) => boolean;
  /** Copies for raw sockets (`raw_local_deliver`); true: some socket took one. */
  raw: (pkt: Packet) => boolean;
  /** A packet with a router alert on its way to others; true: a raw socket took it. */
  routerAlert: (pkt: Packet) => boolean;
  raw6: (pkt: Packet) => boolean;
  /** ICMPv6 errors for raw sockets, whatever the protocol. */
  raw6Error: Icmp6ErrorHandler;
  /** Of the IPv6 addresses of a device some are due: to be replaced, deprecated or taken away. */
  addressesDue6: (dev: NetDevice) => void;
  readonly netdev: NetdevNotifier[];
}
