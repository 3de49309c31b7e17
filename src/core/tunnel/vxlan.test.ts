/** vxlan: bytes on the wire, learning and ageing, groups, the table by hand, namespaces, refusals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeviceLab } from '../../../test/device-lab.ts';
import { bridgeTool } from '../../tools/bridge.ts';

/** a, b and c on one bridge of h: 192.0.2.1, .2, .3. */
function lab(): DeviceLab {
  const w = new DeviceLab(['h', 'a', 'b', 'c']);
  w.script('h link add br0 type bridge');
  w.script('h link set br0 up');
  for (const [i, ns] of ['a', 'b', 'c'].entries())
    w.script(`
      ${ns} link add eth0 type veth peer name p${i} netns h
      ${ns} link set eth0 up
      h link set p${i} master br0
      h link set p${i} up
      ${ns} addr add 192.0.2.${i + 1}/24 dev eth0`);
  return w;
}

function vxlan(w: DeviceLab, ns: string, n: number, words: string): void {
  w.script(`
    ${ns} link add vx0 address 02:00:00:00:01:0${n} type vxlan id 5 dstport 4789 ${words}
    ${ns} link set vx0 up
    ${ns} addr add 10.0.0.${n}/24 dev vx0`);
}

function bridge(w: DeviceLab, ns: string, words: string): string {
  const { netns } = w.kernel;
  const ctx = { ns: w.ns(ns), findNetns: (n: string) => netns.find(n), listNetns: () => [] };
  const r = bridgeTool(ctx, words.split(' '));
  return r.stdout + r.stderr;
}

test('vxlan: UDP, eight bytes, and the frame', () => {
  const w = lab();
  vxlan(w, 'a', 1, 'remote 192.0.2.2 dev eth0');
  vxlan(w, 'b', 2, 'remote 192.0.2.1 dev eth0');
  const seen = w.watch('b', 'eth0');
  assert.equal(w.ping('a', '-s 8 10.0.0.2'), true);
  const ip = seen.filter((s) => !s.outgoing && s.pkt.udp !== null).map((s) => s.hex.slice(28));
  // The ARP request: outer IP and UDP, I flag, VNI 5, broadcast from vx0.
  assert.match(
    ip[0] ?? '',
    /^4500004e....0000401[01]....c0000201c0000202....12b5003a....0800000000000500ffffffffffff0200000001010806/,
  );
  assert.match(ip[1] ?? '', /0800000000000500020000000102020000000101080045000024/);
  assert.notEqual(ip[0]?.slice(52, 56), '0000', 'UDP has a checksum');
  assert.equal(w.stream('a', 'b', '10.0.0.2', 300_000), 300_000);
  const { mtu } = w.ns('a').link.show('vx0');
  assert.equal(mtu, 1450);
  assert.match(w.ip('a', 'link set vx0 mtu 1451'), /Invalid argument/);
});

test('vxlan: is listed as Linux lists it', () => {
  const w = lab();
  w.script('a link add vx0 type vxlan id 5 remote 10.0.0.2 dstport 4789 dev eth0');
  assert.deepEqual(w.json('a', 'link show vx0').linkinfo, {
    info_kind: 'vxlan',
    info_data: {
      id: 5,
      remote: '10.0.0.2',
      link: 'eth0',
      port_range: { low: 0, high: 0 },
      port: 4789,
      learning: true,
      ttl: 0,
      df: 'unset',
      ageing: 300,
      udp_csum: true,
      udp_zero_csum6_tx: false,
      udp_zero_csum6_rx: false,
    },
  });
  w.script(
    'a link add vx2 type vxlan id 7 group 239.1.1.1 dev eth0 local 10.0.0.1 ttl 5 tos 3 ageing 5 nolearning noudpcsum srcport 1000 2000 dstport 4789',
  );
  assert.match(
    w.ip('a', '-d link show vx2'),
    /vxlan id 7 group 239\.1\.1\.1 local 10\.0\.0\.1 dev eth0 srcport 1000 2000 dstport 4789 nolearning tos 0x3 ttl 5 ageing 5 noudpcsum noudp6zerocsumtx noudp6zerocsumrx addrgenmode eui64 numtx/,
  );
  assert.equal(
    bridge(w, 'a', 'fdb show dev vx2'),
    '00:00:00:00:00:00 dst 239.1.1.1 via eth0 self permanent\n',
  );
});

