/** getsockopt(2) as bytes: lengths and cuts of the kernel’s. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWorld, tcp } from '../../../test/world.ts';
import { EINVAL, ENOPROTOOPT } from '../errno.ts';
import * as so from '../transport/sockopt-names.ts';

test('lengths of getsockopt: whole, cut, refused', () => {
  const s = tcp(createWorld().addNet('a'));
  const lengthOf = (level: number, name: number, length: number): number => {
    const got = s.getsockoptBytes(level, name, length);
    return typeof got === 'number' ? got : got.length;
  };
  assert.equal(lengthOf(so.SOL_TCP, so.TCP_INFO, 1000), 280);
  assert.equal(lengthOf(so.SOL_TCP, so.TCP_INFO, 104), 104);
  assert.equal(lengthOf(so.SOL_TCP, so.TCP_NODELAY, 8), 4);
  assert.equal(lengthOf(so.SOL_TCP, so.TCP_NODELAY, 1), 1);
  assert.equal(lengthOf(so.SOL_TCP, so.TCP_CONGESTION, 100), 16);
  assert.equal(lengthOf(so.SOL_TCP, so.TCP_CONGESTION, 3), 3);
  assert.equal(lengthOf(so.SOL_TCP, so.TCP_ULP, 16), 0);
  assert.equal(lengthOf(so.SOL_TCP, so.TCP_CC_INFO, 16), 0);
  assert.equal(lengthOf(so.SOL_TCP, so.TCP_SAVED_SYN, 16), 0);
  assert.equal(lengthOf(so.SOL_TCP, so.TCP_FASTOPEN_KEY, 16), 0);
  assert.equal(lengthOf(so.SOL_SOCKET, so.SO_LINGER, 100), 8);
  assert.equal(lengthOf(so.SOL_SOCKET, so.SO_RCVTIMEO, 100), 16);
  assert.equal(lengthOf(so.SOL_SOCKET, so.SO_COOKIE, 4), -EINVAL);
  assert.equal(lengthOf(so.SOL_SOCKET, so.SO_COOKIE, 8), 8);
  assert.equal(lengthOf(so.SOL_SOCKET, so.SO_MAX_PACING_RATE, 4), 4);
  assert.equal(lengthOf(so.SOL_SOCKET, so.SO_MAX_PACING_RATE, 8), 8);
  assert.equal(lengthOf(so.SOL_TCP, so.TCP_MD5SIG, 100), -ENOPROTOOPT);
  assert.equal(lengthOf(so.SOL_TCP, so.TCP_NODELAY, -1), -EINVAL);
});

test('values are little-endian words', () => {
  const s = tcp(createWorld().addNet('a'));
  s.setsockopt(so.SOL_SOCKET, so.SO_MARK, -1);
  assert.deepEqual([...(s.getsockoptBytes(1, so.SO_MARK, 4) as Uint8Array)], [255, 255, 255, 255]);
  s.setsockopt(so.SOL_SOCKET, so.SO_LINGER, { onoff: 1, linger: 5 });
  assert.deepEqual(
    [...(s.getsockoptBytes(1, so.SO_LINGER, 8) as Uint8Array)],
    [1, 0, 0, 0, 5, 0, 0, 0],
  );
  const info = s.getsockoptBytes(6, so.TCP_INFO, 280) as Uint8Array;
  assert.deepEqual([info[0], info[5]], [7, 0]);
  assert.equal(new DataView(info.buffer).getUint32(8, true), 1_000_000);
});
