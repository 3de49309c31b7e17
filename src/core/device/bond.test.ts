/** bond: active-backup and balance-xor, failover after miimon, MACs, announcements, refusals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeviceLab } from '../../../test/device-lab.ts';
import { MAC_BROADCAST } from '../util/address.ts';
import { ETH_P_IP, EthHeader } from '../wire/ethernet.ts';
import { Ipv4Header } from '../wire/ipv4.ts';
import { TcpHeader } from '../wire/tcp.ts';
import { bondHash } from './bond-forward.ts';

/** a's bond0 of e0 and e1, both in a bridge of sw, where 10.0.0.2 is. */
function lab(words: string): DeviceLab {
  const w = new DeviceLab(['a', 'sw']);
  w.script(`
    sw link add br0 type bridge
    sw link set br0 up
    sw addr add 10.0.0.2/24 dev br0
    a link add bond0 type bond ${words}`);
  for (const i of [0, 1])
    w.script(`
      a link add e${i} address 02:00:00:00:00:0${i + 1} type veth peer name p${i} netns sw
      sw link set p${i} up
      sw link set p${i} master br0
      a link set e${i} master bond0`);
  w.script(`
    a link set bond0 up
    a addr add 10.0.0.1/24 dev bond0`);
  w.run(500_000);
  return w;
}

const active = (w: DeviceLab): string =>
  w.json('a', 'link show bond0').linkinfo.info_data.active_slave;

test('bond active-backup: one sends and receives, the other waits', () => {
  const w = lab('mode active-backup miimon 100');
  assert.equal(active(w), 'e0');
  const flags = w.json('a', 'link show bond0').flags;
  assert.deepEqual(flags, ['BROADCAST', 'MULTICAST', 'MASTER', 'UP', 'LOWER_UP']);
  assert.ok(w.json('a', 'link show e1').flags.includes('SLAVE'));
  assert.equal(w.ping('a', '10.0.0.2'), true);
  assert.ok(w.dev('a', 'e0').stats.txPackets > 0);
  assert.equal(w.dev('a', 'e1').stats.txPackets, 0);
  // All have the MAC of the first.
  for (const name of ['bond0', 'e0', 'e1'])
    assert.equal(w.ns('a').link.show(name).address, '02:00:00:00:00:01');
  // What the bridge floods comes once.
  const before = w.dev('a', 'bond0').stats.rxPackets;
  w.ping('sw', '10.0.0.77');
  assert.ok(w.dev('a', 'e1').stats.rxPackets > 0);
  assert.equal(w.dev('a', 'bond0').stats.rxPackets, before + 3);
  assert.equal(w.stream('a', 'sw', '10.0.0.2', 200_000), 200_000);
});

test('bond active-backup: fails over after miimon, announces itself, and comes back to its primary', () => {
  const w = lab('mode active-backup miimon 100 primary e0');
  assert.equal(w.ping('a', '10.0.0.2'), true);
  const out = w.watch('a', 'e1');
  w.script('sw link set p0 down');
  assert.equal(active(w), 'e0', 'nobody has looked yet');
  w.run(100_000);
  assert.equal(active(w), 'e1');
  const [garp] = out;
  assert.deepEqual([garp?.pkt.arp?.spa, garp?.pkt.arp?.tpa], [0x0a000001, 0x0a000001]);
  assert.equal(garp?.pkt.eth?.dst, MAC_BROADCAST);
  assert.equal(w.ping('sw', '10.0.0.1'), true);
  assert.equal(w.ping('a', '10.0.0.2'), true);
  w.script('sw link set p0 up');
  w.run(200_000);
  assert.equal(active(w), 'e0');
  const slave = w.json('a', 'link show e0').linkinfo;
  assert.equal(slave.info_slave_kind, 'bond');
  assert.deepEqual(slave.info_slave_data, {
    state: 'ACTIVE',
    mii_status: 'UP',
    link_failure_count: 1,
    perm_hwaddr: '02:00:00:00:00:01',
    queue_id: 0,
    prio: 0,
  });
});

test('bond active-backup: without primary, or with primary_reselect failure, who is active stays', () => {
  for (const words of ['', 'primary e0 primary_reselect failure']) {
    const w = lab(`mode active-backup miimon 100 ${words}`);
    w.script('sw link set p0 down');
    w.run(200_000);
    w.script('sw link set p0 up');
    w.run(200_000);
    assert.equal(active(w), 'e1', words);
    w.script('sw link set p1 down');
    w.run(200_000);
    assert.equal(active(w), 'e0', words);
  }
});

test('bond: updelay and downdelay are waited for; a short break is none', () => {
  const w = lab('mode active-backup miimon 100 updelay 300 downdelay 200 primary e0');
  const status = (): string => w.json('a', 'link show e0').linkinfo.info_slave_data.mii_status;
  w.script('sw link set p0 down');
  w.run(150_000);
  assert.deepEqual([status(), active(w)], ['GOING_DOWN', 'e0']);
  w.script('sw link set p0 up');
  w.run(200_000);
  assert.deepEqual([status(), active(w)], ['UP', 'e0']);
  w.script('sw link set p0 down');
  w.run(400_000);
  assert.deepEqual([status(), active(w)], ['DOWN', 'e1']);
  w.script('sw link set p0 up');
  w.run(250_000);
  assert.deepEqual([status(), active(w)], ['GOING_BACK', 'e1']);
  w.run(400_000);
  assert.deepEqual([status(), active(w)], ['UP', 'e0']);
});

