/** Challenge ACKs and the limits on them (RFC 5961 §7; Linux `tcp_send_challenge_ack`, `tcp_oow_rate_limited`). */
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import { tcpClockUs } from './clock.ts';
import { TCP_LISTEN } from './constants.ts';
import { count } from './count.ts';
import type { RxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { tcpSendAck } from './transmit.ts';

/** Something whose answers to senseless segments are limited. */
export interface RateLimited {
  lastOowAckUs: number;
}

/** True: within net.ipv4.tcp_invalid_ratelimit of the last answer; counts it then. */
export function oowRateLimited(net: NetNs, who: RateLimited, counter: number): boolean {
  const now = tcpClockUs(net);
  if (who.lastOowAckUs !== 0) {
    const elapsed = now - who.lastOowAckUs;
    if (elapsed >= 0 && elapsed < net.sysctl.tcpInvalidRatelimit * 1000) {
      count(net, counter);
      return true;
    }
  }
  who.lastOowAckUs = now;
  return false;
}

/** The same, for a segment: data without SYN is never limited (`tcp_oow_rate_limited`). */
export function segmentRateLimited(
  net: NetNs,
  seg: RxSegment,
  who: RateLimited,
  counter: number,
): boolean {
  if (seg.len > 0 && (seg.flags & 2) === 0) return false;
  return oowRateLimited(net, who, counter);
}

/** RFC 5961 §7: per connection, and per namespace and second. */
export function sendChallengeAck(sk: TcpSock): void {
  const net = sk.net;
  if (sk.state === TCP_LISTEN) return;
  if (oowRateLimited(net, sk, MIB.TcpExtTCPACKSkippedChallenge)) return;
  const limit = net.sysctl.tcpChallengeAckLimit;
  if (limit !== 0x7fffffff) {
    const tcp = net.tcp;
    const second = Math.floor(tcpClockUs(net) / 1_000_000);
    if (second !== tcp.challengeTimestamp) {
      const half = (limit + 1) >> 1;
      tcp.challengeTimestamp = second;
      // A random allowance, so that nobody can measure it (CVE-2016-5696).
      tcp.challengeCount = half + tcp.secrets.random.below(Math.max(limit, 1));
    }
    if (tcp.challengeCount <= 0) return;
    tcp.challengeCount--;
  }
  count(net, MIB.TcpExtTCPChallengeACK);
  tcpSendAck(sk);
}
