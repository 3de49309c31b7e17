/** AF_INET6 sockets: UDP and ping over IPv6 and, by mapped addresses, over IPv4. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf, createWorld, type World } from '../../../test/world.ts';
import {
  EADDRNOTAVAIL,
  EAGAIN,
  ECONNREFUSED,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  errnoName,
} from '../errno.ts';
import type { NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import { inet6AddrAdd } from '../network/ipv6/addrconf.ts';
import { IFA_F_NODAD } from '../network/ipv6/address.ts';
import { NO_METRICS } from '../network/route/fib-info.ts';
import { fib6Add } from '../network/route6/change.ts';
import type { SockAddrIn } from '../transport/sock.ts';
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_RAW } from '../transport/sock.ts';
import * as so from '../transport/sockopt-names.ts';
import { ipv4 } from '../util/address.ts';
import { ip6 } from '../util/ip6-addr.ts';
import { Socket } from './socket.ts';

interface Two {
  readonly world: World;
  readonly a: NetNs;
  readonly b: NetNs;
  readonly da: NetDevice;
  readonly db: NetDevice;
}

/** fd00::1 and 10.0.0.1 in a, fd00::2 and 10.0.0.2 in b. */
function twoHosts(): Two {
  const world = createWorld({ ipv6: true });
  const a = world.addNet('a');
  const b = world.addNet('b');
  const [da, db] = world.wire({ net: a, cidr: '10.0.0.1/24' }, { net: b, cidr: '10.0.0.2/24' });
  for (const [dev, addr] of [
    [da, 'fd00::1'],
    [db, 'fd00::2'],
  ] as const)
    assert.equal(inet6AddrAdd(dev, { addr: ip6(addr), prefixLen: 64, flags: IFA_F_NODAD }), 0);
  world.run(3_000_000);
  return { world, a, b, da, db };
}

function six(addr: string, port: number, scopeId = 0): SockAddrIn {
  return { family: AF_INET6, addr: 0, addr6: ip6(addr), port, scopeId };
}

function open(net: NetNs, type: number = SOCK_DGRAM, protocol = 0): Socket {
  const s = Socket.create(net, AF_INET6, type, protocol);
  assert.ok(typeof s !== 'number', errnoName(Number(s)));
  return s;
}

/** What was received, and from where, as text. */
function heard(s: Socket): string {
  const got = s.recv(70_000);
  if (typeof got === 'number') return errnoName(got);
  const { from } = got;
  return `${bytesOf(got).toString('latin1')} from ${from?.addr6} ${from?.port}`;
}

const text = (s: string): Buffer => Buffer.from(s);

test('UDP between two hosts, connected and not; a closed port refuses', () => {
  const { world, a, b } = twoHosts();
  const server = open(b);
  assert.equal(server.bind(six('::', 7)), 0);
  const client = open(a);
  assert.equal(client.sendto(text('one'), 0, six('fd00::2', 7)), 3);
  world.run(10_000);
  const { port } = client.getsockname();
  assert.equal(heard(server), `one from fd00::1 ${port}`);
  assert.equal(server.sendto(text('two'), 0, six('fd00::1', port)), 3);
  world.run(10_000);
  assert.equal(heard(client), 'two from fd00::2 7');
  assert.equal(client.connect(six('fd00::2', 9)), 0);
  assert.equal(String(client.getsockname().addr6), 'fd00::1');
  assert.equal(String((client.getpeername() as SockAddrIn).addr6), 'fd00::2');
  client.send(text('x'));
  world.run(10_000);
  assert.equal(client.send(text('y')), -ECONNREFUSED);
});

test('a datagram of 60,000 bytes goes in fragments, and not at all with IPV6_DONTFRAG', () => {
  const { world, a, b } = twoHosts();
  const server = open(b);
  server.bind(six('fd00::2', 7));
  const client = open(a);
  const big = new Uint8Array(60_000).fill(65);
  assert.equal(client.sendto(big, 0, six('fd00::2', 7)), 60_000);
  world.run(100_000);
  const got = server.recv(70_000);
  assert.ok(typeof got !== 'number' && got.len === 60_000);
  client.setsockopt(so.SOL_IPV6, so.IPV6_DONTFRAG, 1);
  assert.equal(client.sendto(big, 0, six('fd00::2', 7)), -EMSGSIZE);
});

