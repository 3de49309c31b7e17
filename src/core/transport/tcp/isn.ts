/** Initial sequence numbers and timestamp offsets (RFC 6528 §3; Linux `secure_tcp_seq`, `secure_tcp_ts_off`). */
import type { NetNs } from '../../net.ts';
import { tcpClockUs } from './clock.ts';

/** ISN = F(connection, secret) + a clock of 64 ns. */
export function initialSeq(
  net: NetNs,
  saddr: number,
  daddr: number,
  sport: number,
  dport: number,
): number {
  // 1000 / 64 ticks per microsecond; the product stays below 2⁵³ for millennia.
  const clock = Math.floor((tcpClockUs(net) * 1000) / 64);
  return (net.tcp.secrets.isn(saddr, daddr, sport, dport) + (clock % 2 ** 32)) | 0;
}

/** What is added to the clock of a pair of addresses (net.ipv4.tcp_timestamps = 1). */
export function timestampOffset(net: NetNs, saddr: number, daddr: number): number {
  return net.sysctl.tcpTimestamps === 1 ? net.tcp.secrets.tsOffset(saddr, daddr) : 0;
}
