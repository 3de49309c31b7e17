/** ipip, sit, gre, gretap: every byte on the outer wire, options, MTU, errors, loops, and tunnels that move. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeviceLab } from '../../../test/device-lab.ts';

/** a and b, 192.0.2.1 and .2, joined by r, which is the underlay. */
function lab(kind: string, words = '', back = words, ipv6 = false): DeviceLab {
  const w = new DeviceLab(['a', 'r', 'b'], ipv6);
  w.script(`
    r sysctl net.ipv4.ip_forward=1
    a link add eth0 type veth peer name ra netns r
    b link add eth0 type veth peer name rb netns r
    a link set eth0 up
    b link set eth0 up
    r link set ra up
    r link set rb up
    a addr add 192.0.2.1/24 dev eth0
    b addr add 198.51.100.1/24 dev eth0
    r addr add 192.0.2.254/24 dev ra
    r addr add 198.51.100.254/24 dev rb
    a route add default via 192.0.2.254
    b route add default via 198.51.100.254
    a link add t0 type ${kind} local 192.0.2.1 remote 198.51.100.1 ${words}
    b link add t0 type ${kind} local 198.51.100.1 remote 192.0.2.1 ${back}
    a link set t0 up
    b link set t0 up
    a addr add 10.0.0.1/24 dev t0
    b addr add 10.0.0.2/24 dev t0`);
  return w;
}

/** What a sends on its wire, from the outer IP header on, for one ping. */
function outer(w: DeviceLab): string {
  const seen = w.watch('a', 'eth0');
  assert.equal(w.ping('a', '-s 8 10.0.0.2'), true);
  return (seen.find((s) => s.outgoing && s.pkt.ip?.dst === 0xc6336401 >> 0)?.hex ?? '').slice(28);
}

test('ipip: one IP header around the packet, and nothing else', () => {
  const w = lab('ipip');
  const hex = outer(w);
  assert.match(hex, /^45000038....4000400[0-9]/i);
  assert.equal(hex.slice(18, 20), '04');
  assert.equal(hex.slice(24, 40), 'c0000201c6336401');
  assert.match(hex.slice(40), /^45000024....40004001....0a0000010a0000020800/);
  assert.equal(w.stream('a', 'b', '10.0.0.2', 300_000), 300_000);
  assert.equal(w.udp('b', 'a', '10.0.0.1', 5000), '10.0.0.2');
  const link = w.json('a', 'link show t0');
  assert.deepEqual(link.flags, ['POINTOPOINT', 'NOARP', 'UP', 'LOWER_UP']);
  assert.deepEqual([link.mtu, link.link, link.link_type], [1480, null, 'ipip']);
  assert.deepEqual([link.address, link.broadcast], ['192.0.2.1', '198.51.100.1']);
  assert.equal(link.link_pointtopoint, true);
  assert.deepEqual(link.linkinfo.info_data, {
    proto: 'ipip',
    remote: '198.51.100.1',
    local: '192.0.2.1',
    ttl: 'inherit',
    pmtudisc: true,
  });
  assert.match(
    w.ip('a', '-d link show t0'),
    /t0@NONE: .*\n {4}link\/ipip 192\.0\.2\.1 peer 198\.51\.100\.1 .*\n {4}ipip ipip remote 198\.51\.100\.1 local 192\.0\.2\.1 ttl inherit addrgenmode eui64 numtx/,
  );
});

test('gre: key, checksum and sequence numbers, byte by byte', () => {
  const w = lab('gre', 'key 5 csum seq ttl 33 tos 0x10');
  const hex = outer(w);
  assert.equal(hex.slice(2, 4), '10');
  assert.equal(hex.slice(16, 20), '212f');
  assert.match(hex.slice(40), /^b0000800....0000000000050000000045000024/);
  assert.equal(w.stream('b', 'a', '10.0.0.1', 100_000), 100_000);
  const { info_data: data } = w.json('a', 'link show t0').linkinfo;
  assert.deepEqual(
    [data.ikey, data.okey, data.iseq, data.ocsum, data.ttl, data.tos],
    ['0.0.0.5', '0.0.0.5', true, true, 33, '0x10'],
  );
  assert.equal(w.dev('a', 't0').mtu, 1500 - 20 - 16);
});

