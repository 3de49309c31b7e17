/** The timer of a paced connection (Linux `tcp_pace_kick`): see `pacing.ts`. */
import { mstampRefresh } from './clock.ts';
import {
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_LAST_ACK,
} from './constants.ts';
import { tcpPacketsInFlight } from './flight.ts';
import { tcpCurrentMss } from './mss.ts';
import { PUSH_ALL, tcpWriteXmit } from './output.ts';
import { xmitRetransmitQueue } from './retransmit.ts';
import type { TcpSock } from './sock.ts';

/** The time has come (`tcp_pace_kick`, `tcp_tsq_write`). */
export function pacingKick(sk: TcpSock): void {
  switch (sk.state) {
    case TCP_ESTABLISHED:
    case TCP_FIN_WAIT1:
    case TCP_CLOSING:
    case TCP_CLOSE_WAIT:
    case TCP_LAST_ACK:
      break;
    default:
      return;
  }
  mstampRefresh(sk);
  if (sk.lostOut > sk.retransOut && sk.sndCwnd > tcpPacketsInFlight(sk)) xmitRetransmitQueue(sk);
  tcpWriteXmit(sk, tcpCurrentMss(sk), sk.nonagle, PUSH_ALL);
}
