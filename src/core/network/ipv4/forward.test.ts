/** Through a router: sizes, redirects, reverse paths, errors, as Linux has them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setForwarding } from '../../../../test/wire/forwarding.ts';
import { addRoute, at, createWorld, tcp, udp, type World } from '../../../../test/world.ts';
import { ECONNREFUSED, EHOSTUNREACH, EMSGSIZE } from '../../errno.ts';
import { devSetMtu } from '../../link/device-state.ts';
import { NEIGH_UPDATE_ADMIN, NUD_PERMANENT } from '../../link/neighbour-state.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import type { Packet } from '../../packet.ts';
import type { Socket } from '../../socket/socket.ts';
import { IP_MTU_DISCOVER } from '../../transport/sockopt-names.ts';
import { ipv4 } from '../../util/address.ts';
import { IP_DF } from '../../wire/ipv4.ts';
import { routeOutput } from '../route/output.ts';

const IP_PMTUDISC_DO = 2;
const IP_PMTUDISC_PROBE = 3;

/** a - r - b, 10.0.0.0/24 and 10.0.1.0/24; the second wire has an MTU of its own. */
class Routed {
  readonly world: World = createWorld();
  readonly a: NetNs = this.world.addNet('a');
  readonly r: NetNs = this.world.addNet('r');
  readonly b: NetNs = this.world.addNet('b');
  readonly narrow: readonly [NetDevice, NetDevice];

  constructor(mtu = 1500) {
    const { a, r, b, world } = this;
    world.wire({ net: a, cidr: '10.0.0.1/24' }, { net: r, cidr: '10.0.0.2/24' });
    this.narrow = world.wire(
      { net: r, cidr: '10.0.1.1/24', mtu },
      { net: b, cidr: '10.0.1.2/24', mtu },
    );
    addRoute(a, '0.0.0.0/0', { via: '10.0.0.2' });
    addRoute(b, '0.0.0.0/0', { via: '10.0.1.1' });
    setForwarding(r, true);
  }

  /** What `dev` hands to its wire from now on. */
  sent(dev: NetDevice): Packet[] {
    const seen: Packet[] = [];
    dev.taps = [
      {
        tap: (pkt, _dev, outgoing) => void (outgoing && pkt.ip !== null && seen.push(pkt.clone())),
      },
    ];
    return seen;
  }

  mtuTowards(dst: string): number {
    const route = routeOutput(this.a, ipv4(dst), 0, 0, 0);
    assert.ok(typeof route !== 'number');
    return route.mtu(this.world.kernel.nowUs);
  }
}

function send(socket: Socket, to: string, len: number): number {
  return socket.sendto(new Uint8Array(len), 0, at(to, 9));
}

