/**
 * TCP_REPAIR: a connection is read out of one socket and put into another without a packet (Linux
 * `tcp_repair_set_window`, `tcp_repair_options_est`, `tcp_send_rcvq`, `tcp_peek_sndq`; used by CRIU).
 */
import { EFBIG, EINVAL, EPERM } from '../../errno.ts';
import { MIB } from '../../mib.ts';
import { seqGt } from '../../util/seq.ts';
import { TCP_ACK, TcpHeader } from '../../wire/tcp.ts';
import type { OptionValue } from '../sock.ts';
import { mstampRefresh } from './clock.ts';
import {
  TCP_CLOSE,
  TCP_ESTABLISHED,
  TCP_LISTEN,
  TCP_MAX_WSCALE,
  TCP_SACK_SEEN,
} from './constants.ts';
import { count } from './count.ts';
import { queueRcv } from './data.ts';
import { RxSegment, sliceInto } from './segment.ts';
import type { TcpSock } from './sock.ts';
import { tcpTransmitBare } from './transmit.ts';

/** Values of TCP_REPAIR_QUEUE. */
const TCP_NO_QUEUE = 0;
const TCP_RECV_QUEUE = 1;
export const TCP_SEND_QUEUE = 2;
export const TCP_QUEUES_NR = 3;

/** Values of TCP_REPAIR. */
const REPAIR_ON = 1;
const REPAIR_OFF = 0;
const REPAIR_OFF_NO_WP = -1;

/** Bytes of `struct tcp_repair_window` and `struct tcp_repair_opt`. */
const WINDOW_LENGTH = 20;
const OPT_LENGTH = 8;

/** Kinds of options that TCP_REPAIR_OPTIONS takes. */
const OPT_MSS = 2;
const OPT_WINDOW = 3;
const OPT_SACK_PERM = 4;
const OPT_TIMESTAMP = 8;

/** TCP_REPAIR; that the caller has CAP_NET_ADMIN was checked above. */
export function setRepair(sk: TcpSock, val: number): number {
  if (sk.state === TCP_LISTEN) return -EPERM;
  if (val !== REPAIR_ON && val !== REPAIR_OFF && val !== REPAIR_OFF_NO_WP) return -EINVAL;
  sk.repair = val === REPAIR_ON;
  sk.reuseAddr = false;
  if (sk.repair) sk.repairQueue = TCP_NO_QUEUE;
  if (val === REPAIR_OFF) sendWindowProbe(sk);
  return 0;
}

/** The peer tells its window in answer to this (`tcp_send_window_probe`). */
function sendWindowProbe(sk: TcpSock): void {
  if (sk.state !== TCP_ESTABLISHED) return;
  sk.sndWl1 = (sk.rcvNxt - 1) | 0;
  mstampRefresh(sk);
  count(sk.net, MIB.TcpExtTCPWinProbe);
  tcpTransmitBare(sk, (sk.sndUna - 1) | 0, TCP_ACK);
}

export function setQueueSeq(sk: TcpSock, val: number): number {
  if (sk.state !== TCP_CLOSE) return -EPERM;
  switch (sk.repairQueue) {
    case TCP_SEND_QUEUE:
      if (!sk.rtxQueue.empty) return -EPERM;
      sk.writeSeq = val;
      return 0;
    case TCP_RECV_QUEUE:
      if (sk.rcvNxt !== sk.copiedSeq) return -EPERM;
      sk.rcvNxt = val;
      sk.copiedSeq = val;
      return 0;
    default:
      return -EINVAL;
  }
}

/** A signed 32-bit number, of which any is a sequence number; an object tells refusal apart. */
export function getQueueSeq(sk: TcpSock): OptionValue {
  if (sk.repairQueue === TCP_SEND_QUEUE) return sk.writeSeq >>> 0;
  return sk.repairQueue === TCP_RECV_QUEUE ? sk.rcvNxt >>> 0 : -EINVAL;
}

