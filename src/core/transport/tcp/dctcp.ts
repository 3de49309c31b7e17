/**
 * DCTCP (RFC 8257; Linux `tcp_dctcp.c`): the window shrinks by the share of bytes that were marked, and the receiver
 * tells each change of marks at once. Needs ECN; without it, it is Reno. PLB is not there.
 */
import { seqLt } from '../../util/seq.ts';
import { TCP_ACK } from '../../wire/tcp.ts';
import {
  CA_EVENT_ECN_IS_CE,
  CA_EVENT_ECN_NO_CE,
  CA_EVENT_LOSS,
  CONGESTION_DEFAULTS,
  type CongestionControl,
} from './congestion.ts';
import {
  ICSK_ACK_NOW,
  ICSK_ACK_TIMER,
  TCP_CA_RECOVERY,
  TCP_CLOSE,
  TCP_ECN_DEMAND_CWR,
  TCP_ECN_OK,
  TCP_LISTEN,
} from './constants.ts';
import { reno } from './newreno.ts';
import type { TcpSock } from './sock.ts';
import { tcpAcceptableSeq, tcpTransmitBare } from './transmit.ts';

/** Alpha is a share in 1/1024; g = 1/16 (RFC 8257 §4.2). */
const MAX_ALPHA = 1024;
const SHIFT_G = 4;
/** `struct tcp_dctcp_info` */
const INFO_BYTES = 16;

class Dctcp {
  /** Counts at the start of this window, and its end. */
  oldDelivered = 0;
  oldDeliveredCe = 0;
  nextSeq = 0;
  alpha: number = MAX_ALPHA;
  lossCwnd = 0;
  /** As a receiver: RCV.NXT and the mark of the segment before. */
  priorRcvNxt = 0;
  ceState = 0;
}

function stateOf(sk: TcpSock): Dctcp {
  return sk.caPriv as Dctcp;
}

function newWindow(sk: TcpSock, d: Dctcp): void {
  d.nextSeq = sk.sndNxt;
  d.oldDelivered = sk.delivered;
  d.oldDeliveredCe = sk.deliveredCe;
}

/** Once per window: alpha = (1 − g)·alpha + g·F (RFC 8257 §3.3). */
function updateAlpha(sk: TcpSock): void {
  // Before the handshake is over there is nothing to count.
  if (sk.caPriv === null) return;
  const d = stateOf(sk);
  if (seqLt(sk.sndUna, d.nextSeq)) return;
  const delivered = sk.delivered - d.oldDelivered;
  const marked = sk.deliveredCe - d.oldDeliveredCe;
  const decay = d.alpha >> SHIFT_G;
  d.alpha -= decay === 0 ? d.alpha : decay;
  if (marked > 0) {
    const share = Math.floor((marked << (10 - SHIFT_G)) / Math.max(1, delivered));
    d.alpha = Math.min(d.alpha + share, MAX_ALPHA);
  }
  newWindow(sk, d);
}

/** A loss is answered as Reno does, not by alpha (RFC 8257 §3.5). */
function reactToLoss(sk: TcpSock): void {
  if (sk.caPriv === null) return;
  stateOf(sk).lossCwnd = sk.sndCwnd;
  sk.sndSsthresh = Math.max(sk.sndCwnd >> 1, 2);
}

function sayMark(sk: TcpSock, ce: number): void {
  if (ce === 1) sk.ecnFlags |= TCP_ECN_DEMAND_CWR;
  else sk.ecnFlags &= ~TCP_ECN_DEMAND_CWR;
}

/** RFC 8257 §3.2: an ACK at each change, so that none speaks of marked and unmarked segments. */
function markSeen(sk: TcpSock, ce: number): void {
  if (sk.caPriv === null) return;
  const d = stateOf(sk);
  if (d.ceState !== ce) {
    if ((sk.ackPending & ICSK_ACK_TIMER) !== 0) {
      // The ACK that was delayed goes first, and tells how it was.
      sayMark(sk, d.ceState);
      tcpTransmitBare(sk, tcpAcceptableSeq(sk), TCP_ACK, d.priorRcvNxt);
    }
    sk.ackPending |= ICSK_ACK_NOW;
  }
  d.priorRcvNxt = sk.rcvNxt;
  d.ceState = ce;
  sayMark(sk, ce);
}

function info(enabled: boolean, d: Dctcp | null, marked: number, total: number): Uint8Array {
  const bytes = new Uint8Array(INFO_BYTES);
  const view = new DataView(bytes.buffer);
  if (!enabled || d === null) return bytes;
  view.setUint16(0, 1, true);
  view.setUint16(2, d.ceState, true);
  view.setUint32(4, d.alpha, true);
  view.setUint32(8, marked, true);
  view.setUint32(12, total, true);
  return bytes;
}

/** What is left of it without ECN. */
const dctcpReno: Readonly<CongestionControl> = {
  ...reno,
  name: 'dctcp-reno',
  nonRestricted: false,
  getInfo: () => info(false, null, 0, 0),
};

export const dctcp: Readonly<CongestionControl> = {
  ...CONGESTION_DEFAULTS,
  name: 'dctcp',
  needsEcn: true,
  init(sk: TcpSock): void {
    const starts = sk.state === TCP_LISTEN || sk.state === TCP_CLOSE;
    if ((sk.ecnFlags & TCP_ECN_OK) === 0 && !starts) {
      sk.ca = dctcpReno;
      sk.caPriv = null;
      return;
    }
    const d = new Dctcp();
    d.priorRcvNxt = sk.rcvNxt;
    newWindow(sk, d);
    sk.caPriv = d;
  },
  ssthresh(sk: TcpSock): number {
    const d = stateOf(sk);
    d.lossCwnd = sk.sndCwnd;
    return Math.max(sk.sndCwnd - ((sk.sndCwnd * d.alpha) >> 11), 2);
  },
  congAvoid: reno.congAvoid,
  inAckEvent: updateAlpha,
  setState(sk: TcpSock, state: number): void {
    if (state === TCP_CA_RECOVERY && state !== sk.caState) reactToLoss(sk);
  },
  cwndEvent(sk: TcpSock, event: number): void {
    if (event === CA_EVENT_ECN_IS_CE) markSeen(sk, 1);
    else if (event === CA_EVENT_ECN_NO_CE) markSeen(sk, 0);
    else if (event === CA_EVENT_LOSS) reactToLoss(sk);
  },
  undoCwnd: (sk: TcpSock): number => Math.max(sk.sndCwnd, stateOf(sk).lossCwnd),
  getInfo(sk: TcpSock): Uint8Array {
    if (sk.caPriv === null) return info(false, null, 0, 0);
    const d = stateOf(sk);
    const marked = (sk.deliveredCe - d.oldDeliveredCe) * sk.mssCache;
    return info(true, d, marked, (sk.delivered - d.oldDelivered) * sk.mssCache);
  },
};