test('bond: its carrier goes with the last slave; without miimon nobody looks', () => {
  const w = lab('mode active-backup miimon 100');
  w.script(`
    sw link set p0 down
    sw link set p1 down`);
  w.run(200_000);
  assert.equal(w.ns('a').link.show('bond0').operState, 'DOWN');
  assert.ok(w.ns('a').link.show('bond0').flags.includes('NO-CARRIER'));
  const blind = lab('mode active-backup');
  blind.script('sw link set p0 down');
  blind.run(1_000_000);
  assert.equal(active(blind), 'e0');
});

test('bond: fail_over_mac active: the bond has the MAC of who is active', () => {
  const w = lab('mode active-backup miimon 100 fail_over_mac active');
  assert.equal(w.ns('a').link.show('e1').address, '02:00:00:00:00:02');
  assert.equal(w.ping('a', '10.0.0.2'), true);
  w.script('sw link set p0 down');
  w.run(200_000);
  assert.equal(w.ns('a').link.show('bond0').address, '02:00:00:00:00:02');
  assert.equal(w.ping('sw', '10.0.0.1'), true);
});

test('bond balance-xor: flows are spread by a hash that is the kernel’s', () => {
  const pkt = (sport: number, dst = 0x0a000002): ReturnType<typeof make> => make(sport, dst);
  const w = lab('mode balance-xor miimon 100 xmit_hash_policy layer3+4');
  function make(sport: number, dst: number) {
    const p = w.kernel.core.newPacket(ETH_P_IP);
    p.eth = new EthHeader(0x020000000002, 0x020000000001, ETH_P_IP);
    p.ip = new Ipv4Header(0x0a000001, dst, 6, 64, 0);
    p.tcp = new TcpHeader(sport, 80, 0, 0, 0, 0, 0, null, 0);
    return p;
  }
  // By hand: 2 ^ 1 ^ 0x0800.
  assert.equal(bondHash(pkt(1000), 'layer2'), 0x0803);
  // Ports 1000 and 80 in memory: 03 e8 00 50; addresses differ by 3 in the last byte.
  let hash = (0x50_00_e8_03 ^ 0x03_00_00_00) >>> 0;
  hash = (hash ^ (hash >>> 16)) >>> 0;
  hash = (hash ^ (hash >>> 8)) >>> 0;
  assert.equal(bondHash(pkt(1000), 'layer3+4'), hash >>> 1);
  const ways = new Set([...Array(16).keys()].map((i) => bondHash(pkt(1000 + i), 'layer3+4') % 2));
  assert.equal(ways.size, 2);
  // Both slaves hear, and a broken one is left out.
  assert.equal(w.ping('a', '10.0.0.2'), true);
  for (const i of [0, 1]) {
    w.script(`sw link set p${i} down`);
    w.run(200_000);
    assert.equal(w.stream('a', 'sw', '10.0.0.2', 50_000, 90 + i), 50_000);
    w.script(`sw link set p${i} up`);
    w.run(200_000);
  }
});

test('bond: MTU and MAC are given to all; who leaves gets its own back', () => {
  const w = lab('mode active-backup miimon 100');
  w.script(`
    a link set bond0 mtu 1400
    a link set bond0 address 02:00:00:00:00:77`);
  for (const name of ['bond0', 'e0', 'e1']) {
    const { mtu, address } = w.ns('a').link.show(name);
    assert.deepEqual([mtu, address], [1400, '02:00:00:00:00:77'], name);
  }
  w.script('a link set e0 nomaster');
  const e0 = w.ns('a').link.show('e0');
  assert.deepEqual([e0.mtu, e0.address, e0.up], [1500, '02:00:00:00:00:01', false]);
  assert.equal(active(w), 'e1');
  w.script('a link set e1 netns sw');
  assert.equal(w.ns('a').link.show('bond0').carrier, false);
  w.script('a link set bond0 down');
  w.script('a link del bond0');
});

test('bond: a slave chosen by hand', () => {
  const w = lab('mode active-backup miimon 100');
  w.script('a link set bond0 type bond active_slave e1');
  assert.equal(active(w), 'e1');
  assert.match(w.ip('a', 'link set bond0 type bond active_slave lo'), /no slave that could be/);
});

test('bond: refusals, by name', () => {
  const w = lab('mode active-backup miimon 100');
  const says = (words: string): string => w.ip('a', words);
  assert.match(says('link add b1 type bond'), /balance-rr \(the default\) is not implemented/);
  assert.match(says('link add b1 type bond mode 802.3ad'), /mode 802.3ad" is not implemented/);
  assert.match(says('link add b1 type bond mode 0'), /mode balance-rr" is not implemented/);
  assert.match(says('link add b1 type bond mode x'), /"x" is wrong: invalid mode/);
  assert.match(says('link add b1 type bond mode 1 arp_interval 5'), /arp_interval" is not impl/);
  assert.match(says('link add b1 type bond frob'), /bond: unknown command "frob"/);
  assert.match(
    says('link set bond0 type bond mode balance-xor'),
    /because the bond device has slaves/,
  );
  assert.match(says('link set bond0 netns sw'), /netns is immutable/);
  assert.match(says('link set lo master bond0'), /different from other slaves/);
  w.script('a link add d0 type dummy');
  w.script('a link set d0 up');
  assert.match(says('link set d0 master bond0'), /can not be enslaved while up/);
  assert.match(
    says('-d link show bond0'),
    /bond mode active-backup active_slave e0 miimon 100 updelay 0 downdelay 0 peer_notify_delay 0 use_carrier 1 arp_interval 0 arp_missed_max 2 arp_validate none arp_all_targets any primary_reselect always fail_over_mac none xmit_hash_policy layer2 resend_igmp 1 num_grat_arp 1 /,
  );
});