test('gre: what does not match is refused: key, checksum, sequence', () => {
  const wrongKey = lab('gre', 'key 5', 'key 6');
  assert.notEqual(wrongKey.ping('a', '10.0.0.2'), true);
  assert.ok((wrongKey.ns('a').stats().mib['Icmp.InDestUnreachs'] ?? 0) > 0, 'port unreachable');
  assert.equal(wrongKey.dev('b', 't0').stats.rxErrors, 0);
  const noSum = lab('gre', '', 'csum');
  assert.notEqual(noSum.ping('a', '10.0.0.2'), true);
  assert.equal(noSum.dev('b', 't0').stats.rxErrors, 1);
  const noSeq = lab('gre', '', 'iseq');
  assert.notEqual(noSeq.ping('a', '10.0.0.2'), true);
  assert.equal(noSeq.dev('b', 't0').stats.rxErrors, 1);
  // Numbers begin anew with the device: those that were seen do not count.
  const w = lab('gre', 'seq');
  assert.equal(w.ping('a', '10.0.0.2'), true);
  assert.equal(w.ping('a', '10.0.0.2'), true);
  w.script(`
    a link del t0
    a link add t0 type gre local 192.0.2.1 remote 198.51.100.1 seq
    a link set t0 up
    a addr add 10.0.0.1/24 dev t0`);
  assert.notEqual(w.ping('a', '10.0.0.2'), true);
});

test('gretap: Ethernet through the tunnel, into a bridge', () => {
  const w = lab('gretap', 'key 9');
  assert.equal(w.ping('a', '10.0.0.2'), true);
  const link = w.json('a', 'link show t0');
  assert.deepEqual([link.link_type, link.mtu, link.min_mtu], ['ether', 1500 - 20 - 8 - 14, 68]);
  w.script(`
    b addr del 10.0.0.2/24 dev t0
    b link add br0 type bridge
    b link set t0 master br0
    b link set br0 up
    b addr add 10.0.0.2/24 dev br0`);
  assert.equal(w.ping('a', '10.0.0.2'), true);
  const hex = outer(w);
  assert.match(hex.slice(40), /^2000655800000009/);
});

test('sit: IPv6 over IPv4, with an address made of the near end', () => {
  const w = lab('sit', '', '', true);
  w.run(3_000_000);
  w.script(`
    a addr add fd00::1/64 dev t0
    b addr add fd00::2/64 dev t0`);
  assert.equal(w.ping('a', 'fd00::2'), true);
  const own = w
    .ns('a')
    .addr6.list()
    .filter((a) => a.dev === 't0')
    .map((a) => a.local);
  assert.deepEqual(own.sort(), ['fd00::1', 'fe80::c000:201']);
  assert.match(w.ip('a', '-d link show t0'), /minmtu 1280 maxmtu 65555 \n {4}sit ip6ip remote/);
  // IPv4 is none of its business.
  w.ping('a', '10.0.0.2');
  assert.ok(w.dev('a', 't0').stats.txErrors > 0);
});

test('tunnel: TTL and TOS of the inner packet, congestion marks both ways', () => {
  const w = lab('ipip', 'tos inherit');
  const seen = w.watch('a', 'eth0');
  w.ping('a', '-Q 0x23 -t 9 10.0.0.2');
  const out = seen.find((s) => s.outgoing && s.pkt.ip?.protocol === 4)?.pkt.ip;
  // Inner CE is ECT(0) outside (RFC 6040 §4.1).
  assert.deepEqual([out?.tos, out?.ttl], [0x22, 9]);
  // Without it the marks alone are taken over.
  w.ip('a', 'link set t0 type ipip tos 0x40');
  w.ping('a', '-Q 0x22 10.0.0.2');
  assert.equal(seen.at(-2)?.pkt.ip?.tos, 0x42);
});

test('tunnel: a smaller path is learnt from ICMP, and its senders hear of it', () => {
  const w = lab('ipip');
  w.script(`
    r link set rb mtu 1300
    b link set eth0 mtu 1300`);
  assert.match(String(w.ping('a', '-M do -s 1400 10.0.0.2')), /100% packet loss/);
  // The tunnel knows now: 1300 less the header.
  assert.match(String(w.ping('a', '-M do -s 1400 10.0.0.2')), /mtu *= *1280/);
  assert.equal(w.stream('a', 'b', '10.0.0.2', 200_000), 200_000);
  assert.equal(w.udp('a', 'b', '10.0.0.2', 3000), '10.0.0.1');
});

