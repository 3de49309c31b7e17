/** Neighbours: the states of `net/core/neighbour.c`, the queue, collection, and ARP's rules, in virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { withoutIpv6 } from '../../../test/world.ts';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { vethAdd } from '../device/veth.ts';
import { EEXIST, EINVAL, ENOENT } from '../errno.ts';
import { Kernel } from '../kernel.ts';
import type { NetNs } from '../net.ts';
import { arpSend } from '../network/ipv4/arp.ts';
import { inetAddrAdd } from '../network/ipv4/device.ts';
import type { Packet } from '../packet.ts';
import { formatIpv4, ipv4, MAC_BROADCAST } from '../util/address.ts';
import { ARPOP_REPLY, ARPOP_REQUEST, ArpHeader } from '../wire/arp.ts';
import { ETH_P_ARP, ETH_P_IP, EthHeader } from '../wire/ethernet.ts';
import { IPPROTO_UDP, Ipv4Header } from '../wire/ipv4.ts';
import { UdpHeader } from '../wire/udp.ts';
import { devClose, devOpen, devSetMac } from './device-state.ts';
import { neighAdd, neighDel } from './neighbour-admin.ts';
import {
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_NOARP,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
} from './neighbour-state.ts';
import type { NetDevice } from './net-device.ts';

const A = ipv4('10.0.0.1');
const B = ipv4('10.0.0.2');
const NOBODY = ipv4('10.0.0.9');
const MAC_A = 0x020000000001;
const MAC_B = 0x020000000002;
const MAC_X = 0x020000000077;
const MS = 1000;
const S = 1_000_000;

/** Two namespaces on one wire, 10.0.0.1 and 10.0.0.2, and what A's device sent. */
class World {
  readonly clock = new VirtualClock(7);
  readonly kernel = new Kernel({ env: this.clock });
  readonly a: NetNs = withoutIpv6(this.kernel.addNetNs('a'));
  readonly b: NetNs = withoutIpv6(this.kernel.addNetNs('b'));
  readonly va: NetDevice;
  readonly vb: NetDevice;
  readonly requests: string[] = [];
  readonly failed: Packet[] = [];

  constructor() {
    const pair = vethAdd(
      { net: this.a, name: 'v', mac: MAC_A },
      { net: this.b, name: 'v', mac: MAC_B },
    );
    assert.ok(typeof pair !== 'number');
    [this.va, this.vb] = pair;
    for (const [dev, local] of [
      [this.va, A],
      [this.vb, B],
    ] as const) {
      devOpen(dev);
      assert.equal(inetAddrAdd(dev, { local, prefixLen: 24, broadcast: local | 255 }), 0);
    }
    this.kernel.protocols.linkFailure = (pkt) => this.failed.push(pkt);
    this.va.taps = [{ tap: (pkt, _dev, outgoing) => this.note(pkt, outgoing) }];
  }

  private note(pkt: Packet, outgoing: boolean): void {
    if (!outgoing || pkt.arp === null || pkt.arp.op !== ARPOP_REQUEST) return;
    const how = pkt.eth?.dst === MAC_BROADCAST ? 'broadcast' : 'unicast';
    this.requests.push(`${Math.round(this.kernel.nowUs / 1000)} ${how} ${formatIpv4(pkt.arp.tpa)}`);
  }

  run(us: number): void {
    this.clock.runFor(this.kernel, us);
  }

  packet(dst: number, len = 100): Packet {
    const pkt = this.kernel.newPacket(ETH_P_IP, this.va);
    pkt.ip = new Ipv4Header(A, dst, IPPROTO_UDP, 64, 0);
    pkt.udp = new UdpHeader(1, 9);
    pkt.data = [new Uint8Array(len)];
    pkt.len = len;
    return pkt;
  }

  send(dst: number, len = 100): void {
    this.a.arp.entry(this.va, dst)?.output(this.packet(dst, len));
  }

  state(dst = B): number | undefined {
    return this.a.arp.find(this.va, dst)?.state;
  }

  /** An ARP packet that B's device puts on the wire. */
  arpFromB(arp: ArpHeader, lladdr = MAC_A): void {
    arpSend(this.vb, arp, lladdr);
    this.run(0);
  }
}

