/**
 * What TCP has to know of the protocol below (Linux `struct inet_connection_sock_af_ops`): one object for IPv4,
 * one for IPv6. A socket has that of its connection, which for an AF_INET6 socket may be either: the peer of a
 * v4-mapped address is reached over IPv4. Everything else in this folder is the same for both.
 */
import type { NetNs } from '../../net.ts';
import type { Route } from '../../network/route/route.ts';
import type { Route6 } from '../../network/route6/route.ts';
import type { Packet } from '../../packet.ts';
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import type { RequestSock } from './request.ts';
import type { TcpSock } from './sock.ts';

/** A routing decision of either protocol: what TCP reads of it has the same names. */
export type TcpRoute = Route | Route6;

/** The two addresses of a connection over IPv6. */
export class Ends6 {
  readonly local: Ip6Addr;
  readonly remote: Ip6Addr;

  constructor(local: Ip6Addr, remote: Ip6Addr) {
    this.local = local;
    this.remote = remote;
  }

  equals(o: Ends6): boolean {
    return this === o || (this.remote.equals(o.remote) && this.local.equals(o.local));
  }
}

/**
 * Addresses and ports of something that belongs to a connection. With `ends`, `saddr` and `daddr` are keyed
 * digests of the IPv6 addresses (`Secrets.digest`): whatever hashes a connection takes the two integers, whoever
 * compares asks `ends` too.
 */
export interface Tuple {
  readonly saddr: number;
  readonly sport: number;
  readonly daddr: number;
  readonly dport: number;
  /** Null: over IPv4. */
  readonly ends: Ends6 | null;
}

/** How an answer without a socket is to look. */
export interface ReplyFields {
  /** TOS or traffic class. */
  readonly tos: number;
  /** IPv4's TTL; -1: the default. */
  readonly ttl: number;
  /** Device by which it leaves; 0: by the routes. */
  readonly oif: number;
}

export interface TcpFamily {
  /** Bytes of the IP header (`net_header_len`). */
  readonly headerLen: number;
  readonly etherType: number;
  /** MSS of a peer that does not say: what every link carries (RFC 9293 §3.7.1). */
  readonly defaultMss: number;
  /** MSS values that a SYN cookie can say, ascending. */
  readonly cookieMss: readonly number[];
  /** Route to the peer, or `-errno`. */
  route(sk: TcpSock): TcpRoute | number;
  requestRoute(sk: TcpSock, req: RequestSock): TcpRoute | number;
  /** MSS that is advertised where the route's metrics do not say. */
  defaultAdvmss(net: NetNs, route: TcpRoute): number;
  /** Sends a packet that has all but its IP header. @param ecn bits of the IP header @param segments on the wire */
  transmit(sk: TcpSock, pkt: Packet, ecn: number, segments: number): number;
  /** The same for a request that has no socket yet. */
  transmitSynack(sk: TcpSock, req: RequestSock, pkt: Packet): number;
  /** The same for an answer to `to`, whose addresses are turned round; false: there is no way. */
  reply(net: NetNs, to: Packet, pkt: Packet, fields: ReplyFields): boolean;
  /** A router named a smaller path MTU; true: the socket believes it, and its route is looked up anew. */
  learnPmtu(sk: TcpSock, mtu: number): boolean;
  /** The flow gets another hash, so that it may take another path (`sk_rethink_txhash`). */
  rehash(sk: TcpSock): void;
}
