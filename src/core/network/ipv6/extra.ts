/** What few namespaces have of IPv6, made when it is first needed. */
import type { NetNs } from '../../net.ts';
import type { Timer } from '../../timer.ts';
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import { fib6Remove } from '../route6/change.ts';
import type { AddrLabel } from './addr-label.ts';

/** Where there are routes that end. */
interface Ending {
  readonly table: number;
  readonly dst: Ip6Addr;
  readonly prefixLen: number;
}

export class Ipv6Extra {
  /** net.ipv6.conf.default.stable_secret (RFC 7217); null: it was not written. */
  stableSecret: Ip6Addr | null = null;
  /** Labels of addresses; null: the usual ones. */
  labels: readonly AddrLabel[] | null = null;
  private readonly net: NetNs;
  /** Prefixes with routes that end, by table, address and length. */
  private readonly endings: Map<string, Ending> = new Map();
  private timer: Timer | null = null;
  /** When routes that are over are taken away next; 0: nobody waits. */
  private nextGcUs = 0;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** Prefixes with routes that end. */
  get endingCount(): number {
    return this.endings.size;
  }

  /** There is a route that ends, or ends at another time now (`fib6_add_gc_list`). */
  watchExpiry(route: Ending & { readonly expiresUs: number }): void {
    const { table, dst, prefixLen, expiresUs } = route;
    this.endings.set(`${table} ${dst}/${prefixLen}`, { table, dst, prefixLen });
    const { kernel, ipv6 } = this.net;
    if (this.nextGcUs === 0) this.nextGcUs = kernel.nowUs + gcIntervalUs(ipv6.sysctl.gcInterval);
    this.timer ??= kernel.timer(() => this.fire());
    const next = Math.min(this.nextGcUs, Math.max(expiresUs, kernel.nowUs));
    if (!this.timer.pending || next < this.timer.atUs) this.timer.set(next);
  }

  stop(): void {
    this.timer?.clear();
  }

  /**
   * The next end of a route, at which kept decisions are worth nothing, or the next collection: LINUX: what is over
   * stays in the table, unused, until then.
   */
  private arm(): void {
    const { kernel } = this.net;
    let next = this.nextGcUs;
    for (const { expiresUs } of this.routes())
      if (expiresUs > kernel.nowUs && expiresUs < next) next = expiresUs;
    this.timer?.set(next);
  }

  private *routes(): IterableIterator<{ readonly expiresUs: number }> {
    for (const e of this.endings.values())
      yield* this.net.ipv6.findTable(e.table)?.at(e.dst, e.prefixLen) ?? [];
  }

  /** Linux `fib6_run_gc` */
  private fire(): void {
    const { ipv6, kernel } = this.net;
    ipv6.changed();
    if (kernel.nowUs >= this.nextGcUs) {
      this.collect(kernel.nowUs);
      this.nextGcUs =
        this.endings.size === 0 ? 0 : kernel.nowUs + gcIntervalUs(ipv6.sysctl.gcInterval);
    }
    if (this.nextGcUs !== 0) this.arm();
  }

  private collect(nowUs: number): void {
    for (const [key, e] of [...this.endings]) {
      let left = false;
      for (const route of [...(this.net.ipv6.findTable(e.table)?.at(e.dst, e.prefixLen) ?? [])]) {
        if (route.expiresUs <= nowUs) fib6Remove(this.net, route);
        else if (route.expiresUs !== Number.POSITIVE_INFINITY) left = true;
      }
      if (!left) this.endings.delete(key);
    }
  }
}

/** net.ipv6.route.gc_interval; 0 would never let go of the processor. */
function gcIntervalUs(seconds: number): number {
  return Math.max(seconds, 1) * 1_000_000;
}
