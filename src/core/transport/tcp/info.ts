/** TCP_INFO (Linux `struct tcp_info`, `tcp_get_info`); microseconds and milliseconds as there. */
import { CHRONO_BUSY, CHRONO_RWND_LIMITED, CHRONO_SNDBUF_LIMITED, chronoTime } from './chrono.ts';
import { tcpClockUs } from './clock.ts';
import { TCP_ECN_OK, TCP_ECN_SEEN, TCP_LISTEN } from './constants.ts';
import { delackMax } from './delack.ts';
import { tcpMinRtt } from './rto.ts';
import type { TcpSock } from './sock.ts';

/** Bits of `options`. */
const TCPI_OPT_TIMESTAMPS = 1;
const TCPI_OPT_SACK = 2;
const TCPI_OPT_WSCALE = 4;
const TCPI_OPT_ECN = 8;
const TCPI_OPT_ECN_SEEN = 16;
const TCPI_OPT_SYN_DATA = 32;
const TCPI_OPT_TFO_CHILD = 128;

/** Names as in `linux/tcp.h` without `tcpi_`, in camel case. */
export interface TcpInfo {
  readonly state: number;
  readonly caState: number;
  readonly retransmits: number;
  readonly probes: number;
  readonly backoff: number;
  readonly options: number;
  readonly sndWscale: number;
  readonly rcvWscale: number;
  readonly deliveryRateAppLimited: boolean;
  /** `TFO_*` */
  readonly fastopenClientFail: number;
  /** µs */
  readonly rto: number;
  readonly ato: number;
  readonly sndMss: number;
  readonly rcvMss: number;
  readonly unacked: number;
  readonly sacked: number;
  readonly lost: number;
  readonly retrans: number;
  readonly fackets: number;
  /** ms ago */
  readonly lastDataSent: number;
  readonly lastDataRecv: number;
  readonly lastAckRecv: number;
  readonly pmtu: number;
  readonly rcvSsthresh: number;
  /** µs */
  readonly rtt: number;
  readonly rttvar: number;
  readonly sndSsthresh: number;
  readonly sndCwnd: number;
  readonly advmss: number;
  readonly reordering: number;
  readonly rcvRtt: number;
  readonly rcvSpace: number;
  readonly totalRetrans: number;
  /** bytes per second */
  readonly pacingRate: number;
  readonly maxPacingRate: number;
  readonly bytesAcked: number;
  readonly bytesReceived: number;
  readonly segsOut: number;
  readonly segsIn: number;
  readonly notsentBytes: number;
  readonly minRtt: number;
  readonly dataSegsIn: number;
  readonly dataSegsOut: number;
  readonly deliveryRate: number;
  readonly busyTime: number;
  readonly rwndLimited: number;
  readonly sndbufLimited: number;
  readonly delivered: number;
  readonly deliveredCe: number;
  readonly bytesSent: number;
  readonly bytesRetrans: number;
  readonly dsackDups: number;
  readonly reordSeen: number;
  readonly rcvOoopack: number;
  readonly sndWnd: number;
  readonly rcvWnd: number;
  readonly rehash: number;
  readonly totalRto: number;
  readonly totalRtoRecoveries: number;
  /** ms */
  readonly totalRtoTime: number;
  /** Accurate ECN: not there, so 0. */
  readonly receivedCe: number;
  readonly deliveredE1Bytes: number;
  readonly deliveredE0Bytes: number;
  readonly deliveredCeBytes: number;
  readonly receivedE1Bytes: number;
  readonly receivedE0Bytes: number;
  readonly receivedCeBytes: number;
  readonly accecnFailMode: number;
  readonly accecnOptSeen: number;
}

function optionBits(sk: TcpSock): number {
  let bits = 0;
  if (sk.tstampOk) bits |= TCPI_OPT_TIMESTAMPS;
  if (sk.sackOk !== 0) bits |= TCPI_OPT_SACK;
  if (sk.wscaleOk) bits |= TCPI_OPT_WSCALE;
  if ((sk.ecnFlags & TCP_ECN_OK) !== 0) bits |= TCPI_OPT_ECN;
  if ((sk.ecnFlags & TCP_ECN_SEEN) !== 0) bits |= TCPI_OPT_ECN_SEEN;
  if (sk.synDataAcked) bits |= TCPI_OPT_SYN_DATA;
  if (sk.synFastOpenIn) bits |= TCPI_OPT_TFO_CHILD;
  return bits;
}

