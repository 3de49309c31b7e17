/**
 * A connection request: a SYN was answered, the third segment is awaited (Linux `struct
 * tcp_request_sock`). Small, because a flood makes many; a socket is made only when the handshake ends.
 */
import type { Timer } from '../../timer.ts';
import { TCP_NEW_SYN_RECV } from './constants.ts';
import { familyOf } from './families.ts';
import type { Ends6, TcpFamily, TcpRoute, Tuple } from './family.ts';
import type { TcpSock } from './sock.ts';

export class RequestSock {
  readonly state: number = TCP_NEW_SYN_RECV;
  hash = 0;
  readonly saddr: number;
  readonly sport: number;
  readonly daddr: number;
  readonly dport: number;
  readonly ends: Ends6 | null;
  readonly af: TcpFamily;
  readonly boundDevIf: number;
  readonly listener: TcpSock;
  /** Sequence numbers of both sides (`rcv_isn`, `snt_isn`). */
  readonly rcvIsn: number;
  sntIsn = 0;
  rcvNxt: number;
  mss = 0;
  tstampOk = false;
  sackOk = false;
  wscaleOk = false;
  sndWscale = 0;
  rcvWscale = 0;
  ecnOk = false;
  tsRecent = 0;
  tsOffset = 0;
  /** First and last TSval sent, which bound what may be echoed. */
  tsvalSent = false;
  tsvalFirst = 0;
  tsvalLast = 0;
  /** Time of the first SYN-ACK, TCP clock; 0 with a cookie. */
  sntSynack = 0;
  windowClamp = 0;
  rcvWnd = 0;
  /** TOS of the SYN, without ECN bits (`syn_tos`). */
  synTos = 0;
  /** Of the listener, or with tcp_fwmark_accept of its SYN (`ir_mark`). */
  mark = 0;
  /** SYN-ACKs sent again, and times the timer ran out (`num_retrans`, `num_timeout`). */
  numRetrans = 0;
  numTimeout = 0;
  /** The third segment came, but was not accepted (TCP_DEFER_ACCEPT, full accept queue). */
  acked = false;
  /** Fast open: the handshake goes on, and the socket was made already; null: it was accepted, too. */
  tfo = false;
  child: TcpSock | null = null;
  /** TCP_SAVE_SYN */
  savedSyn: Uint8Array | null = null;
  lastOowAckUs = 0;
  timeoutUs = 0;
  timer: Timer | null = null;
  route: TcpRoute | null = null;
  /** Hash of the flow (`txhash`), of which IPv6 makes its label. */
  txHash = 0;

  constructor(listener: TcpSock, addr: Tuple & { readonly boundDevIf: number }, rcvIsn: number) {
    this.listener = listener;
    this.saddr = addr.saddr;
    this.sport = addr.sport;
    this.daddr = addr.daddr;
    this.dport = addr.dport;
    this.ends = addr.ends;
    this.af = familyOf(addr.ends);
    this.boundDevIf = addr.boundDevIf;
    this.rcvIsn = rcvIsn;
    this.rcvNxt = (rcvIsn + 1) | 0;
  }
}
