/**
 * What is remembered of destinations from one connection to the next (Linux `tcp_metrics.c`): whether they
 * are alive, round-trip time and windows, and their fast-open cookie with the MSS that goes with it (RFC 7413 §4.1.3). Bounded.
 */
import type { NetNs } from '../../net.ts';
import { NO_METRICS } from '../../network/route/fib-info.ts';
import { tcpClockUs } from './clock.ts';
import { TCP_CA_OPEN, TCP_INFINITE_SSTHRESH } from './constants.ts';
import type { Ends6, TcpRoute, Tuple } from './family.ts';
import { tcpInInitialSlowstart, tcpInSlowStart } from './flight.ts';
import { tcpRtoMin } from './rto.ts';
import type { TcpSock } from './sock.ts';

/** Destinations that a namespace remembers; the one unused for longest makes room. */
const MAX_DESTINATIONS = 4096;
/** RFC 6298 §5.7 */
const TCP_TIMEOUT_FALLBACK = 3_000_000;
/** Entries older than this start anew (`TCP_METRICS_TIMEOUT`). */
const TIMEOUT_US = 3_600_000_000;

/** Numbers of routes' metrics (linux/rtnetlink.h). */
const RTAX_RTT = 4;
const RTAX_RTTVAR = 5;
const RTAX_SSTHRESH = 6;
const RTAX_CWND = 7;
const RTAX_REORDERING = 9;

export class TcpMetrics {
  readonly saddr: number;
  readonly daddr: number;
  /** Last change, TCP clock. */
  stampUs = 0;
  /** 8 × SRTT and 4 × its deviation in µs; 0: none. */
  rtt = 0;
  rttvar = 0;
  /** Segments; 0: none. */
  ssthresh = 0;
  cwnd = 0;
  reordering = 0;
  /** MSS of the peer for data in a SYN; 0: unknown. */
  mss = 0;
  /** `1 << RTAX_*`: the route says these for good. */
  locks = 0;
  /** Length 0: none. */
  cookie: Uint8Array = NO_COOKIE;
  /** The cookie came in the experimental option. */
  cookieExp = false;
  /** 1: ask with the experimental option next; 2: that failed, too. */
  tryExp = 0;
  /** SYNs with data that were lost in a row, and when the last was, TCP clock. */
  synLoss = 0;
  lastSynLossUs = 0;

  /** Null: IPv4. */
  readonly ends: Ends6 | null;

  constructor(who: Pair) {
    this.saddr = who.saddr;
    this.daddr = who.daddr;
    this.ends = who.ends;
  }

  /** Nothing was measured of the path, or it is too old: what the route says (`tcpm_suck_dst`). */
  takeRoute(route: TcpRoute | null): void {
    const m = route === null ? NO_METRICS : route.metrics;
    this.locks = m.locks;
    this.rtt = m.rtt * 8000;
    this.rttvar = m.rttvar * 4000;
    this.ssthresh = m.ssthresh;
    this.cwnd = m.cwnd;
    this.reordering = m.reordering;
  }

  isLocked(rtax: number): boolean {
    return ((this.locks >> rtax) & 1) !== 0;
  }

  isOf(who: Pair): boolean {
    if (this.saddr !== who.saddr) return false;
    return this.ends === null ? who.ends === null : who.ends !== null && this.ends.equals(who.ends);
  }
}

/** A source and a destination. */
type Pair = Pick<Tuple, 'saddr' | 'daddr' | 'ends'>;

const NO_COOKIE: Uint8Array = new Uint8Array(0); // tidy: constant

export class MetricsTable {
  /** By destination; few have more than one source address. In the order of their last use. */
  private readonly entries: Map<number, TcpMetrics[]> = new Map();
  private size = 0;

  get(who: Pair): TcpMetrics | null {
    for (const m of this.entries.get(who.daddr) ?? []) if (m.isOf(who)) return m;
    return null;
  }

  obtain(who: Pair): TcpMetrics {
    const { daddr } = who;
    let list = this.entries.get(daddr);
    if (list !== undefined) {
      this.entries.delete(daddr);
      this.entries.set(daddr, list);
      for (const m of list) if (m.isOf(who)) return m;
    }
    while (this.size >= MAX_DESTINATIONS) this.evict();
    const made = new TcpMetrics(who);
    list = this.entries.get(daddr);
    if (list === undefined) this.entries.set(daddr, [made]);
    else list.push(made);
    this.size++;
    return made;
  }

  private evict(): void {
    for (const [daddr, list] of this.entries) {
      this.entries.delete(daddr);
      this.size -= list.length;
      return;
    }
  }

  /** All entries (`ip tcp_metrics show`). */
  values(): TcpMetrics[] {
    return [...this.entries.values()].flat();
  }

  /** Forgets one destination, or all (`ip tcp_metrics flush`); the number of entries that went. */
  flush(daddr?: number): number {
    const before = this.size;
    if (daddr === undefined) {
      this.entries.clear();
      this.size = 0;
    } else {
      this.size -= this.entries.get(daddr)?.length ?? 0;
      this.entries.delete(daddr);
    }
    return before - this.size;
  }
}

