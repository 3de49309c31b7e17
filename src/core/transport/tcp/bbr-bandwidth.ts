/** BBR's measurements: bandwidth per round, and how far ACKs come in lumps (Linux `tcp_bbr.c`): see `bbr.ts`. */
import type { AckState } from './ack-state.ts';
import { type Bbr, bbrBw, ltBwSampling } from './bbr-model.ts';
import type { TcpSock } from './sock.ts';

const BW_UNIT: number = 2 ** 24;
/** Rounds that the bandwidth filter remembers. */
const BW_RTTS = 10;
const EXTRA_ACKED_WIN_RTTS = 5;
const ACK_EPOCH_RESET: number = 1 << 20;
const ACK_EPOCH_MAX = 0xfffff;

/** Linux `bbr_update_bw` */
export function updateBandwidth(sk: TcpSock, b: Bbr, rs: AckState): void {
  b.roundStart = false;
  if (rs.rateDelivered < 0 || rs.rateIntervalUs <= 0) return;
  if (rs.priorDelivered >= b.nextRttDelivered) {
    b.nextRttDelivered = sk.delivered;
    b.rttCnt++;
    b.roundStart = true;
    b.packetConservation = false;
  }
  ltBwSampling(sk, b, rs.losses, rs.isAppLimited);
  const bw = Math.floor((rs.rateDelivered * BW_UNIT) / rs.rateIntervalUs);
  // What the application limited tells only that there is at least that much.
  if (!rs.isAppLimited || bw >= b.bw.value) b.bw.update(BW_RTTS, b.rttCnt, bw);
}

/** How much more was acknowledged than the bandwidth explains (`bbr_update_ack_aggregation`). */
export function updateAckAggregation(sk: TcpSock, b: Bbr, rs: AckState): void {
  if (rs.ackedSacked <= 0 || rs.rateDelivered < 0 || rs.rateIntervalUs <= 0) return;
  if (b.roundStart) {
    b.extraAckedWinRtts = Math.min(0x1f, b.extraAckedWinRtts + 1);
    if (b.extraAckedWinRtts >= EXTRA_ACKED_WIN_RTTS) {
      b.extraAckedWinRtts = 0;
      b.extraAckedWinIdx = b.extraAckedWinIdx === 0 ? 1 : 0;
      b.extraAcked[b.extraAckedWinIdx] = 0;
    }
  }
  let expected = Math.floor((bbrBw(b) * (sk.deliveredUs - b.ackEpochMstamp)) / BW_UNIT);
  if (b.ackEpochAcked <= expected || b.ackEpochAcked + rs.ackedSacked >= ACK_EPOCH_RESET) {
    b.ackEpochAcked = 0;
    b.ackEpochMstamp = sk.deliveredUs;
    expected = 0;
  }
  b.ackEpochAcked = Math.min(ACK_EPOCH_MAX, b.ackEpochAcked + rs.ackedSacked);
  const extra = Math.min(b.ackEpochAcked - expected, sk.sndCwnd);
  if (extra > b.extraAcked[b.extraAckedWinIdx]) b.extraAcked[b.extraAckedWinIdx] = extra;
}
