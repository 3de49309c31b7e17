/**
 * The variables of a connection (RFC 9293 §3.3.1, Linux `struct tcp_sock` and
 * `inet_connection_sock`), without behaviour. Sequence numbers are signed 32-bit integers; times are
 * microseconds of the TCP clock (`clock.ts`), 0 meaning "never".
 */
import type { NetNs } from '../../net.ts';
import type { Timer } from '../../timer.ts';
import type { SipKey } from '../../util/siphash.ts';
import { IPPROTO_TCP } from '../../wire/ipv4.ts';
import { AF_INET, SOCK_STREAM, Sock } from '../sock.ts';
import type { AcceptQueue } from './accept-queue.ts';
import type { BindBucket } from './bind-table.ts';
import type { CongestionControl } from './congestion.ts';
import {
  TCP_CA_OPEN,
  TCP_CLOSE,
  TCP_INFINITE_SSTHRESH,
  TCP_INIT_CWND,
  TCP_MSS_DEFAULT,
  TCP_TIMEOUT_INIT,
} from './constants.ts';
import type { Ends6, TcpFamily, TcpRoute } from './family.ts';
import { FAMILY4 } from './family4.ts';
import { FAMILY6 } from './family6.ts';
import type { FastOpenRequest } from './fast-open-option.ts';
import type { Md5Key } from './md5-keys.ts';
import { MinFilter } from './min-filter.ts';
import { ReceiveQueue } from './receive-queue.ts';
import type { RequestSock } from './request.ts';
import type { TxSegment } from './segment.ts';
import { SegmentQueue } from './segment-queue.ts';
import type { TcpSock } from './sock.ts';

/** SACK blocks, start and end alternating. */
export type SackBlocks = number[];

export abstract class TcpControlBlock extends Sock {
  /** `TCP_*` of `constants.ts` */
  state: number = TCP_CLOSE;
  /** Key in the table of connections; 0: not there. */
  hash = 0;
  bindBucket: BindBucket | null = null;
  /** The protocol below; of an AF_INET6 socket with an IPv4 peer, that of IPv4. */
  af: TcpFamily;
  /** Addresses of a connection over IPv6; null: over IPv4, or none yet. */
  ends: Ends6 | null = null;
  /** Hash of the flow, of which IPv6 makes its label (`sk_txhash`). */
  txHash = 0;
  route: TcpRoute | null = null;
  /** bind() chose the address / the port (`SOCK_BINDADDR_LOCK`, `SOCK_BINDPORT_LOCK`). */
  bindAddrLocked = false;
  bindPortLocked = false;
  /** `sock->state` of the file above: 0 unconnected, 1 connecting, 2 connected. */
  fileState = 0;
  /** IP id of the next packet. */
  ipId = 0;

  // Send sequence space.
  sndUna = 0;
  sndNxt = 0;
  /** The peer's window in bytes, scaled. */
  sndWnd = 0;
  sndWl1 = 0;
  /** End of the last small packet sent (Minshall's Nagle variant). */
  sndSml = 0;
  sndUp = 0;
  writeSeq = 0;
  pushedSeq = 0;
  maxWindow = 0;
  iss = 0;
  // Receive sequence space.
  rcvNxt = 0;
  rcvWnd = 0;
  /** `rcvNxt` when the window was last advertised. */
  rcvWup = 0;
  copiedSeq = 0;
  irs = 0;
  /** The urgent pointer, and the byte there with flags (`tp->urg_data`). */
  urgSeq = 0;
  urgData = 0;

  // Sizes.
  /** Payload per segment now, without options. */
  mssCache: number = TCP_MSS_DEFAULT;
  /** The peer's MSS, lowered by the user's. */
  mssClamp = 0;
  /** TCP_MAXSEG; 0: none. */
  userMss = 0;
  advmss = 0;
  /** Path MTU that `mssCache` follows. */
  pmtuCookie = 0;
  /** Packetization-layer path MTU discovery (`icsk_mtup`; net.ipv4.tcp_mtu_probing): sizes are MTUs. */
  mtupEnabled = false;
  mtupSearchLow = 0;
  mtupSearchHigh = 0;
  /** MTU that is being probed; 0: none. */
  mtupProbeSize = 0;
  mtupProbeStamp = 0;
  mtupSeqStart = 0;
  mtupSeqEnd = 0;
  tcpHeaderLen = 20;
  gsoSegsGoal = 0;

  // Options agreed upon (`struct tcp_options_received`).
  tstampOk = false;
  /** 0: no SACK; else `TCP_SACK_SEEN` and `TCP_DSACK_SEEN`. */
  sackOk = 0;
  wscaleOk = false;
  sndWscale = 0;
  rcvWscale = 0;
  /** The segment in hand carried timestamps, and which. */
  sawTstamp = false;
  rcvTsval = 0;
  rcvTsecr = 0;
  /** RFC 7323 §4.3: TS.Recent, and when it was taken, whole seconds; 0: never. */
  tsRecent = 0;
  tsRecentStamp = 0;
  tsOffset = 0;
  /** Echo replies must not come from before this (`retrans_stamp` in timestamp ticks is derived). */
  userTimeoutUs = 0;

