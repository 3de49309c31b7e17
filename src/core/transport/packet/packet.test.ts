/** Packet sockets in virtual time: what a comparison with the kernel's does not reach (E1). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../../sim/virtual-clock.ts';
import { ssTool } from '../../../tools/ss.ts';
import type { ToolContext } from '../../control/ip/ip.ts';
import { Kernel } from '../../control/kernel.ts';
import type { Namespace } from '../../control/namespace.ts';
import { ENETDOWN } from '../../errno.ts';
import { unprivileged } from '../../socket/credentials.ts';
import { Socket } from '../../socket/socket.ts';
import { ipv4 } from '../../util/address.ts';
import { ETH_P_ALL, ETH_P_IP } from '../../wire/ethernet.ts';
import { AF_INET, AF_PACKET, SOCK_DGRAM, SOCK_RAW } from '../sock.ts';
import {
  PACKET_ADD_MEMBERSHIP,
  PACKET_DROP_MEMBERSHIP,
  PACKET_FANOUT,
  PACKET_ORIGDEV,
  PACKET_STATISTICS,
  SO_RCVBUF,
  SOL_PACKET,
  SOL_SOCKET,
} from '../sockopt-names.ts';
import { PACKET_MR_PROMISC } from './membership.ts';

const LOCAL = 0x88b5;

class World {
  readonly clock: VirtualClock = new VirtualClock(1);
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 1 });
  readonly a: Namespace = this.kernel.netns.add('a');
  readonly b: Namespace = this.kernel.netns.add('b');

  constructor() {
    for (const ns of [this.a, this.b]) ns.sysctl.set('net.ipv6.conf.all.disable_ipv6', '1');
    this.a.ip('link add a0 type veth peer name b0 netns b');
    for (const [ns, dev, n] of [
      [this.a, 'a0', 1],
      [this.b, 'b0', 2],
    ] as const) {
      ns.ip('link set lo up');
      ns.ip(`link set ${dev} up`);
      ns.ip(`addr add 10.0.0.${n}/24 dev ${dev}`);
    }
    this.settle();
  }

  settle(): void {
    this.clock.runFor(this.kernel.core, 1000);
  }

  open(ns: Namespace, type: number, proto: number, family: number = AF_PACKET): Socket {
    const made = Socket.create(ns.net, family, type, proto);
    assert.ok(typeof made !== 'number');
    return made;
  }

  /** Sends `count` frames from a0 with one byte of data each. */
  send(s: Socket, count: number): void {
    for (let i = 0; i < count; i++)
      s.sendto(Uint8Array.of(i), 0, { ...this.link(this.a, 'a0'), protocol: LOCAL });
    this.settle();
  }

  link(ns: Namespace, name: string) {
    const ifindex = ns.net.devs.find(name)?.ifindex ?? 0;
    return {
      family: AF_PACKET,
      protocol: 0,
      ifindex,
      hatype: 0,
      pkttype: 0,
      halen: 6,
      addr: 0xffffffffffff,
    } as const;
  }
}

function contextOf(ns: Namespace): ToolContext {
  return { ns, findNetns: () => undefined, listNetns: () => [ns] };
}

function drain(s: Socket): number {
  let n = 0;
  while (typeof s.recv(70_000) !== 'number') n++;
  return n;
}

test('E1: who has no CAP_NET_RAW gets no packet socket', () => {
  const { a } = new World();
  assert.equal(Socket.create(a.net, AF_PACKET, SOCK_RAW, ETH_P_ALL, unprivileged(5)), -1);
});