test('vxlan: learns where a MAC is, follows it, and forgets it', () => {
  const w = lab();
  vxlan(w, 'a', 1, 'dev eth0 ageing 20');
  vxlan(w, 'b', 2, 'remote 192.0.2.1 dev eth0');
  assert.notEqual(w.ping('a', '10.0.0.2'), true, 'a knows nobody');
  assert.ok(w.dev('a', 'vx0').stats.txDropped > 0);
  assert.equal(w.ping('b', '10.0.0.1'), true);
  assert.match(bridge(w, 'a', 'fdb'), /02:00:00:00:01:02 dev vx0 dst 192\.0\.2\.2 self/);
  assert.equal(w.ping('a', '10.0.0.2'), true);
  // The same MAC speaks from elsewhere.
  w.script('b link set vx0 down');
  vxlan(w, 'c', 2, 'remote 192.0.2.1 dev eth0');
  assert.equal(w.ping('c', '10.0.0.1'), true);
  assert.match(bridge(w, 'a', 'fdb'), /02:00:00:00:01:02 dev vx0 dst 192\.0\.2\.3 self/);
  w.script('c link set vx0 down');
  w.run(40_000_000);
  assert.doesNotMatch(bridge(w, 'a', 'fdb'), /02:00:00:00:01:02/);
});

test('vxlan: nolearning, and a table by hand', () => {
  const w = lab();
  vxlan(w, 'a', 1, 'dev eth0 nolearning');
  vxlan(w, 'b', 2, 'dev eth0 nolearning');
  vxlan(w, 'c', 3, 'dev eth0 nolearning');
  for (const [ns, words] of [
    ['a', '00:00:00:00:00:00 dev vx0 dst 192.0.2.2'],
    ['a', '00:00:00:00:00:00 dev vx0 dst 192.0.2.3'],
    ['b', '00:00:00:00:00:00 dev vx0 dst 192.0.2.1'],
    ['c', '00:00:00:00:00:00 dev vx0 dst 192.0.2.1'],
  ] as const)
    assert.equal(bridge(w, ns, `fdb append ${words}`), '');
  // What is unknown is copied to all of the list.
  assert.equal(w.ping('a', '10.0.0.2'), true);
  assert.equal(w.ping('a', '10.0.0.3'), true);
  assert.doesNotMatch(bridge(w, 'a', 'fdb'), /02:00:00:00:01:02/);
  assert.equal(bridge(w, 'a', 'fdb add 02:00:00:00:01:02 dev vx0 dst 192.0.2.2'), '');
  const { rxPackets } = w.dev('c', 'vx0').stats;
  assert.equal(w.ping('a', '10.0.0.2'), true);
  assert.equal(w.dev('c', 'vx0').stats.rxPackets, rxPackets);
  assert.match(bridge(w, 'a', 'fdb add 02:00:00:00:01:02 dev vx0 dst 192.0.2.3'), /File exists/);
  assert.match(
    bridge(w, 'a', 'fdb append 02:00:00:00:01:02 dev vx0 dst 192.0.2.3'),
    /not supported/,
  );
  assert.equal(bridge(w, 'a', 'fdb replace 02:00:00:00:01:02 dev vx0 dst 192.0.2.3'), '');
  assert.notEqual(w.ping('a', '10.0.0.2'), true);
  assert.equal(bridge(w, 'a', 'fdb del 02:00:00:00:01:02 dev vx0'), '');
  assert.equal(w.ping('a', '10.0.0.2'), true);
  assert.match(bridge(w, 'a', 'fdb del 02:00:00:00:01:02 dev vx0'), /No such file/);
});

test('vxlan: a MAC that was written down cannot be taken by who claims it', () => {
  const w = lab();
  vxlan(w, 'a', 1, 'dev eth0');
  vxlan(w, 'b', 2, 'remote 192.0.2.1 dev eth0');
  bridge(w, 'a', 'fdb add 02:00:00:00:01:02 dev vx0 dst 192.0.2.3');
  assert.notEqual(w.ping('b', '10.0.0.1'), true);
  assert.equal(w.dev('a', 'vx0').stats.rxPackets, 0);
});