/** What is known of the peer of `sk`; null: nothing that is young enough. */
export function metricsOf(sk: TcpSock): TcpMetrics | null {
  const m = sk.net.tcp.metricsMaybe?.get(sk) ?? null;
  if (m !== null && tcpClockUs(sk.net) - m.stampUs > TIMEOUT_US) m.takeRoute(sk.route);
  return m;
}

/** The same, to be written to. */
export function ownMetrics(sk: TcpSock): TcpMetrics {
  const { metrics } = sk.net.tcp;
  const known = metrics.get(sk) !== null;
  const m = metrics.obtain(sk);
  if (!known) m.takeRoute(sk.route);
  m.stampUs = tcpClockUs(sk.net);
  return m;
}

/** A connection with the peer succeeded within the hour (`tcp_peer_is_proven`). */
export function peerIsProven(net: NetNs, who: Pair): boolean {
  const m = net.tcp.metricsMaybe?.get(who) ?? null;
  return m !== null && m.rtt !== 0 && tcpClockUs(net) - m.stampUs <= TIMEOUT_US;
}

/** A connection ends: what it found out of the path is worth remembering (`tcp_update_metrics`). */
export function updateMetrics(sk: TcpSock): void {
  if (sk.net.sysctl.tcpNoMetricsSave !== 0) return;
  if (sk.backoff > 0 || sk.srttUs === 0) {
    // Backed off: what was known is not true any more.
    const old = metricsOf(sk);
    if (old !== null && !old.isLocked(RTAX_RTT)) old.rtt = 0;
    return;
  }
  metricsOf(sk);
  const m = ownMetrics(sk);
  const less = m.rtt - sk.srttUs;
  // An average that falls slowly and rises at once: too long does less harm than too short.
  if (!m.isLocked(RTAX_RTT)) m.rtt = less <= 0 ? sk.srttUs : m.rtt - (less >> 3);
  const deviation = Math.max(Math.abs(less) >> 1, sk.mdevUs);
  if (!m.isLocked(RTAX_RTTVAR))
    m.rttvar = deviation >= m.rttvar ? deviation : m.rttvar - ((m.rttvar - deviation) >> 2);
  const { ssthresh, cwnd } = m;
  updateWindows(sk, m);
  if (m.isLocked(RTAX_SSTHRESH)) m.ssthresh = ssthresh;
  if (m.isLocked(RTAX_CWND)) m.cwnd = cwnd;
}

/** Congestion window and slow start threshold, as far as the connection's state makes them reliable. */
function updateWindows(sk: TcpSock, m: TcpMetrics): void {
  const s = sk.net.sysctl;
  const keepsSsthresh = s.tcpNoSsthreshMetricsSave === 0;
  const half = sk.sndCwnd >> 1;
  if (tcpInInitialSlowstart(sk)) {
    if (keepsSsthresh && m.ssthresh !== 0 && half > m.ssthresh) m.ssthresh = half;
    if (sk.sndCwnd > m.cwnd) m.cwnd = sk.sndCwnd;
    return;
  }
  if (!tcpInSlowStart(sk) && sk.caState === TCP_CA_OPEN) {
    if (keepsSsthresh) m.ssthresh = Math.max(half, sk.sndSsthresh);
    m.cwnd = (m.cwnd + sk.sndCwnd) >> 1;
    return;
  }
  m.cwnd = (m.cwnd + sk.sndSsthresh) >> 1;
  if (keepsSsthresh && m.ssthresh !== 0 && sk.sndSsthresh > m.ssthresh) m.ssthresh = sk.sndSsthresh;
  const learns = m.reordering < sk.reordering && sk.reordering !== s.tcpReordering;
  if (learns && !m.isLocked(RTAX_REORDERING)) m.reordering = sk.reordering;
}

/** A connection begins with what is remembered of its peer (`tcp_init_metrics`). */
export function initMetrics(sk: TcpSock): void {
  // The handshake's losses say nothing about the path's capacity.
  sk.sndSsthresh = TCP_INFINITE_SSTHRESH;
  const m = sk.route === null ? null : metricsOf(sk);
  if (m !== null) {
    if (m.isLocked(RTAX_CWND)) sk.sndCwndClamp = m.cwnd;
    if (m.ssthresh !== 0 && sk.net.sysctl.tcpNoSsthreshMetricsSave === 0)
      sk.sndSsthresh = Math.min(m.ssthresh, sk.sndCwndClamp);
    if (m.reordering !== 0) sk.reordering = m.reordering;
  }
  const rtt = m === null ? 0 : m.rtt;
  if (rtt > sk.srttUs) {
    // The first timeout only: a SYN is small, and its round-trip says little of larger segments'.
    const ms = Math.floor(rtt / 8000) * 1000;
    sk.rtoUs = ms + Math.max(2 * ms, tcpRtoMin(sk));
  } else if (sk.srttUs === 0) {
    // The handshake gave no sample: be careful.
    sk.rttvarUs = TCP_TIMEOUT_FALLBACK;
    sk.mdevUs = TCP_TIMEOUT_FALLBACK;
    sk.mdevMaxUs = TCP_TIMEOUT_FALLBACK;
    sk.rtoUs = TCP_TIMEOUT_FALLBACK;
  }
}
