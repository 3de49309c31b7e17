/**
 * Packetization-layer path MTU discovery (RFC 4821 §7; net.ipv4.tcp_mtu_probing; Linux `tcp_mtu_probe`,
 * `tcp_mtu_probing`): a search between a size that works and one that might, by segments that are
 * larger than the others. Sizes are MTUs.
 */
import { MIB } from '../../mib.ts';
import { seqGt } from '../../util/seq.ts';
import { TCP_ACK, TCP_FIN, TCP_HLEN, TCP_PSH } from '../../wire/tcp.ts';
import { TCP_CA_OPEN } from './constants.ts';
import { count } from './count.ts';
import { tcpCurrentSsthresh, tcpPacketsInFlight, tcpWndEnd } from './flight.ts';
import { tcpCurrentMss, tcpMtuToMss, tcpSyncMss } from './mss.ts';
import { newDataSent } from './new-data.ts';
import { pacingCheck } from './pacing.ts';
import { sliceInto, TxSegment } from './segment.ts';
import { chargeSend, setTsoSegs, trimHead } from './send-queue.ts';
import type { TcpSock } from './sock.ts';
import { tcpTransmitSegment } from './transmit.ts';

/** The window must have room for the probe and for what tells of its loss. */
const MIN_CWND = 11;

/** MTU of a segment with `mss` bytes of text (`tcp_mss_to_mtu`). */
function mssToMtu(sk: TcpSock, mss: number): number {
  return mss + sk.tcpHeaderLen + sk.af.headerLen;
}

/** A connection begins (`tcp_mtup_init`). */
export function mtupInit(sk: TcpSock): void {
  const s = sk.net.sysctl;
  sk.mtupEnabled = s.tcpMtuProbing > 1;
  sk.mtupSearchHigh = sk.mssClamp + TCP_HLEN + sk.af.headerLen;
  sk.mtupSearchLow = mssToMtu(sk, s.tcpBaseMss);
  sk.mtupProbeSize = 0;
  if (sk.mtupEnabled) sk.mtupProbeStamp = sk.mstamp;
}

/**
 * The path may swallow large segments (RFC 4821 §7.7): first down to tcp_base_mss, then by halves, not
 * below tcp_mtu_probe_floor and tcp_min_snd_mss.
 */
export function mtuProbing(sk: TcpSock): void {
  const s = sk.net.sysctl;
  if (s.tcpMtuProbing === 0) return;
  if (!sk.mtupEnabled) {
    sk.mtupEnabled = true;
    sk.mtupProbeStamp = sk.mstamp;
  } else {
    let mss = tcpMtuToMss(sk, sk.mtupSearchLow) >> 1;
    mss = Math.min(s.tcpBaseMss, mss);
    mss = Math.max(mss, s.tcpMtuProbeFloor, s.tcpMinSndMss);
    sk.mtupSearchLow = mssToMtu(sk, mss);
  }
  tcpSyncMss(sk, sk.pmtuCookie);
}

/** The probe was lost and nothing else (`tcp_mtup_probe_failed`). */
export function mtupProbeFailed(sk: TcpSock): void {
  sk.mtupSearchHigh = sk.mtupProbeSize - 1;
  sk.mtupProbeSize = 0;
  count(sk.net, MIB.TcpExtTCPMTUPFail);
}

/** The probe arrived: segments become larger, and the window stays the same in bytes. */
export function mtupProbeSuccess(sk: TcpSock): void {
  sk.priorSsthresh = tcpCurrentSsthresh(sk);
  const cwnd = Math.floor((sk.sndCwnd * mssToMtu(sk, sk.mssCache)) / sk.mtupProbeSize);
  sk.sndCwnd = Math.max(1, cwnd);
  sk.sndCwndCnt = 0;
  sk.sndCwndStamp = sk.mstamp;
  sk.sndSsthresh = tcpCurrentSsthresh(sk);
  sk.mtupSearchLow = sk.mtupProbeSize;
  sk.mtupProbeSize = 0;
  tcpSyncMss(sk, sk.pmtuCookie);
  count(sk.net, MIB.TcpExtTCPMTUPSuccess);
}

/** After net.ipv4.tcp_probe_interval the search may begin anew (`tcp_mtu_check_reprobe`). */
function checkReprobe(sk: TcpSock): void {
  if (sk.mstamp - sk.mtupProbeStamp < sk.net.sysctl.tcpProbeInterval * 1_000_000) return;
  sk.mtupProbeSize = 0;
  sk.mtupSearchHigh = sk.mssClamp + TCP_HLEN + sk.af.headerLen;
  sk.mtupSearchLow = mssToMtu(sk, tcpCurrentMss(sk));
  sk.mtupProbeStamp = sk.mstamp;
}

