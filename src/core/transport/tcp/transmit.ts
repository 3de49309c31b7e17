/**
 * One segment becomes a packet and goes down (Linux `__tcp_transmit_skb`, `tcp_send_ack`).
 * TX 1/4. From: `transport/tcp/output`. To: the family's `transmit`, and `network/ipv4/output` or `network/ipv6/output`.
 */
import { EHOSTUNREACH, ENOBUFS } from '../../errno.ts';
import { MIB } from '../../mib.ts';
import { NO_PAYLOAD, type Packet, type Payload, type TxStamp } from '../../packet.ts';
import { seqGt, seqLt } from '../../util/seq.ts';
import {
  TCP_ACK,
  TCP_CWR,
  TCP_ECE,
  TCP_PSH,
  TCP_SYN,
  TCP_URG,
  TcpHeader,
  type TcpOptions,
  tcpOptionsLen,
} from '../../wire/tcp.ts';
import { mstampRefresh } from './clock.ts';
import { CA_EVENT_TX_START } from './congestion.ts';
import {
  ICSK_ACK_SCHED,
  TCP_ATO_MIN,
  TCP_CLOSE,
  TCP_ECN_DEMAND_CWR,
  TCP_ECN_OK,
  TCP_ECN_QUEUE_CWR,
} from './constants.ts';
import { count, countBy } from './count.ts';
import { enterCwr } from './cwr.ts';
import { addFastOpenOption } from './fast-open-option.ts';
import { tcpPacketsInFlight, tcpUrgMode, tcpWndEnd } from './flight.ts';
import { md5KeyFor } from './md5-keys.ts';
import { signSegment } from './md5sig.ts';
import { tcpAdvertiseMss } from './mss.ts';
import { tcpEstablishedOptions, tcpSynOptions } from './options.ts';
import { pacingSent } from './pacing.ts';
import { pingpongInc } from './pingpong.ts';
import { rebuildRoute } from './route-cache.ts';
import type { TxSegment } from './segment.ts';
import { stampOf } from './send-notes.ts';
import { timeMoveToTail } from './send-queue.ts';
import { QueuedSegment } from './small-queue.ts';
import type { TcpSock } from './sock.ts';
import { clearDelack } from './timer-arm.ts';
import { tcpSelectWindow } from './window.ts';

/** ECT(0) in the TOS byte (RFC 3168 §5). */
const INET_ECN_ECT_0 = 2;

/** Not sent, because a queue of our own was full (`NET_XMIT_DROP`). */
export const LOCAL_CONGESTION = 1;

/** What a packet has beside its header. */
interface SegmentExtra {
  readonly gsoSize: number;
  readonly pcount: number;
  /** ECN bits of the IP header. */
  readonly ecn: number;
  /** Who wants to know when it leaves. */
  readonly stamp: TxStamp | null;
  /** Null: it is not kept. */
  readonly seg: TxSegment | null;
}

/** Builds the packet of a header and hands it to IP. 0, `-errno`, or `LOCAL_CONGESTION`. */
function queueXmit(
  sk: TcpSock,
  hdr: TcpHeader,
  data: Payload,
  len: number,
  extra: SegmentExtra,
): number {
  const net = sk.net;
  const err = rebuildRoute(sk);
  if (err < 0) return -EHOSTUNREACH;
  const { af } = sk;
  const pkt: Packet = net.kernel.newPacket(af.etherType);
  if (sk.md5Keys !== null) {
    const key = md5KeyFor(sk, sk);
    if (key !== null) signSegment(key, sk, hdr, { slices: data, len });
  }
  pkt.tcp = hdr;
  pkt.data = data;
  pkt.len = len;
  pkt.gsoSize = extra.gsoSize;
  pkt.mark = sk.mark;
  pkt.priority = sk.priority;
  pkt.timeUs = net.kernel.nowUs;
  pkt.txStamp = extra.stamp;
  if (sk.route?.dev.qdisc?.paces === true) leaveLater(sk, pkt, extra.seg);
  const sent = af.transmit(sk, pkt, extra.ecn, extra.pcount);
  if (sent !== -ENOBUFS) return sent;
  // The device's queue was full: that is congestion, too.
  enterCwr(sk);
  return LOCAL_CONGESTION;
}

/** The queue of the device paces: it is told when the packet may leave, and whose it is. */
function leaveLater(sk: TcpSock, pkt: Packet, seg: TxSegment | null): void {
  pkt.departUs = pkt.timeUs + Math.max(0, sk.wstampUs - sk.mstamp);
  pkt.owner = new QueuedSegment(sk, seg);
  sk.pacingFq = true;
}

