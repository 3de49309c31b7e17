/** ipvlan: namespaces that share a device and its MAC, found by the destination address (L1, L2). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeviceLab } from '../../../test/device-lab.ts';

/** host with eth0, on a wire to out's v; a and b have an ipvlan on eth0 each. */
function lab(words: string, ipv6 = false): DeviceLab {
  const w = new DeviceLab(['host', 'out', 'a', 'b'], ipv6);
  w.script(`
    host link add eth0 address 02:00:00:00:00:01 type veth peer name v address 02:00:00:00:00:02 netns out
    host link set eth0 up
    out link set v up
    host addr add 10.0.0.1/24 dev eth0
    out addr add 10.0.0.2/24 dev v
    host link add i0 link eth0 netns a type ipvlan ${words}
    host link add i0 link eth0 netns b type ipvlan ${words}
    a link set i0 up
    b link set i0 up
    a addr add 10.0.0.10/24 dev i0
    b addr add 10.0.0.11/24 dev i0`);
  return w;
}

test('ipvlan l2, L1: all share one MAC, and answer for their own addresses', () => {
  const w = lab('mode l2');
  assert.equal(w.ping('out', '10.0.0.10'), true);
  assert.equal(w.ping('out', '10.0.0.11'), true);
  assert.equal(w.ping('out', '10.0.0.1'), true);
  const macs = w
    .ns('out')
    .neigh.list()
    .map((n) => n.lladdr);
  assert.deepEqual(new Set(macs), new Set(['02:00:00:00:00:01']));
  assert.equal(w.ns('host').stats().mib['Icmp.InEchos'], 1);
  assert.equal(w.ns('a').stats().mib['Icmp.InEchos'], 1);
  assert.equal(w.ns('b').stats().mib['Icmp.InEchos'], 1);
});

test('ipvlan l2: two guests find each other by ARP, and nothing of it leaves twice', () => {
  const w = lab('mode l2');
  const wire = w.watch('out', 'v');
  assert.equal(w.ping('a', '10.0.0.11'), true);
  assert.deepEqual(
    wire.map(({ pkt }) => pkt.arp?.tpa),
    [0x0a00000b],
    'the request goes out too; the rest stays',
  );
  assert.equal(w.dev('b', 'i0').stats.multicast, 1);
  assert.equal(w.stream('a', 'b', '10.0.0.11', 300_000), 300_000);
  assert.equal(w.stream('a', 'out', '10.0.0.2', 300_000), 300_000);
});

test('ipvlan l3, L2: the destination picks the namespace; the rest is routed by the host', () => {
  const w = lab('mode l3');
  const wire = w.watch('out', 'v');
  assert.equal(w.ping('a', '10.0.0.11'), true);
  assert.equal(wire.length, 0);
  // Outside nobody can ask: there is no ARP here. The host is told to be the router, or entries are written.
  assert.notEqual(w.ping('out', '10.0.0.10'), true);
  w.script(`
    out neigh replace 10.0.0.10 lladdr 02:00:00:00:00:01 dev v
    out neigh add 10.0.0.11 lladdr 02:00:00:00:00:01 dev v`);
  assert.equal(w.ping('out', '10.0.0.10'), true);
  assert.equal(w.ping('a', '10.0.0.2'), true);
  assert.equal(w.udp('out', 'b', '10.0.0.11'), '10.0.0.2');
  assert.equal(w.udp('a', 'out', '10.0.0.2', 4000), '10.0.0.10');
  assert.deepEqual(
    w
      .ns('a')
      .neigh.list()
      .map((n) => n.state),
    ['NOARP', 'NOARP'],
  );
});

test('ipvlan l3: a destination without a route in the host is counted as an error of the guest', () => {
  const w = lab('mode l3');
  w.script('a route add default dev i0');
  w.ping('a', '10.9.9.9');
  const host = w.ns('host').stats();
  // LINUX: with the device given, the host's tables are not believed: it asks for the address on the link.
  assert.equal(w.dev('a', 'i0').stats.txErrors, 0);
  assert.ok(host.mib['Ip.OutRequests'] !== 0);
  w.script('host route add blackhole 10.9.9.0/24');
  w.ping('a', '10.9.9.9');
  assert.equal(w.dev('a', 'i0').stats.txPackets + w.dev('a', 'i0').stats.txDropped, 2);
});

test('ipvlan l3s: what comes in is counted by the host, and delivered to the guest', () => {
  const w = lab('mode l3s');
  w.script('out neigh add 10.0.0.10 lladdr 02:00:00:00:00:01 dev v');
  assert.equal(w.ping('out', '10.0.0.10'), true);
  assert.equal(w.ns('host').stats().mib['Ip.InReceives'], 1);
  assert.equal(w.ns('host').stats().mib['Icmp.InEchos'], 0);
  assert.equal(w.ns('a').stats().mib['Icmp.InEchos'], 1);
  assert.equal(w.dev('a', 'i0').stats.rxPackets, 1);
});

test('ipvlan: private guests do not hear each other; vepa guests ask the outside', () => {
  for (const mode of ['l2', 'l3']) {
    const w = lab(`mode ${mode} private`);
    if (mode === 'l2') w.script('a neigh add 10.0.0.11 lladdr 02:00:00:00:00:01 dev i0');
    assert.notEqual(w.ping('a', '10.0.0.11'), true, mode);
    assert.ok(w.dev('a', 'i0').stats.txDropped > 0);
    assert.equal(w.dev('b', 'i0').stats.rxPackets, mode === 'l2' ? 0 : 0);
  }
  const w = lab('mode l2 vepa');
  w.script('a neigh add 10.0.0.11 lladdr 02:00:00:00:00:01 dev i0');
  const wire = w.watch('out', 'v');
  w.ping('a', '10.0.0.11');
  assert.ok(wire.some(({ pkt }) => pkt.ip?.dst === 0x0a00000b));
});