/** The segments that a probe would swallow may be joined (`tcp_can_coalesce_send_queue_head`). */
function canCoalesce(sk: TcpSock, len: number): boolean {
  let left = len;
  for (let i = 0; left > 0; i++) {
    const seg = sk.writeQueue.at(i);
    if (seg === null) return true;
    if (left <= seg.len) return true;
    if (seg.eor) return false;
    left -= seg.len;
  }
  return true;
}

/** No probe now, one was sent, or: wait, and send nothing until there is room for one. */
export const MTU_PROBE_NONE = -1;
export const MTU_PROBE_WAIT = 0;
export const MTU_PROBE_SENT = 1;

/** Sends a probe if it is time for one. */
export function mtuProbe(sk: TcpSock): number {
  if (
    !sk.mtupEnabled ||
    sk.mtupProbeSize !== 0 ||
    sk.caState !== TCP_CA_OPEN ||
    sk.sndCwnd < MIN_CWND ||
    sk.sackBlocks.length > 0 ||
    sk.dsackPending
  )
    return MTU_PROBE_NONE;
  const mss = tcpCurrentMss(sk);
  const size = tcpMtuToMss(sk, (sk.mtupSearchHigh + sk.mtupSearchLow) >> 1);
  const interval = sk.mtupSearchHigh - sk.mtupSearchLow;
  if (size > tcpMtuToMss(sk, sk.mtupSearchHigh) || interval < sk.net.sysctl.tcpProbeThreshold) {
    checkReprobe(sk);
    return MTU_PROBE_NONE;
  }
  // Enough must follow the probe to tell of its loss (RFC 4821 §7.4).
  const needed = size + (sk.reordering + 1) * sk.mssCache;
  if ((sk.writeSeq - sk.sndNxt) >>> 0 < needed || sk.sndWnd < needed) return MTU_PROBE_NONE;
  if (seqGt((sk.sndNxt + needed) | 0, tcpWndEnd(sk))) return MTU_PROBE_WAIT;
  const inFlight = tcpPacketsInFlight(sk);
  if (inFlight + 2 > sk.sndCwnd) return inFlight === 0 ? MTU_PROBE_NONE : MTU_PROBE_WAIT;
  if (!canCoalesce(sk, size) || pacingCheck(sk)) return MTU_PROBE_NONE;
  return sendProbe(sk, buildProbe(sk, size, mss), mss);
}

/** Joins the first `size` unsent bytes to one segment at the head of the queue. */
function buildProbe(sk: TcpSock, size: number, mss: number): TxSegment {
  const queue = sk.writeQueue;
  const first = queue.first();
  const probe = new TxSegment(first === null ? sk.sndNxt : first.seq, TCP_ACK);
  chargeSend(sk, probe.truesize);
  for (let seg = queue.first(); seg !== null && probe.len < size; seg = queue.first()) {
    const copy = Math.min(seg.len, size - probe.len);
    sliceInto(probe.data, seg.data, 0, copy);
    probe.len += copy;
    probe.truesize += copy;
    chargeSend(sk, copy);
    if (copy < seg.len) {
      probe.flags |= seg.flags & ~(TCP_FIN | TCP_PSH);
      trimHead(sk, seg, copy);
      setTsoSegs(seg, mss);
      break;
    }
    probe.flags |= seg.flags;
    probe.eor = seg.eor;
    chargeSend(sk, -seg.truesize);
    queue.shift();
  }
  const fin = (probe.flags & TCP_FIN) !== 0 ? 1 : 0;
  probe.endSeq = (probe.seq + probe.len + fin) | 0;
  setTsoSegs(probe, probe.len);
  queue.unshift(probe);
  return probe;
}

function sendProbe(sk: TcpSock, probe: TxSegment, mss: number): number {
  if (tcpTransmitSegment(sk, probe) !== 0) {
    // It will be cut to ordinary segments.
    setTsoSegs(probe, mss);
    return MTU_PROBE_NONE;
  }
  // It takes the place of two.
  sk.sndCwnd--;
  newDataSent(sk, probe);
  sk.mtupProbeSize = mssToMtu(sk, probe.len);
  sk.mtupSeqStart = probe.seq;
  sk.mtupSeqEnd = probe.endSeq;
  return MTU_PROBE_SENT;
}
