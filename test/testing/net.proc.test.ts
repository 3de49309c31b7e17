/** `createNet` and `netTest`: faults, time, invariants, sweeps, shrinking, the failing screen, adapters. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isHeld } from '../../src/node/loop.ts';
import { makeNetTest, runnerTest } from '../../src/testing/adapter.ts';
import { HostCrashed } from '../../src/testing/host.ts';
import { createNet, type Net } from '../../src/testing/net.ts';
import { checkRepeats, NetTestError, runNetTest, runOnce } from '../../src/testing/run.ts';

/** Echoes datagrams; returns what reached `to` when `from` sends one each 100 ms. */
function beacon(net: Net, from: string, to: string, port: number): number[] {
  const got: number[] = [];
  net.find(to).run(() => {
    createSocket('udp4')
      .on('message', () => got.push(net.now()))
      .bind(port);
  });
  net.find(from).run(() => {
    const socket = createSocket('udp4');
    setInterval(() => socket.send('x', port, net.find(to).address, () => {}), 100);
  });
  return got;
}

/** How many arrive in the next second. */
async function count(net: Net, got: number[]): Promise<number> {
  await net.advance(50);
  got.length = 0;
  await net.advance(1000);
  return got.length;
}

describe('faults', () => {
  test('partition cuts both ways, one way, between groups; heal ends it', async () => {
    const n = createNet();
    n.lan('10.0.0.0/24', ['a', 'b', 'c'], { netem: 'delay 1ms' });
    const ab = beacon(n, 'a', 'b', 1000);
    const ba = beacon(n, 'b', 'a', 1001);
    const ac = beacon(n, 'a', 'c', 1002);
    const all = async (): Promise<number[]> => {
      await count(n, ab);
      ba.length = 0;
      ac.length = 0;
      ab.length = 0;
      await n.advance(1000);
      return [ab.length, ba.length, ac.length];
    };
    assert.deepEqual(await all(), [10, 10, 10]);
    n.partition('a', 'b');
    assert.deepEqual(await all(), [0, 0, 10]);
    n.heal();
    n.block('a', 'b');
    assert.deepEqual(await all(), [0, 10, 10]);
    n.heal();
    n.do('partition a | b c');
    assert.deepEqual(await all(), [0, 0, 0]);
    n.heal();
    assert.deepEqual(await all(), [10, 10, 10]);
    n.do('netem a -> b loss 100%');
    assert.deepEqual(await all(), [0, 10, 10]);
    n.do('netem a -> b off');
    n.do('netem a loss 100%');
    assert.deepEqual(await all(), [0, 10, 0]);
    n.do('netem a off');
    n.pause('b');
    assert.deepEqual((await all()).slice(0, 2), [0, 0]);
    n.resume('b');
    assert.deepEqual((await all()).slice(1), [10, 10]);
    assert.throws(() => n.do('partiton a | b'), /did you mean "partition"/);
    assert.throws(() => n.do('crash nobody'), /there is no host "nobody"/);
    n.close();
  });

  test('a router leads from one segment to another, and a partition holds across it', async () => {
    const n = createNet();
    const { a, segment: left } = n.lan('10.0.1.0/24', ['a']);
    const { b, segment: right } = n.lan('10.0.2.0/24', ['b']);
    n.router('r', [left, right]);
    const got = beacon(n, 'a', 'b', 1000);
    assert.equal(await count(n, got), 10);
    n.partition(a, b);
    assert.equal(await count(n, got), 0);
    n.close();
  });

  test('held packets come when they are released, in order', async () => {
    const n = createNet();
    n.lan('10.0.0.0/24', ['a', 'b']);
    const got = beacon(n, 'a', 'b', 1000);
    await n.advance(1000);
    n.hold('a', 'b');
    assert.equal(await count(n, got), 0);
    n.release();
    await n.advance(1);
    assert.ok(got.length >= 10);
    n.close();
  });

  test('a crash sends nothing; the program starts anew, and its peer finds out by RST', async () => {
    const n = createNet();
    const { a, b } = n.lan('10.0.0.0/24', ['a', 'b'], { netem: 'delay 1ms' });
    let boots = 0;
    let old: net.Socket | undefined;
    b.start(() => {
      boots++;
      net.createServer((s) => (old = s)).listen(80);
    });
    const events: string[] = [];
    const hung = b.run(() => sleep(1e6));
    const socket = a.run(() => net.connect(80, 'b'));
    socket.on('error', (e: NodeJS.ErrnoException) => events.push(String(e.code)));
    socket.on('end', () => events.push('end'));
    await n.advance(100);
    assert.ok(old);
    old.on('close', () => events.push('posthumous'));
    n.crash('b');
    await assert.rejects(hung, HostCrashed);
    await n.advance(10_000);
    assert.deepEqual(events, []);
    assert.throws(() => b.run(() => 1), HostCrashed);
    n.restart('b');
    assert.equal(boots, 2);
    await n.advance(1000);
    a.run(() => socket.write('x'));
    await n.advance(5000);
    assert.deepEqual(events, ['ECONNRESET']);
    n.close();
  });
});

