/** netkit: a pair without MACs (mode l3), whose first end decides what may leave. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeviceLab } from '../../../test/device-lab.ts';

function lab(words: string): DeviceLab {
  const w = new DeviceLab(['host', 'guest']);
  w.script(`
    host link add nk0 type netkit ${words} peer name eth0 netns guest
    host link set nk0 up
    host addr add 10.0.0.1/24 dev nk0
    guest link set eth0 up
    guest addr add 10.0.0.2/24 dev eth0`);
  return w;
}

test('netkit l3: no MAC and no ARP, and packets pass both ways', () => {
  const w = lab('mode l3');
  const seen = w.watch('guest', 'eth0');
  assert.equal(w.ping('host', '10.0.0.2'), true);
  assert.equal(w.ping('guest', '10.0.0.1'), true);
  assert.deepEqual(
    w
      .ns('host')
      .neigh.list()
      .map((n) => n.state),
    ['NOARP'],
  );
  assert.ok(seen.length === 4 && seen.every(({ pkt }) => pkt.arp === null));
  // A frame has an Ethernet header of zeros.
  assert.match(seen[0]?.hex ?? '', /^0{24}0800450000/);
  assert.equal(w.stream('guest', 'host', '10.0.0.1', 500_000), 500_000);
});

test('netkit l2: MACs and ARP, as veth has them', () => {
  const w = lab('mode l2');
  assert.equal(w.ping('host', '10.0.0.2'), true);
  const [neigh] = w.ns('host').neigh.list();
  assert.equal(neigh?.lladdr, w.ns('guest').link.show('eth0').address);
  w.ip('host', 'link set nk0 address 02:00:00:00:00:09');
  assert.equal(w.ns('host').link.show('nk0').address, '02:00:00:00:00:09');
});

test('netkit, V5: a policy of blackhole lets nothing out, and the guest cannot lift it', () => {
  const w = lab('blackhole');
  assert.notEqual(w.ping('host', '10.0.0.2'), true);
  const host = w.dev('host', 'nk0');
  const guest = w.dev('guest', 'eth0');
  assert.ok(host.stats.txDropped > 0);
  assert.equal(guest.stats.rxPackets, 0);
  // What the guest sends is another matter, until its end gets a policy too.
  const replies = w.watch('host', 'nk0');
  w.ping('guest', '10.0.0.1');
  assert.ok(replies.some((s) => !s.outgoing));
  w.ip('host', 'link set nk0 type netkit forward peer blackhole');
  const { rxPackets } = host.stats;
  w.ping('guest', '10.0.0.1');
  assert.equal(host.stats.rxPackets, rxPackets);
  assert.equal(
    w.ip('guest', 'link set eth0 type netkit forward'),
    'Error: netkit link settings can be changed only through the primary device.\n',
  );
  w.ip('host', 'link set nk0 type netkit peer forward');
  assert.equal(w.ping('guest', '10.0.0.1'), true);
});

test('netkit: is listed with its mode, its role and both policies', () => {
  const w = lab('blackhole');
  assert.deepEqual(w.json('host', 'link show nk0').linkinfo, {
    info_kind: 'netkit',
    info_data: { mode: 'l3', type: 'primary', policy: 'blackhole', peer_policy: 'forward' },
  });
  assert.match(
    w.ip('guest', '-d link show eth0'),
    /<BROADCAST,MULTICAST,NOARP,UP,LOWER_UP>[\s\S]*link\/ether 00:00:00:00:00:00 [\s\S]*netkit mode l3 type peer policy forward peer policy blackhole addrgenmode eui64 numtx/,
  );
});

test('netkit: refusals in the words of the kernel', () => {
  const w = lab('');
  const refused = (words: string): string => w.ip('host', words);
  assert.match(refused('link set nk0 type netkit mode l2'), /operating mode cannot be changed/);
  assert.match(refused('link set nk0 address 02:00:00:00:00:01'), /Operation not supported/);
  assert.match(
    refused('link add nk1 address 02:00:00:00:00:01 type netkit'),
    /Operation not supported/,
  );
  assert.match(refused('link add nk1 type netkit mode l4'), /invalid mode/);
  assert.match(refused('link add nk1 type netkit frob'), /unrecognized netkit option "frob"/);
  assert.equal(refused('link add type netkit'), '');
  assert.deepEqual(
    w
      .ns('host')
      .link.list()
      .map((l) => l.name),
    ['lo', 'nk0', 'nk1', 'nk2'],
  );
});