test('tunnel: without path MTU discovery the outer packet is cut', () => {
  const w = lab('gre', 'nopmtudisc');
  w.script(`
    r link set rb mtu 1000
    b link set eth0 mtu 1000`);
  assert.equal(w.ping('a', '-M dont -s 1400 10.0.0.2'), true);
  assert.ok((w.ns('r').stats().mib['Ip.FragOKs'] ?? 0) > 0);
});

test('tunnel: an unreachable far end is reported to senders for a while', () => {
  const w = lab('ipip', 'ttl 64');
  w.script('r route add unreachable 198.51.100.1/32');
  w.ping('a', '10.0.0.2');
  assert.match(String(w.ping('a', '10.0.0.2')), /Destination Host Unreachable/);
});

test('tunnel: a route into itself, and two that lead into each other, end', () => {
  const w = lab('ipip');
  w.script('a route add 198.51.100.1/32 dev t0');
  w.ping('a', '10.0.0.2');
  const { stats } = w.dev('a', 't0');
  assert.deepEqual([stats.collisions, stats.txErrors], [1, 1]);
  const loop = lab('ipip');
  loop.script(`
    a link add t1 type ipip local 192.0.2.1 remote 203.0.113.1
    a link set t1 up
    a route add 203.0.113.1/32 dev t0
    a route add 198.51.100.1/32 dev t1`);
  loop.ping('a', '10.0.0.2');
  assert.ok(loop.dev('a', 't0').stats.txErrors > 0);
});

test('tunnel: which one a packet is for', () => {
  const w = lab('gre', 'key 1');
  w.script(`
    b link add t1 type gre local 198.51.100.1 remote 192.0.2.1 key 2
    b link add t2 type gre remote 192.0.2.1 key 3
    b link add t3 type gre local 198.51.100.1 key 4
    b link add t4 type gre key 5
    b link set t1 up
    b link set t2 up
    b link set t3 up
    b link set t4 up`);
  for (const key of [2, 3, 4, 5, 6]) {
    w.ip('a', `link set t0 type gre key ${key}`);
    w.ping('a', '10.0.0.2');
  }
  const got = ['t0', 't1', 't2', 't3', 't4'].map((d) => w.dev('b', d).stats.rxPackets);
  assert.deepEqual(got, [0, 1, 1, 1, 1]);
  assert.match(w.ip('b', 'link add x type gre key 5'), /File exists/);
  assert.match(w.ip('b', 'link set t0 type gre key 2'), /File exists/);
  assert.match(w.ip('b', 'link set t4 type gre remote 1.2.3.4'), /Invalid argument/);
});

test('S6: a tunnel that moves leaves its outer packets where it was made', () => {
  const w = lab('gre');
  const guest = w.kernel.netns.add('guest');
  w.script(`
    a link set t0 netns guest
    guest link set t0 up
    guest addr add 10.0.0.1/24 dev t0`);
  assert.equal(w.ping('guest', '10.0.0.2'), true);
  assert.equal(w.udp('b', 'guest', '10.0.0.1', 2000), '10.0.0.2');
  assert.match(w.ip('guest', 'link show t0'), /t0@NONE: [^\n]*\n.*link-netns a/);
  // What is not the guest's it cannot see.
  assert.equal(guest.link.has('eth0'), false);
  w.ns('a').destroy();
  assert.equal(guest.link.has('t0'), false);
});

test('tunnel: before the first one, its protocol is unknown; then it is a port that nobody has', () => {
  const w = new DeviceLab(['a', 'b']);
  w.script(`
    a link add eth0 type veth peer name eth0 netns b
    a link set eth0 up
    b link set eth0 up
    a addr add 192.0.2.1/24 dev eth0
    b addr add 192.0.2.2/24 dev eth0`);
  assert.equal(w.ns('b').net.tunnels, null);
  assert.equal(w.kernel.core.protocols.inet[4], undefined);
});

test('tunnel: the words that are refused', () => {
  const w = lab('gre');
  const says = (words: string): string => w.ip('a', `link add x type ${words}`);
  assert.match(says('gre encap fou'), /"type gre encap" is not implemented/);
  assert.match(says('ipip external'), /"type ipip external" is not implemented/);
  assert.match(says('ipip key 5'), /unknown option "key"/);
  assert.match(says('gre remote x'), /inet address is expected rather than "x"/);
  assert.match(says('gre ttl 256'), /TTL must be <= 255/);
  assert.match(says('gre key x'), /invalid value for "key": "x"/);
  assert.match(says('gre remote 239.1.1.1'), /group is not implemented/);
  assert.match(says('gre dev nope'), /Cannot find device "nope"/);
});