test('mapped addresses work over IPv4; IPV6_V6ONLY refuses them', () => {
  const { world, a, b } = twoHosts();
  const dual = open(b);
  dual.bind(six('::', 7));
  const four = Socket.create(a, AF_INET, SOCK_DGRAM);
  assert.ok(typeof four !== 'number');
  four.sendto(text('four'), 0, { family: AF_INET, addr: ipv4('10.0.0.2'), port: 7 });
  world.run(10_000);
  const { port } = four.getsockname();
  assert.equal(heard(dual), `four from ::ffff:10.0.0.1 ${port}`);
  assert.equal(dual.sendto(text('back'), 0, six('::ffff:10.0.0.1', port)), 4);
  world.run(10_000);
  const back = four.recv(10);
  assert.ok(typeof back !== 'number');
  assert.deepEqual(back.from, { family: AF_INET, addr: ipv4('10.0.0.2'), port: 7 });
  const mapped = open(a);
  assert.equal(mapped.connect(six('::ffff:10.0.0.2', 7)), 0);
  assert.equal(String(mapped.getsockname().addr6), '::ffff:10.0.0.1');
  assert.equal(mapped.send(text('more')), 4);
  world.run(10_000);
  assert.equal(heard(dual), `more from ::ffff:10.0.0.1 ${mapped.getsockname().port}`);
  const only = open(b);
  only.setsockopt(so.SOL_IPV6, so.IPV6_V6ONLY, 1);
  assert.equal(only.bind(six('::ffff:10.0.0.2', 8)), -EINVAL);
  assert.equal(only.bind(six('::', 8)), 0);
  assert.equal(only.connect(six('::ffff:10.0.0.1', 8)), -ENETUNREACH);
  four.sendto(text('x'), 0, { family: AF_INET, addr: ipv4('10.0.0.2'), port: 8 });
  world.run(10_000);
  assert.equal(only.recv(1), -EAGAIN);
});

test('link-local addresses need their device', () => {
  const { world, a, b, da, db } = twoHosts();
  const far = String(db.ipv6?.addresses.at(-1)?.addr);
  assert.match(far, /^fe80::/);
  const server = open(b);
  assert.equal(server.bind(six(far, 7)), -EINVAL);
  assert.equal(server.bind(six(far, 7, db.ifindex)), 0);
  const client = open(a);
  assert.equal(client.connect(six(far, 7)), -EINVAL);
  assert.equal(client.sendto(text('hi'), 0, six(far, 7, da.ifindex)), 2);
  world.run(10_000);
  assert.match(heard(server), /^hi from fe80::/);
  assert.equal(open(a).bind(six('fd00::2', 1)), -EADDRNOTAVAIL);
});

test('a group: members hear it, others do not; the sender hears itself with IPV6_MULTICAST_LOOP', () => {
  const { world, a, b, da, db } = twoHosts();
  const member = open(b);
  member.bind(six('::', 5000));
  const request = { multiaddr: ip6('ff02::1234'), ifindex: db.ifindex };
  const client = open(a);
  client.setsockopt(so.SOL_IPV6, so.IPV6_MULTICAST_IF, da.ifindex);
  client.sendto(text('a'), 0, six('ff02::1234', 5000));
  world.run(10_000);
  assert.equal(member.recv(1), -EAGAIN);
  assert.equal(member.setsockopt(so.SOL_IPV6, so.IPV6_JOIN_GROUP, request), 0);
  client.sendto(text('b'), 0, six('ff02::1234', 5000));
  world.run(10_000);
  assert.match(heard(member), /^b from fe80::/);
  member.close();
  assert.equal(db.ipv6?.groups.get(ip6('ff02::1234')), undefined);
});

test('ping sockets over IPv6; what is asked for comes as ancillary data', () => {
  const { world, a } = twoHosts();
  a.sysctl = a.sysctl.with('pingGroupRange', [0, 10]);
  const ping = open(a, SOCK_DGRAM, 58);
  for (const name of [so.IPV6_RECVHOPLIMIT, so.IPV6_RECVPKTINFO, so.IPV6_RECVTCLASS])
    assert.equal(ping.setsockopt(so.SOL_IPV6, name, 1), 0);
  const request = Uint8Array.of(128, 0, 0, 0, 0, 0, 0, 9, 1, 2, 3);
  assert.equal(ping.sendto(request, 0, six('fd00::2', 0)), request.length);
  world.run(10_000);
  const got = ping.recv(100);
  assert.ok(typeof got !== 'number');
  const bytes = bytesOf(got);
  assert.deepEqual([bytes[0], bytes[7], bytes[10]], [129, 9, 3]);
  assert.equal(String(got.from?.addr6), 'fd00::2');
  const values = got.control.map((c) => c.value);
  assert.deepEqual(values.slice(1), [64, 0]);
  assert.equal(ping.sendto(Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 9), 0, six('fd00::2', 0)), -EINVAL);
});

