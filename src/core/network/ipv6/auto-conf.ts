/** What a device has for configuring itself (the part of Linux's `struct inet6_dev` that few devices need). */
import type { Timer } from '../../timer.ts';
import type { Ip6Addr } from '../../util/ip6-addr.ts';

export class AutoConf {
  /** net.ipv6.conf.IF.stable_secret (RFC 7217); null: it was not written. */
  stableSecret: Ip6Addr | null = null;
  /** How much sooner than said temporary addresses are replaced, seconds (RFC 8981 §3.8); -1: not chosen. */
  desyncFactor = -1;
  /** Fires when routers are asked again. */
  rsTimer: Timer | null = null;
  rsIntervalUs = 0;
  rsProbes = 0;
  /** Routers were asked, and one answered (`IF_RS_SENT`, `IF_RA_RCVD`). */
  rsSent = false;
  raReceived = false;
  /** Flags M and O of the last advertisement (RFC 4861 §4.2): addresses, or other settings, are had by DHCPv6. */
  managed = false;
  otherConf = false;
  /** The MTU that was advertised last; 0: none. */
  raMtu = 0;
}