/** Bytes per second of the last good delivery-rate sample. */
function deliveryRate(sk: TcpSock): number {
  if (sk.rateDelivered === 0 || sk.rateIntervalUs === 0) return 0;
  return Math.floor((sk.rateDelivered * sk.mssCache * 1_000_000) / sk.rateIntervalUs);
}

/** What accurate ECN would count. */
const NO_ACCECN = {
  receivedCe: 0,
  deliveredE1Bytes: 0,
  deliveredE0Bytes: 0,
  deliveredCeBytes: 0,
  receivedE1Bytes: 0,
  receivedE0Bytes: 0,
  receivedCeBytes: 0,
  accecnFailMode: 0,
  accecnOptSeen: 0,
} as const;

export function tcpInfo(sk: TcpSock): TcpInfo {
  const now = tcpClockUs(sk.net);
  const agoMs = (then: number): number => Math.floor((now - then) / 1000);
  const listening = sk.state === TCP_LISTEN;
  const minRtt = tcpMinRtt(sk);
  const rwndLimited = chronoTime(sk, CHRONO_RWND_LIMITED);
  const sndbufLimited = chronoTime(sk, CHRONO_SNDBUF_LIMITED);
  return {
    state: sk.state,
    caState: sk.caState,
    retransmits: sk.retransmits,
    probes: sk.probesOut,
    backoff: sk.backoff,
    options: optionBits(sk),
    sndWscale: sk.sndWscale,
    rcvWscale: sk.rcvWscale,
    deliveryRateAppLimited: sk.rateAppLimited,
    fastopenClientFail: sk.fastOpenClientFail,
    rto: sk.rtoUs,
    ato: Math.min(sk.atoUs, delackMax(sk)),
    sndMss: sk.mssCache,
    rcvMss: sk.rcvMss,
    unacked: listening ? (sk.acceptQueue?.length ?? 0) : sk.packetsOut,
    sacked: listening ? sk.maxAckBacklog : sk.sackedOut,
    lost: sk.lostOut,
    retrans: sk.retransOut,
    fackets: 0,
    lastDataSent: agoMs(sk.lsndtime),
    lastDataRecv: agoMs(sk.lrcvtime),
    lastAckRecv: agoMs(sk.rcvTstamp),
    pmtu: sk.pmtuCookie,
    rcvSsthresh: sk.rcvSsthresh,
    rtt: sk.srttUs >> 3,
    rttvar: sk.mdevUs >> 2,
    sndSsthresh: sk.sndSsthresh,
    sndCwnd: sk.sndCwnd,
    advmss: sk.advmss,
    reordering: sk.reordering,
    rcvRtt: sk.rcvRttUs >> 3,
    rcvSpace: sk.rcvqSpace,
    totalRetrans: sk.totalRetrans,
    pacingRate: sk.pacingRate,
    maxPacingRate: sk.maxPacingRate,
    bytesAcked: sk.bytesAcked,
    bytesReceived: sk.bytesReceived,
    segsOut: sk.segsOut,
    segsIn: sk.segsIn,
    notsentBytes: Math.max(0, (sk.writeSeq - sk.sndNxt) | 0),
    minRtt: minRtt === Number.POSITIVE_INFINITY ? 0xffffffff : minRtt,
    dataSegsIn: sk.dataSegsIn,
    dataSegsOut: sk.dataSegsOut,
    deliveryRate: deliveryRate(sk),
    busyTime: chronoTime(sk, CHRONO_BUSY) + rwndLimited + sndbufLimited,
    rwndLimited,
    sndbufLimited,
    delivered: sk.delivered,
    deliveredCe: sk.deliveredCe,
    bytesSent: sk.bytesSent,
    bytesRetrans: sk.bytesRetrans,
    dsackDups: sk.dsackDups,
    reordSeen: sk.reordSeen,
    rcvOoopack: sk.rcvOooPack,
    sndWnd: sk.sndWnd,
    rcvWnd: sk.rcvWnd,
    rehash: sk.timeoutRehash,
    totalRto: sk.totalRto,
    totalRtoRecoveries: sk.totalRtoRecoveries,
    totalRtoTime: Math.floor(sk.totalRtoTimeUs / 1000),
    ...NO_ACCECN,
  };
}