describe('runs', () => {
  test('the README’s case: a client over a blackhole, in five simulated seconds', async () => {
    const t0 = performance.now();
    await runNetTest('blackhole', async ({ net: n }) => {
      const { app, db } = n.lan('10.0.0.0/24', ['app', 'db'], { netem: 'delay 2ms' });
      db.run(() => http.createServer((_q, r) => r.end('3')).listen(80));
      const ask = (): Promise<string> =>
        app.run(async () =>
          (await fetch('http://db/', { signal: AbortSignal.timeout(5000) })).text(),
        );
      assert.equal(await ask(), '3');
      n.partition(app, db);
      const begun = n.now();
      await assert.rejects(ask(), { name: 'TimeoutError' });
      assert.equal(Math.round((n.now() - begun) / 1000), 5);
      n.heal();
      assert.equal(await ask(), '3');
    });
    assert.ok(performance.now() - t0 < 20_000);
  });

  test('a failing sweep says its seed, the smallest schedule, the timeline and how to replay', async () => {
    const run = runNetTest(
      'beacons arrive',
      async ({ net: n }) => {
        n.lan('10.0.0.0/24', ['a', 'b', 'c'], { netem: 'delay 1ms' });
        const got = beacon(n, 'a', 'b', 1000);
        n.at('2s', 'netem a -> c delay 10ms');
        n.at('3s', 'skew c +5s');
        n.at('4s', 'partition a | b');
        n.at('5s', 'pause c');
        n.always(
          'never more than a second without a beacon',
          () => n.now() - (got.at(-1) ?? 0) < 1000,
        );
        await n.advance('10s');
      },
      { runs: 3, replay: 'WARREN_SEED=1 node --test x.js' },
    );
    const error = await run.then(
      () => assert.fail('it passes'),
      (e: unknown) => e,
    );
    assert.ok(error instanceof NetTestError);
    assert.deepEqual(
      error.smallest.map((f) => f.words),
      ['partition a | b'],
    );
    assert.equal(error.seed, 1);
    for (const part of [
      /^beacons arrive\n {2}always "never more than a second without a beacon" does not hold at 4\.9/,
      /seed 1 \(run 1 of 3\), after 4\.9\d\d s of virtual time/,
      /smallest schedule that still fails: 1 of 4 faults/,
      /4\.000 s {2}partition a \| b/,
      /replay {3}WARREN_SEED=1 node --test x\.js/,
    ])
      assert.match(error.message, part);
    const file = /packets {2}(.*)$/m.exec(error.message)?.[1] ?? '';
    assert.equal(readFileSync(file).readUInt32BE(0), 0x0a0d0d0a);
  });

  test('what a program throws, and what rejects in `start`, fails the run', async () => {
    for (const crash of [
      () =>
        void setTimeout(() => {
          throw new Error('boom');
        }, 1000),
      async () => {
        await sleep(1000);
        throw new Error('boom');
      },
    ]) {
      const outcome = await runOnce(1, async ({ net: n }) => {
        n.lan('10.0.0.0/24', ['a']).a.start(crash);
        await n.advance('5s');
      });
      assert.equal((outcome.error as Error).message, 'boom');
      assert.equal(Math.round(outcome.us / 1e6), 1);
    }
  });

  test('eventually, sometimes, the limit, and waiting for nothing', async () => {
    await runNetTest('eventually', async ({ net: n }) => {
      n.sometimes('late', () => n.now() > 2000);
      await n.eventually('three seconds', () => n.now() >= 3000);
      await assert.rejects(
        n.eventually('never', () => false, '2s'),
        /eventually "never": not by 5\.00/,
      );
    });
    const options = { shrink: false };
    await assert.rejects(
      runNetTest('x', async ({ net: n }) => n.sometimes('pigs fly', () => false), options),
      /sometimes "pigs fly": never in 1 run/,
    );
    const limited = await runOnce(1, () => sleep(1e7), { limit: '10s' });
    assert.match(String(limited.error), /the limit of 10 s/);
    const stuck = await runOnce(1, () => new Promise(() => {}));
    assert.match(String(stuck.error), /nothing is left that could happen/);
  });

  test('adapters register with their runner, with a time limit that sweeps can keep', async () => {
    const calls: unknown[] = [];
    const fake = (kind: string) => (name: string, run: () => Promise<void>, ms?: number) =>
      calls.push([kind, name, typeof run, (ms ?? 0) >= 60_000]);
    const netTest = makeNetTest(
      runnerTest(Object.assign(fake('run'), { only: fake('only'), skip: fake('skip') })),
    );
    netTest('one', () => {});
    netTest.only('two', { runs: 2 }, () => {});
    netTest.skip('three', () => {});
    assert.deepEqual(calls, [
      ['run', 'one', 'function', true],
      ['only', 'two', 'function', true],
      ['skip', 'three', 'function', true],
    ]);
  });
});

