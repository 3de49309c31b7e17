/** The queue of bytes, and the messages that are taken from it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteQueue } from './byte-queue.ts';
import { encodeCall, MAX_DATA, takeCall } from './call-message.ts';

test('pieces of any size give the bytes in order', () => {
  const bytes = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7) & 0xff));
  for (const [piece, taken] of [
    [1, 3],
    [7, 1],
    [600, 41],
    [5000, 5000],
  ] as const) {
    const queue = new ByteQueue();
    const out: Buffer[] = [];
    for (let i = 0; i < bytes.length; i += piece) {
      const chunk = Buffer.from(bytes.subarray(i, i + piece));
      queue.push(chunk);
      assert.equal(queue.byteAt(0), bytes[out.reduce((n, b) => n + b.length, 0)]);
      // Views, which later pieces must leave alone.
      while (queue.length >= taken) out.push(queue.take(taken));
      queue.settle();
    }
    out.push(queue.take(queue.length));
    assert.ok(Buffer.concat(out).equals(bytes), `${piece} ${taken}`);
  }
});

test('megabytes that come byte by byte do not take quadratic time', () => {
  const queue = new ByteQueue();
  const one = Buffer.from([1]);
  for (let i = 0; i < 4 << 20; i++) {
    queue.push(one);
    queue.settle();
  }
  assert.equal(queue.take(queue.length).length, 4 << 20);
});

test('calls come out as they went in; what is no message is refused', () => {
  const data = Buffer.alloc(MAX_DATA, 'x');
  const stream = Buffer.concat([encodeCall(['send', 1, 0], [data]), encodeCall(['poll', 1])]);
  const queue = new ByteQueue();
  const heads: unknown[] = [];
  for (let i = 0; i < stream.length; i += 1000) {
    queue.push(stream.subarray(i, i + 1000));
    for (let m = takeCall(queue); m !== undefined; m = takeCall(queue))
      heads.push([...m.head, m.data.length]);
    queue.settle();
  }
  assert.deepEqual(heads, [
    ['send', 1, 0, MAX_DATA],
    ['poll', 1, 0],
  ]);
  for (const bad of [
    '\xff\xff\xff\xff\0\0\0\0',
    '\0\0\0\x04\0\0\0\x05',
    '\0\0\0\x06\0\0\0\x02{}',
  ]) {
    const one = new ByteQueue();
    one.push(Buffer.from(bad, 'latin1'));
    assert.throws(() => takeCall(one));
  }
});