test('raw sockets: ICMPv6 with the kernel’s checksum, received without IP header', () => {
  const { world, a } = twoHosts();
  const raw = open(a, SOCK_RAW, 58);
  assert.equal(raw.sendto(Uint8Array.of(128, 0, 0, 0, 7, 7, 0, 1, 5), 0, six('fd00::2', 0)), 9);
  world.run(10_000);
  const seen: number[] = [];
  for (let got = raw.recv(100); typeof got !== 'number'; got = raw.recv(100))
    seen.push(bytesOf(got)[0] ?? -1);
  // The reply, among the solicitations that it took.
  assert.ok(seen.includes(129));
});

test('a smaller MTU on the way is learnt', () => {
  const { world, a, b } = twoHosts();
  const c = world.addNet('c');
  const [mb, mc] = world.wire({ net: b, mtu: 1300 }, { net: c, mtu: 1300 });
  for (const [dev, addr] of [
    [mb, 'fd01::2'],
    [mc, 'fd01::3'],
  ] as const)
    inet6AddrAdd(dev, { addr: ip6(addr), prefixLen: 64, flags: IFA_F_NODAD });
  b.ipv6.confAll = b.ipv6.confAll.with('forwarding', 1);
  // A router asks for its neighbours from its link-local address, which DAD has to allow first.
  world.run(3_000_000);
  route(a, 'fd00::2');
  route(c, 'fd01::2');
  const client = open(a);
  assert.equal(client.connect(six('fd01::3', 7)), 0);
  assert.equal(client.getsockopt(so.SOL_IPV6, so.IPV6_MTU), 1500);
  const server = open(c);
  server.bind(six('::', 7));
  client.send(new Uint8Array(1400));
  world.run(100_000);
  assert.equal(server.recv(2000), -EAGAIN);
  assert.equal(client.send(new Uint8Array(1400)), -EMSGSIZE);
  assert.equal(client.send(new Uint8Array(1400)), 1400);
  world.run(100_000);
  const got = server.recv(2000);
  assert.ok(typeof got !== 'number' && got.len === 1400);
  assert.equal(client.getsockopt(so.SOL_IPV6, so.IPV6_MTU), 1300);
});

/** A default route. */
function route(net: NetNs, via: string): void {
  const err = fib6Add(
    net,
    {
      table: 254,
      dst: ip6('::'),
      prefixLen: 0,
      metric: 0,
      type: 1,
      protocol: 3,
      prefsrc: null,
      nexthops: [{ gateway: ip6(via), dev: null, weight: 1, onlink: false }],
      metrics: NO_METRICS,
      expiresUs: Number.POSITIVE_INFINITY,
    },
    { create: true, exclusive: true, replace: false, append: false },
  );
  assert.equal(err, 0);
}

test('IPV6_RECVERR: an ICMPv6 error is read from the error queue, with who sent it and for whom', () => {
  const { world, a } = twoHosts();
  const s = open(a);
  s.setsockopt(so.SOL_IPV6, so.IPV6_RECVERR, 1);
  assert.equal(s.sendto(new Uint8Array(3), 0, six('fd00::2', 9)), 3);
  world.run(10_000);
  assert.equal(s.recv(9), -ECONNREFUSED);
  const got = s.recv(9, 0x2000);
  assert.ok(typeof got !== 'number');
  assert.deepEqual(got.from, six('fd00::2', 9));
  assert.equal(got.fullLen, 3);
  const [note] = got.control;
  assert.deepEqual([note?.level, note?.type], [so.SOL_IPV6, so.IPV6_RECVERR]);
  assert.deepEqual(note?.value, {
    errno: ECONNREFUSED,
    origin: 3,
    type: 1,
    code: 4,
    info: 0,
    offender: 0,
    offender6: ip6('fd00::2'),
  });
  assert.equal(s.recv(9, 0x2000), -EAGAIN);
});
