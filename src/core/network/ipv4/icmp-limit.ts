/** How many ICMP messages a namespace may send at all (RFC 1812 §4.3.2.8; Linux `icmp_global_allow`). */
import type { NetNs } from '../../net.ts';
import type { Random } from '../../util/random.ts';
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED } from '../../wire/icmp.ts';

/** Largest type that Linux knows (`NR_ICMP_TYPES`). */
export const NR_ICMP_TYPES = 18;
/** Credit is given out at most this often (`HZ / 50`). */
const REFILL_US = 20_000;

export class IcmpLimit {
  private readonly net: NetNs;
  private credit = 0;
  private lastUs = Number.NEGATIVE_INFINITY;
  private random: Random | null = null;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** Do limits hold for this type (net.ipv4.icmp_ratemask)? Path MTU discovery is never limited. */
  applies(type: number, code: number): boolean {
    if (type > NR_ICMP_TYPES || (type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED))
      return false;
    return ((this.net.sysctl.icmpRatemask >>> type) & 1) === 1;
  }

  /** Is there credit (net.ipv4.icmp_msgs_per_sec, icmp_msgs_burst)? Takes none. */
  allow(): boolean {
    if (this.credit > 0) return true;
    const { sysctl, kernel } = this.net;
    const elapsedUs = Math.min(kernel.nowUs - this.lastUs, 1_000_000);
    if (elapsedUs < REFILL_US) return false;
    const earned = Math.floor((sysctl.icmpMsgsPerSec * elapsedUs) / 1_000_000);
    if (earned === 0) return false;
    this.credit = Math.min(this.credit + earned, sysctl.icmpMsgsBurst);
    this.lastUs = kernel.nowUs;
    return true;
  }

  /** One was sent: costs 0 to 2, so that the limit tells nobody how many others were (CVE-2020-25705). */
  consume(): void {
    this.random ??= this.net.kernel.ownRandom(`icmp-limit:${this.net.id}`);
    this.credit -= this.random.below(3);
  }
}