/** What every segment is made with; one object per call site keeps V8 from making closures. */
const NO_GSO: SegmentExtra = { gsoSize: 0, pcount: 1, ecn: 0, stamp: null, seg: null };
const ECT_NO_GSO: SegmentExtra = { ...NO_GSO, ecn: INET_ECN_ECT_0 };

/**
 * Sends a segment of the send queue; `seg` keeps the time. 0, `-errno`, or `LOCAL_CONGESTION`.
 */
export function tcpTransmitSegment(sk: TcpSock, seg: TxSegment): number {
  const net = sk.net;
  mstampRefresh(sk);
  const isSyn = (seg.flags & TCP_SYN) !== 0;
  const priorWstamp = sk.wstampUs;
  if (sk.wstampUs < sk.mstamp) sk.wstampUs = sk.mstamp;
  // A paced packet leaves when the rate allows, and its round-trip begins then.
  seg.sentUs = Math.floor(sk.wstampUs);
  const options = isSyn ? synOptions(sk) : tcpEstablishedOptions(sk);
  let flags = seg.flags;
  // A burst must not wait for the receiver's delayed ACK.
  if (seg.pcount > 1) flags |= TCP_PSH;
  // RFC 3168 §6.1.5: new data only is ECN-capable.
  const ect = (sk.ecnFlags & TCP_ECN_OK) !== 0 && seg.len > 0 && !seqLt(seg.seq, sk.sndNxt);
  if (!isSyn) flags |= ecnSend(sk, ect);
  const window = isSyn ? Math.min(sk.rcvWnd, 65535) : tcpSelectWindow(sk);
  const ack = (flags & TCP_ACK) !== 0 ? sk.rcvNxt : 0;
  const urg = urgentPointer(sk, seg.seq, flags);
  if (urg > 0) flags |= TCP_URG;
  const hdr = headerOf(sk, seg.seq, ack, flags, window, urg, options);
  if ((flags & TCP_ACK) !== 0) eventAckSent(sk);
  if (seg.len > 0) {
    eventDataSent(sk);
    sk.dataSegsOut += seg.pcount;
    sk.bytesSent += seg.len;
  }
  if (seqGt(seg.endSeq, sk.sndNxt) || seg.seq === seg.endSeq)
    countBy(net, MIB.TcpOutSegs, seg.pcount);
  sk.segsOut += seg.pcount;
  const err = queueXmit(sk, hdr, seg.data, seg.len, {
    gsoSize: seg.pcount > 1 ? seg.gsoSize : 0,
    pcount: seg.pcount,
    ecn: (ect && !isSyn) || marksAll(sk) ? INET_ECN_ECT_0 : 0,
    stamp: sk.rareMaybe === null ? null : stampOf(sk, seg),
    seg,
  });
  if (err !== 0) return err;
  pacingSent(sk, seg.len, priorWstamp);
  timeMoveToTail(sk, seg);
  rateSegmentSent(sk, seg);
  return 0;
}

/** All segments are ECN-capable, SYNs and ACKs too (RFC 8257 §3.1). */
function marksAll(sk: TcpSock): boolean {
  return sk.ca.needsEcn && (sk.ecnFlags & TCP_ECN_OK) !== 0;
}

/** ECE while CE was seen and CWR was not; CWR once after a reduction (`tcp_ecn_send`). */
function ecnSend(sk: TcpSock, ect: boolean): number {
  if ((sk.ecnFlags & TCP_ECN_OK) === 0) return 0;
  let flags = (sk.ecnFlags & TCP_ECN_DEMAND_CWR) !== 0 ? TCP_ECE : 0;
  if (ect && (sk.ecnFlags & TCP_ECN_QUEUE_CWR) !== 0) {
    sk.ecnFlags &= ~TCP_ECN_QUEUE_CWR;
    flags |= TCP_CWR;
  }
  return flags;
}

function synOptions(sk: TcpSock): TcpOptions {
  const o = tcpSynOptions(sk, tcpAdvertiseMss(sk));
  if (sk.fastOpenReq !== null) addFastOpenOption(sk, o);
  return o;
}

// biome-ignore lint/complexity/useMaxParams: the header's own fields
function headerOf(
  sk: TcpSock,
  seq: number,
  ack: number,
  flags: number,
  window: number,
  urg: number,
  options: TcpOptions | null,
): TcpHeader {
  const len = options === null ? 0 : tcpOptionsLen(options);
  return new TcpHeader(sk.sport, sk.dport, seq, ack, flags, window, urg, options, len);
}