test('E1: a socket of the device below sees what the VLAN device gets only as a tagged frame', () => {
  const w = new World();
  for (const [ns, dev] of [
    [w.a, 'a0'],
    [w.b, 'b0'],
  ] as const) {
    ns.ip(`link add link ${dev} name v5 type vlan id 5`);
    ns.ip('link set v5 up');
  }
  const upper = w.open(w.b, SOCK_DGRAM, LOCAL);
  const all = w.open(w.b, SOCK_RAW, ETH_P_ALL);
  const s = w.open(w.a, SOCK_DGRAM, LOCAL);
  s.sendto(Uint8Array.of(7), 0, { ...w.link(w.a, 'v5'), protocol: LOCAL });
  w.settle();
  const got = upper.recv(100);
  assert.ok(typeof got !== 'number');
  assert.equal(got.link?.ifindex, w.b.net.devs.find('v5')?.ifindex);
  const seen = [all.recv(100), all.recv(100)].map((r) =>
    typeof r === 'number' ? r : w.b.net.devs.findIndex(r.link?.ifindex ?? 0)?.name,
  );
  assert.deepEqual(seen, ['b0', 'v5']);
  upper.setsockopt(SOL_PACKET, PACKET_ORIGDEV, 1);
  s.sendto(Uint8Array.of(7), 0, { ...w.link(w.a, 'v5'), protocol: LOCAL });
  w.settle();
  const again = upper.recv(100);
  assert.ok(typeof again !== 'number');
  assert.equal(again.link?.ifindex, w.b.net.devs.find('b0')?.ifindex);
});

test('E1: flows of a group by hash stay with one socket, in both directions', () => {
  const w = new World();
  const group = [0, 1, 2, 3].map(() => {
    const s = w.open(w.b, SOCK_RAW, ETH_P_ALL);
    s.bind({ ...w.link(w.b, 'b0') });
    assert.equal(s.setsockopt(SOL_PACKET, PACKET_FANOUT, 9), 0);
    return s;
  });
  const [x, y] = [w.open(w.a, SOCK_DGRAM, 0, AF_INET), w.open(w.b, SOCK_DGRAM, 0, AF_INET)];
  const used = new Set<number>();
  for (let port = 1000; port < 1040; port++) {
    const [src, dst] = [port, port + 1];
    const one = w.open(w.a, SOCK_DGRAM, 0, AF_INET);
    const two = w.open(w.b, SOCK_DGRAM, 0, AF_INET);
    one.bind({ family: AF_INET, addr: 0, port: src });
    two.bind({ family: AF_INET, addr: 0, port: dst });
    one.sendto(Uint8Array.of(1), 0, { family: AF_INET, addr: ipv4('10.0.0.2'), port: dst });
    w.settle();
    two.sendto(Uint8Array.of(1), 0, { family: AF_INET, addr: ipv4('10.0.0.1'), port: src });
    w.settle();
    const counts = group.map(drain);
    if (port > 1000)
      assert.deepEqual(
        counts.filter((n) => n > 0),
        [2],
        `port ${port}`,
      );
    used.add(counts.findIndex((n) => n > 0));
    one.close();
    two.close();
  }
  assert.equal(used.size, 4);
  x.close();
  y.close();
});

test('E1: a full socket of a group gives way (PACKET_FANOUT_ROLLOVER)', () => {
  const w = new World();
  const group = [0, 1].map(() => {
    const s = w.open(w.b, SOCK_DGRAM, LOCAL);
    s.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096);
    s.bind({ ...w.link(w.b, 'b0') });
    assert.equal(s.setsockopt(SOL_PACKET, PACKET_FANOUT, (3 << 16) | 4), 0);
    return s;
  });
  w.send(w.open(w.a, SOCK_DGRAM, LOCAL), 40);
  const [one = 0, two = 0] = group.map(drain);
  assert.ok(one > 0 && two > 0, `${one} and ${two}`);
});

test('E1: what finds no room is counted, and statistics are read once', () => {
  const w = new World();
  const r = w.open(w.b, SOCK_DGRAM, LOCAL);
  r.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096);
  w.send(w.open(w.a, SOCK_DGRAM, LOCAL), 50);
  const taken = drain(r);
  const stats = new Uint32Array((r.getsockopt(SOL_PACKET, PACKET_STATISTICS) as Uint8Array).buffer);
  assert.deepEqual([...stats], [50, 50 - taken]);
  assert.ok(taken > 0 && taken < 50);
  assert.deepEqual(
    [...(r.getsockopt(SOL_PACKET, PACKET_STATISTICS) as Uint8Array)],
    Array(8).fill(0),
  );
});

