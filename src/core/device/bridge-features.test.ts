/** VLAN filtering, snooping, suppression and the limits of tables, in virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { bridgeTool } from '../../tools/bridge.ts';
import { bridgeMonitor } from '../../tools/bridge-monitor.ts';
import { ipTool } from '../../tools/ip.ts';
import type { ToolContext } from '../control/ip/ip.ts';
import { Kernel } from '../control/kernel.ts';
import type { Namespace } from '../control/namespace.ts';
import type { NetDevice } from '../link/net-device.ts';
import { devQueueXmit } from '../link/output.ts';
import type { Packet } from '../packet.ts';
import { ipv4, MAC_BROADCAST, multicastMac } from '../util/address.ts';
import { foldChecksum, sum16 } from '../wire/checksum.ts';
import { ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, EthHeader } from '../wire/ethernet.ts';
import { IPPROTO_IGMP, IPPROTO_UDP, Ipv4Header } from '../wire/ipv4.ts';
import { VlanTag } from '../wire/vlan.ts';

const S = 1_000_000;
const TEST_TYPE = 0x88b5;

/** A switch `sw` with `n` ports, and a device behind each in `hosts`; who heard what is written down. */
class World {
  readonly clock: VirtualClock = new VirtualClock();
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 1 });
  readonly sw: Namespace = this.kernel.netns.add('sw');
  readonly hosts: Namespace = this.kernel.netns.add('hosts');
  private heard: string[] = [];

  constructor(n = 3) {
    for (const ns of [this.sw, this.hosts]) ns.sysctl.set('net.ipv6.conf.default.disable_ipv6', 1);
    this.sw.ip('link add br0 address 02:00:00:00:00:ff up type bridge');
    for (let i = 1; i <= n; i++) {
      this.sw.ip(
        `link add p${i} address 02:00:00:00:00:1${i} up type veth peer name h${i} address 02:00:00:00:00:2${i} netns hosts`,
      );
      this.sw.ip(`link set p${i} master br0`);
      this.hosts.ip(`link set h${i} up`);
    }
    this.run(1);
    for (const ns of [this.hosts, this.sw])
      ns.net.taps = [
        {
          tap: (pkt, dev, outgoing) => {
            if (!outgoing && /^h|^br/.test(dev.name)) this.heard.push(dev.name + tagsOf(pkt));
          },
        },
      ];
  }

  run(us: number): void {
    this.clock.runFor(this.kernel.core, us);
  }

  dev(name: string): NetDevice {
    const dev = this.hosts.net.devs.find(name) ?? this.sw.net.devs.find(name);
    assert.ok(dev !== undefined, name);
    return dev;
  }

  context(): ToolContext {
    const { netns } = this.kernel;
    return { ns: this.sw, findNetns: (n) => netns.find(n), listNetns: () => netns.list() };
  }

  bridge(words: string): string {
    const { stdout, stderr } = bridgeTool(this.context(), words.split(' '));
    return stdout + stderr;
  }

  ip(words: string): string {
    const { stdout, stderr } = ipTool(this.context(), words.split(' '));
    return stdout + stderr;
  }

  /** Who hears a frame from `from` to the MAC `to`, with these tags (outermost first). */
  send(from: string, to: number | string, ...tags: (readonly [number, number])[]): string {
    const dev = this.dev(from);
    const dst = typeof to === 'number' ? to : this.dev(to).mac;
    const pkt = this.kernel.core.newPacket(TEST_TYPE, dev);
    pkt.eth = new EthHeader(dst, dev.mac, TEST_TYPE);
    let vlan: VlanTag | null = null;
    for (const [proto, tci] of [...tags].reverse()) vlan = new VlanTag(proto, tci, vlan);
    pkt.vlan = vlan;
    pkt.data = [new Uint8Array(50)];
    pkt.len = 50;
    return this.put(pkt);
  }

  put(pkt: Packet): string {
    this.heard = [];
    devQueueXmit(pkt);
    this.run(1000);
    return this.heard.sort().join(' ');
  }

  /** An IPv4 packet of a host to a group. */
  group(
    from: string,
    group: string,
    protocol: number,
    bytes: Uint8Array,
    source = '0.0.0.0',
  ): string {
    const dev = this.dev(from);
    const pkt = this.kernel.core.newPacket(ETH_P_IP, dev);
    pkt.ip = new Ipv4Header(ipv4(source), ipv4(group), protocol, 1, 0);
    pkt.eth = new EthHeader(multicastMac(ipv4(group)), dev.mac, ETH_P_IP);
    pkt.data = [bytes];
    pkt.len = bytes.length;
    return this.put(pkt);
  }

  igmp(from: string, type: number, group: string, to: string, source?: string): string {
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    bytes[0] = type;
    bytes[1] = type === 0x11 ? 100 : 0;
    view.setInt32(4, ipv4(group));
    view.setUint16(2, foldChecksum(sum16(bytes, 0, 8, 0)));
    return this.group(from, to, IPPROTO_IGMP, bytes, source);
  }

  /** Data to 239.1.1.1. */
  data(from: string, group = '239.1.1.1'): string {
    return this.group(from, group, IPPROTO_UDP, new Uint8Array(20), '10.0.0.9');
  }
}

