/** Addresses as numbers and as text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as a from './address.ts';

test('IPv4 text and number are inverse', () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (n) => {
      assert.equal(a.parseIpv4(a.formatIpv4(n)), n);
    }),
  );
  for (const bad of ['', '1.2.3', '1.2.3.256', '1.2.3.4.5', 'a.b.c.d', ' 1.2.3.4', '1..2.3'])
    assert.equal(a.parseIpv4(bad), undefined, bad);
});

test('MAC text and number are inverse', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 48 - 1 }), (n) => {
      assert.equal(a.parseMac(a.formatMac(n)), n);
    }),
  );
  assert.equal(a.formatMac(a.multicastMac(a.ipv4('239.255.1.2'))), '01:00:5e:7f:01:02');
  assert.ok(a.isGroupMac(a.MAC_BROADCAST) && !a.isGroupMac(0x020000000001));
});

test('classes of addresses', () => {
  assert.ok(a.isLoopback(a.ipv4('127.9.9.9')) && !a.isLoopback(a.ipv4('128.0.0.1')));
  assert.ok(a.isMulticast(a.ipv4('224.0.0.1')) && a.isMulticast(a.ipv4('239.255.255.255')));
  assert.ok(!a.isMulticast(a.ipv4('240.0.0.0')) && a.isReserved(a.ipv4('240.0.0.1')));
  assert.ok(a.isLimitedBroadcast(a.ipv4('255.255.255.255')) && a.isZeronet(0) && !a.isZeronet(1));
  assert.equal(a.formatIpv4(a.maskOf(20)), '255.255.240.0');
  assert.equal(a.maskOf(0), 0);
  assert.equal(a.maskOf(32), -1);
});
