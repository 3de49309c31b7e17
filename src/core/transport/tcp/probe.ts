/** Probes: tail loss (RFC 8985 §7.3), zero window (RFC 9293 §3.8.6.1), keepalive (Linux `tcp_write_wakeup`). */
import { MIB } from '../../mib.ts';
import { seqBetween, seqGt, seqLt } from '../../util/seq.ts';
import { TCP_ACK, TCP_PSH } from '../../wire/tcp.ts';
import { clampProbe0 } from './ack.ts';
import {
  ICSK_TIME_NONE,
  ICSK_TIME_PROBE0,
  TCP_CLOSE,
  TCP_NAGLE_OFF,
  TCP_RESOURCE_PROBE_INTERVAL,
} from './constants.ts';
import { count } from './count.ts';
import { tcpWndEnd } from './flight.ts';
import { tcpCurrentMss } from './mss.ts';
import { newDataSent } from './new-data.ts';
import { PUSH_PROBE, tcpWriteXmit } from './output.ts';
import { retransmitOnly } from './retransmit.ts';
import { fragmentSent, fragmentUnsent, setTsoSegs } from './send-queue.ts';
import { stillInQueue } from './small-queue.ts';
import type { TcpSock } from './sock.ts';
import { probe0When, resetXmitTimerPaced, tcpRearmRto } from './timer-arm.ts';
import { tcpTransmitBare, tcpTransmitSegment } from './transmit.ts';

/** Sends a segment that cannot be new: SND.UNA − 1 (`tcp_xmit_probe_skb`). */
function xmitProbe(sk: TcpSock, urgent: boolean, counter: number): number {
  count(sk.net, counter);
  return tcpTransmitBare(sk, urgent ? sk.sndUna : (sk.sndUna - 1) | 0, TCP_ACK);
}

/** Makes the peer speak: with data if the window lets, else with a bare probe. 0 or `-errno`. */
export function writeWakeup(sk: TcpSock, counter: number): number {
  if (sk.state === TCP_CLOSE) return -1;
  const seg = sk.writeQueue.first();
  const end = tcpWndEnd(sk);
  if (seg === null || !seqLt(seg.seq, end)) {
    if (seqBetween(sk.sndUp, (sk.sndUna + 1) | 0, (sk.sndUna + 0xffff) | 0))
      xmitProbe(sk, true, counter);
    return xmitProbe(sk, false, counter);
  }
  const mss = tcpCurrentMss(sk);
  let size = (end - seg.seq) | 0;
  if (seqLt(sk.pushedSeq, seg.endSeq)) sk.pushedSeq = seg.endSeq;
  if (size < ((seg.endSeq - seg.seq) | 0) || seg.len > mss) {
    size = Math.min(size, mss);
    seg.flags |= TCP_PSH;
    if (size < seg.len) fragmentUnsent(sk, seg, size, mss);
  }
  setTsoSegs(seg, mss);
  seg.flags |= TCP_PSH;
  const err = tcpTransmitSegment(sk, seg);
  if (err === 0) newDataSent(sk, seg);
  return err;
}

/** The zero-window probe timer ran out and the connection lives (`tcp_send_probe0`). */
export function sendProbe0(sk: TcpSock): void {
  const err = writeWakeup(sk, MIB.TcpExtTCPWinProbe);
  if (sk.packetsOut > 0 || sk.writeQueue.empty) {
    sk.probesOut = 0;
    sk.backoff = 0;
    sk.probesTstamp = 0;
    return;
  }
  sk.probesOut++;
  let timeout = TCP_RESOURCE_PROBE_INTERVAL;
  if (err <= 0) {
    if (sk.backoff < sk.net.sysctl.tcpRetries2) sk.backoff++;
    timeout = probe0When(sk, sk.rtoMaxUs);
  }
  resetXmitTimerPaced(sk, ICSK_TIME_PROBE0, clampProbe0(sk, timeout));
}

/** Sends something new, or the last segment again, so that SACKs tell what was lost. */
export function sendLossProbe(sk: TcpSock): void {
  if (sk.tlpHighSeq === 0 && probeTail(sk)) {
    sk.tlpHighSeq = sk.sndNxt === 0 ? 1 : sk.sndNxt;
    count(sk.net, MIB.TcpExtTCPLossProbes);
    // The RTO runs from now.
    sk.pending = ICSK_TIME_NONE;
  }
  tcpRearmRto(sk);
}

/** True: a probe was sent. */
function probeTail(sk: TcpSock): boolean {
  const mss = tcpCurrentMss(sk);
  sk.tlpRetrans = false;
  const head = sk.writeQueue.first();
  if (head !== null) {
    const end = head.len > mss ? (head.seq + mss) | 0 : head.endSeq;
    if (!seqGt(end, tcpWndEnd(sk))) {
      const before = sk.packetsOut;
      tcpWriteXmit(sk, mss, TCP_NAGLE_OFF, PUSH_PROBE);
      return sk.packetsOut > before;
    }
  }
  let seg = sk.rtxQueue.last();
  if (seg === null) {
    sk.pending = ICSK_TIME_NONE;
    return false;
  }
  if (stillInQueue(sk, seg)) return false;
  const pieces = seg.pcount;
  if (pieces > 1 && seg.len > (pieces - 1) * mss)
    seg = fragmentSent(sk, seg, (pieces - 1) * mss, mss);
  if (retransmitOnly(sk, seg, 1) !== 0) return false;
  sk.tlpRetrans = true;
  return true;
}