test('vxlan: a group finds all who share it', () => {
  const w = lab();
  for (const [i, ns] of ['a', 'b', 'c'].entries()) vxlan(w, ns, i + 1, 'group 239.1.1.1 dev eth0');
  assert.equal(w.ping('a', '10.0.0.2'), true);
  assert.equal(w.ping('c', '10.0.0.1'), true);
  w.script('b link set vx0 down');
  assert.equal(w.ns('b').net.devs.find('eth0')?.ipv4?.groups?.size ?? 0, 0);
});

test('vxlan: identifiers do not hear each other, and share a port', () => {
  const w = lab();
  vxlan(w, 'a', 1, 'remote 192.0.2.2');
  w.script(`
    b link add x6 type vxlan id 6 remote 192.0.2.1 dstport 4789
    b link set x6 up
    b addr add 10.0.0.2/24 dev x6`);
  assert.notEqual(w.ping('a', '10.0.0.2'), true);
  w.script(`
    b link add x5 type vxlan id 5 remote 192.0.2.1 dstport 4789
    b addr del 10.0.0.2/24 dev x6
    b link set x5 up
    b addr add 10.0.0.2/24 dev x5`);
  assert.equal(w.ping('a', '10.0.0.2'), true);
  // Somebody else has the port.
  const says = w.ip('b', 'link add y type vxlan id 5 remote 192.0.2.1 dstport 4789');
  assert.match(says, /A VXLAN device with the specified VNI already exists/);
});

test('vxlan: the port is a socket of the kernel: it is taken while the device is up', () => {
  const w = lab();
  w.script('a link add vx0 type vxlan id 5 dstport 9');
  const s = w.socket('a', 2);
  assert.equal(s.bind({ family: 2, addr: 0, port: 9 }), 0);
  assert.match(w.ip('a', 'link set vx0 up'), /Address already in use/);
  s.close();
  assert.equal(w.ip('a', 'link set vx0 up'), '');
  const t = w.socket('a', 2);
  assert.equal(t.bind({ family: 2, addr: 0, port: 9 }), -98);
  w.script('a link del vx0');
  assert.equal(t.bind({ family: 2, addr: 0, port: 9 }), 0);
  t.close();
});

test('vxlan: made for another namespace, it sends by way of its maker’s; and moves on', () => {
  const w = lab();
  const [g1, g2] = [w.kernel.netns.add('g1'), w.kernel.netns.add('g2')];
  w.script(`
    a link add vx0 netns g1 type vxlan id 5 remote 192.0.2.2 dstport 4789 dev eth0
    b link add vx0 type vxlan id 5 remote 192.0.2.1 dstport 4789 dev eth0
    b link set vx0 netns g2
    g1 link set vx0 up
    g2 link set vx0 up
    g1 addr add 10.0.0.1/24 dev vx0
    g2 addr add 10.0.0.2/24 dev vx0`);
  assert.equal(w.ping('g1', '10.0.0.2'), true);
  assert.equal(w.udp('g2', 'g1', '10.0.0.1', 3000), '10.0.0.2');
  // LINUX: it goes with the device below it.
  w.script('a link del eth0');
  assert.equal(g1.link.has('vx0'), false);
  w.ns('b').destroy();
  assert.equal(g2.link.has('vx0'), false);
});

test('vxlan: refusals', () => {
  const w = lab();
  const says = (words: string): string => w.ip('a', `link add x type vxlan ${words}`.trim()).trim();
  assert.equal(says(''), 'Error: Required attributes not provided to perform the operation.');
  assert.match(says('id 16777216'), /argument "16777216" is wrong: invalid id/);
  assert.match(says('id 8 remote 239.1.1.1'), /"239.1.1.1" is wrong: invalid remote address/);
  assert.match(says('id 8 group 10.0.0.1'), /"10.0.0.1" is wrong: invalid group address/);
  assert.match(says('id 8 group 239.1.1.1'), /Local interface required for multicast/);
  assert.match(says('dstport 4789'), /missing virtual network identifier/);
  assert.match(says('id 8 external'), /"type vxlan external" is not implemented/);
  assert.match(says('id 8 frob'), /vxlan: unknown command "frob"/);
});