test('a router tells its MTU; the sender keeps it for mtu_expires, and asks no more', () => {
  const n = new Routed(1000);
  const socket = udp(n.a);
  socket.setsockopt(0, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
  socket.connect(at('10.0.1.2', 9));
  assert.equal(socket.send(new Uint8Array(1200)), 1200);
  n.world.run(10_000);
  assert.equal(n.mtuTowards('10.0.1.2'), 1000);
  assert.equal(n.mtuTowards('10.0.1.3'), 1500, 'of this destination alone');
  assert.equal(socket.send(new Uint8Array(1200)), -EMSGSIZE, 'the error that came back');
  assert.equal(socket.send(new Uint8Array(1200)), -EMSGSIZE, 'and what is known since');
  assert.equal(n.r.mib[MIB.IpFragFails], 1);
  addRoute(n.a, '77.0.0.0/8', { via: '10.0.0.2' });
  assert.equal(n.mtuTowards('10.0.1.2'), 1000, 'a change of routes does not make it forgotten');
  n.world.run(601_000_000);
  assert.equal(n.mtuTowards('10.0.1.2'), 1500);
});

test('an MTU below min_pmtu is locked there: packets are cut, not refused', () => {
  const n = new Routed(400);
  const socket = udp(n.a);
  socket.setsockopt(0, IP_MTU_DISCOVER, 1);
  const receiver = udp(n.b);
  receiver.bind(at('0.0.0.0', 9));
  send(socket, '10.0.1.2', 500);
  n.world.run(10_000);
  const route = routeOutput(n.a, ipv4('10.0.1.2'), 0, 0, 0);
  assert.ok(typeof route !== 'number');
  assert.deepEqual([route.pmtu, route.pmtuLocked], [552, true]);
  assert.equal(send(socket, '10.0.1.2', 600), 600);
  n.world.run(10_000);
  const got = receiver.recv(2000);
  assert.equal(typeof got === 'number' ? got : got.len, 600);
});

test('nobody learns an MTU from an error about what was not sent', () => {
  const n = new Routed(1000);
  const other = udp(n.b);
  other.bind(at('0.0.0.0', 9));
  const raw = udp(n.a);
  raw.bind(at('0.0.0.0', 7));
  // The socket that sent it is gone when the error comes.
  raw.setsockopt(0, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
  send(raw, '10.0.1.2', 1200);
  raw.close();
  n.world.run(10_000);
  assert.equal(n.r.mib[MIB.IcmpOutDestUnreachs], 1);
  assert.equal(n.mtuTowards('10.0.1.2'), 1500);
});

test('who probes the path uses the MTU of the link, whatever was learnt', () => {
  const n = new Routed(1000);
  const socket = udp(n.a);
  socket.setsockopt(0, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
  socket.connect(at('10.0.1.2', 9));
  socket.send(new Uint8Array(1200));
  n.world.run(10_000);
  const probe = udp(n.a);
  probe.setsockopt(0, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  const [, eth] = [...n.a.devs] as [NetDevice, NetDevice];
  const seen = n.sent(eth);
  assert.equal(send(probe, '10.0.1.2', 1400), 1400);
  assert.deepEqual(
    seen.map((p) => [p.len, p.ip?.frag]),
    [[1400, IP_DF]],
  );
});

test('large segments pass a router whole, and are cut where the MTU is smaller', () => {
  for (const mtu of [1500, 700]) {
    const n = new Routed(1500);
    const [out, into] = n.narrow;
    const server = tcp(n.b);
    server.bind(at('0.0.0.0', 80));
    server.listen(1);
    const client = tcp(n.a);
    client.connect(at('10.0.1.2', 80));
    n.world.run(100_000);
    devSetMtu(out, mtu);
    devSetMtu(into, mtu);
    const conn = server.accept();
    assert.ok(typeof conn !== 'number');
    const seen = n.sent(out);
    const taken = client.send(new Uint8Array(100_000).fill(7));
    n.world.run(5_000_000);
    const got = conn.recv(200_000);
    assert.equal(typeof got === 'number' ? got : got.len, taken);
    const sizes = seen.map((p) => (p.gsoSize > 0 ? p.gsoSize : p.len));
    assert.ok(sizes.every((size) => size + 40 <= mtu));
    if (mtu === 1500) assert.ok(seen.some((p) => p.len > 10_000));
  }
});

test('a host that sends to the wrong router is told so, ever more rarely, and goes the better way', () => {
  const world = createWorld();
  const [a, r] = [world.addNet('a'), world.addNet('r')];
  const [toR, r0] = world.wire({ net: a, cidr: '10.0.0.1/24' }, { net: r, cidr: '10.0.0.2/24' });
  addRoute(a, '20.0.0.0/8', { via: '10.0.0.2' });
  addRoute(r, '20.0.0.0/8', { via: '10.0.0.3' });
  setForwarding(r, true);
  // The better router is on the same link; that it answers nothing does not matter here.
  r.arp.entry(r0, ipv4('10.0.0.3'))?.update(0x020000000003, NUD_PERMANENT, NEIGH_UPDATE_ADMIN);
  a.ipv4ConfAll = a.ipv4ConfAll.with('acceptRedirects', 0);
  if (toR.ipv4 !== null) toR.ipv4.conf = toR.ipv4.conf.with('acceptRedirects', 0);
  const socket = udp(a);
  for (let i = 0; i < 60; i++) {
    send(socket, '20.0.0.1', 10);
    world.run(1_000_000);
  }
  assert.equal(r.mib[MIB.IcmpOutRedirects], 9);
  world.run(30_000_000);
  if (toR.ipv4 !== null) toR.ipv4.conf = toR.ipv4.conf.with('acceptRedirects', 1);
  send(socket, '20.0.0.1', 10);
  world.run(1_000_000);
  const route = routeOutput(a, ipv4('20.0.0.1'), 0, 0, 0);
  assert.equal(typeof route === 'number' ? route : route.gateway, ipv4('10.0.0.3'));
});

test('strict rp_filter drops what would not go back the way it came; loose only what cannot go back', () => {
  const n = new Routed();
  const socket = udp(n.a);
  const [, eth] = [...n.a.devs] as [NetDevice, NetDevice];
  assert.equal(eth.up, true);
  const receiver = udp(n.b);
  receiver.bind(at('0.0.0.0', 9));
  addRoute(n.r, '10.0.0.1/32', { via: '10.0.1.2' });
  const [, r0] = [...n.r.devs] as [NetDevice, NetDevice];
  const arrives = (rpFilter: number): boolean => {
    if (r0.ipv4 !== null) r0.ipv4.conf = r0.ipv4.conf.with('rpFilter', rpFilter);
    n.r.ipv4.changed();
    send(socket, '10.0.1.2', 1);
    n.world.run(10_000);
    return typeof receiver.recv(10) !== 'number';
  };
  assert.deepEqual([arrives(0), arrives(2), arrives(1)], [true, true, false]);
  assert.equal(n.r.drops.get('IP_RPFILTER'), 1);
  assert.equal(n.r.mib[MIB.TcpExtIPReversePathFilter], 1);
});

test('errors come back through the router: nobody there, nobody listening', () => {
  const n = new Routed();
  const socket = udp(n.a);
  socket.connect(at('10.0.1.2', 9));
  socket.send(new Uint8Array(1));
  n.world.run(10_000);
  assert.equal(socket.send(new Uint8Array(1)), -ECONNREFUSED);
  const nobody = udp(n.a);
  nobody.setsockopt(0, 11, 1);
  nobody.connect(at('10.0.1.77', 9));
  nobody.send(new Uint8Array(1));
  n.world.run(5_000_000);
  assert.equal(nobody.send(new Uint8Array(1)), -EHOSTUNREACH);
});
