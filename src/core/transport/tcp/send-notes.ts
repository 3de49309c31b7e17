/**
 * What a stream tells its application about bytes that it sent: that a buffer given with MSG_ZEROCOPY is
 * free again (Linux `msg_zerocopy_realloc`, `__msg_zerocopy_callback`), and the times of SO_TIMESTAMPING.
 * Both hang on sequence numbers. Nothing is really sent without a copy, so that a completed buffer says so
 * (SO_EE_CODE_ZEROCOPY_COPIED), as on Linux over loopback, veth and tun.
 */
import { seqGt, seqLt } from '../../util/seq.ts';
import { lastQueued, queueError, SO_EE_ORIGIN_ZEROCOPY } from '../error-queue.ts';
import { EPOLLERR } from '../sock.ts';
import { SentStamp, SOF_TX_RECORD } from '../tx-stamp.ts';
import type { TxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';

const SO_EE_CODE_ZEROCOPY_COPIED = 1;
/** Bytes and calls that one note may stand for. */
const ZC_BYTES = 1 << 19;
const ZC_CALLS = 0xffff;

/** Calls `id` to `id + calls - 1`, whose bytes end before `end`. */
interface ZeroCopyRange {
  readonly id: number;
  calls: number;
  readonly start: number;
  end: number;
}

export class SendNotes {
  /** In order of sequence numbers. */
  readonly zeroCopy: ZeroCopyRange[] = [];
  readonly stamps: SentStamp[] = [];
}

function notesOf(sk: TcpSock): SendNotes {
  const rare = sk.ownRare();
  rare.sendNotes ??= new SendNotes();
  return rare.sendNotes;
}

/** A send with MSG_ZEROCOPY took bytes [start, sk.writeSeq). @param tail where the unsent end began */
export function noteZeroCopy(sk: TcpSock, start: number, tail: number | null): void {
  const rare = sk.ownRare();
  const list = notesOf(sk).zeroCopy;
  const last = list.at(-1);
  const id = rare.zeroCopyKey;
  rare.zeroCopyKey = (id + 1) >>> 0;
  const end = sk.writeSeq;
  // LINUX: what lands in the segment that waits anyway joins the note of that.
  const joins =
    last !== undefined &&
    tail !== null &&
    seqGt(last.end, tail) &&
    (last.id + last.calls) >>> 0 === id &&
    last.calls < ZC_CALLS - 1 &&
    ((end - last.start) | 0) <= ZC_BYTES;
  if (joins) {
    last.calls++;
    last.end = end;
  } else list.push({ id, calls: 1, start, end });
}

/** The call that is ending wants times (`tcp_tx_timestamp`). */
export function noteStamp(sk: TcpSock): void {
  const flags = sk.rare.tsFlags & SOF_TX_RECORD;
  const tail = sk.writeQueue.last();
  if (flags === 0 || tail === null) return;
  const { stamps } = notesOf(sk);
  const last = stamps.at(-1);
  // One per segment: the later call rules.
  if (last !== undefined && !seqLt(last.key, tail.seq)) stamps.pop();
  stamps.push(new SentStamp(sk, flags, (sk.writeSeq - 1) | 0));
}

/** The stamp of a segment that goes out; null: none was wanted. */
export function stampOf(sk: TcpSock, seg: TxSegment): SentStamp | null {
  const stamps = sk.rareMaybe?.sendNotes?.stamps;
  if (stamps === undefined) return null;
  return stamps.find((s) => !seqLt(s.key, seg.seq) && seqLt(s.key, seg.endSeq)) ?? null;
}

/** A segment was acknowledged as a whole, or up to `una` (`tcp_ack_tstamp`). */
export function segmentAcked(sk: TcpSock, notes: SendNotes, seg: TxSegment): void {
  const una = sk.sndUna;
  for (let s = notes.stamps[0]; s !== undefined && seqLt(s.key, una); s = notes.stamps[0]) {
    notes.stamps.shift();
    s.acked(seg.data, seg.len);
  }
  for (let z = notes.zeroCopy[0]; z !== undefined && !seqGt(z.end, una); z = notes.zeroCopy[0]) {
    notes.zeroCopy.shift();
    completed(sk, z);
  }
}

/** The send queue is thrown away: buffers are free, no time will come. */
export function purgeNotes(sk: TcpSock, notes: SendNotes): void {
  notes.stamps.length = 0;
  for (const z of notes.zeroCopy.splice(0)) completed(sk, z);
}

function completed(sk: TcpSock, z: ZeroCopyRange): void {
  if (sk.orphan) return;
  const hi = (z.id + z.calls - 1) >>> 0;
  const last = lastQueued(sk);
  if (last !== null && last.error.origin === SO_EE_ORIGIN_ZEROCOPY) {
    const { info, data = 0 } = last.error;
    if ((data + 1) >>> 0 === z.id && ((data - info) >>> 0) + 1 + z.calls < 2 ** 32) {
      last.error = { ...last.error, data: hi };
      sk.wake(EPOLLERR);
      return;
    }
  }
  // What never left was never copied.
  const code = seqGt(sk.sndNxt, z.start) ? SO_EE_CODE_ZEROCOPY_COPIED : 0;
  queueError(sk, {
    error: {
      errno: 0,
      origin: SO_EE_ORIGIN_ZEROCOPY,
      type: 0,
      code,
      info: z.id,
      offender: 0,
      data: hi,
    },
    addr: 0,
    port: 0,
    hasAddress: false,
    data: null,
  });
}