/** `struct tcp_repair_window`: snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup. */
export function setRepairWindow(sk: TcpSock, value: OptionValue): number {
  if (!sk.repair) return -EPERM;
  if (!(value instanceof Uint8Array) || value.length !== WINDOW_LENGTH) return -EINVAL;
  const view = new DataView(value.buffer, value.byteOffset, WINDOW_LENGTH);
  const sndWl1 = view.getInt32(0, true);
  const sndWnd = view.getUint32(4, true);
  const maxWindow = view.getUint32(8, true);
  const rcvWnd = view.getUint32(12, true);
  const rcvWup = view.getInt32(16, true);
  if (maxWindow < sndWnd || seqGt(sndWl1, (sk.rcvNxt + rcvWnd) | 0) || seqGt(rcvWup, sk.rcvNxt))
    return -EINVAL;
  sk.sndWl1 = sndWl1;
  sk.sndWnd = sndWnd;
  sk.maxWindow = maxWindow;
  sk.rcvWnd = rcvWnd;
  sk.rcvWup = rcvWup;
  return 0;
}

export function getRepairWindow(sk: TcpSock): OptionValue {
  if (!sk.repair) return -EPERM;
  const bytes = new Uint8Array(WINDOW_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, sk.sndWl1, true);
  view.setUint32(4, sk.sndWnd, true);
  view.setUint32(8, sk.maxWindow, true);
  view.setUint32(12, sk.rcvWnd, true);
  view.setInt32(16, sk.rcvWup, true);
  return bytes;
}

/** Pairs of option kind and value. */
export function setRepairOptions(sk: TcpSock, value: OptionValue): number {
  if (!sk.repair) return -EINVAL;
  if (sk.state !== TCP_ESTABLISHED) return -EPERM;
  if (!(value instanceof Uint8Array)) return -EINVAL;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  for (let at = 0; at + OPT_LENGTH <= value.length; at += OPT_LENGTH) {
    const err = repairOption(sk, view.getUint32(at, true), view.getUint32(at + 4, true));
    if (err < 0) return err;
  }
  return 0;
}

function repairOption(sk: TcpSock, kind: number, val: number): number {
  switch (kind) {
    case OPT_MSS:
      sk.mssClamp = val & 0xffff;
      return 0;
    case OPT_WINDOW: {
      const snd = val & 0xffff;
      const rcv = val >>> 16;
      if (snd > TCP_MAX_WSCALE || rcv > TCP_MAX_WSCALE) return -EFBIG;
      sk.sndWscale = snd;
      sk.rcvWscale = rcv;
      sk.wscaleOk = true;
      return 0;
    }
    case OPT_SACK_PERM:
      if (val !== 0) return -EINVAL;
      sk.sackOk |= TCP_SACK_SEEN;
      return 0;
    case OPT_TIMESTAMP:
      if (val !== 0) return -EINVAL;
      sk.tstampOk = true;
      return 0;
    default:
      return 0;
  }
}

/** A write in repair mode: 1: goes the ordinary way, though not to the wire; otherwise its result. */
export function repairWrite(sk: TcpSock, data: Uint8Array): number {
  if (sk.repairQueue === TCP_SEND_QUEUE) return 1;
  if (sk.repairQueue === TCP_NO_QUEUE) return -EINVAL;
  if (data.length === 0) return 0;
  const pkt = sk.net.kernel.newPacket(0);
  pkt.data = [data.slice()];
  pkt.len = data.length;
  const hdr = new TcpHeader(
    sk.dport,
    sk.sport,
    sk.rcvNxt,
    (sk.sndUna - 1) | 0,
    TCP_ACK,
    0,
    0,
    null,
    0,
  );
  queueRcv(sk, new RxSegment(pkt, hdr, 0, 0));
  return data.length;
}

/** A read in repair mode: 1: the ordinary way; otherwise `-errno` or, for the send queue, its bytes. */
export function repairRead(sk: TcpSock, max: number, peek: boolean): number | Uint8Array[] {
  if (!peek) return -EPERM;
  if (sk.repairQueue === TCP_NO_QUEUE) return -EINVAL;
  if (sk.repairQueue === TCP_RECV_QUEUE) return 1;
  const out: Uint8Array[] = [];
  let left = max;
  for (const queue of [sk.rtxQueue, sk.writeQueue])
    for (let i = 0; i < queue.length && left > 0; i++) {
      const seg = queue.at(i);
      if (seg === null) break;
      const take = Math.min(left, seg.len);
      sliceInto(out, seg.data, 0, take);
      left -= take;
    }
  return out;
}
