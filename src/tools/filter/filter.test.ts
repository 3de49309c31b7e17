/** Packet filters: what they choose without any other program, what they say of nonsense, and that they end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LINK_RAW } from './frame.ts';
import { PacketFilter } from './packet-filter.ts';
import { FilterError, WORDS } from './scan.ts';

/** 10.0.0.1:40000 > 10.0.0.2:80, SYN. */
const SYN = Uint8Array.from([
  ...[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0],
  ...[0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2],
  ...[0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 1, 0, 0, 0, 0, 0],
]);

test('bytes of a frame decide', () => {
  const cases: readonly (readonly [string, boolean])[] = [
    ['', true],
    ['tcp port 80 and tcp[tcpflags] & tcp-syn != 0', true],
    ['tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-ack', false],
    ['src host 10.0.0.1 and dst port http', true],
    ['not (udp or icmp) and len = 54', true],
    ['ether src 02:00:00:00:00:01', true],
    // A byte that is not there: no match, whatever else is said.
    ['tcp or ether[1000] = 1', true],
    ['ether[1000] = 1 or tcp', false],
    ['not ether[1000] = 1', false],
  ];
  for (const [text, expected] of cases)
    assert.equal(new PacketFilter(text).matches(SYN), expected, text);
  const bare = SYN.subarray(14);
  assert.ok(new PacketFilter('tcp port 80').matches(bare, { linkType: LINK_RAW }));
  assert.ok(!new PacketFilter('ether[0] = 2').matches(bare, { linkType: LINK_RAW }));
  assert.ok(new PacketFilter('outbound').matches(SYN, { outgoing: true }));
  assert.ok(!new PacketFilter('inbound').matches(SYN, { outgoing: true }));
  assert.ok(new PacketFilter('greater 1000').matches(SYN, { length: 1500 }));
});

test('names are resolved by who asks', () => {
  const resolve = (name: string): string[] | undefined =>
    name === 'web' ? ['10.0.0.2', 'fd00::2'] : undefined;
  assert.ok(new PacketFilter('dst host web', { resolve }).matches(SYN));
  assert.ok(!new PacketFilter('src web', { resolve }).matches(SYN));
  assert.throws(
    () => new PacketFilter('host db', { resolve }),
    /^FilterError: unknown host "db", at column 6$/,
  );
});

test('nonsense gets one sentence with its column', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['tcp prot 80', /^"prot" does not fit here; did you mean "proto"\?, at column 5$/],
    ['tcp port', /^the filter ends too early, at column 9$/],
    ['tcp[13] & 2', /^a comparison such as: > 5 is missing, at column 12$/],
    ['(tcp', /^"\)" is missing, at column 5$/],
    ['ip proto tcp', /as a name it is written \\tcp, at column 10$/],
    ['tcp $ 5', /^"\$" has no meaning in a filter, at column 5$/],
    ['('.repeat(5000), /^brackets are at most 200 deep, at column 201$/],
    ['not '.repeat(1000), /^brackets are at most 200 deep/],
    ['x'.repeat(10_000), /^a filter has at most 8192 characters/],
  ];
  for (const [text, message] of cases)
    assert.throws(
      () => new PacketFilter(text),
      { name: 'FilterError', message },
      text.slice(0, 40),
    );
});

test('any words are a filter or a FilterError, and any bytes are judged', () => {
  const word = fc.oneof(
    fc.constantFrom(
      ...WORDS,
      '(',
      ')',
      '[',
      ']',
      ':',
      '/',
      '=',
      '&',
      '10.0.0.1',
      '80',
      '::1',
      '-',
      '%',
    ),
    fc.string({ maxLength: 5 }),
  );
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 12 }),
      fc.uint8Array({ maxLength: 80 }),
      (words, bytes) => {
        let filter: PacketFilter;
        try {
          filter = new PacketFilter(words.join(' '));
        } catch (error) {
          assert.ok(error instanceof FilterError, words.join(' '));
          return;
        }
        assert.equal(typeof filter.matches(bytes), 'boolean');
        assert.equal(filter.matches(bytes), filter.matches(bytes));
      },
    ),
    { numRuns: 2000 },
  );
});
