/**
 * How many ICMP errors may leave (RFC 1812 §4.3.2.8; Linux `icmpv4_xrlim_allow`, `icmp_global_allow`): a
 * bucket for each destination, and one for the namespace.
 */
import type { NetNs } from '../../net.ts';
import type { Random } from '../../util/random.ts';

/** Errors in a row that one destination may get (`XRLIM_BURST_FACTOR`). */
const BURST = 6;
/** Destinations that are remembered; the one that was asked for longest ago goes first. */
const MAX_PEERS = 1024;

interface Bucket {
  tokensUs: number;
  lastUs: number;
}

export class IcmpLimits {
  private readonly net: NetNs;
  private readonly peers: Map<number, Bucket> = new Map();
  private credit = 0;
  private lastUs = -1;
  private random: Random | null = null;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** May an error of this type go to `dst` now? Takes from both buckets if so. */
  allow(dst: number, type: number): 'yes' | 'global' | 'host' {
    const { sysctl } = this.net;
    if (type > 31 || ((sysctl.icmpRatemask >>> type) & 1) === 0) return 'yes';
    if (!this.globalAllow()) return 'global';
    if (!this.peerAllow(dst, sysctl.icmpRatelimit * 1000)) return 'host';
    return 'yes';
  }

  /** net.ipv4.icmp_ratelimit, per destination (`inet_peer_xrlim_allow`). */
  private peerAllow(dst: number, intervalUs: number): boolean {
    if (intervalUs === 0) return true;
    const { nowUs } = this.net.kernel;
    let bucket = this.peers.get(dst);
    if (bucket === undefined) {
      if (this.peers.size >= MAX_PEERS) {
        for (const oldest of this.peers.keys()) {
          this.peers.delete(oldest);
          break;
        }
      }
      bucket = { tokensUs: BURST * intervalUs, lastUs: nowUs };
    } else this.peers.delete(dst);
    this.peers.set(dst, bucket);
    const full = BURST * intervalUs;
    bucket.tokensUs = Math.min(full, bucket.tokensUs + nowUs - bucket.lastUs);
    bucket.lastUs = nowUs;
    if (bucket.tokensUs < intervalUs) return false;
    bucket.tokensUs -= intervalUs;
    return true;
  }

  /** net.ipv4.icmp_msgs_per_sec and icmp_msgs_burst; the burst varies, so that it tells nobody anything. */
  private globalAllow(): boolean {
    const { sysctl, kernel } = this.net;
    const { nowUs } = kernel;
    this.random ??= kernel.random(`icmp-limit:${this.net.id}`);
    if (this.lastUs < 0) {
      this.credit = sysctl.icmpMsgsBurst;
      this.lastUs = nowUs;
    }
    const elapsedUs = Math.min(nowUs - this.lastUs, 1_000_000);
    const earned = Math.floor((sysctl.icmpMsgsPerSec * elapsedUs) / 1e6);
    // Linux refills 20 ms after the last time at the earliest.
    if (earned > 0 && (elapsedUs >= 20_000 || this.credit <= 0)) {
      this.credit = Math.min(this.credit + earned, sysctl.icmpMsgsBurst);
      this.lastUs = nowUs;
    }
    if (this.credit <= 0) return false;
    this.credit -= this.credit > 3 ? this.random.below(3) : 1;
    return true;
  }
}
