/** The words of `ip`: what is refused by name, formats; the rest is compared with Linux in `test/linux`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from '../../../sim/virtual-clock.ts';
import { formatIpv4 } from '../../util/address.ts';
import { Kernel } from '../kernel.ts';
import { formatJson } from './entry.ts';
import { type IpOutcome, runIp } from './ip.ts';
import { nearestOf } from './nearest.ts';
import { prefixOf } from './words.ts';

function ip(words: string): IpOutcome {
  const kernel = new Kernel({ env: new VirtualClock(), seed: 1 });
  const ns = kernel.netns.add('a');
  const { netns } = kernel;
  return runIp(
    { ns, findNetns: (n) => netns.find(n), listNetns: () => netns.list() },
    words.split(' ').filter((w) => w !== ''),
  );
}

test('a prefix reads back as it is written', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 0, max: 32 }), (n, len) => {
      const { addr, len: read } = prefixOf(`${formatIpv4(n | 0)}/${len}`);
      assert.deepEqual([addr, read], [n | 0, len]);
    }),
  );
});

test('no words whatsoever throw; every failure has a text and a code', () => {
  const word = fc.constantFrom(
    ...'link addr route neigh netns add del set show get flush replace change append'.split(' '),
    ...'dev lo via 10.0.0.1 10.0.0.0/8 default mtu 1400 metric 5 table 100 type veth'.split(' '),
    ...'peer name x up down -j -p -d -s -o -br -4 master nomaster nexthop scope host'.split(' '),
    ...'lladdr 02:00:00:00:00:01 nud stale proto static src onlink bridge blackhole'.split(' '),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 9 }), (words) => {
      const r = ip(words.join(' '));
      assert.equal(r.code !== 0, r.stderr !== '' && r.error !== null);
    }),
    { numRuns: 400 },
  );
});

test('what is not implemented is refused by name, with the nearest word', () => {
  for (const [words, says] of [
    ['rule add uidrange 1-9', /uidrange" is not implemented here; the selectors of/],
    ['link add x type geneve', /"type geneve" is not implemented here; see docs/],
    ['link set lo vrf x', /vrf" is not implemented here; the nearest word is/],
    ['route add 10.0.0.0/8 encap mpls', /encap" is not implemented/],
    ['route add 10.0.0.0/8 dev lo realms 3', /realms" is not implemented/],
    ['addr add 10.0.0.1/8 dev lo home', /home" is not implemented/],
    ['-f mpls addr', /"-family mpls" is not implemented/],
    ['netns exec x', /"ip netns exec" is not implemented/],
    ['link set lo netns a', /The interface netns is immutable/],
    ['route add 10.0.0.0/8 vai 1.2.3.4', /"vai" is a garbage.\nDid you mean "via"/],
    ['adress', /Did you mean "ip address"/],
  ] as const) {
    const r = ip(words);
    assert.match(r.stderr, says, words);
    assert.notEqual(r.code, 0);
  }
});

test('counters stand in columns that grow with their figures', () => {
  const kernel = new Kernel({ env: new VirtualClock(), seed: 1 });
  const ns = kernel.netns.add('a');
  ns.net.loopback.stats.rxBytes = 12345678901;
  assert.equal(
    ns.ip('-s link show lo').split('\n').slice(2, 4).join('\n'),
    '    RX:   bytes packets errors dropped  missed   mcast           \n' +
      '    12345678901       0      0       0       0       0 ',
  );
});

test('S12: -s -s tells every counter, in JSON under the names of the kernel', () => {
  const kernel = new Kernel({ env: new VirtualClock(), seed: 1 });
  const ns = kernel.netns.add('a');
  ns.ip('link add v0 type veth peer name v1');
  ns.ip('link set v0 up');
  ns.ip('link set v1 up');
  const [link] = JSON.parse(ns.ip('-s -s -j link show v0')) as {
    stats64: { rx: object; tx: object };
  }[];
  assert.deepEqual(Object.keys(link?.stats64.rx ?? {}).slice(6), [
    'length_errors',
    'crc_errors',
    'frame_errors',
    'fifo_errors',
    'missed_errors',
  ]);
  assert.deepEqual(Object.entries(link?.stats64.tx ?? {}).slice(6), [
    ['aborted_errors', 0],
    ['fifo_errors', 0],
    ['window_errors', 0],
    ['heartbeat_errors', 0],
    ['carrier_changes', 2],
  ]);
});

test('JSON is laid out as iproute2 does', () => {
  assert.equal(
    formatJson([{ a: 1, b: [], c: [{ d: 'x' }], e: ['y', 'z'] }], true),
    '[ {\n        "a": 1,\n        "b": [ ],\n        "c": [ {\n                "d": "x"\n            } ],\n        "e": [ "y","z" ]\n    } ]',
  );
});

test('the nearest word', () => {
  assert.equal(nearestOf('vai', ['dev', 'via', 'src']), 'via');
});