test('ipvlan: an address is one guest’s alone, whether it is up or not', () => {
  const w = lab('mode l2');
  assert.equal(
    w.ip('b', 'addr add 10.0.0.10/24 dev i0'),
    'Error: Address already assigned to an ipvlan device.\n',
  );
  w.script('a link set i0 down');
  assert.match(w.ip('b', 'addr add 10.0.0.10/32 dev i0'), /already assigned/);
  assert.match(w.ip('b', 'addr add fd00::1/64 dev i0'), /disabled/);
  // The device below is not asked.
  assert.equal(w.ip('host', 'addr add 10.0.0.10/32 dev eth0'), '');
  w.script(`
    host addr del 10.0.0.10/32 dev eth0
    a addr del 10.0.0.10/24 dev i0
    b addr add 10.0.0.10/24 dev i0`);
  assert.equal(w.ping('out', '10.0.0.10'), true);
  assert.equal(w.ns('b').stats().mib['Icmp.InEchos'], 1);
});

test('ipvlan: down, its addresses are nobody’s; moved, they are gone', () => {
  const w = lab('mode l2');
  assert.equal(w.ping('out', '10.0.0.10'), true);
  w.script('a link set i0 down');
  assert.notEqual(w.ping('out', '10.0.0.10'), true);
  w.script('a link set i0 up');
  assert.equal(w.ping('out', '10.0.0.10'), true);
  w.script('a link set i0 netns b name i1');
  assert.notEqual(w.ping('out', '10.0.0.10'), true);
  w.script(`
    b link del i0
    b link set i1 up
    b addr add 10.0.0.10/24 dev i1`);
  assert.equal(w.ping('out', '10.0.0.10'), true);
});

test('ipvlan: mode and flag are one for all on a device; MAC and MTU follow it', () => {
  const w = lab('mode l2');
  assert.equal(w.ip('a', 'link set i0 type ipvlan mode l3 vepa'), '');
  const b = w.json('b', 'link show i0');
  assert.deepEqual(b.linkinfo, { info_kind: 'ipvlan', info_data: { mode: 'l3', vepa: true } });
  assert.ok(b.flags.includes('NOARP'));
  assert.match(
    w.ip('b', '-d link show i0'),
    /\n {4}ipvlan {2}mode l3 vepa addrgenmode eui64 numtx/,
  );
  w.script(`
    host link set eth0 mtu 1400
    host link set eth0 address 02:00:00:00:00:77`);
  const after = w.ns('a').link.show('i0');
  assert.deepEqual([after.mtu, after.address], [1400, '02:00:00:00:00:77']);
  assert.match(w.ip('a', 'link set i0 address 02:00:00:00:00:05'), /not supported/);
  // LINUX: one more that says nothing of its mode sets all to l3.
  w.script(`
    a link set i0 type ipvlan mode l2 bridge
    host link add i2 link eth0 type ipvlan`);
  assert.deepEqual(w.json('b', 'link show i0').linkinfo.info_data, { mode: 'l3', bridge: true });
});

test('ipvlan: on what it stands', () => {
  const w = lab('mode l2');
  assert.match(w.ip('host', 'link add x link lo type ipvlan'), /lo or non-ether device/);
  assert.match(w.ip('host', 'link add x type ipvlan'), /Invalid argument/);
  assert.match(w.ip('host', 'link add x link eth0 type macvlan'), /Device or resource busy/);
  assert.match(
    w.ip('host', 'link add x link eth0 type ipvlan mode l4'),
    /either "l2", "l3" or "l3s"/,
  );
  assert.match(w.ip('host', 'link add x link eth0 type ipvlan frob'), /unknown option "frob"/);
  w.script(`
    host link add br0 type bridge
    host link add e1 type veth peer name e2
    host link set e1 master br0`);
  assert.match(w.ip('host', 'link add x link e1 type ipvlan'), /Device is already in use/);
  // On an ipvlan: on the device below that.
  w.script('host link add i1 link eth0 type ipvlan mode l2');
  w.script('host link add i2 link i1 type ipvlan mode l2');
  assert.equal(w.json('host', 'link show i2').link, 'eth0');
});

test('ipvlan: IPv6 of guests with one MAC: link-local addresses of their own, neighbour discovery', () => {
  const w = lab('mode l2', true);
  w.run(3_000_000);
  const own = (ns: string): string[] =>
    w
      .ns(ns)
      .addr6.list()
      .filter((a) => a.dev !== 'lo')
      .map((a) => a.local);
  assert.deepEqual(own('a'), ['fe80::200:0:100:1']);
  assert.deepEqual(own('b'), ['fe80::200:0:200:1']);
  w.script(`
    a addr add fd00::a/64 dev i0
    b addr add fd00::b/64 dev i0
    out addr add fd00::2/64 dev v`);
  w.run(3_000_000);
  assert.equal(w.ping('a', 'fd00::b'), true);
  assert.equal(w.ping('out', 'fd00::a'), true);
  assert.match(
    w.ip('b', 'addr add fd00::a/64 dev i0'),
    /Address already assigned to an ipvlan device/,
  );
});
