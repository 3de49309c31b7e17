/** Text of IPv6 addresses, kinds, prefixes; the map by address. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  commonBits,
  Ip6Addr,
  ip6,
  isLinkLocal6,
  isMapped6,
  isMulticast6,
  multicastMac6,
  needsScope,
  parseIpv6,
  prefixOf,
  samePrefix,
  solicitedNode,
} from './ip6-addr.ts';
import { Ip6Map } from './ip6-map.ts';

const word = fc.oneof(fc.constant(0), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }));
const anyAddr = fc.tuple(word, word, word, word).map((w) => new Ip6Addr(...w));

test('the text of RFC 5952, as inet_ntop writes it', () => {
  for (const [text, canonical] of [
    ['::', '::'],
    ['::1', '::1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['2001:0DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['fe80:0:0:0:0:0:0:0', 'fe80::'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['::ffff:a00:1', '::ffff:10.0.0.1'],
    ['::10.0.0.1', '::10.0.0.1'],
    ['1::ffff:10.0.0.1', '1::ffff:a00:1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ] as const)
    assert.equal(String(ip6(text)), canonical);
});

test('what is no address is refused', () => {
  for (const text of [
    '',
    ':',
    ':::',
    '1',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7',
    '::1::',
    '12345::',
  ])
    assert.equal(parseIpv6(text), undefined, text);
  for (const text of [
    '::1.2.3',
    '::256.1.1.1',
    '1.2.3.4::',
    '::1.2.3.4:1',
    ':1::',
    '1:',
    'g::',
    '::%1',
  ])
    assert.equal(parseIpv6(text), undefined, text);
});

test('property: text is read back as the same address', () => {
  void fc.assert(
    fc.property(anyAddr, (x) => {
      assert.ok(ip6(String(x)).equals(x));
    }),
  );
});

test('property: prefixes and common bits agree', () => {
  void fc.assert(
    fc.property(anyAddr, anyAddr, fc.nat(128), (x, y, len) => {
      assert.equal(samePrefix(x, y, len), commonBits(x, y) >= len);
      assert.equal(prefixOf(x, len).equals(prefixOf(y, len)), samePrefix(x, y, len));
    }),
  );
});

test('kinds of addresses', () => {
  assert.ok(isLinkLocal6(ip6('fe80::1')) && isLinkLocal6(ip6('febf::1')));
  assert.ok(!isLinkLocal6(ip6('fec0::1')));
  assert.ok(isMulticast6(ip6('ff02::1')) && needsScope(ip6('ff02::1')));
  assert.ok(!needsScope(ip6('ff05::1')) && needsScope(ip6('ff01::1')));
  assert.ok(isMapped6(ip6('::ffff:1.2.3.4')));
  assert.equal(String(solicitedNode(ip6('fe80::1:ab12:3456'))), 'ff02::1:ff12:3456');
  assert.equal(multicastMac6(ip6('ff02::1:ff12:3456')), 0x3333ff123456);
});

test('property: the map by address does what a map by text does', () => {
  const few = fc.tuple(fc.nat(2), fc.nat(2)).map(([c, d]) => new Ip6Addr(0, 0, c, d));
  void fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), few, fc.nat())), fc.integer(), (steps, key) => {
      const map = new Ip6Map<number>(key | 0);
      const model = new Map<string, number>();
      for (const [adds, addr, value] of steps) {
        if (adds) {
          map.set(addr, value);
          model.set(String(addr), value);
        } else assert.equal(map.delete(addr), model.delete(String(addr)));
        assert.equal(map.size, model.size);
        assert.equal(map.get(addr), model.get(String(addr)));
      }
      assert.deepEqual([...map.keys()].map(String).sort(), [...model.keys()].sort());
    }),
  );
});