test('what a program closes as its world ends, or opens after that, holds no event loop', async () => {
  const before = isHeld();
  await checkRepeats(1, async ({ net: n }) => {
    const { a } = n.lan('10.0.0.0/24', ['a', 'b']);
    await a.run(async () => {
      const socket = createSocket('udp4');
      const stream = net.connect(80, 'b').on('error', () => {});
      socket.send('x', 9, '10.0.0.2');
      await sleep(10);
      socket.close();
      stream.destroy();
      setImmediate(() => {
        net.createServer().listen(80);
        createSocket('udp4').bind(9);
      });
      void Promise.resolve().then(() => net.createServer().listen(81));
    });
  });
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isHeld(), before);
});

/** The same on every supported Node: CI runs it on two. */
const DIGEST = 'bc04255a6425314fb9f193b0286196eb05a4e8b5427130bd55e954fbcf052d4d';

test('one seed gives one merged capture, byte for byte, on every version of Node', async () => {
  const digest = await checkRepeats(7, async ({ net: n }) => {
    const { a, b } = n.lan('10.0.0.0/24', ['a', 'b', 'c'], { netem: 'delay 5ms 2ms loss 2%' });
    const echo = (): void => {
      net.createServer((s) => s.on('error', () => {}).pipe(s)).listen(80);
    };
    b.start(echo);
    beacon(n, 'c', 'a', 1000);
    n.nemesis({ until: '30s', faults: ['partition', 'crash', 'loss', 'delay'], hosts: ['b', 'c'] });
    for (let i = 0; i < 20; i++) {
      await a.run(async () => {
        const socket = net.connect(80, 'b');
        socket.setTimeout(3000, () => socket.destroy());
        socket.on('error', () => {});
        socket.on('connect', () => socket.end(`${Math.random()} ${Date.now()}`));
        socket.resume();
        await once(socket, 'close').catch(() => {});
        await sleep(500 + Math.random() * 1000);
      });
    }
  });
  assert.equal(digest, DIGEST);
});
