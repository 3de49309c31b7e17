/** Programs in virtual time: timers, clocks, random numbers, idle time-outs, and work outside. */
import assert from 'node:assert/strict';
import { pbkdf2, randomBytes, randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { describe, test } from 'node:test';
import { setInterval as every, setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Kernel, setHosts } from '../../../src/node/index.ts';
import { abandonAll } from '../../../src/node/open-handles.ts';
import { VirtualTime } from '../../../src/node/virtual/clock.ts';
import { addHost, hostOf } from '../../../src/node/virtual/host.ts';
import { installVirtual } from '../../../src/node/virtual/install.ts';

type Namespace = ReturnType<Kernel['netns']['add']>;

interface World {
  readonly time: VirtualTime;
  readonly a: Namespace;
  readonly b: Namespace;
  /** Runs `fn` in `a`, and time with it; must take less than `limitMs` of real time. */
  run<T>(fn: () => Promise<T>, limitMs?: number): Promise<T>;
}

function world(seed = 1): World {
  installVirtual();
  const time = new VirtualTime(seed);
  const kernel = new Kernel({ env: time, seed });
  const [a, b] = ['a', 'b'].map((name) => kernel.netns.add(name)) as [Namespace, Namespace];
  kernel.veth(
    { netns: a, name: 'eth0', address: '10.0.0.1/24', up: true },
    { netns: b, name: 'eth0', address: '10.0.0.2/24', up: true },
  );
  const hosts = new Map([
    ['a', ['10.0.0.1']],
    ['b', ['10.0.0.2']],
  ]);
  for (const ns of [a, b]) {
    ns.link.set('lo', { up: true });
    setHosts(ns.net, hosts);
    addHost(ns.net);
  }
  const real = performance.now();
  return {
    time,
    a,
    b,
    async run(fn, limitMs = 5000) {
      const release = time.hold();
      try {
        return await a.run(fn);
      } finally {
        release();
        for (const ns of [a, b]) abandonAll(ns.net);
        const took = performance.now() - real;
        assert.ok(took < limitMs, `took ${took} ms of real time`);
      }
    },
  };
}

describe('virtual time: timers', () => {
  test('an hour of setTimeout, setInterval, promises and AbortSignal passes at once', async () => {
    const w = world();
    const log: string[] = [];
    await w.run(async () => {
      const t0 = Date.now();
      setTimeout(() => log.push('b'), 20);
      setTimeout(() => log.push('a'), 10);
      setImmediate(() => log.push('i'));
      process.nextTick(() => log.push('t'));
      await sleep(3_600_000);
      assert.equal(Date.now() - t0, 3_600_000);
      assert.deepEqual(log, ['t', 'i', 'a', 'b']);
      let n = 0;
      const timer = setInterval(() => n++, 1000);
      await promisify(setTimeout)(5500);
      clearInterval(timer);
      assert.equal(n, 5);
      await once(AbortSignal.timeout(60_000), 'abort');
      assert.equal(Date.now() - t0, 3_665_500);
      const ticks: number[] = [];
      for await (const _ of every(100)) {
        ticks.push(Date.now());
        if (ticks.length === 3) break;
      }
      assert.equal((ticks[2] ?? 0) - (ticks[0] ?? 0), 200);
    });
  });

  test('a cleared timer does not fire, by object, number or internal clearing; refresh starts anew', async () => {
    const w = world();
    await w.run(async () => {
      let fired = 0;
      const t1 = setTimeout(() => fired++, 10);
      clearTimeout(+t1);
      const t2 = setTimeout(() => fired++, 10);
      clearTimeout(t2);
      const t3 = setTimeout(() => fired++, 100);
      await sleep(90);
      t3.refresh();
      await sleep(90);
      assert.equal(fired, 0);
      await sleep(20);
      assert.equal(fired, 1);
      const aborted = sleep(1e6, undefined, { signal: AbortSignal.timeout(50) });
      await assert.rejects(aborted, { name: 'AbortError', code: 'ABORT_ERR' });
    });
  });

  test('who polls with setImmediate gets on, too', async () => {
    const w = world();
    await w.run(async () => {
      const end = Date.now() + 50;
      while (Date.now() < end) await new Promise((resolve) => setImmediate(resolve));
    });
  });

  test('outside any namespace everything is Node’s', async () => {
    const w = world();
    const before = Date.now();
    await w.run(() => sleep(1e8));
    assert.ok(Math.abs(Date.now() - before) < 10_000);
    const t0 = performance.now();
    await sleep(20);
    assert.ok(performance.now() - t0 >= 18);
    assert.ok(new Date() instanceof Date);
    assert.equal(new Date().constructor, Date);
    assert.equal(new Date(5).getTime(), 5);
    assert.equal(new Date(2020, 1, 1).getFullYear(), 2020);
    assert.match(Date(), /20\d\d/);
  });
});

describe('virtual time: clocks and random numbers', () => {
  test('skew and drift are each host’s own', async () => {
    const w = world();
    const a = hostOf(w.a.net);
    assert.ok(a);
    a.skewUs = 3_000_000;
    a.setDrift(100_000);
    const other = hostOf(w.b.net);
    await w.run(async () => {
      const [wall, mono, hr] = [Date.now(), performance.now(), process.hrtime.bigint()];
      assert.equal(wall - w.b.run(() => Date.now()), 3000);
      await sleep(11_000);
      assert.equal(w.time.nowUs(), 10_000_000);
      assert.equal(Date.now() - wall, 11_000);
      assert.ok(Math.abs(performance.now() - mono - 11_000) < 0.01);
      assert.ok(Math.abs(Number(process.hrtime.bigint() - hr) - 11e9) < 1e4);
      assert.equal(
        w.b.run(() => process.uptime()),
        10,
      );
      assert.equal(process.hrtime([1, 0])[0], 10);
    });
    assert.equal(other?.skewUs, 0);
  });

  test('the same seed gives the same numbers, another seed others', async () => {
    const draw = async (seed: number): Promise<string> =>
      world(seed).run(async () =>
        JSON.stringify([
          Math.random(),
          randomBytes(8).toString('hex'),
          randomUUID(),
          randomInt(1000),
          randomInt(5, 9),
          [...crypto.getRandomValues(new Uint8Array(4))],
          crypto.randomUUID(),
          await new Promise((resolve) => randomBytes(4, (_e, b) => resolve(b.toString('hex')))),
        ]),
      );
    const one = await draw(1);
    assert.equal(await draw(1), one);
    assert.notEqual(await draw(2), one);
  });
});

describe('virtual time: idle time-outs', () => {
  test('socket.setTimeout', async () => {
    const w = world();
    w.b.run(() => net.createServer(() => undefined).listen(80));
    await w.run(async () => {
      const t0 = Date.now();
      const socket = net.connect(80, 'b');
      socket.setTimeout(120_000);
      await once(socket, 'timeout');
      assert.ok(Date.now() - t0 >= 120_000 && Date.now() - t0 < 121_000, `${Date.now() - t0}`);
      socket.destroy();
    });
  });

  test('HTTP: the server closes an idle connection after keepAliveTimeout, and dates are virtual', async () => {
    const w = world();
    const server = http.createServer((_req, res) => res.end('x'));
    server.keepAliveTimeout = 5000;
    w.b.run(() => server.listen(80));
    await w.run(async () => {
      const agent = new http.Agent({ keepAlive: true, timeout: 60_000 });
      const res = await new Promise<http.IncomingMessage>((resolve) =>
        http.get('http://b/', { agent }, resolve),
      );
      assert.match(res.headers.date ?? '', /^Thu, 01 Jan 2026 00:00:0/);
      res.resume();
      const t0 = Date.now();
      await once(res.socket, 'close');
      assert.ok(Date.now() - t0 >= 4000 && Date.now() - t0 < 8000, `${Date.now() - t0} ms`);
    });
  });

  test('fetch gives up on a server that says nothing, after 300 s', async () => {
    const w = world();
    w.b.run(() => net.createServer(() => undefined).listen(80));
    await w.run(async () => {
      const t0 = Date.now();
      await assert.rejects(
        fetch('http://b/'),
        (e: Error & { cause?: { code?: string } }) => e.cause?.code === 'UND_ERR_HEADERS_TIMEOUT',
      );
      const took = (Date.now() - t0) / 1000;
      assert.ok(took >= 299 && took < 303, `${took} s`);
    });
    // And again with another clock: undici has one timer for all.
    const v = world();
    v.b.run(() => net.createServer(() => undefined).listen(80));
    await v.run(() =>
      assert.rejects(fetch('http://b/', { signal: AbortSignal.timeout(7000) }), {
        name: 'TimeoutError',
      }),
    );
    const x = world();
    x.b.run(() => net.createServer(() => undefined).listen(80));
    await x.run(() => assert.rejects(fetch('http://b/'), { name: 'TypeError' }));
  });

  test('a client that tries again for ten minutes takes no time', async () => {
    const w = world();
    const tries: number[] = [];
    await w.run(async () => {
      const end = Date.now() + 600_000;
      for (let wait = 100; Date.now() < end; wait = Math.min(30_000, wait * 2)) {
        tries.push(Date.now());
        const socket = net.connect(5432, 'b');
        await once(socket, 'error').catch(() => undefined);
        await assert.rejects(once(net.connect(5432, 'b'), 'connect'), { code: 'ECONNREFUSED' });
        await sleep(wait);
      }
    }, 1500);
    assert.ok(tries.length > 20);
  });
});

test('work outside the simulation costs no virtual time', async () => {
  const w = world();
  await w.run(async () => {
    const t0 = Date.now();
    let late = false;
    setTimeout(() => {
      late = true;
    }, 1);
    await readFile(new URL(import.meta.url));
    assert.equal(late, false, 'file');
    await promisify(gzip)(Buffer.alloc(1e6));
    assert.equal(late, false, 'zlib');
    await promisify(pbkdf2)('a', 'b', 20_000, 32, 'sha1');
    assert.equal(late, false, 'crypto');
    await crypto.subtle.digest('SHA-256', new Uint8Array(1e6));
    assert.equal(late, false, 'subtle');
    const { execFile } = await import('node:child_process');
    await promisify(execFile)('true').catch(() => undefined);
    assert.equal(late, false, 'child process');
    const { port1, port2 } = new MessageChannel();
    const got = new Promise((resolve) => port2.once('message', resolve));
    port1.postMessage(1);
    await got;
    port1.close();
    assert.equal(late, false, 'message');
    assert.equal(Date.now(), t0);
    await sleep(5);
    assert.equal(late, true);
  });
});

test('who waits for what never comes is told', async () => {
  const w = world();
  // Without IPv6 and its timers nothing is left to happen.
  for (const ns of [w.a, w.b]) ns.ip('link set eth0 down');
  const told = new Promise<string>((resolve) => {
    w.time.onStalled = resolve;
  });
  const release = w.time.hold();
  assert.match(await told, /nothing is left/);
  release();
});
