/** Frames over a stream socket. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameStream } from './frame-stream.ts';

interface Pair {
  readonly a: Socket;
  readonly b: Socket;
  close(): void;
}

async function pair(): Promise<Pair> {
  const dir = mkdtempSync(join(tmpdir(), 'warren-stream-'));
  const server = createServer().listen(join(dir, 's'));
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const a = connect(join(dir, 's'));
  const [b] = await accepted;
  const close = (): void => {
    a.destroy();
    b.destroy();
    server.close();
    rmSync(dir, { recursive: true });
  };
  return { a, b, close };
}

test('frames arrive in order, whole, with device and segment size, however they are cut', async () => {
  const { a, b, close } = await pair();
  const tx = new FrameStream(a);
  const rx = new FrameStream(b);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 2000 }), fc.nat(65535)), {
        minLength: 1,
        maxLength: 20,
      }),
      async (frames) => {
        const got: unknown[] = [];
        const done = new Promise<void>((resolve) => {
          rx.onFrame = (device, frame, gso) => {
            got.push([device, Uint8Array.from(frame), gso]);
            if (got.length === frames.length) resolve();
          };
        });
        for (const [device, frame, gso] of frames) tx.sendFrame(device, frame, gso);
        await done;
        assert.deepEqual(got, frames);
      },
    ),
    { numRuns: 20 },
  );
  tx.sendFrame(1, new Uint8Array(65549));
  const [device, length] = await new Promise<[number, number]>((resolve) => {
    rx.onFrame = (d, f) => resolve([d, f.length]);
  });
  assert.deepEqual([device, length], [1, 65549]);
  close();
});

test('any bytes from the other end: no exception, no unbounded memory', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }),
      async (chunks) => {
        const { a, b, close } = await pair();
        const rx = new FrameStream(b);
        rx.onRequest = () => null;
        const closed = new Promise<void>((resolve) => {
          rx.onClose = () => resolve();
        });
        for (const chunk of chunks) a.write(chunk);
        a.end();
        a.on('error', () => undefined).resume();
        b.end();
        await closed;
        close();
      },
    ),
    { numRuns: 30 },
  );
});

test('a message that claims to be too long ends the connection', async () => {
  for (const head of [
    [0xff, 0xff, 0xff, 0xff, 1],
    [0, 0, 0, 2, 1],
    [0, 0, 0, 9, 77],
    [0x7f, 0, 0, 0, 2],
  ]) {
    const { a, b, close } = await pair();
    const rx = new FrameStream(b);
    const reason = new Promise<Error | undefined>((resolve) => {
      rx.onClose = resolve;
    });
    a.write(Uint8Array.from(head));
    a.on('error', () => undefined);
    assert.match(String((await reason)?.message), /broke the protocol/);
    close();
  }
});

test('an end that does not read: the tail is dropped, and counted', async () => {
  const { a, b, close } = await pair();
  const tx = new FrameStream(a, { queueLimit: 100_000 });
  b.pause();
  let sent = 0;
  for (let i = 0; i < 100; i++) {
    for (let k = 0; k < 10; k++) if (tx.sendFrame(0, new Uint8Array(1500))) sent++;
    await new Promise(setImmediate);
  }
  assert.ok(tx.dropped > 0);
  assert.equal(tx.dropped + sent, 1000);
  close();
});

test('requests and replies in both directions, errors included', async () => {
  const { a, b, close } = await pair();
  const one = new FrameStream(a);
  const two = new FrameStream(b);
  two.onRequest = (method, params) => {
    if (method === 'fail') throw new Error('as asked');
    return { method, params };
  };
  assert.deepEqual(await one.request('hello', [1]), { method: 'hello', params: [1] });
  await assert.rejects(one.request('fail'), /as asked/);
  await assert.rejects(two.request('anything'), /nobody serves anything/);
  one.onRequest = () => new Promise(() => undefined);
  const pending = two.request('never');
  one.destroy();
  await assert.rejects(pending);
  await assert.rejects(two.request('late'), /closed/);
  close();
});
