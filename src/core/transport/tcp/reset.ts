/** Resetting a connection of our own, and being reset (RFC 9293 §3.5.2, §3.5.3; Linux `tcp_send_active_reset`, `tcp_reset`). */
import { ECONNREFUSED, ECONNRESET, EPIPE } from '../../errno.ts';
import { MIB } from '../../mib.ts';
import { TCP_ACK, TCP_RST } from '../../wire/tcp.ts';
import { TCP_CLOSE, TCP_CLOSE_WAIT, TCP_SYN_SENT } from './constants.ts';
import { count } from './count.ts';
import { errorReport, tcpDone } from './done.ts';
import { purgeSendQueue } from './send-queue.ts';
import type { TcpSock } from './sock.ts';
import { tcpAcceptableSeq, tcpTransmitBare } from './transmit.ts';

/** Sends RST|ACK (Linux `tcp_send_active_reset`). */
export function sendActiveReset(sk: TcpSock): void {
  count(sk.net, MIB.TcpOutRsts);
  tcpTransmitBare(sk, tcpAcceptableSeq(sk), TCP_ACK | TCP_RST);
}

/** A valid RST came (Linux `tcp_reset`). */
export function tcpReset(sk: TcpSock): void {
  switch (sk.state) {
    case TCP_SYN_SENT:
      sk.err = ECONNREFUSED;
      break;
    case TCP_CLOSE_WAIT:
      sk.err = EPIPE;
      break;
    case TCP_CLOSE:
      return;
    default:
      sk.err = ECONNRESET;
  }
  purgeSendQueue(sk);
  tcpDone(sk);
  errorReport(sk);
}