test('a neighbour is resolved, trusted, doubted, asked again, and trusted again', () => {
  const w = new World();
  const received = w.vb.stats.rxPackets;
  w.send(B);
  assert.equal(w.state(), NUD_INCOMPLETE);
  w.run(0);
  assert.equal(w.state(), NUD_REACHABLE);
  assert.equal(w.vb.stats.rxPackets - received, 2, 'the request and the packet that waited');
  assert.deepEqual(w.requests, ['0 broadcast 10.0.0.2']);
  const reachableUs = w.a.arp.reachableUs(w.va);
  assert.ok(reachableUs >= 15 * S && reachableUs < 45 * S);
  w.run(reachableUs - 1);
  assert.equal(w.state(), NUD_REACHABLE);
  w.run(10 * MS + 1);
  assert.equal(w.state(), NUD_STALE);
  w.send(B);
  assert.equal(w.state(), NUD_DELAY, 'it is used at once');
  w.run(5 * S);
  assert.equal(w.state(), NUD_REACHABLE, 'a unicast request was answered');
  assert.equal(w.requests.length, 2);
  assert.match(w.requests[1] ?? '', /unicast 10\.0\.0\.2$/);
});

test('a confirmation from above spares the request', () => {
  const w = new World();
  w.send(B);
  w.run(50 * S);
  w.send(B);
  w.run(S);
  w.a.arp.find(w.va, B)?.confirm();
  w.run(4 * S);
  assert.equal(w.state(), NUD_REACHABLE);
  assert.equal(w.requests.length, 1);
});

test('a neighbour that fell silent: three unicast requests, then the packets are reported', () => {
  const w = new World();
  w.send(B);
  w.run(50 * S);
  w.vb.flags |= 0x80; // B does not speak ARP any more.
  w.send(B);
  w.run(5 * S);
  assert.equal(w.state(), NUD_PROBE);
  w.run(3 * S);
  assert.equal(w.state(), NUD_FAILED);
  const probes = w.requests.slice(1).map((r) => r.split(' ')[1]);
  assert.deepEqual(probes, ['unicast', 'unicast', 'unicast']);
});

test('nobody there: three requests a second apart, failure after three seconds, and again', () => {
  const w = new World();
  w.send(NOBODY);
  w.send(NOBODY);
  w.run(2999 * MS);
  assert.equal(w.state(NOBODY), NUD_INCOMPLETE);
  assert.equal(w.failed.length, 0);
  w.run(MS);
  assert.equal(w.state(NOBODY), NUD_FAILED);
  assert.equal(w.failed.length, 2);
  assert.deepEqual(
    w.requests,
    [0, 1000, 2000].map((ms) => `${ms} broadcast 10.0.0.9`),
  );
  w.send(NOBODY);
  assert.equal(w.state(NOBODY), NUD_INCOMPLETE);
  w.run(4 * S);
  assert.equal(w.requests.length, 6);
});

// Linux 6.18, 600 datagrams of each size to a neighbour that is resolved later.
for (const [len, kept] of [
  [2, 256],
  [100, 256],
  [200, 166],
  [600, 166],
  [1000, 92],
  [1472, 92],
] as const)
  test(`of ${len}-byte datagrams the newest ${kept} wait`, () => {
    const w = new World();
    for (let i = 0; i < 600; i++) w.send(NOBODY, len);
    assert.equal(w.a.arp.find(w.va, NOBODY)?.waiting, kept);
    assert.equal(w.a.drops.get('NEIGH_QUEUEFULL'), 600 - kept);
  });

test('device events: down and another MAC forget all, a lost carrier all but PERMANENT', () => {
  const w = new World();
  const fill = (): void => {
    neighAdd(w.a.arp, spec(w, NUD_PERMANENT, B));
    neighAdd(w.a.arp, spec(w, NUD_REACHABLE, NOBODY));
  };
  const left = (): number => [...w.a.arp].length;
  fill();
  devClose(w.vb);
  assert.equal(left(), 1);
  assert.equal(w.state(), NUD_PERMANENT);
  devOpen(w.vb);
  fill();
  devSetMac(w.va, MAC_X);
  assert.equal(left(), 0);
  fill();
  devClose(w.va);
  assert.equal(left(), 0);
  assert.equal(w.kernel.timers.count, 0, 'no timer is left');
});

