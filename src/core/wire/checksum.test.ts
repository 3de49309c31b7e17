/** RFC 1071 against its own definition, byte by byte. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checksum, foldChecksum, pseudoSum, spoilChecksum, sum16, sumPayload } from './checksum.ts';
import { Ipv4Header } from './ipv4.ts';

/** The definition: words of big-endian bytes, end-around carry. */
function reference(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) {
    sum += i % 2 === 0 ? (bytes[i] ?? 0) * 256 : (bytes[i] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

test('the example of RFC 1071 §3', () => {
  const bytes = Uint8Array.from([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
  assert.equal(sum16(bytes, 0, 8, 0), 0xddf2);
  assert.equal(checksum(bytes, 0, 8), 0x220d);
});

test('any slice of any length at any offset sums as defined', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 0, maxLength: 300 }),
      fc.nat(20),
      fc.integer({ min: 0, max: 0xffff }),
      (bytes, from, initial) => {
        const start = Math.min(from, bytes.length);
        const want = (reference(bytes.subarray(start)) + initial) % 0xffff;
        assert.equal(sum16(bytes, start, bytes.length, initial) % 0xffff, want);
      },
    ),
  );
});

test('lanes do not overflow in a megabyte of ones', () => {
  const ones = new Uint8Array(2 ** 20 + 1).fill(0xff);
  assert.equal(sum16(ones, 0, ones.length, 0xffff), 0xff00);
  assert.equal(sum16(ones, 0, ones.length - 1, 0), 0xffff);
});

test('cutting a payload anywhere does not change its sum', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat(400)), (bytes, cuts) => {
      const at = [0, ...cuts.filter((c) => c <= bytes.length), bytes.length].sort((a, b) => a - b);
      const slices = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
      assert.equal(sumPayload(slices, 5) % 0xffff, (reference(bytes) + 5) % 0xffff);
    }),
  );
});

test('a spoilt checksum is noticed and is never zero', () => {
  for (let good = 0; good <= 0xffff; good++) {
    const bad = spoilChecksum(good);
    assert.notEqual(bad, 0);
    assert.notEqual(bad % 0xffff, good % 0xffff);
  }
});

test('pseudo-header', () => {
  // A UDP datagram of 10 bytes with 2 of data, from 152.1.51.27 to 152.14.94.75.
  const ip = new Ipv4Header(0x9801331b | 0, 0x980e5e4b | 0, 17, 64, 0);
  const udp = Uint8Array.from([0xa0, 0x8f, 0x26, 0x94, 0x00, 0x0a, 0x00, 0x00, 0x62, 0x62]);
  assert.equal(foldChecksum(sum16(udp, 0, 10, pseudoSum(ip, 17, 10))), 0x14de);
});
