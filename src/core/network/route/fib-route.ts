/** One route of a table (Linux `struct fib_alias` with its `fib_info`). */
import type { FibInfo, FibNexthop, RouteMetrics } from './fib-info.ts';

export class FibRoute {
  /** Number of the table. */
  readonly table: number;
  /** Prefix and its length. */
  readonly dst: number;
  readonly prefixLen: number;
  readonly tos: number;
  readonly info: FibInfo;

  constructor(table: number, dst: number, prefixLen: number, tos: number, info: FibInfo) {
    this.table = table;
    this.dst = dst;
    this.prefixLen = prefixLen;
    this.tos = tos;
    this.info = info;
  }

  /** `RTN_*` */
  get type(): number {
    return this.info.type;
  }

  get scope(): number {
    return this.info.scope;
  }

  get protocol(): number {
    return this.info.protocol;
  }

  get prefsrc(): number {
    return this.info.prefsrc;
  }

  /** Metric: smaller is better. */
  get priority(): number {
    return this.info.priority;
  }

  get nexthops(): readonly FibNexthop[] {
    return this.info.nexthops;
  }

  get metrics(): RouteMetrics {
    return this.info.metrics;
  }
}

/** Larger TOS first, then smaller metric (`fib_find_alias`). */
export function compareRoutes(a: FibRoute, b: FibRoute): number {
  return b.tos - a.tos || a.info.priority - b.info.priority;
}
