/** Words of tc(8); values as tc 6.1 puts them into its netlink message. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NetError } from '../errno.ts';
import { NETEM_DEFAULTS, type NetemOptions } from '../link/netem-options.ts';
import { formatNetem, parseNetem } from './netem-words.ts';

function expectOptions(words: string, want: Partial<NetemOptions>): void {
  assert.deepEqual(parseNetem(words), { ...NETEM_DEFAULTS, ...want }, words);
}

test('parameters', () => {
  expectOptions('', {});
  expectOptions('limit 50 delay 100', { limit: 50, delayUs: 100 });
  expectOptions('latency 1.5ms 500us 25%', {
    delayUs: 1500,
    jitterUs: 500,
    delayCorrelation: 0.25,
  });
  expectOptions('loss 5', { loss: { model: 'random', probability: 0.05, correlation: 0 } });
  expectOptions('loss random 5% 10%', {
    loss: { model: 'random', probability: 0.05, correlation: 0.1 },
  });
  expectOptions('loss state 1%', {
    loss: { model: 'state', p13: 0.01, p31: 0.99, p32: 0, p23: 1, p14: 0 },
  });
  expectOptions('loss gemodel 1%', {
    loss: { model: 'gemodel', p: 0.01, r: 0.99, lossBad: 1, lossGood: 0 },
  });
  expectOptions('delay 10ms reorder 25% 50%', {
    delayUs: 10_000,
    reorder: { probability: 0.25, correlation: 0.5 },
    gap: 1,
  });
  expectOptions('rate 1mbit -10 48 5', {
    rate: 125_000,
    packetOverhead: -10,
    cellSize: 48,
    cellOverhead: 5,
  });
});

test('units of rates', () => {
  const rates: [string, number][] = [
    ['8000', 1000],
    ['8kbit', 1000],
    ['8Kibit', 1024],
    ['1gbit', 125_000_000],
    ['5bps', 5],
    ['5kbps', 5000],
    ['1.5mbit', 187_500],
  ];
  for (const [text, want] of rates) assert.equal(parseNetem(`rate ${text}`).rate, want, text);
});

test('abbreviations are those of tc', () => {
  assert.equal(parseNetem('d 5ms').delayUs, 5000);
  assert.equal(parseNetem('lo 1% du 2%').duplicate.probability, 0.02);
});

test('errors say which word, and what was probably meant', () => {
  const cases: [string, RegExp][] = [
    ['dleay 5ms', /"dleay".*did you mean "delay"/],
    ['delay', /"delay" needs a time/],
    ['delay 5m', /"5m" is not a time.*"m"/],
    ['loss 101%', /101%.*more than 100%/],
    ['loss gemodl 1%', /did you mean "gemodel"/],
    ['rate 5mbits', /did you mean "mbit"/],
    ['rate 0', /lets nothing pass/],
    ['reorder 25%', /"delay"/],
    ['delay 5ms gap 5', /"gap" needs/],
    ['delay 5ms distribution normal', /jitter/],
    ['delay 5ms 1ms distribution nromal', /did you mean "normal"/],
    ['ecn', /"ecn" needs/],
    ['slot 1ms', /"slot" is not supported/],
  ];
  for (const [words, message] of cases)
    assert.throws(
      () => parseNetem(words),
      (error) => error instanceof NetError && error.code === 'EINVAL' && message.test(error.detail),
      words,
    );
});

test('printed as tc qdisc show does, and read back the same', () => {
  const lines: [string, string][] = [
    ['', 'limit 1000'],
    ['delay 100ms 10ms 25%', 'limit 1000 delay 100ms  10ms 25%'],
    ['loss 0.3% 25%', 'limit 1000 loss 0.3% 25%'],
    ['delay 1.5s rate 1500kbit', 'limit 1000 delay 1.5s rate 1500Kbit'],
    ['rate 10mbit', 'limit 1000 rate 10Mbit'],
  ];
  for (const [words, want] of lines) {
    assert.equal(formatNetem(parseNetem(words)), want);
    assert.deepEqual(parseNetem(want), parseNetem(words));
  }
  assert.equal(
    formatNetem(
      parseNetem(
        'delay 10ms loss gemodel 1% 10% 70% 0.1% ecn duplicate 1% reorder 25% 50% gap 5 corrupt 0.1%',
      ),
    ),
    'limit 1000 delay 10ms loss gemodel p 1% r 10% 1-h 70% 1-k 0.1% duplicate 1% reorder 25% 50% corrupt 0.1% ecn gap 5',
  );
});
