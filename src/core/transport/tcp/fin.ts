/** The peer's FIN is in sequence (RFC 9293 §3.10.7.4, eighth check; Linux `tcp_fin`). */
import { RCV_SHUTDOWN } from '../sock.ts';
import {
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_SYN_RECV,
  TCP_TIME_WAIT,
} from './constants.ts';
import { scheduleAck } from './delack.ts';
import { setState, stateChange } from './done.ts';
import { pingpongEnter } from './pingpong.ts';
import { sackReset } from './sack-out.ts';
import type { TcpSock } from './sock.ts';
import { enterTimeWait } from './time-wait.ts';
import { tcpSendAck } from './transmit.ts';

export function tcpFin(sk: TcpSock): void {
  scheduleAck(sk);
  sk.shutdownMask |= RCV_SHUTDOWN;
  sk.doneReceiving = true;
  switch (sk.state) {
    case TCP_SYN_RECV:
    case TCP_ESTABLISHED:
      setState(sk, TCP_CLOSE_WAIT);
      pingpongEnter(sk);
      break;
    case TCP_FIN_WAIT1:
      // Both closed at the same time.
      tcpSendAck(sk);
      setState(sk, TCP_CLOSING);
      break;
    case TCP_FIN_WAIT2:
      tcpSendAck(sk);
      purgeOfo(sk);
      enterTimeWait(sk, TCP_TIME_WAIT, 0);
      return;
    default:
      // CLOSE_WAIT, CLOSING, LAST_ACK: the FIN again.
      break;
  }
  purgeOfo(sk);
  stateChange(sk);
}

/** Nothing may follow a FIN. */
function purgeOfo(sk: TcpSock): void {
  const list = sk.receiveQueue.ofo;
  for (const seg of list) sk.rmemAlloc -= seg.truesize;
  list.length = 0;
  if (sk.sackOk !== 0) sackReset(sk);
}
