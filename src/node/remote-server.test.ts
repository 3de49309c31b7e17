/** The holder of a namespace and programs that do not keep to the protocol. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Kernel } from '../core/control/kernel.ts';
import type { Namespace } from '../core/control/namespace.ts';
import { IN6ADDR_LOOPBACK } from '../core/util/ip6-addr.ts';
import { ByteQueue } from './byte-queue.ts';
import { type CallMessage, encodeCall, takeCall } from './call-message.ts';
import { RealTimeEnv } from './env.ts';
import { reviveName } from './remote-address.ts';
import { namesAnother, offerPlace } from './remote-server.ts';

const dir = mkdtempSync(join(tmpdir(), 'warren-place-'));
after(() => rmSync(dir, { recursive: true }));

let count = 0;

/** A place, with both connections of a program made by hand. */
async function place(): Promise<{ ns: Namespace; path: string; calls: Socket; events: Socket }> {
  const ns = new Kernel({ env: new RealTimeEnv(), seed: 1 }).netns.add('box');
  ns.link.set('lo', { up: true });
  const path = join(dir, `${++count}.sock`);
  await offerPlace(ns.net, path, () => '');
  const events = connect(path);
  const calls = connect(path);
  events.write(encodeCall(['events']));
  return { ns, path, calls, events };
}

async function ask(calls: Socket, ...head: unknown[]): Promise<CallMessage> {
  calls.write(encodeCall(head));
  const queue = new ByteQueue();
  for (;;) {
    const [chunk] = (await once(calls, 'data')) as [Buffer];
    queue.push(chunk);
    const message = takeCall(queue);
    if (message !== undefined) return message;
  }
}

const ADDRESS = { family: 2, addr: 0, port: 80 };

test('a program is greeted, its file goes, and with its connections its sockets', async () => {
  const { ns, path, calls, events } = await place();
  const [hello] = (await ask(calls, 'hello', process.pid)).head;
  assert.equal((hello as { name: string }).name, 'box');
  assert.equal(existsSync(path), false);
  const [id] = (await ask(calls, 'socket', 2, 1)).head;
  assert.deepEqual((await ask(calls, 'bind', id, ADDRESS)).head[0], 0);
  assert.deepEqual((await ask(calls, 'listen', id, 5)).head[0], 0);
  assert.equal(ns.net.tcp.hasListener(80), true);
  assert.equal((await ask(calls, 'bind', 77, ADDRESS)).head[0], -9);
  events.destroy();
  await once(calls, 'close');
  assert.equal(ns.net.tcp.hasListener(80), false);
});

test('what is no call, and replies that nobody reads, end the program and nothing else', async () => {
  const bad: ((calls: Socket) => void)[] = [
    (calls) => calls.write('GET / HTTP/1.1\r\n\r\n'),
    (calls) => calls.write(encodeCall(['no such call', 1])),
    (calls) => calls.write(encodeCall(['socket', 2, 1])),
    (calls) => {
      calls.pause();
      calls.write(encodeCall(['hello', 0]));
      const flood = Buffer.concat(Array.from({ length: 1000 }, () => encodeCall(['interfaces'])));
      for (let i = 0; i < 100; i++) calls.write(flood);
    },
  ];
  for (const misbehave of bad) {
    const { ns, calls, events } = await place();
    events.resume();
    calls.on('error', () => {});

    misbehave(calls);
    if (calls.isPaused()) await once(events, 'close');
    else {
      calls.resume();
      await once(calls, 'close');
    }
    calls.destroy();
    events.destroy();
    assert.equal(ns.net.tcp.hasListener(80), false);
  }
});

test('addresses of IPv6 pass through', async () => {
  const { calls, events } = await place();
  await ask(calls, 'hello', process.pid);
  const [id] = (await ask(calls, 'socket', 10, 1)).head;
  const loopback = { a: 0, b: 0, c: 0, d: 1 };
  const to = { family: 10, addr: 0, port: 80, addr6: loopback, scopeId: 0 };
  assert.equal((await ask(calls, 'bind', id, to)).head[0], 0);
  const [name] = (await ask(calls, 'getsockname', id)).head;
  assert.deepEqual(name, to);
  assert.deepEqual(reviveName(name), { ...to, addr6: IN6ADDR_LOOPBACK });
  events.destroy();
  await once(calls, 'close');
});

test('whoever lies about its pid has nobody ended', () => {
  for (const pid of [
    process.pid,
    0,
    1,
    -1,
    -process.pid,
    Number.NaN,
    1.5,
    Number.POSITIVE_INFINITY,
  ])
    assert.equal(namesAnother(pid), false, `${pid}`);
  assert.equal(namesAnother(process.pid + 1), true);
});