function tagsOf(pkt: Packet): string {
  let text = '';
  for (let tag = pkt.vlan; tag !== null; tag = tag.inner)
    text += `${tag.proto === ETH_P_8021Q ? '.' : ':'}${tag.tci & 0xfff}`;
  return text;
}

test('VLANs: each frame has one, and leaves where it is a member, with or without its tag', () => {
  const w = new World(4);
  w.ip('link set br0 type bridge vlan_filtering 1');
  assert.equal(w.send('h1', MAC_BROADCAST), 'br0 h2 h3 h4', 'all are in VLAN 1');
  assert.equal(w.send('h1', MAC_BROADCAST, [ETH_P_8021Q, 10]), '', 'nobody is in VLAN 10');
  w.bridge('vlan add vid 10 dev p1 pvid untagged');
  w.bridge('vlan add vid 10 dev p2');
  w.bridge('vlan add vid 10-12 dev p3');
  assert.equal(w.send('h1', MAC_BROADCAST), 'h2.10 h3.10');
  assert.equal(w.send('h2', MAC_BROADCAST, [ETH_P_8021Q, 10]), 'h1 h3.10');
  assert.equal(w.send('h3', MAC_BROADCAST, [ETH_P_8021Q, 11]), '', 'alone there');
  assert.equal(w.send('h2', MAC_BROADCAST, [ETH_P_8021Q, 11]), '', 'not let in');
  assert.equal(w.send('h4', MAC_BROADCAST), 'br0 h1 h2 h3', 'p1 is in VLAN 1 still');
  assert.equal(w.send('h1', MAC_BROADCAST, [ETH_P_8021Q, 0]), 'h2.10 h3.10', 'a priority only');
  w.bridge('vlan del vid 10 dev p1');
  assert.equal(w.send('h1', MAC_BROADCAST), '', 'no pvid any more');
  assert.equal(w.send('h1', MAC_BROADCAST, [ETH_P_8021Q, 1]), 'br0 h2 h3 h4');
  w.bridge('vlan add vid 10 dev br0 self');
  assert.equal(w.send('h2', MAC_BROADCAST, [ETH_P_8021Q, 10]), 'br0.10 h3.10');
  assert.equal(w.send('br0', MAC_BROADCAST, [ETH_P_8021Q, 10]), 'h2.10 h3.10');
  assert.equal(w.send('br0', MAC_BROADCAST, [ETH_P_8021Q, 12]), '');
  w.bridge('vlan set vid 10 dev p3 state blocking');
  assert.equal(w.send('h2', MAC_BROADCAST, [ETH_P_8021Q, 10]), 'br0.10');
  w.ip('link set br0 type bridge vlan_filtering 0');
  assert.equal(w.send('h2', MAC_BROADCAST, [ETH_P_8021Q, 77]), 'br0.77 h1.77 h3.77 h4.77');
});

test('VLANs: addresses are learnt in each by itself; our own are known in all', () => {
  const w = new World(3);
  w.ip('link set br0 type bridge vlan_filtering 1');
  for (const port of ['p1', 'p2', 'p3']) w.bridge(`vlan add vid 10 dev ${port}`);
  w.send('h1', MAC_BROADCAST);
  assert.equal(w.send('h2', 'h1'), 'h1');
  assert.equal(w.send('h2', 'h1', [ETH_P_8021Q, 10]), 'h1.10 h3.10', 'not known there');
  assert.equal(w.send('h2', 'br0'), 'br0');
  assert.equal(w.send('h2', 'br0', [ETH_P_8021Q, 10]), '', 'the bridge is not in VLAN 10');
  assert.equal(w.bridge('fdb add 02:00:00:00:00:77 dev p3 master static vlan 10'), '');
  assert.equal(w.send('h2', 0x020000000077, [ETH_P_8021Q, 10]), 'h3.10');
  assert.match(w.bridge('fdb show vlan 10'), /02:00:00:00:00:77 dev p3 vlan 10 master br0 static/);
  assert.match(w.bridge('fdb add 02:00:00:00:00:77 dev p3 master vlan 11'), /Invalid argument/);
});