/** RFC 9293 §3.8.5; LINUX: the pointer is to the byte after the urgent one. */
function urgentPointer(sk: TcpSock, seq: number, flags: number): number {
  if (!tcpUrgMode(sk) || (flags & TCP_SYN) !== 0) return 0;
  if (!seqLt(seq, sk.sndUp)) return 0;
  const distance = (sk.sndUp - seq) | 0;
  if (distance < 0x10000) return distance;
  // Far ahead: say "urgent" as far as the field reaches.
  return seqGt((seq + 0xffff) | 0, sk.sndNxt) ? 0xffff : 0;
}

/** A segment without data that is not kept: ACK, RST, probe. */
export function tcpTransmitBare(
  sk: TcpSock,
  seq: number,
  flags: number,
  rcvNxt: number = sk.rcvNxt,
): number {
  mstampRefresh(sk);
  if (sk.wstampUs < sk.mstamp) sk.wstampUs = sk.mstamp;
  let out = flags;
  if ((sk.ecnFlags & (TCP_ECN_OK | TCP_ECN_DEMAND_CWR)) === (TCP_ECN_OK | TCP_ECN_DEMAND_CWR))
    out |= TCP_ECE;
  const options = tcpEstablishedOptions(sk);
  const window = tcpSelectWindow(sk);
  const urg = urgentPointer(sk, seq, flags);
  if (urg > 0) out |= TCP_URG;
  const hdr = headerOf(sk, seq, (flags & TCP_ACK) !== 0 ? rcvNxt : 0, out, window, urg, options);
  // An ACK of before, which DCTCP sends, does not count as the one that is owed.
  if ((flags & TCP_ACK) !== 0 && rcvNxt === sk.rcvNxt) eventAckSent(sk);
  count(sk.net, MIB.TcpOutSegs);
  sk.segsOut++;
  return queueXmit(sk, hdr, NO_PAYLOAD, 0, marksAll(sk) ? ECT_NO_GSO : NO_GSO);
}

/** An ACK went out: what was delayed is done (`tcp_event_ack_sent`). */
function eventAckSent(sk: TcpSock): void {
  if (sk.compressedAck > 0) {
    countBy(sk.net, MIB.TcpExtTCPAckCompressed, sk.compressedAck);
    sk.compressedAck = 0;
    sk.compressedAckTimerMaybe?.clear();
  }
  if (sk.ackQuick > 0) {
    const pkts = (sk.ackPending & ICSK_ACK_SCHED) !== 0 ? 1 : 0;
    if (pkts >= sk.ackQuick) {
      sk.ackQuick = 0;
      sk.atoUs = TCP_ATO_MIN;
    } else sk.ackQuick -= pkts;
  }
  clearDelack(sk);
}

/** Data went out (`tcp_event_data_sent`): a quick answer marks the connection as interactive. */
function eventDataSent(sk: TcpSock): void {
  const now = sk.mstamp;
  if (tcpPacketsInFlight(sk) === 0) sk.ca.cwndEvent(sk, CA_EVENT_TX_START);
  sk.lsndtime = now;
  if (now - sk.lrcvtime < sk.atoUs) pingpongInc(sk);
}

/** Notes the connection's delivery state in the segment (`tcp_rate_skb_sent`). */
function rateSegmentSent(sk: TcpSock, seg: TxSegment): void {
  if (sk.packetsOut === 0) {
    sk.firstTxUs = seg.sentUs;
    sk.deliveredUs = seg.sentUs;
  }
  seg.firstTxUs = sk.firstTxUs;
  seg.deliveredUs = sk.deliveredUs;
  seg.delivered = sk.delivered;
  seg.deliveredCe = sk.deliveredCe;
  seg.isAppLimited = sk.appLimited !== 0;
}

/** Sequence number for a segment without data: within the peer's window (`tcp_acceptable_seq`). */
export function tcpAcceptableSeq(sk: TcpSock): number {
  const end = tcpWndEnd(sk);
  if (!seqLt(end, sk.sndNxt)) return sk.sndNxt;
  if (sk.wscaleOk && (sk.sndNxt - end) >>> 0 < 2 ** sk.rcvWscale) return sk.sndNxt;
  return end;
}

/** Linux `tcp_send_ack` */
export function tcpSendAck(sk: TcpSock): void {
  if (sk.state === TCP_CLOSE) return;
  tcpTransmitBare(sk, tcpAcceptableSeq(sk), TCP_ACK);
}
