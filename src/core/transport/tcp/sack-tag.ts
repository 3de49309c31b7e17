/** One stretch of sent data is covered by a SACK block (RFC 2018 §5, RFC 2883; Linux `tcp_sacktag_one`). */
import { seqGt, seqLt } from '../../util/seq.ts';
import { FLAG_DATA_SACKED, FLAG_ORIG_SACK_ACKED } from './ack-flags.ts';
import type { AckState } from './ack-state.ts';
import {
  TCPCB_EVER_RETRANS,
  TCPCB_LOST,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
} from './constants.ts';
import { tcpHighestSackSeq } from './flight.ts';
import { rackAdvance } from './rack.ts';
import type { TxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';

const RETRANS: number = TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS;

/**
 * Counts [seg.seq, endSeq), which are `n` segments on the wire, as received; returns the marks that they
 * have from now on.
 */
// biome-ignore lint/complexity/useMaxParams: a stretch of a segment, and what it is part of
export function tagRange(
  sk: TcpSock,
  seg: TxSegment,
  endSeq: number,
  n: number,
  dup: boolean,
  st: AckState,
): number {
  let marks = seg.sacked;
  if (dup && (marks & RETRANS) !== 0) noteDuplicate(sk, seg, endSeq, n, st);
  if (!seqGt(endSeq, sk.sndUna)) return marks;
  if ((marks & TCPCB_SACKED_ACKED) === 0) {
    rackAdvance(sk, marks, endSeq, seg.sentUs);
    if ((marks & TCPCB_SACKED_RETRANS) === 0) {
      if ((marks & RETRANS) === 0) noteOriginalSacked(sk, seg, endSeq, st);
      if ((marks & TCPCB_LOST) !== 0) {
        marks &= ~TCPCB_LOST;
        sk.lostOut -= n;
      }
    } else if ((marks & TCPCB_LOST) !== 0) {
      // Not lost: then the retransmission may still be under way, and its mark stays.
      marks &= ~(TCPCB_LOST | TCPCB_SACKED_RETRANS);
      sk.lostOut -= n;
      sk.retransOut -= n;
    }
    marks |= TCPCB_SACKED_ACKED;
    st.flag |= FLAG_DATA_SACKED;
    sk.sackedOut += n;
    st.sackDelivered += n;
  }
  if (dup && (marks & TCPCB_SACKED_RETRANS) !== 0) {
    marks &= ~TCPCB_SACKED_RETRANS;
    sk.retransOut -= n;
  }
  return marks;
}

/** A retransmission was one too many (RFC 3708). */
function noteDuplicate(sk: TcpSock, seg: TxSegment, endSeq: number, n: number, st: AckState): void {
  if (sk.undoMarker !== 0 && sk.undoRetrans > 0 && seqGt(endSeq, sk.undoMarker))
    sk.undoRetrans = Math.max(0, sk.undoRetrans - n);
  if ((seg.sacked & TCPCB_SACKED_ACKED) !== 0 && seqLt(seg.seq, st.reord)) st.reord = seg.seq;
}

/** Never sent again, now sacked: its RTT counts, and it may show reordering. */
function noteOriginalSacked(sk: TcpSock, seg: TxSegment, endSeq: number, st: AckState): void {
  if (seqLt(seg.seq, tcpHighestSackSeq(sk)) && seqLt(seg.seq, st.reord)) st.reord = seg.seq;
  if (!seqGt(endSeq, sk.highSeq)) st.flag |= FLAG_ORIG_SACK_ACKED;
  if (st.firstSackt === 0) st.firstSackt = seg.sentUs;
  st.lastSackt = seg.sentUs;
}
