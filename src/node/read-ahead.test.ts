/** Chunks of received bytes: what the sender wrote in one piece arrives in one piece, and nothing is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EAGAIN, ECONNRESET } from '../core/errno.ts';
import type { Socket } from '../core/socket/socket.ts';
import { ReadAhead } from './read-ahead.ts';

/** A socket whose reads are scripted: slices, or a negated error. */
function scripted(...reads: (Uint8Array[] | number)[]): Socket {
  return {
    recv() {
      const next = reads.shift() ?? -EAGAIN;
      if (typeof next === 'number') return next;
      return { data: next, len: next.reduce((sum, slice) => sum + slice.length, 0) };
    },
  } as unknown as Socket;
}

function drain(ahead: ReadAhead, socket: Socket): (Uint8Array | null | number)[] {
  const all: (Uint8Array | null | number)[] = [];
  for (;;) {
    const next = ahead.next(socket);
    all.push(next);
    if (next === null || typeof next === 'number') return all;
  }
}

function lengths(list: (Uint8Array | null | number)[]): (number | null)[] {
  return list.map((x) => (x instanceof Uint8Array ? x.length : x));
}

test('slices of one write, cut by segments and by a full read, are one chunk again, without a copy', () => {
  const a = new Uint8Array(65_536).fill(1);
  const b = new Uint8Array(65_536).fill(2);
  const socket = scripted(
    [a.subarray(0, 64_128)],
    [a.subarray(64_128), b.subarray(0, 64_128)],
    [b.subarray(64_128)],
  );
  const got = drain(new ReadAhead(), socket);
  assert.deepEqual(lengths(got), [64_128, 1408, 65_536, -EAGAIN]);
  assert.equal((got[2] as Uint8Array).buffer, b.buffer);
});

test('a chunk is never longer than one read', () => {
  const long = new Uint8Array(150_000);
  const socket = scripted([long.subarray(0, 65_536)], [long.subarray(65_536, 131_072)]);
  assert.deepEqual(lengths(drain(new ReadAhead(), socket)), [65_536, 65_536, -EAGAIN]);
});

test('small slices are joined, large ones are not copied', () => {
  const large = new Uint8Array(20_000);
  const slices = [1, 2, 3].map((n) => new Uint8Array(10).fill(n));
  const [x, y, z] = slices as [Uint8Array, Uint8Array, Uint8Array];
  const got = drain(new ReadAhead(), scripted([x, y, large, z]));
  assert.deepEqual(lengths(got), [20, 20_000, 10, -EAGAIN]);
  assert.deepEqual([...(got[0] as Uint8Array)], [...x, ...y]);
  assert.equal(got[1], large);
});

test('an error behind the last chunk is told after it, once', () => {
  const full = new Uint8Array(65_536);
  const ahead = new ReadAhead();
  const socket = scripted([full], -ECONNRESET, []);
  assert.deepEqual(lengths(drain(ahead, socket)), [65_536, -ECONNRESET]);
  assert.equal(ahead.next(socket), null);
});

test('what was put back comes first', () => {
  const ahead = new ReadAhead();
  const socket = scripted([Uint8Array.of(1, 2, 3)], []);
  const first = ahead.next(socket) as Uint8Array;
  ahead.putBack(first.subarray(1));
  assert.deepEqual([...(ahead.next(socket) as Uint8Array)], [2, 3]);
  assert.equal(ahead.next(socket), null);
});
