/**
 * Scratch of one acknowledgment (Linux `struct rate_sample`, `tcp_sacktag_state` and locals of
 * `tcp_ack`): one object per namespace, reset for each, so that an ACK allocates nothing.
 */

export class AckState {
  /** `FLAG_*` of `ack.ts` */
  flag = 0;
  priorUna = 0;
  priorPacketsOut = 0;
  priorFackSeq = 0;
  priorDelivered = 0;
  priorDeliveredCe = 0;
  priorMstamp = 0;
  priorInFlight = 0;
  priorLost = 0;
  wasReneg = false;
  deliveredCe = 0;
  /** The RTT may include a delayed ACK. */
  isAckDelayed = false;
  /** Packets newly delivered by this ACK, and time it took; -1: no sample. */
  rateDelivered = 0;
  rateIntervalUs = -1;
  sndIntervalUs = 0;
  rcvIntervalUs = 0;
  /** RTT of the sample; -1: none. */
  rttUs = -1;
  caRttUs = -1;
  sackRttUs = -1;
  losses = 0;
  ackedSacked = 0;
  lastEndSeq = 0;
  isAppLimited = false;
  isRetrans = false;
  /** Lowest sequence number sacked out of order, and whether any was. */
  reord = 0;
  firstSackt = 0;
  lastSackt = 0;
  firstAckt = 0;
  lastAckt = 0;
  sackDelivered = 0;
  /** New loss or retransmission to send: `REXMIT_*`. */
  rexmit = 0;
  numDupack = 0;
  pktsAcked = 0;
  /** No burst was acknowledged in part. */
  fullyAcked = true;
  /** The SACK block in hand, whether it is a D-SACK, and the D-SACK that comes next; equal ends: none. */
  tagStart = 0;
  tagEnd = 0;
  tagDup = false;
  nextDupStart = 0;
  nextDupEnd = 0;
  /** What is being joined to the segment before: bytes per segment, and whether it is a D-SACK. */
  shiftMss = 0;
  shiftDup = false;
  /** Block of the previous ACK that comes next. */
  cacheAt = 0;
  /** Where the ACK's first block is among the sorted ones; -1: it is not. */
  firstBlock = 0;

  reset(): void {
    this.flag = 0;
    this.priorDelivered = 0;
    this.priorDeliveredCe = 0;
    this.isAckDelayed = false;
    this.sndIntervalUs = -1;
    this.lastEndSeq = 0;
    this.priorMstamp = 0;
    this.rateDelivered = 0;
    this.rateIntervalUs = -1;
    this.rttUs = -1;
    this.caRttUs = -1;
    this.sackRttUs = -1;
    this.losses = 0;
    this.ackedSacked = 0;
    this.isAppLimited = false;
    this.isRetrans = false;
    this.firstSackt = 0;
    this.lastSackt = 0;
    this.firstAckt = 0;
    this.lastAckt = 0;
    this.sackDelivered = 0;
    this.rexmit = 0;
    this.numDupack = 0;
    this.pktsAcked = 0;
  }
}
