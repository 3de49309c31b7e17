/** venet (S18): the parent routes to its children, without ARP; what one sends the other receives. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeviceLab } from '../../../test/device-lab.ts';

/** ve0 routes to c1 and c2, and to out on a wire. */
function lab(): DeviceLab {
  const w = new DeviceLab(['ve0', 'c1', 'c2', 'out']);
  w.script(`
    ve0 sysctl net.ipv4.ip_forward=1
    ve0 link add venet0 type venet
    ve0 link set venet0 up
    ve0 link add venet0 link venet0 netns c1 type venet addr 10.1.0.1 addr 10.1.0.11
    ve0 link add venet0 link venet0 netns c2 type venet addr 10.1.0.2
    ve0 link add eth0 type veth peer name eth0 netns out
    ve0 link set eth0 up
    out link set eth0 up
    ve0 addr add 192.0.2.1/24 dev eth0
    out addr add 192.0.2.2/24 dev eth0
    out route add 10.1.0.0/16 via 192.0.2.1
    ve0 route add 10.1.0.1/32 dev venet0
    ve0 route add 10.1.0.11/32 dev venet0
    ve0 route add 10.1.0.2/32 dev venet0`);
  for (const [c, addr] of [
    ['c1', '10.1.0.1'],
    ['c2', '10.1.0.2'],
  ])
    w.script(`
      ${c} link set venet0 up
      ${c} addr add ${addr}/32 dev venet0
      ${c} route add default dev venet0 src ${addr}`);
  return w;
}

test('venet, S18: child to child, child to outside and back, by way of the parent, one hop', () => {
  const w = lab();
  const at = w.watch('c2', 'venet0');
  assert.equal(w.ping('c1', '10.1.0.2'), true);
  assert.equal(at[0]?.pkt.ip?.ttl, 63);
  assert.equal(at[0]?.pkt.eth, null);
  assert.equal(w.ping('c1', '192.0.2.2'), true);
  assert.equal(w.ping('out', '10.1.0.2'), true);
  assert.equal(w.ping('ve0', '10.1.0.1'), true);
  assert.equal(w.udp('out', 'c1', '10.1.0.1', 4000), '192.0.2.2');
  assert.equal(w.stream('c2', 'out', '192.0.2.2', 400_000), 400_000);
  assert.deepEqual(w.ns('c1').neigh.list(), []);
  assert.ok(w.ns('ve0').stats().mib['Ip.ForwDatagrams'] !== 0);
});

test('venet: without forwarding children are alone with their parent', () => {
  const w = lab();
  w.script('ve0 sysctl net.ipv4.ip_forward=0');
  assert.notEqual(w.ping('c1', '10.1.0.2'), true);
  assert.equal(w.ping('c1', '192.0.2.1'), true);
});

test('venet, V5: a child sends from the addresses that it was given, and gets nothing for others', () => {
  const w = lab();
  w.script('c1 addr add 10.1.0.2/32 dev venet0');
  assert.notEqual(w.ping('c1', '-I 10.1.0.2 192.0.2.2'), true);
  assert.equal(w.dev('c1', 'venet0').stats.txDropped, 1);
  assert.equal(w.ns('c1').stats().drops.IP_INVALID_SOURCE, 1);
  assert.equal(w.ping('out', '10.1.0.2'), true);
  assert.equal(w.ns('c2').stats().mib['Icmp.InEchos'], 1);
  // Its second address is as good as the first.
  w.script('c1 addr add 10.1.0.11/32 dev venet0');
  assert.equal(w.ping('c1', '-I 10.1.0.11 192.0.2.2'), true);
  assert.match(w.ip('ve0', 'link add x link venet0 netns out type venet addr 10.1.0.2'), /already/);
});

test('venet: a child that was given nothing helps itself to what is free', () => {
  const w = lab();
  w.script(`
    ve0 link add venet0 link venet0 netns out type venet
    out link set venet0 up
    out addr add 10.1.0.3/32 dev venet0
    ve0 route add 10.1.0.3/32 dev venet0`);
  assert.equal(w.ping('c1', '10.1.0.3'), true);
  assert.match(w.ip('out', 'addr add 10.1.0.1/32 dev venet0'), /already assigned to another venet/);
});

test('venet: is listed, dies with the parent’s, and a destination of nobody is dropped', () => {
  const w = lab();
  const link = w.json('c1', 'link show venet0');
  assert.deepEqual(link.flags, ['BROADCAST', 'POINTOPOINT', 'NOARP', 'UP', 'LOWER_UP']);
  assert.equal(link.link_type, 'void');
  assert.deepEqual(link.linkinfo.info_data, {
    role: 'child',
    addresses: ['10.1.0.1', '10.1.0.11'],
  });
  w.script('ve0 route add 10.1.0.77/32 dev venet0');
  w.ping('ve0', '10.1.0.77');
  assert.equal(w.dev('ve0', 'venet0').stats.txDropped, 1);
  assert.match(w.ip('ve0', 'link set venet0 netns c1'), /netns is immutable/);
  w.script('ve0 link del venet0');
  assert.equal(w.ns('c1').link.has('venet0'), false);
});