test('E1: promiscuity is counted, shown by ip -d link, and ends with the socket', () => {
  const w = new World();
  const promiscuity = (): unknown => /promiscuity (\d+)/.exec(w.a.ip('-d link show a0'))?.[1];
  const s = w.open(w.a, SOCK_RAW, ETH_P_ALL);
  const request = { ifindex: w.link(w.a, 'a0').ifindex, type: PACKET_MR_PROMISC };
  for (let i = 0; i < 2; i++) s.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request);
  assert.equal(promiscuity(), '1');
  s.setsockopt(SOL_PACKET, PACKET_DROP_MEMBERSHIP, request);
  assert.equal(promiscuity(), '1');
  s.close();
  assert.equal(promiscuity(), '0');
});

test('E1: on a promiscuous bridge a packet socket sees frames for others', () => {
  const w = new World();
  const c = w.kernel.netns.add('c');
  w.b.ip('link add br0 type bridge');
  w.b.ip('link set br0 up');
  w.b.ip('link set b0 master br0');
  w.b.ip('link add c1 type veth peer name c0 netns c');
  w.b.ip('link set c1 up');
  w.b.ip('link set c1 master br0');
  c.ip('link set c0 up');
  c.ip('addr add 10.0.0.3/24 dev c0');
  w.clock.runFor(w.kernel.core, 40_000_000);
  const r = w.open(w.b, SOCK_DGRAM, ETH_P_IP);
  r.bind({ ...w.link(w.b, 'br0'), protocol: ETH_P_IP });
  const u = w.open(w.a, SOCK_DGRAM, 0, AF_INET);
  const send = (): number => {
    for (let i = 0; i < 3; i++) {
      u.sendto(Uint8Array.of(1), 0, { family: AF_INET, addr: ipv4('10.0.0.3'), port: 9 });
      w.settle();
    }
    return drain(r);
  };
  send();
  assert.equal(send(), 0);
  const request = { ifindex: w.link(w.b, 'br0').ifindex, type: PACKET_MR_PROMISC };
  r.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request);
  assert.equal(send() > 0, true);
});

test('E1: the end of a namespace ends its packet sockets, a device that moves away detaches them', () => {
  const w = new World();
  const r = w.open(w.b, SOCK_RAW, ETH_P_ALL);
  r.bind({ ...w.link(w.b, 'b0') });
  w.b.ip('link set b0 netns a');
  assert.equal(r.sk.takeError(), ENETDOWN);
  const name = r.linkName();
  assert.equal(typeof name === 'number' ? name : name.ifindex, -1);
  w.b.net.destroy();
  assert.equal(w.b.net.packetSocks?.socks.size, 0);
});

test('E1: /proc/net/packet, ptype and ss -0 list packet sockets as Linux does', () => {
  const w = new World();
  w.open(w.a, SOCK_RAW, ETH_P_ALL);
  w.open(w.a, SOCK_DGRAM, ETH_P_IP);
  w.open(w.a, SOCK_RAW, 0);
  w.open(w.a, SOCK_RAW, 0x806).bind({ ...w.link(w.a, 'lo') });
  const lines = w.a.fs.read('/proc/net/packet').split('\n');
  assert.match(lines[1] ?? '', /^0{8}[0-9a-f]{8} 3 {6}3 {4}0003 {3}0 {5}1 0 {6}0 {6}\d+ *$/);
  assert.match(lines[3] ?? '', /^[0-9a-f]{16} 2 {6}3 {4}0000 {3}0 {5}0 0/);
  assert.equal(
    w.a.fs.read('/proc/net/ptype'),
    [
      'Type Device      Function',
      'ALL           packet_rcv',
      '0806 lo       packet_rcv',
      '0800          packet_rcv',
      '0800          ip_rcv',
      '0806          arp_rcv',
      '86dd          ipv6_rcv',
      '',
    ].join('\n'),
  );
  const ss = (words: string): string => ssTool(contextOf(w.a), words.split(' ')).stdout;
  assert.equal(
    ss('-0'),
    `Netid Recv-Q Send-Q Local Address:Port Peer Address:PortProcess
p_raw 0      0                  *:*                *           
p_dgr 0      0                 ip:*                *           
p_raw 0      0                [0]:*                *           
p_raw 0      0                arp:lo               *           
`,
  );
  assert.match(ss('-0an'), /p_dgr UNCONN 0 +0 +\[2048\]:\* +\*/);
});
