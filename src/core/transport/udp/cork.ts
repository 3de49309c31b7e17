/** A datagram that grows by several sends (UDP_CORK, MSG_MORE; Linux `struct inet_cork_full`). */
import type { Route } from '../../network/route/route.ts';

export class Cork {
  readonly route: Route;
  readonly saddr: number;
  readonly daddr: number;
  readonly dport: number;
  readonly ttl: number;
  readonly tos: number;
  readonly gsoSize: number;
  readonly ipOptions: Uint8Array | null;
  readonly data: Uint8Array[] = [];
  len = 0;

  constructor(target: Target) {
    this.route = target.route;
    this.saddr = target.saddr;
    this.daddr = target.daddr;
    this.dport = target.dport;
    this.ttl = target.ttl;
    this.tos = target.tos;
    this.gsoSize = target.gsoSize;
    this.ipOptions = target.ipOptions;
  }
}

/** Where a datagram goes, and how. */
export interface Target {
  readonly route: Route;
  readonly saddr: number;
  readonly daddr: number;
  readonly dport: number;
  readonly ttl: number;
  readonly tos: number;
  readonly gsoSize: number;
  /** IP_RETOPTS; null: the socket's. */
  readonly ipOptions: Uint8Array | null;
}
