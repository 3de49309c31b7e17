/** Calls that wait, in virtual time: timeouts, both directions of one socket, lingering. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, createWorld, type World } from '../../../test/world.ts';
import type { NetNs } from '../net.ts';
import { SOCK_DGRAM, SOCK_STREAM } from '../transport/sock.ts';
import * as so from '../transport/sockopt-names.ts';
import { BlockingSocket } from './blocking.ts';

function worldOfTwo(): { readonly world: World; readonly a: NetNs; readonly b: NetNs } {
  const world = createWorld();
  const a = world.addNet('a');
  const b = world.addNet('b');
  world.wire({ net: a, cidr: '10.0.0.1/24' }, { net: b, cidr: '10.0.0.2/24' });
  return { world, a, b };
}

/** Lets time pass until `promise` is settled; promises need turns of their own between events. */
async function drive<T>(world: World, promise: Promise<T>, limitUs = 60_000_000): Promise<T> {
  let settled = false;
  const mark = (): void => {
    settled = true;
  };
  promise.then(mark, mark);
  const endUs = world.clock.nowUs() + limitUs;
  while (!settled && world.clock.nowUs() < endUs) {
    for (let i = 0; i < 8; i++) await Promise.resolve();
    if (!settled) world.run(500);
  }
  assert.ok(settled, 'still waiting');
  return promise;
}

const text = (s: string): Buffer => Buffer.from(s);

test('a stream: connect, accept, both directions at once, end', async () => {
  const { world, a, b } = worldOfTwo();
  const l = BlockingSocket.create(b, SOCK_STREAM);
  l.bind(at('10.0.0.2', 80));
  l.listen();
  const c = BlockingSocket.create(a, SOCK_STREAM);
  const [s] = await drive(world, Promise.all([l.accept(), c.connect(at('10.0.0.2', 80))]));
  const reading = c.read(100);
  const big = new Uint8Array(3_000_000).fill(7);
  const sink = (async () => {
    let n = 0;
    while (n < big.length) n += (await s.read(65536)).length;
    return n;
  })();
  const [sent, received, hello] = await drive(
    world,
    Promise.all([c.write(big), sink, s.write(text('hello')).then(() => reading)]),
  );
  assert.deepEqual(
    [sent, received, Buffer.from(hello).toString()],
    [big.length, big.length, 'hello'],
  );
  await drive(world, s.close());
  assert.equal((await drive(world, c.read(1))).length, 0);
});

test('time limits: SO_RCVTIMEO, SO_SNDTIMEO of connect', async () => {
  const { world, a } = worldOfTwo();
  const u = BlockingSocket.create(a, SOCK_DGRAM);
  u.bind(at('0.0.0.0', 0));
  u.socket.setsockopt(so.SOL_SOCKET, so.SO_RCVTIMEO, { sec: 0, usec: 50_000 });
  const from = world.clock.nowUs();
  await assert.rejects(drive(world, u.recvfrom(1)), { code: 'EAGAIN' });
  assert.ok(Math.abs(world.clock.nowUs() - from - 50_000) <= 1000);
  const t = BlockingSocket.create(a, SOCK_STREAM);
  t.socket.setsockopt(so.SOL_SOCKET, so.SO_SNDTIMEO, 200_000);
  await assert.rejects(drive(world, t.connect(at('10.0.0.77', 1))), { code: 'EINPROGRESS' });
  await assert.rejects(drive(world, t.connect(at('10.0.0.77', 1))), { code: /EINPROGRESS|EHOST/ });
});

test('what fails throws the error of the call', async () => {
  const { world, a } = worldOfTwo();
  const c = BlockingSocket.create(a, SOCK_STREAM);
  await assert.rejects(drive(world, c.connect(at('10.0.0.2', 1))), {
    code: 'ECONNREFUSED',
    syscall: 'connect',
  });
  const u = BlockingSocket.create(a, SOCK_DGRAM);
  await assert.rejects(u.sendto(text('x'), at('10.0.0.2', 0)), { code: 'EINVAL' });
  assert.throws(() => BlockingSocket.create(a, SOCK_STREAM, 17), { code: 'EPROTONOSUPPORT' });
});

test('a close wakes who waits; SO_LINGER waits for the peer, no longer than told', async () => {
  const { world, a, b } = worldOfTwo();
  const u = BlockingSocket.create(a, SOCK_DGRAM);
  const waiting = u.recvfrom(1);
  await u.close();
  await assert.rejects(drive(world, waiting), { code: 'EBADF' });
  const l = BlockingSocket.create(b, SOCK_STREAM);
  l.bind(at('10.0.0.2', 80));
  l.listen();
  const c = BlockingSocket.create(a, SOCK_STREAM);
  await drive(world, c.connect(at('10.0.0.2', 80)));
  c.socket.setsockopt(so.SOL_SOCKET, so.SO_LINGER, { onoff: 1, linger: 2 });
  const next = world.kernel.protocols.inet[6];
  world.kernel.protocols.inet[6] = (pkt) => {
    if (pkt.dev?.net !== b) next?.(pkt);
  };
  const from = world.clock.nowUs();
  await drive(world, c.close());
  assert.ok(Math.abs(world.clock.nowUs() - from - 2_000_000) < 20_000);
});
