/** TCP Reno (RFC 5681 §3.1; Linux `tcp_reno` of `tcp_cong.c`). */
import {
  CONGESTION_DEFAULTS,
  type CongestionControl,
  tcpCongAvoidAi,
  tcpIsCwndLimited,
  tcpSlowStart,
} from './congestion.ts';
import { tcpInSlowStart } from './flight.ts';
import type { TcpSock } from './sock.ts';

export const reno: Readonly<CongestionControl> = {
  ...CONGESTION_DEFAULTS,
  name: 'reno',
  nonRestricted: true,
  ssthresh(sk: TcpSock): number {
    return Math.max(sk.sndCwnd >> 1, 2);
  },
  congAvoid(sk: TcpSock, newlyAcked: number): void {
    if (!tcpIsCwndLimited(sk)) return;
    let acked = newlyAcked;
    if (tcpInSlowStart(sk)) {
      acked = tcpSlowStart(sk, acked);
      if (acked === 0) return;
    }
    tcpCongAvoidAi(sk, sk.sndCwnd, acked);
  },
};