test('VLANs: tags of the other kind are content; a provider adds its own', () => {
  const w = new World(2);
  w.ip('link set br0 type bridge vlan_filtering 1 vlan_protocol 802.1ad');
  w.bridge('vlan add vid 50 dev p1 pvid untagged');
  w.bridge('vlan add vid 50 dev p2');
  assert.equal(w.send('h1', MAC_BROADCAST, [ETH_P_8021Q, 7]), 'h2:50.7');
  assert.equal(w.send('h2', MAC_BROADCAST, [ETH_P_8021AD, 50], [ETH_P_8021Q, 7]), 'h1.7');
});

test('VLANs: what bridge vlan says, and what is refused', () => {
  const w = new World(2);
  const head = 'port              vlan-id  \n';
  const line = (dev: string, text: string): string => `${dev.padEnd(16)}  ${text}\n`;
  const all = ['br0', 'p1', 'p2'].map((dev) => line(dev, '1 PVID Egress Untagged'));
  assert.equal(w.bridge('vlan'), head + all.join(''));
  w.bridge('vlan add vid 10-12 dev p1');
  assert.equal(
    w.bridge('-c vlan show dev p1'),
    head + line('p1', '1 PVID Egress Untagged') + line('', '10-12'),
  );
  assert.deepEqual(JSON.parse(w.bridge('-j vlan show dev p1 vid 10')), [
    { ifname: 'p1', vlans: [{ vlan: 10 }] },
  ]);
  for (const [words, text] of [
    ['vlan add dev p1 vid 5000', 'Invalid VLAN ID "5000"'],
    ['vlan add dev p1', 'Device and VLAN ID are required arguments.'],
    ['vlan add dev p1 vid 10-5', 'Invalid VLAN range "10-5"'],
    ['vlan add dev p1 vid 5-10 pvid', 'pvid cannot be configured for a vlan range'],
    ['vlan add dev p1 vid x', 'Error: bridge: Vlan id is invalid.'],
    ['vlan add dev lo vid 5', 'RTNETLINK answers: Operation not supported'],
    ['vlan del dev p1 vid 99', 'RTNETLINK answers: No such file or directory'],
    ['vlan foo', 'Command "foo" is unknown, try "bridge vlan help".'],
  ] as const)
    assert.equal(w.bridge(words).split('\n')[0], text, words);
  w.ip('link set br0 type bridge vlan_default_pvid 7');
  assert.match(w.bridge('vlan show dev p2'), /7 PVID Egress Untagged/);
  w.ip('link set br0 type bridge vlan_filtering 1');
  assert.match(w.ip('link set br0 type bridge vlan_default_pvid 8'), /Operation not permitted/);
});

test('snooping: with a querier, groups go to members and routers; without one to all', () => {
  const w = new World(4);
  assert.equal(w.igmp('h1', 0x16, '239.1.1.1', '239.1.1.1'), 'br0 h2 h3 h4');
  assert.equal(w.data('h3'), 'br0 h1 h2 h4', 'nobody asks: what is known is not complete');
  assert.equal(w.igmp('h4', 0x11, '0.0.0.0', '224.0.0.1', '10.0.0.4'), 'br0 h1 h2 h3');
  w.run(11 * S);
  assert.equal(w.data('h3'), 'h1 h4', 'the member, and the one who asks');
  assert.equal(w.data('h3', '239.9.9.9'), 'h4', 'nobody but the router');
  assert.equal(w.data('h3', '224.0.0.5'), 'br0 h1 h2 h4', 'local groups go everywhere');
  assert.equal(w.igmp('h2', 0x16, '239.1.1.1', '239.1.1.1'), 'h4', 'reports go to routers');
  assert.equal(w.data('h3'), 'h1 h2 h4');
  w.ip('link set p1 type bridge_slave fastleave on');
  w.igmp('h1', 0x17, '239.1.1.1', '224.0.0.2');
  assert.equal(w.data('h3'), 'h2 h4');
  assert.match(w.bridge('mdb'), /^dev br0 port p2 grp 239.1.1.1 temp\n$/);
  w.run(245 * S);
  assert.equal(w.data('h3'), 'br0 h1 h2 h4', 'the querier is gone');
});

