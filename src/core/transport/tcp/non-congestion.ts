/**
 * Loss that says nothing about congestion: the path got narrower, or the data of a SYN was not taken
 * (Linux `tcp_non_congestion_loss_retransmit`).
 */
import { TCP_CA_LOSS } from './constants.ts';
import { setCaState } from './cwr.ts';
import { tcpCurrentSsthresh } from './flight.ts';
import { xmitRetransmitQueue } from './retransmit.ts';
import type { TcpSock } from './sock.ts';

/** Sends what is marked lost; the window stays, though it means less now: its unit changed. */
export function nonCongestionRetransmit(sk: TcpSock): void {
  if (sk.caState !== TCP_CA_LOSS) {
    sk.highSeq = sk.sndNxt;
    sk.sndSsthresh = tcpCurrentSsthresh(sk);
    sk.priorSsthresh = 0;
    sk.undoMarker = 0;
    setCaState(sk, TCP_CA_LOSS);
  }
  xmitRetransmitQueue(sk);
}
