/** Metrics of routes: iproute2's names for them, and what the stack keeps (Linux `ip_metrics_convert`). */
import { EINVAL, NetError } from '../errno.ts';
import { NO_METRICS, type RouteMetrics as StackMetrics } from '../network/route/fib-info.ts';
import { findCongestionControl } from '../transport/tcp/congestion-table.ts';
import type { RouteMetrics } from './info.ts';

/** By `RTAX_*`, from 2 on: iproute2's names (`mx_names`). */
export const METRIC_NAMES: readonly string[] = [
  'mtu',
  'window',
  'rtt',
  'rttvar',
  'ssthresh',
  'cwnd',
  'advmss',
  'reordering',
  'hoplimit',
  'initcwnd',
  'features',
  'rto_min',
  'initrwnd',
  'quickack',
  'congctl',
  'fastopen_no_cookie',
];

const FIRST = 2;
/** Largest MTU and MSS that a route may say; more is cut. */
const MAX_MTU = 65_535 - 15;
const MAX_ADVMSS = 65_535 - 40;

/** Bit of a metric's lock. */
function lockBit(name: string): number {
  const i = METRIC_NAMES.indexOf(name);
  return i < 0 ? 0 : 1 << (i + FIRST);
}

/** Names of the metrics that are locked. */
export function lockedNames(m: StackMetrics): readonly string[] {
  return m.locks === 0 ? [] : METRIC_NAMES.filter((name) => (m.locks & lockBit(name)) !== 0);
}

/** Metrics that are set, in the order of their numbers. */
export function metricsInfo(m: StackMetrics): RouteMetrics {
  if (m === NO_METRICS) return {};
  return {
    ...(m.mtu === 0 ? {} : { mtu: m.mtu }),
    ...(m.window === 0 ? {} : { window: m.window }),
    ...(m.rtt === 0 ? {} : { rtt: m.rtt }),
    ...(m.rttvar === 0 ? {} : { rttvar: m.rttvar }),
    ...(m.ssthresh === 0 ? {} : { ssthresh: m.ssthresh }),
    ...(m.cwnd === 0 ? {} : { cwnd: m.cwnd }),
    ...(m.advmss === 0 ? {} : { advmss: m.advmss }),
    ...(m.reordering === 0 ? {} : { reordering: m.reordering }),
    ...(m.hoplimit === 0 ? {} : { hoplimit: m.hoplimit }),
    ...(m.initcwnd === 0 ? {} : { initcwnd: m.initcwnd }),
    ...(m.features === 0 ? {} : { ecn: true }),
    ...(m.rtoMin === 0 ? {} : { rto_min: m.rtoMin }),
    ...(m.initrwnd === 0 ? {} : { initrwnd: m.initrwnd }),
    ...(m.quickack === 0 ? {} : { quickack: m.quickack }),
    ...(m.cc === '' ? {} : { congestion: m.cc }),
    ...(m.fastopenNoCookie === 0 ? {} : { fastopen_no_cookie: m.fastopenNoCookie }),
  };
}

/** What a route is asked to say. EINVAL: there is no such congestion control. */
export function stackMetrics(spec: {
  readonly metrics?: RouteMetrics;
  readonly lockMtu?: boolean;
  readonly locks?: readonly string[];
}): StackMetrics {
  const { metrics: m = {}, lockMtu = false, locks = [] } = spec;
  if (spec.metrics === undefined && !lockMtu && locks.length === 0) return NO_METRICS;
  const cc = m.congestion ?? '';
  if (cc !== '' && findCongestionControl(cc) === undefined)
    throw new NetError(EINVAL, 'rtnetlink', 'Unknown tcp congestion algorithm');
  const names = lockMtu ? ['mtu', ...locks] : locks;
  return {
    mtu: Math.min(m.mtu ?? 0, MAX_MTU),
    window: m.window ?? 0,
    rtt: m.rtt ?? 0,
    rttvar: m.rttvar ?? 0,
    ssthresh: m.ssthresh ?? 0,
    cwnd: m.cwnd ?? 0,
    advmss: Math.min(m.advmss ?? 0, MAX_ADVMSS),
    reordering: m.reordering ?? 0,
    hoplimit: m.hoplimit ?? 0,
    initcwnd: m.initcwnd ?? 0,
    features: m.ecn === true ? 1 : 0,
    rtoMin: m.rto_min ?? 0,
    initrwnd: m.initrwnd ?? 0,
    quickack: m.quickack ?? 0,
    cc,
    fastopenNoCookie: m.fastopen_no_cookie ?? 0,
    mtuLock: names.includes('mtu'),
    locks: names.reduce((bits, name) => bits | lockBit(name), 0),
  };
}