test('snooping: the bridge asks itself, members age, copies for single hosts', () => {
  const w = new World(3);
  let queries = 0;
  w.dev('h2').taps = [{ tap: (pkt) => (queries += Number(pkt.ip?.protocol === IPPROTO_IGMP)) }];
  w.ip('link set br0 type bridge mcast_querier 1 mcast_membership_interval 3000');
  w.run(200 * S);
  assert.equal(queries, 4, 'at once, after 31 s, 62 s and 187 s');
  w.igmp('h1', 0x16, '239.1.1.1', '239.1.1.1');
  assert.equal(w.data('h3'), 'h1');
  w.igmp('h1', 0x17, '239.1.1.1', '224.0.0.2');
  assert.equal(w.data('h3'), 'h1', 'not yet: somebody else may be there');
  w.run(3 * S);
  assert.equal(w.data('h3'), '');
  w.ip('link set p1 type bridge_slave mcast_to_unicast on');
  w.igmp('h1', 0x16, '239.1.1.1', '239.1.1.1');
  let dst = 0;
  w.dev('h1').taps = [
    {
      tap: (pkt) => {
        dst = pkt.eth?.dst ?? 0;
      },
    },
  ];
  assert.equal(w.data('h3'), 'h1');
  assert.equal(dst, w.dev('h1').mac);
  w.run(31 * S);
  assert.equal(w.data('h3'), '');
  assert.equal(w.igmp('h1', 0x16, '10.0.0.1', '239.1.1.1'), '', 'no group: it dies');
});

test('neigh_suppress: the bridge answers for those it knows, and they are not asked', () => {
  const w = new World(3);
  for (const [i, host] of ['h1', 'h2', 'h3'].entries()) {
    const ns = w.kernel.netns.add(host);
    w.hosts.link.set(host, { netns: ns, up: true });
    ns.ip(`addr add 10.0.0.${i + 1}/24 dev ${host}`);
  }
  w.run(S);
  w.sw.ip('neigh add 10.0.0.2 lladdr 02:00:00:00:00:22 dev br0');
  w.bridge('fdb add 02:00:00:00:00:22 dev p2 master static');
  w.ip('link set p2 type bridge_slave neigh_suppress on');
  let asked = 0;
  const h2 = w.kernel.netns.get('h2').net;
  h2.taps = [
    {
      tap: (pkt, _dev, outgoing) => {
        if (!outgoing && pkt.arp?.op === 1) asked++;
      },
    },
  ];
  const h1 = w.kernel.netns.get('h1');
  h1.ip('neigh flush dev h1');
  h1.net.arp
    .entry(h1.net.devs.find('h1') as NetDevice, ipv4('10.0.0.2'))
    ?.output(w.kernel.core.newPacket(ETH_P_IP, h1.net.devs.find('h1') as NetDevice));
  w.run(10_000);
  assert.match(h1.ip('neigh'), /10.0.0.2 dev h1 lladdr 02:00:00:00:00:22 REACHABLE/);
  assert.equal(asked, 0);
});

test('reserved groups pass where group_fwd_mask says so', () => {
  const w = new World(3);
  const lldp = 0x0180c200000e;
  assert.equal(w.send('h1', lldp), '');
  w.ip('link set br0 type bridge group_fwd_mask 0x4000');
  assert.equal(w.send('h1', lldp), 'br0 h2 h3');
  w.ip('link set br0 type bridge group_fwd_mask 0');
  w.ip('link set p1 type bridge_slave group_fwd_mask 0x4000');
  assert.equal(w.send('h1', lldp), 'br0 h2 h3');
  assert.equal(w.send('h2', lldp), '');
});

test('fdb_max_learned and ageing: what is learnt is bounded, what is told is not', () => {
  const w = new World(2);
  w.ip('link set br0 type bridge fdb_max_learned 5');
  for (let i = 0; i < 20; i++) {
    const pkt = w.kernel.core.newPacket(TEST_TYPE, w.dev('h1'));
    pkt.eth = new EthHeader(MAC_BROADCAST, 0x021111110000 + i, TEST_TYPE);
    w.put(pkt);
  }
  assert.equal(w.sw.bridge.fdb().filter((f) => f.state === '').length, 5);
  assert.equal(w.bridge('fdb add 02:00:00:00:00:77 dev p1 master dynamic'), '');
  assert.equal(w.sw.bridge.fdb().filter((f) => f.state === '').length, 6);
  const info = JSON.parse(w.ip('-d -j link show br0'))[0].linkinfo.info_data;
  assert.deepEqual([info.fdb_n_learned, info.fdb_max_learned], [5, 5]);
  w.run(301 * S);
  assert.equal(w.sw.bridge.fdb().filter((f) => f.state === '').length, 0);
  assert.equal(w.kernel.core.timers.count, 0, 'no timer runs for nothing');
});