test('multicast, broadcast and loopback need no request', () => {
  const w = new World();
  const mac = (addr: number): number | undefined => {
    const n = w.a.arp.entry(w.va, addr);
    assert.equal(n?.state, NUD_NOARP);
    return n?.header?.dst;
  };
  assert.equal(mac(ipv4('224.1.2.3')), 0x01005e010203);
  assert.equal(mac(ipv4('10.0.0.255')), MAC_BROADCAST);
  assert.equal(mac(-1), MAC_BROADCAST);
  assert.equal(w.a.arp.entry(w.a.loopback, ipv4('127.0.0.5'))?.addr, 0);
});

function spec(w: World, state: number, addr: number, mac: number | null = MAC_B) {
  return { dev: w.va, addr, mac, state, create: true, exclusive: false, replace: true };
}

test('ip neigh: Linux errno and sentences', () => {
  const w = new World();
  const table = w.a.arp;
  assert.equal(neighAdd(table, { ...spec(w, NUD_REACHABLE, B, null) }), -EINVAL);
  assert.equal(table.extack, 'No link layer address given');
  assert.equal(neighAdd(table, { ...spec(w, NUD_PERMANENT, B), exclusive: true }), -EEXIST);
  assert.equal(neighAdd(table, { ...spec(w, NUD_PERMANENT, NOBODY), create: false }), -ENOENT);
  assert.equal(neighAdd(table, spec(w, NUD_PERMANENT, B)), 0);
  assert.equal(table.find(w.va, B)?.update(MAC_X, NUD_STALE, 1), -1, 'ARP may not change it');
  assert.equal(neighDel(table, w.va, B), 0);
  assert.equal(neighDel(table, w.va, B), -ENOENT);
});

test('a full table refuses, and forgets what is old to make room', () => {
  const w = new World();
  const table = w.a.arp;
  const fill = (from: number, to: number): number => {
    let made = 0;
    for (let i = from; i < to; i++) if (table.entry(w.va, ipv4('10.1.0.0') + i) !== null) made++;
    return made;
  };
  const stale = (): void => {
    for (const n of table) n.update(MAC_X, NUD_STALE, 1);
  };
  assert.equal(fill(1, 1200), 1024);
  stale();
  w.run(6 * S);
  assert.equal(fill(2000, 2100), 100, 'entries unchanged for five seconds make room');
  assert.ok(table.size <= 700, String(table.size));
  stale();
  w.run(200 * S);
  assert.ok(table.size < 128, 'the rest is collected after gc_stale_time');
  // PERMANENT entries take no room.
  assert.equal(neighAdd(table, spec(w, NUD_PERMANENT, NOBODY)), 0);
});

test('ARP: who is asked learns, who overhears does not', () => {
  const w = new World();
  w.arpFromB(new ArpHeader(ARPOP_REQUEST, MAC_B, B, 0, NOBODY), MAC_BROADCAST);
  assert.equal(w.state(), undefined);
  w.arpFromB(new ArpHeader(ARPOP_REQUEST, MAC_B, B, 0, A), MAC_BROADCAST);
  assert.equal(w.state(), NUD_STALE);
  w.arpFromB(new ArpHeader(ARPOP_REPLY, MAC_X, NOBODY, MAC_A, A));
  assert.equal(w.state(NOBODY), undefined, 'an answer to no question');
});

test('ARP: an entry is overridden after locktime, or by gratuitous ARP', () => {
  const w = new World();
  const mac = (): number | undefined => w.a.arp.find(w.va, B)?.mac;
  w.send(B);
  w.run(0);
  w.arpFromB(new ArpHeader(ARPOP_REPLY, MAC_X, B, MAC_A, A));
  assert.equal(mac(), MAC_B, 'the first answer counts');
  w.run(2 * S);
  w.arpFromB(new ArpHeader(ARPOP_REPLY, MAC_X, B, MAC_A, A));
  assert.equal(mac(), MAC_X);
  w.arpFromB(new ArpHeader(ARPOP_REQUEST, MAC_B, B, 0, B), MAC_BROADCAST);
  assert.equal(mac(), MAC_B);
  assert.equal(w.state(), NUD_STALE);
});

