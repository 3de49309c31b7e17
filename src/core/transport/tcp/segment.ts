/**
 * The two kinds of segment that a connection keeps: one to send, with its marks (Linux `sk_buff` with
 * `TCP_SKB_CB` on the write and retransmission queues), and one received.
 */
import type { Packet, Payload } from '../../packet.ts';
import { headSize, SKB_SIZE, tunTailroom } from '../../truesize.ts';
import { TCP_FIN, TCP_SYN, type TcpHeader } from '../../wire/tcp.ts';
import { TX_OVERHEAD } from './constants.ts';

/** A segment of the send queue. May stand for several on the wire (`pcount`). */
export class TxSegment {
  seq: number;
  endSeq: number;
  /** `TCP_*` flags that it will carry. */
  flags: number;
  data: Uint8Array[] = [];
  /** Bytes in `data`. */
  len = 0;
  /** Segments on the wire; 0 while more bytes may be added. */
  pcount = 0;
  /** Bytes per segment on the wire when `pcount > 1`. */
  gsoSize = 0;
  /** `TCPCB_*` */
  sacked = 0;
  /** MSG_EOR: nothing is added behind it. */
  eor = false;
  /** Time of the last transmission, TCP clock. */
  sentUs = 0;
  /** Delivery-rate sample (Linux `tcp_rate.c`): state of the connection when this was sent. */
  firstTxUs = 0;
  deliveredUs = 0;
  delivered = 0;
  deliveredCe = 0;
  isAppLimited = false;
  /** In the order of sending, for RACK (`tcp_tsorted_anchor`). */
  timePrev: TxSegment | null = null;
  timeNext: TxSegment | null = null;
  inTimeList = false;
  /** Copies that wait in a queue of the device. */
  inQueue = 0;
  /** Charged to the send buffer. */
  truesize: number = TX_OVERHEAD;

  constructor(seq: number, flags: number) {
    this.seq = seq;
    this.flags = flags;
    this.endSeq = (seq + ((flags & (TCP_SYN | TCP_FIN)) !== 0 ? 1 : 0)) | 0;
  }
}

/** A segment that arrived. Trimming moves `seq` and `data` forward together. */
export class RxSegment {
  seq: number;
  endSeq: number;
  readonly ack: number;
  /** `TCP_*` flags */
  flags: number;
  readonly hdr: TcpHeader;
  readonly pkt: Packet;
  data: Payload;
  len: number;
  /** The IP header's ECN bits were CE / ECT(0) / ECT(1) / none (RFC 3168 §5). */
  readonly ecn: number;
  /** Charged to the receive buffer. */
  truesize: number;
  /** Bytes that fit behind these in the same buffer (`skb_tailroom`); -1: it is shared with its sender. */
  tailroom: number;
  /** That room, once something is in it: the last slice of `data` is a part of it. */
  private tail: Uint8Array | null = null;
  /** Segments on the wire that this one stands for. */
  readonly segs: number;
  /** A queue holds it: whoever handled it may not drop it. */
  queued = false;

  constructor(pkt: Packet, hdr: TcpHeader, ecn: number, ipHeaderLen: number) {
    const flags = hdr.flags;
    this.seq = hdr.seq;
    this.endSeq =
      (hdr.seq + pkt.len + ((flags & TCP_SYN) !== 0 ? 1 : 0) + ((flags & TCP_FIN) !== 0 ? 1 : 0)) |
      0;
    this.ack = hdr.ack;
    this.flags = flags;
    this.hdr = hdr;
    this.pkt = pkt;
    this.data = pkt.data;
    this.len = pkt.len;
    this.ecn = ecn;
    // LINUX: nobody counts what comes joined through a tun device (`gso_segs` 0).
    const isJoined = pkt.truesize === 0 && pkt.gsoSize > 0 && pkt.len > pkt.gsoSize;
    this.segs = isJoined ? Math.ceil(pkt.len / pkt.gsoSize) : 1;
    const ipLen = pkt.len + hdr.headerLen() + ipHeaderLen;
    this.truesize = pkt.truesize === 0 ? localTruesize(ipLen) : pkt.truesize;
    this.tailroom = pkt.truesize === 0 ? -1 : tunTailroom(ipLen);
  }

  /** Copies the bytes of `from` behind these; there must be room for them. */
  append(from: RxSegment): void {
    this.endSeq = from.endSeq;
    this.flags |= from.flags;
    if (from.len === 0) return;
    let used = 0;
    let tail = this.tail;
    if (tail === null) {
      tail = new Uint8Array(this.tailroom);
      this.tail = tail;
      this.data = [...this.data, tail.subarray(0, 0)];
    } else used = tail.length - this.tailroom;
    const slices = this.data as Uint8Array[];
    const last = slices[slices.length - 1] as Uint8Array;
    for (let i = 0; i < from.data.length; i++) {
      const slice = from.data[i] as Uint8Array;
      tail.set(slice, used);
      used += slice.length;
    }
    slices[slices.length - 1] = tail.subarray(last.byteOffset, used);
    this.tailroom -= from.len;
    this.len += from.len;
  }

  /** Removes `n` bytes, at most all, from the front. */
  trimHead(n: number): void {
    if (n <= 0) return;
    this.data = sliceFrom(this.data, n);
    this.len -= n;
    this.seq = (this.seq + n) | 0;
  }
}

/** First size beyond which a packet of our own is in pages. */
const LARGEST_HEAD = 8192;
/** Room before an IP packet (`NET_SKB_PAD`). */
const HEAD_ROOM = 64;

/**
 * What a packet of this kernel's own is charged: as if it were in a buffer of its own, or in pages, which cost
 * little more than they hold.
 */
function localTruesize(ipLen: number): number {
  const size = headSize(ipLen + HEAD_ROOM);
  if (size > LARGEST_HEAD) return ipLen + headSize(0) + SKB_SIZE;
  return size + SKB_SIZE;
}

/** The payload without its first `n` bytes. */
export function sliceFrom(data: Payload, n: number): Payload {
  let skip = n;
  let i = 0;
  while (i < data.length && skip >= (data[i] as Uint8Array).length) {
    skip -= (data[i] as Uint8Array).length;
    i++;
  }
  const rest = data.slice(i);
  if (skip > 0 && rest.length > 0) rest[0] = (rest[0] as Uint8Array).subarray(skip);
  return rest;
}

/** Bytes [from, from + len) of a payload, appended to `out`. */
export function sliceInto(out: Uint8Array[], data: Payload, from: number, len: number): void {
  let skip = from;
  let left = len;
  for (let i = 0; i < data.length && left > 0; i++) {
    const slice = data[i] as Uint8Array;
    if (skip >= slice.length) {
      skip -= slice.length;
      continue;
    }
    const take = Math.min(left, slice.length - skip);
    out.push(take === slice.length ? slice : slice.subarray(skip, skip + take));
    left -= take;
    skip = 0;
  }
}