test('bridge monitor tells of addresses, ports, groups and VLANs', () => {
  const w = new World(2);
  let text = '';
  const outcome = bridgeMonitor(w.context(), ['monitor', 'all'], (t) => {
    text += t;
  });
  assert.ok('stop' in outcome);
  w.send('h1', MAC_BROADCAST);
  w.bridge('link set dev p2 cost 9');
  w.bridge('mdb add dev br0 port p1 grp 239.1.1.1 permanent');
  w.bridge('vlan add vid 5 dev p1');
  w.bridge('fdb del 02:00:00:00:00:21 dev p1 master');
  outcome.stop();
  w.bridge('link set dev p2 cost 8');
  assert.deepEqual(
    text.split('\n').map((l) => l.replace(/<.*?> /, '').trimEnd()),
    [
      '[NEIGH]02:00:00:00:00:21 dev p1 master br0',
      '[LINK]4: p2@p1: mtu 1500 master br0 state forwarding priority 32 cost 9',
      '[MDB]dev br0 port p1 grp 239.1.1.1 permanent',
      '[VLAN]p1                1 PVID Egress Untagged',
      '                  5',
      '[NEIGH]Deleted 02:00:00:00:00:21 dev p1 master br0',
      '',
    ],
  );
});

test('a bridge without features has no state of them', () => {
  const w = new World(2);
  w.send('h1', MAC_BROADCAST);
  w.send('h2', 'h1');
  const port = w.dev('p1').rxHandlerData as { timers: unknown; vlans: unknown };
  const bridge = w.dev('br0').priv as { timers: unknown; vlans: unknown; mcast: unknown };
  assert.deepEqual(
    [port.timers, port.vlans, bridge.timers, bridge.vlans, bridge.mcast],
    [null, null, null, null, null],
  );
});

test('spanning tree: 15 s of listening, 15 s of learning; a silent root is given up after 20 s', () => {
  const w = new World(2);
  w.ip('link set br0 down');
  w.ip('link set br0 type bridge stp_state 1');
  w.ip('link set br0 up');
  const start = w.kernel.core.nowUs;
  const states: string[] = [];
  for (let s = 0; s <= 31; s++) {
    w.run(start + s * S + 1000 - w.kernel.core.nowUs);
    const { state } = w.sw.bridge.ports()[0] ?? {};
    if (state !== undefined && !states.at(-1)?.startsWith(state)) states.push(`${state} ${s}`);
    if (s === 14) assert.equal(w.send('h1', 'h2'), '', 'neither learnt nor forwarded');
    if (s === 14) assert.equal(w.sw.bridge.fdb().filter((f) => f.state === '').length, 0);
    if (s === 20) assert.equal(w.send('h1', 'h2'), '', 'learnt, not forwarded');
    if (s === 20) assert.equal(w.sw.bridge.fdb().filter((f) => f.state === '').length, 1);
  }
  assert.deepEqual(states, ['listening 0', 'learning 15', 'forwarding 30']);
  // A better root speaks once: 802.1D §9.3.1, priority 0, cost 0, age 0, 20 s, 2 s, 15 s.
  const dev = w.dev('h1');
  const pkt = w.kernel.core.newPacket(38, dev);
  pkt.eth = new EthHeader(0x0180c2000000, dev.mac, 38);
  const id = [0, 0, 2, 0, 0, 0, 0, 1];
  const times = [0, 0, 20, 0, 2, 0, 15, 0];
  pkt.data = [
    Uint8Array.from([0x42, 0x42, 3, 0, 0, 0, 0, 0, ...id, 0, 0, 0, 0, ...id, 0x80, 1, ...times]),
  ];
  pkt.len = 38;
  w.put(pkt);
  const root = (): string => String(w.sw.bridge.show('br0')['root_id']);
  assert.equal(root(), '0000.2:0:0:0:0:1');
  w.run(19 * S);
  assert.equal(root(), '0000.2:0:0:0:0:1');
  w.run(2 * S);
  assert.equal(root(), '8000.2:0:0:0:0:ff');
});