test('ARP: arp_ignore, arp_accept, drop_gratuitous_arp and duplicate address probes', () => {
  const w = new World();
  const on = w.va.ipv4;
  assert.ok(on !== null);
  const replies = (): number => w.vb.stats.rxPackets;
  const ask = (spa: number, tpa: number): number => {
    const before = replies();
    w.arpFromB(new ArpHeader(ARPOP_REQUEST, MAC_B, spa, 0, tpa), MAC_BROADCAST);
    return replies() - before;
  };
  assert.equal(ask(0, A), 1, 'a probe is answered');
  assert.equal(w.state(0), undefined);
  devOpen(w.a.loopback);
  inetAddrAdd(w.a.loopback, { local: ipv4('10.5.5.5'), prefixLen: 32 });
  assert.equal(ask(B, ipv4('10.5.5.5')), 1, 'weak host model');
  on.conf = on.conf.with('arpIgnore', 1);
  assert.equal(ask(B, ipv4('10.5.5.5')), 0);
  assert.equal(ask(B, A), 1);
  on.conf = on.conf.with('arpIgnore', 8);
  assert.equal(ask(B, A), 0);
  on.conf = on.conf.with('arpIgnore', 2);
  assert.equal(ask(ipv4('10.77.0.1'), A), 0, 'not of this subnet');
  on.conf = on.conf.with('arpAccept', 1);
  ask(NOBODY, NOBODY);
  assert.equal(w.state(NOBODY), NUD_STALE);
  on.conf = on.conf.with('dropGratuitousArp', 1);
  ask(ipv4('10.0.0.10'), ipv4('10.0.0.10'));
  assert.equal(w.state(ipv4('10.0.0.10')), undefined);
});

test('ARP: a proxy answers for what it would forward elsewhere', () => {
  const w = new World();
  const pair = vethAdd({ net: w.a, name: 'w' }, { net: w.b, name: 'w' });
  assert.ok(typeof pair !== 'number');
  devOpen(pair[0]);
  devOpen(pair[1]);
  inetAddrAdd(pair[0], { local: ipv4('10.9.0.1'), prefixLen: 24 });
  const on = w.va.ipv4;
  assert.ok(on !== null);
  const behind = ipv4('10.9.0.7');
  const ask = (): number => {
    const before = w.vb.stats.rxPackets;
    w.arpFromB(new ArpHeader(ARPOP_REQUEST, MAC_B, B, 0, behind), MAC_BROADCAST);
    w.run(S);
    return w.vb.stats.rxPackets - before;
  };
  assert.equal(ask(), 0);
  on.conf = on.conf.with('forwarding', 1);
  w.a.arp.proxy.add(w.va, behind);
  w.a.ipv4.changed();
  assert.equal(ask(), 1, 'after a pause of at most 0.8 s');
  assert.equal(w.a.arp.proxy.delete(w.va, behind), 0);
  assert.equal(ask(), 0);
  on.conf = on.conf.with('proxyArp', 1);
  assert.equal(ask(), 1);
});

test('hostile ARP changes no more than Linux would let it, and never throws', () => {
  const addr = fc.oneof(
    fc.constantFrom(0, -1, A, B, NOBODY, ipv4('127.0.0.1'), ipv4('224.0.0.1'), ipv4('10.0.0.255')),
    fc.integer(),
  );
  const mac = fc.oneof(fc.constantFrom(0, MAC_A, MAC_B, MAC_BROADCAST), fc.nat(2 ** 48 - 1));
  const arp = fc.tuple(fc.integer({ min: 0, max: 5 }), mac, addr, mac, addr, mac);
  fc.assert(
    fc.property(fc.array(arp, { maxLength: 60 }), (packets) => {
      const w = new World();
      neighAdd(w.a.arp, spec(w, NUD_PERMANENT, B));
      for (const [op, sha, spa, tha, tpa, lladdr] of packets) {
        const pkt = w.kernel.newPacket(ETH_P_ARP);
        pkt.arp = new ArpHeader(op, sha, spa, tha, tpa);
        pkt.eth = new EthHeader(lladdr, sha, ETH_P_ARP);
        w.kernel.enqueue(pkt, w.va);
      }
      w.run(0);
      assert.equal(w.a.arp.find(w.va, B)?.mac, MAC_B);
      assert.equal(w.state(), NUD_PERMANENT);
      assert.equal(w.state(0), undefined);
      w.run(10 * S);
    }),
    { numRuns: 60 },
  );
});
