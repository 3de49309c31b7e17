/**
 * The identification field (RFC 6864 §4; Linux `__ip_select_ident`): buckets that a keyed hash of source,
 * destination and protocol selects, each of which advances by chance and with time, so that nobody can tell
 * from outside how much a host sends.
 */
import type { NetNs } from '../../net.ts';
import type { Random } from '../../util/random.ts';
import { mix32 } from '../../util/random.ts';
import { IP_DF, type Ipv4Header } from '../../wire/ipv4.ts';

/** Buckets; a power of two. Linux has 2048 for the whole machine. */
const BUCKETS = 64;

export class IdentGenerator {
  private readonly net: NetNs;
  private ids: Uint16Array | null = null;
  private stampsMs: Float64Array | null = null;
  private random: Random | null = null;
  private key = 0;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** Sets `ip.id` for `segments` packets in a row. */
  select(ip: Ipv4Header, ignoreDf: boolean, segments: number): void {
    // Packets that are never fragmented need none (RFC 6864 §4.1).
    if ((ip.frag & IP_DF) !== 0 && !ignoreDf) {
      ip.id = 0;
      return;
    }
    ip.id = this.reserve(mix32(mix32(ip.src, ip.dst), ip.protocol), segments);
  }

  private reserve(hash: number, segments: number): number {
    if (this.ids === null || this.stampsMs === null || this.random === null) {
      this.random = this.net.kernel.ownRandom(`ip-id:${this.net.id}`);
      this.ids = new Uint16Array(BUCKETS);
      for (let i = 0; i < BUCKETS; i++) this.ids[i] = this.random.u32();
      this.stampsMs = new Float64Array(BUCKETS);
      this.key = this.random.i32();
    }
    const i = mix32(hash, this.key) & (BUCKETS - 1);
    const nowMs = Math.floor(this.net.kernel.nowUs / 1000);
    const elapsed = nowMs - (this.stampsMs[i] ?? 0);
    this.stampsMs[i] = nowMs;
    const jump = elapsed > 1 ? this.random.below(Math.min(elapsed, 65_536)) : 0;
    const first = ((this.ids[i] ?? 0) + jump) & 0xffff;
    this.ids[i] = first + segments;
    return first;
  }
}
