/** What is remembered of a destination from one connection to the next (values by Linux's `tcp_update_metrics`). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipTcpMetrics } from '../../control/ip/tcp-metrics.ts';
import { Words } from '../../control/ip/words.ts';
import { TCP_CA_OPEN, TCP_INFINITE_SSTHRESH } from './constants.ts';
import { initMetrics, metricsOf, updateMetrics } from './metrics.ts';
import { Peer } from './peer.test.ts';

const PRINT = {
  json: false,
  pretty: false,
  brief: false,
  oneline: false,
  details: false,
  stats: 0,
  numeric: false,
  family: '',
} as const;

test('round-trip time rises at once and falls slowly; windows as the state makes them reliable', () => {
  const p = new Peer();
  const sk = p.accept({ mss: 1000 });
  p.net.sysctl = p.net.sysctl.with('tcpNoSsthreshMetricsSave', 0);
  sk.srttUs = 80_000;
  sk.mdevUs = 20_000;
  updateMetrics(sk);
  const m = metricsOf(sk);
  assert.ok(m !== null);
  assert.deepEqual([m.rtt, m.rttvar, m.ssthresh, m.cwnd], [80_000, 40_000, 0, 10]);
  sk.srttUs = 16_000;
  sk.sndSsthresh = 8;
  sk.sndCwnd = 20;
  assert.equal(sk.caState, TCP_CA_OPEN);
  updateMetrics(sk);
  assert.deepEqual([m.rtt, m.rttvar, m.ssthresh, m.cwnd], [72_000, 38_000, 10, 15]);
  assert.match(
    ipTcpMetrics({ ns: p, options: PRINT }, new Words(['show'])),
    /^[\d.]+ age 0\.000sec ssthresh 10 cwnd 15 rtt 9000us rttvar 9500us source [\d.]+\n$/,
  );
  // The next connection begins with them; a shorter handshake does not make its first timeout shorter.
  sk.srttUs = 8000;
  initMetrics(sk);
  assert.equal(sk.sndSsthresh, 10);
  assert.equal(sk.rtoUs, 9000 + 200_000);
  // Not with the default of the sysctl, and not after an hour.
  p.net.sysctl = p.net.sysctl.with('tcpNoSsthreshMetricsSave', 1);
  initMetrics(sk);
  assert.equal(sk.sndSsthresh, TCP_INFINITE_SSTHRESH);
  p.run(3_700_000_000);
  assert.equal(metricsOf(sk)?.rtt, 0);
  assert.equal(ipTcpMetrics({ ns: p, options: PRINT }, new Words(['flush'])), '');
  assert.equal(metricsOf(sk), null);
});