  // Timers.
  rtoUs: number = TCP_TIMEOUT_INIT;
  rtoMinUs: number;
  rtoMaxUs: number;
  delackMaxUs = 200_000;
  /** `icsk_pending`: what the retransmission timer means now. */
  pending = 0;
  readonly retransmitTimer: Timer;
  delackTimerMaybe: Timer | null = null;
  keepaliveTimerMaybe: Timer | null = null;
  compressedAckTimerMaybe: Timer | null = null;
  pacingTimerMaybe: Timer | null = null;
  retransmits = 0;
  backoff = 0;
  probesOut = 0;
  /** When zero-window probing began. */
  probesTstamp = 0;
  synRetries = 0;
  keepaliveTimeUs = 0;
  keepaliveIntvlUs = 0;
  keepaliveProbes = 0;
  /** TCP_LINGER2 in µs; 0: tcp_fin_timeout; negative: no FIN_WAIT2. */
  linger2Us = 0;
  deferAccept = 0;

  // Delayed acknowledgment (`icsk_ack`).
  ackPending = 0;
  ackQuick = 0;
  pingpong = 0;
  ackRetry = 0;
  atoUs = 0;
  ackTimeoutUs = 0;
  lrcvtime = 0;
  lastSegSize = 0;
  rcvMss: number = TCP_MSS_DEFAULT;
  compressedAck = 0;
  dupAckCounter = 0;
  compressedAckRcvNxt = 0;

  // Round-trip time (RFC 6298; Linux keeps them scaled).
  srttUs = 0;
  mdevUs: number = TCP_TIMEOUT_INIT;
  mdevMaxUs = 0;
  rttvarUs = 0;
  rttSeq = 0;
  /** Smallest RTT of the last net.ipv4.tcp_min_rtt_wlen seconds (`rtt_min`). */
  readonly rttMin: MinFilter = new MinFilter();
  /** Time of the packet or call being handled. */
  mstamp = 0;

  // Congestion.
  caState: number = TCP_CA_OPEN;
  ca: CongestionControl;
  /** State of the algorithm. */
  caPriv: object | null = null;
  /** TCP_CONGESTION chose the algorithm, so that children inherit it (`icsk_ca_setsockopt`). */
  caSetsockopt = false;
  /** The route's `congctl lock` forbids another one (`icsk_ca_dst_locked`). */
  caLocked = false;
  sndCwnd: number = TCP_INIT_CWND;
  sndCwndCnt = 0;
  sndCwndClamp: number = -1 >>> 0;
  sndSsthresh: number = TCP_INFINITE_SSTHRESH;
  sndCwndStamp = 0;
  sndCwndUsed = 0;
  cwndUsageSeq = 0;
  isCwndLimited = false;
  maxPacketsOut = 0;
  priorSsthresh = 0;
  priorCwnd = 0;
  prrDelivered = 0;
  prrOut = 0;
  highSeq = 0;
  undoMarker = 0;
  undoRetrans = -1;
  retransStamp = 0;
  frto = false;
  isSackReneg = false;
  /** Bytes per second (`sk_pacing_rate`). */
  pacingRate: number = Number.POSITIVE_INFINITY;
  /** Packets leave at `pacingRate`, by a timer of the connection's own (`SK_PACING_NEEDED`). */
  pacingNeeded = false;
  /** The device's queue paces (`SK_PACING_FQ`): the connection itself does not wait. */
  pacingFq = false;
  /** Bytes that wait in such a queue, and whether the connection waits for them to leave (`sk_wmem_alloc`, TSQ). */
  wmemInQueue = 0;
  tsqThrottled = false;
  /** A burst is what the pacing rate gives in 2^-shift seconds (`sk_pacing_shift`). */
  pacingShift = 10;
  /** When the last packet left or may leave (`tcp_wstamp_ns`), microseconds with a fraction. */
  wstampUs = 0;
  maxPacingRate: number = Number.POSITIVE_INFINITY;
  ecnFlags = 0;
  ecnCwrDelivered = 0;

  // Packets in flight.
  packetsOut = 0;
  retransOut = 0;
  sackedOut = 0;
  lostOut = 0;
  reordering: number;
  reordSeen = 0;
  totalRetrans = 0;
  totalRto = 0;
  /** Timeouts after which the flow's hash was chosen anew. */
  timeoutRehash = 0;
  totalRtoRecoveries = 0;
  totalRtoTimeUs = 0;
  rtoStamp = 0;
  delivered = 0;
  deliveredCe = 0;
  deliveredUs = 0;
  firstTxUs = 0;
  lost = 0;
  appLimited = 0;
  rateDelivered = 0;
  rateIntervalUs = 0;
  rateAppLimited = false;
  ackedTotal = 0;

