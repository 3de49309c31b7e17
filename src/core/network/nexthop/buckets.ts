/**
 * The table of a resilient group (Linux `struct nh_res_table`, "Resilient Next-hop Groups"): a hash leads to a bucket,
 * a bucket to a nexthop, and buckets in use stay where they are when the group changes, until they were idle for
 * `idleTimer`, or the table out of balance for `unbalancedTimer`.
 */
import type { Kernel } from '../../kernel.ts';
import type { GroupEntry, Nexthop } from './nexthop.ts';

/** Linux NH_RES_DEFAULT_IDLE_TIMER, seconds; the other is 0: never by force. */
export const NH_RES_DEFAULT_IDLE_TIMER = 120;

interface Bucket {
  nh: Nexthop | null;
  migratedUs: number;
  usedUs: number;
}

/** What a member should have and has. */
interface Share {
  readonly nh: Nexthop;
  readonly wants: number;
  has: number;
}

export class Buckets {
  private readonly kernel: Kernel;
  private readonly list: readonly Bucket[];
  private shares: readonly Share[] = [];
  /** Seconds. */
  idleTimer: number;
  unbalancedTimer: number;
  private unbalancedSinceUs = 0;
  private isUnbalanced = false;
  /** When buckets might move, µs; Infinity: nothing waits. */
  private nextUs = Number.POSITIVE_INFINITY;

  constructor(kernel: Kernel, count: number, idleTimer: number, unbalancedTimer: number) {
    this.kernel = kernel;
    this.idleTimer = idleTimer;
    this.unbalancedTimer = unbalancedTimer;
    this.list = Array.from({ length: count }, () => ({ nh: null, migratedUs: 0, usedUs: 0 }));
  }

  get count(): number {
    return this.list.length;
  }

  /** The nexthop of a flow, whose bucket is in use from now on (`nexthop_select_path_res`). */
  select(hash: number): Nexthop | null {
    this.settle();
    const bucket = this.list[hash % this.list.length];
    if (bucket === undefined) return null;
    bucket.usedUs = this.kernel.nowUs;
    return bucket.nh;
  }

  /** Nexthop and idle time, in seconds, of a bucket; undefined: there is none. */
  at(index: number): { readonly nh: Nexthop | null; readonly idle: number } | undefined {
    this.settle();
    const bucket = this.list[index];
    if (bucket === undefined) return undefined;
    return { nh: bucket.nh, idle: (this.kernel.nowUs - bucket.usedUs) / 1e6 };
  }

  /** Seconds since the table is out of balance; 0: it is not. */
  unbalancedTime(): number {
    this.settle();
    return this.isUnbalanced ? (this.kernel.nowUs - this.unbalancedSinceUs) / 1e6 : 0;
  }

  /** The group has these members now (`nh_res_group_rebalance`, `nh_res_table_upkeep`). */
  rebalance(entries: readonly GroupEntry[]): void {
    const total = entries.reduce((sum, e) => sum + e.weight, 0);
    let weight = 0;
    let from = 0;
    this.shares = entries.map(({ nh, weight: own }) => {
      weight += own;
      const to = Math.floor((this.list.length * weight + Math.floor(total / 2)) / total);
      const share = { nh, wants: to - from, has: 0 };
      from = to;
      return share;
    });
    for (const bucket of this.list) {
      const share = this.shareOf(bucket.nh);
      if (share === undefined) bucket.nh = null;
      else share.has++;
    }
    const wasUnbalanced = this.isUnbalanced;
    this.isUnbalanced = this.shares.some((s) => s.has < s.wants);
    if (this.isUnbalanced && !wasUnbalanced) this.unbalancedSinceUs = this.kernel.nowUs;
    this.upkeep();
  }

  /** Whatever was due has happened: nobody looks at the table without this. */
  private settle(): void {
    if (this.kernel.nowUs >= this.nextUs) this.upkeep();
  }

  private upkeep(): void {
    const { nowUs } = this.kernel;
    this.nextUs = Number.POSITIVE_INFINITY;
    for (const bucket of this.list) {
      if (!this.mayMove(bucket, nowUs)) continue;
      // The last member comes first: the kernel puts them at the head of its list.
      const to = this.shares.findLast((s) => s.has < s.wants);
      if (to === undefined) break;
      const old = this.shareOf(bucket.nh);
      if (old !== undefined) old.has--;
      to.has++;
      bucket.nh = to.nh;
      bucket.migratedUs = nowUs;
      bucket.usedUs = nowUs;
    }
    this.isUnbalanced = this.shares.some((s) => s.has < s.wants);
    if (!this.isUnbalanced) this.nextUs = Number.POSITIVE_INFINITY;
  }

  /** Linux `nh_res_bucket_should_migrate` */
  private mayMove(bucket: Bucket, nowUs: number): boolean {
    const share = this.shareOf(bucket.nh);
    if (share === undefined) return true;
    if (share.has <= share.wants) return false;
    // One that was not used since it moved is idle.
    const idleUs =
      bucket.usedUs === bucket.migratedUs ? nowUs : bucket.usedUs + this.idleTimer * 1e6;
    if (nowUs >= idleUs) return true;
    let dueUs = idleUs;
    if (this.unbalancedTimer !== 0) {
      const forceUs = this.unbalancedSinceUs + this.unbalancedTimer * 1e6;
      if (nowUs > forceUs) return true;
      dueUs = Math.min(dueUs, forceUs + 1);
    }
    this.nextUs = Math.min(this.nextUs, dueUs);
    return false;
  }

  private shareOf(nh: Nexthop | null): Share | undefined {
    return nh === null ? undefined : this.shares.find((s) => s.nh === nh);
  }
}