  // Loss recovery.
  highestSack: TxSegment | null = null;
  retransmitHint: TxSegment | null = null;
  timeHead: TxSegment | null = null;
  timeTail: TxSegment | null = null;
  tlpHighSeq = 0;
  tlpRetrans = false;
  fastAckMode = 0;
  rackMstamp = 0;
  rackRttUs = 0;
  rackEndSeq = 0;
  rackLastDelivered = 0;
  rackReoWndSteps = 1;
  rackReoWndPersist = 0;
  rackDsackSeen = false;
  rackAdvanced = false;
  dsackDups = 0;
  sackCache: number[] = [];

  // Application side.
  nonagle = 0;
  notsentLowat = 0;
  windowClamp = 0;
  rcvSsthresh = 0;
  recvmsgInq = false;
  /** TCP_SAVE_SYN, and the headers of the SYN that made this connection. */
  saveSyn = 0;
  savedSyn: Uint8Array | null = null;
  /** TCP_THIN_LINEAR_TIMEOUTS */
  thinLto = false;
  /** TCP_TX_DELAY, µs; told back only, as on Linux without sch_fq. */
  txDelay = 0;
  /** TCP_REPAIR, and `TCP_*_QUEUE` of TCP_REPAIR_QUEUE. */
  repair = false;
  repairQueue = 0;
  /** TCP_FASTOPEN, TCP_FASTOPEN_KEY, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE */
  fastOpenQueue = 0;
  fastOpenKeys: readonly SipKey[] | null = null;
  /** TCP_MD5SIG; null: there never was a key (`md5sig_info`). */
  md5Keys: Md5Key[] | null = null;
  fastOpenConnect = 0;
  fastOpenNoCookie = 0;
  /** Active side: the SYN's option; the SYN waits for the first write (`defer_connect`). */
  fastOpenReq: FastOpenRequest | null = null;
  deferConnect = false;
  /** Passive side: the request whose handshake is under way (`fastopen_rsk`). */
  fastOpenRsk: RequestSock | null = null;
  /** The SYN had the option, in its experimental form; it had data, which were acknowledged. */
  synFastOpen = false;
  synFastOpenExp = false;
  synFastOpenCh = false;
  synFastOpenIn = false;
  synData = false;
  synDataAcked = false;
  /** `TFO_*` */
  fastOpenClientFail = 0;
  /** The peer's FIN was seen (`SOCK_DONE`). */
  doneReceiving = false;
  /** `sk_write_pending`, `SOCK_NOSPACE` */
  noSpace = false;
  /** Bytes charged for what is to be sent. */
  wmemQueued = 0;
  rmemAlloc = 0;
  /** Receive-buffer autotuning (`rcvq_space`, `rcv_rtt_est`). */
  rcvqCopied = 0;
  rcvqSpace = 0;
  rcvqSeq = 0;
  rcvqTime = 0;
  rcvRttUs = 0;
  rcvRttSeq = 0;
  rcvRttTime = 0;
  rcvRttLastTsecr = 0;
  scalingRatio = 128;
  /** Header prediction may be tried (`pred_flags`). */
  fastPath = false;

  readonly writeQueue: SegmentQueue = new SegmentQueue();
  readonly rtxQueue: SegmentQueue = new SegmentQueue();
  readonly receiveQueue: ReceiveQueue = new ReceiveQueue();
  acceptQueue: AcceptQueue | null = null;
  /** Time of the first SYN-ACK of this connection; 0: none. */
  synackStamp = 0;
  /** The listener of a child that was not accepted yet. */
  listener: TcpSock | null = null;
  maxAckBacklog = 0;

  // SACK to send (RFC 2018, 2883).
  sackBlocks: SackBlocks = [];
  dsackStart = 0;
  dsackEnd = 0;
  dsackPending = false;

  // Statistics (`tcp_info`).
  segsIn = 0;
  segsOut = 0;
  dataSegsIn = 0;
  dataSegsOut = 0;
  bytesReceived = 0;
  bytesAcked = 0;
  bytesSent = 0;
  bytesRetrans = 0;
  rcvOooPack = 0;
  lsndtime = 0;
  rcvTstamp = 0;
  lastOowAckUs = 0;
  challengeCount = 0;
  challengeStamp = 0;
  chronoType = 0;
  chronoStart = 0;
  readonly chrono: number[] = [0, 0, 0];

  constructor(net: NetNs, family: number, ca: CongestionControl) {
    super(net, family, SOCK_STREAM, IPPROTO_TCP);
    const s = net.sysctl;
    this.af = family === AF_INET ? FAMILY4 : FAMILY6;
    this.ca = ca;
    this.rcvbuf = s.tcpRmem[1];
    this.sndbuf = s.tcpWmem[1];
    this.rtoMinUs = s.tcpRtoMinUs;
    this.rtoMaxUs = s.tcpRtoMaxMs * 1000;
    this.reordering = s.tcpReordering;
    this.retransmitTimer = net.kernel.timer(() => this.onRetransmitTimer());
  }

  protected abstract onRetransmitTimer(): void;
  /** Timers that most sockets never need are made at their first use. */
  abstract get delackTimer(): Timer;
  abstract get keepaliveTimer(): Timer;
  abstract get compressedAckTimer(): Timer;
  abstract get pacingTimer(): Timer;
}
