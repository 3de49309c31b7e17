/** TCP over IPv6 and by v4-mapped addresses: what differs from IPv4, between two hosts and on one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addAddress6, createWorld, textOf, type World } from '../../../../test/world.ts';
import {
  EACCES,
  EADDRINUSE,
  EAFNOSUPPORT,
  ECONNREFUSED,
  EINPROGRESS,
  EINVAL,
  ENETUNREACH,
  EOPNOTSUPP,
  errnoName,
} from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB } from '../../mib.ts';
import { MIB6 } from '../../mib6.ts';
import type { NetNs } from '../../net.ts';
import { icmp6Send } from '../../network/ipv6/icmp.ts';
import { NO_METRICS } from '../../network/route/fib-info.ts';
import { fib6Add } from '../../network/route6/change.ts';
import type { Packet } from '../../packet.ts';
import { Socket } from '../../socket/socket.ts';
import { ipv4 } from '../../util/address.ts';
import { formatIpv6, ip6 } from '../../util/ip6-addr.ts';
import { ICMPV6_ADM_PROHIBITED, ICMPV6_DEST_UNREACH, ICMPV6_NOROUTE } from '../../wire/icmpv6.ts';
import { TCP_ACK, TCP_RST, TCP_SYN } from '../../wire/tcp.ts';
import { AF_INET, AF_INET6, MSG_FASTOPEN, SOCK_STREAM, type SockAddrIn } from '../sock.ts';
import * as so from '../sockopt-names.ts';
import type { TcpInfo } from './info.ts';
import type { TcpSock } from './sock.ts';

interface Two {
  readonly world: World;
  readonly a: NetNs;
  readonly b: NetNs;
  readonly da: NetDevice;
  readonly db: NetDevice;
  /** What left either device, in order. */
  readonly seen: Packet[];
}

/** fd00::1 and 10.0.0.1 in a, fd00::2 and 10.0.0.2 in b. */
function twoHosts(): Two {
  const world = createWorld({ ipv6: true });
  const [a, b] = [world.addNet('a'), world.addNet('b')];
  const [da, db] = world.wire({ net: a, cidr: '10.0.0.1/24' }, { net: b, cidr: '10.0.0.2/24' });
  addAddress6(da, 'fd00::1/64');
  addAddress6(db, 'fd00::2/64');
  world.run(3_000_000);
  const seen: Packet[] = [];
  const tap = {
    tap: (pkt: Packet, _dev: NetDevice, outgoing: boolean): void => {
      if (outgoing && pkt.tcp !== null) seen.push(pkt.clone());
    },
  };
  a.taps = [tap];
  b.taps = [tap];
  return { world, a, b, da, db, seen };
}

function six(addr: string, port: number, scopeId = 0): SockAddrIn {
  return { family: AF_INET6, addr: 0, addr6: ip6(addr), port, scopeId };
}

function open(net: NetNs, family: number = AF_INET6): Socket {
  const s = Socket.create(net, family, SOCK_STREAM);
  assert.ok(typeof s !== 'number', errnoName(Number(s)));
  return s;
}

function listener(net: NetNs, addr: string, port: number): Socket {
  const s = open(net);
  assert.equal(s.bind(six(addr, port)), 0);
  assert.equal(s.listen(16), 0);
  return s;
}

function accepted(l: Socket): Socket {
  const s = l.accept();
  assert.ok(typeof s !== 'number', errnoName(Number(s)));
  return s;
}

function text({ addr6, port }: SockAddrIn): string {
  return `${addr6 === undefined ? '?' : formatIpv6(addr6)} ${port}`;
}

function tcpOf(s: Socket): TcpSock {
  return s.sk as TcpSock;
}

/** A connection from a to the port of b. */
function connected(w: Two, port = 80): readonly [client: Socket, server: Socket, l: Socket] {
  const l = listener(w.b, '::', port);
  const c = open(w.a);
  assert.equal(c.connect(six('fd00::2', port)), -EINPROGRESS);
  w.world.run(10_000);
  return [c, accepted(l), l];
}

test('a connection over IPv6: addresses, MSS 1440, data both ways, an orderly end', () => {
  const w = twoHosts();
  const [c, s] = connected(w);
  assert.match(text(c.getsockname()), /^fd00::1 \d+$/);
  assert.equal(text(c.getpeername() as SockAddrIn), 'fd00::2 80');
  assert.equal(text(s.getsockname()), 'fd00::2 80');
  assert.equal(text(s.getpeername() as SockAddrIn), text(c.getsockname()));
  const syn = w.seen[0];
  assert.equal(syn?.tcp?.options?.mss, 1440);
  assert.equal(w.seen[1]?.tcp?.options?.mss, 1440);
  assert.equal(syn?.ip6?.hopLimit, 64);
  assert.equal(c.send(Buffer.from('ping')), 4);
  w.world.run(10_000);
  assert.equal(textOf(s.recv(10)), 'ping');
  assert.equal(s.send(new Uint8Array(40_000)), 40_000);
  w.world.run(1_000_000);
  let got = 0;
  for (let r = c.recv(65536); typeof r !== 'number' && r.len > 0; r = c.recv(65536)) got += r.len;
  assert.equal(got, 40_000);
  const info = c.getsockopt(so.SOL_TCP, so.TCP_INFO) as TcpInfo;
  assert.equal(info.sndMss, 1428);
  assert.equal(info.pmtu, 1500);
  c.close();
  w.world.run(10_000);
  s.close();
  w.world.run(100_000);
  assert.equal(w.a.tcp.twCount, 1);
  assert.equal(w.b.tcp.connections.count, 0);
});

test('a listener on :: takes both families; IPv4 peers show as mapped addresses', () => {
  const w = twoHosts();
  const l = listener(w.b, '::', 80);
  const four = open(w.a, AF_INET);
  assert.equal(four.connect({ family: AF_INET, addr: ipv4('10.0.0.2'), port: 80 }), -EINPROGRESS);
  w.world.run(10_000);
  const s = accepted(l);
  assert.match(text(s.getpeername() as SockAddrIn), /^::ffff:10\.0\.0\.1 \d+$/);
  assert.equal(text(s.getsockname()), '::ffff:10.0.0.2 80');
  four.send(Buffer.from('four'));
  w.world.run(10_000);
  assert.equal(textOf(s.recv(10)), 'four');
  const mapped = open(w.a);
  assert.equal(mapped.connect(six('::ffff:10.0.0.2', 80)), -EINPROGRESS);
  w.world.run(10_000);
  assert.match(text(mapped.getsockname()), /^::ffff:10\.0\.0\.1 \d+$/);
  assert.equal(text(mapped.getpeername() as SockAddrIn), '::ffff:10.0.0.2 80');
  assert.ok(w.seen.every((pkt) => pkt.ip6 === null));
  assert.equal((mapped.getsockopt(so.SOL_TCP, so.TCP_INFO) as TcpInfo).sndMss, 1448);
});

test('IPV6_V6ONLY: IPv4 is refused at the door, and may have a listener of its own', () => {
  const w = twoHosts();
  const only = open(w.b);
  only.setsockopt(so.SOL_IPV6, so.IPV6_V6ONLY, 1);
  assert.equal(only.bind(six('::', 80)), 0);
  assert.equal(only.listen(1), 0);
  const c = open(w.a, AF_INET);
  c.connect({ family: AF_INET, addr: ipv4('10.0.0.2'), port: 80 });
  w.world.run(10_000);
  assert.equal(c.connect({ family: AF_INET, addr: 0, port: 1 }), -ECONNREFUSED);
  const four = open(w.b, AF_INET);
  assert.equal(four.bind({ family: AF_INET, addr: 0, port: 80 }), 0);
  assert.equal(four.listen(1), 0);
  const dual = open(w.b);
  assert.equal(dual.bind(six('::', 80)), -EADDRINUSE);
});

test('which listener a segment is for: the address first, then the first group that fits', () => {
  const w = twoHosts();
  const reusing = (family: number, addr: SockAddrIn, dev = ''): Socket => {
    const s = open(w.b, family);
    s.setsockopt(so.SOL_SOCKET, so.SO_REUSEPORT, 1);
    if (dev !== '') s.setsockopt(so.SOL_SOCKET, so.SO_BINDTODEVICE, dev);
    assert.equal(s.bind(addr), 0);
    assert.equal(s.listen(4), 0);
    return s;
  };
  const any6 = reusing(AF_INET6, six('::', 80));
  const any4 = reusing(AF_INET, { family: AF_INET, addr: 0, port: 80 });
  const own6 = reusing(AF_INET6, six('fd00::2', 80));
  const onDev = reusing(AF_INET6, six('::', 80), w.db.name);
  const arrives = (to: SockAddrIn): string => {
    const c = open(w.a, to.family);
    c.connect(to);
    w.world.run(10_000);
    const all = Object.entries({ any6, any4, own6, onDev });
    const names = all.filter(([, l]) => typeof l.accept() !== 'number').map(([name]) => name);
    c.close();
    w.world.run(10_000);
    return names.join();
  };
  assert.equal(arrives(six('fd00::2', 80)), 'own6');
  // LINUX: an AF_INET wildcard and an AF_INET6 one of the device are equal; the former is looked at first.
  assert.equal(arrives({ family: AF_INET, addr: ipv4('10.0.0.2'), port: 80 }), 'any4');
  own6.close();
  // LINUX: the first group of the list that fits has it, whoever is bound to the device.
  assert.equal(arrives(six('fd00::2', 80)), 'any6');
});

test('connect: :: is ::1, or 127.0.0.1 of a socket bound to IPv4; what cannot be is refused', () => {
  const w = twoHosts();
  const l = listener(w.a, '::1', 90);
  const c = open(w.a);
  assert.equal(c.connect(six('::', 90)), -EINPROGRESS);
  w.world.run(1000);
  assert.equal(text(c.getpeername() as SockAddrIn), '::1 90');
  assert.match(text(accepted(l).getpeername() as SockAddrIn), /^::1 /);
  const bound = open(w.a);
  assert.equal(bound.bind(six('::ffff:127.0.0.1', 0)), 0);
  bound.connect(six('::', 90));
  w.world.run(1000);
  assert.equal(bound.connect(six('::', 90)), -ECONNREFUSED);
  assert.equal(bound.connect(six('fd00::2', 90)), -EAFNOSUPPORT);
  assert.equal(
    open(w.a).connect({ family: AF_INET, addr: ipv4('10.0.0.2'), port: 9 }),
    -EAFNOSUPPORT,
  );
  assert.equal(open(w.a, AF_INET).connect(six('fd00::2', 9)), -EAFNOSUPPORT);
  assert.equal(open(w.a).connect(six('ff02::1', 9)), -ENETUNREACH);
  assert.equal(open(w.a).connect(six('2001:db8::1', 9)), -ENETUNREACH);
  assert.equal(w.a.ipv6.mib[MIB6.Ip6OutNoRoutes], 1);
});

test('link-local addresses need their device, and the peer of one is told with it', () => {
  const w = twoHosts();
  const addr = (w.db.ipv6?.addresses ?? []).map((a) => a.addr).find((x) => x.a >>> 16 === 0xfe80);
  assert.ok(addr !== undefined);
  const l = listener(w.b, '::', 80);
  const to = formatIpv6(addr);
  assert.equal(open(w.a).connect(six(to, 80)), -EINVAL);
  const c = open(w.a);
  assert.equal(c.connect(six(to, 80, w.da.ifindex)), -EINPROGRESS);
  w.world.run(10_000);
  const s = accepted(l);
  const peer = s.getpeername() as SockAddrIn;
  assert.equal(peer.scopeId, w.db.ifindex);
  assert.equal((c.getpeername() as SockAddrIn).scopeId, w.da.ifindex);
  s.send(Buffer.from('x'));
  w.world.run(10_000);
  assert.equal(textOf(c.recv(9)), 'x');
});

test('a port where nobody listens is answered with RST, over IPv6 too', () => {
  const w = twoHosts();
  const c = open(w.a);
  c.connect(six('fd00::2', 9));
  w.world.run(10_000);
  assert.equal(c.connect(six('fd00::2', 9)), -ECONNREFUSED);
  const rst = w.seen.at(-1);
  assert.equal(rst?.tcp?.flags, TCP_RST | TCP_ACK);
  assert.equal(formatIpv6(rst?.ip6?.src ?? ip6('::')), 'fd00::2');
});

/** Answers SYNs to b with an ICMPv6 error. */
function refuseWith(w: Two, code: number): void {
  const { inet6 } = w.world.kernel.protocols;
  const next = inet6[6];
  inet6[6] = (pkt) => {
    if (pkt.dev?.net === w.b) icmp6Send(pkt, ICMPV6_DEST_UNREACH, code, 0);
    else next?.(pkt);
  };
}

test('ICMPv6 errors end a connection that is being opened, and are remembered by one that is', () => {
  const w = twoHosts();
  refuseWith(w, ICMPV6_ADM_PROHIBITED);
  const c = open(w.a);
  c.connect(six('fd00::2', 80));
  w.world.run(10_000);
  assert.equal(c.connect(six('fd00::2', 80)), -EACCES);

  const v = twoHosts();
  const [e] = connected(v);
  refuseWith(v, ICMPV6_NOROUTE);
  v.world.run(2_000_000);
  e.send(Buffer.from('x'));
  v.world.run(100_000);
  assert.equal(tcpOf(e).errSoft, ENETUNREACH);
  assert.equal(tcpOf(e).err, 0);
  e.setsockopt(so.SOL_IPV6, so.IPV6_RECVERR, 1);
  v.world.run(3_000_000);
  assert.equal(tcpOf(e).err, ENETUNREACH);
});

test('a smaller path MTU makes segments smaller at once (RFC 8201)', () => {
  const world = createWorld({ ipv6: true });
  const [a, r, b] = [world.addNet('a'), world.addNet('r'), world.addNet('b')];
  const [da, ra] = world.wire({ net: a }, { net: r });
  const [rb, db] = world.wire({ net: r, mtu: 1300 }, { net: b });
  addAddress6(da, 'fd01::1/64');
  addAddress6(ra, 'fd01::2/64');
  addAddress6(rb, 'fd02::1/64');
  addAddress6(db, 'fd02::2/64');
  r.ipv6.confAll = r.ipv6.confAll.with('forwarding', 1);
  for (const dev of [ra, rb])
    if (dev.ipv6 !== null) dev.ipv6.conf = dev.ipv6.conf.with('forwarding', 1);
  addRoute6(a, 'fd02::/64', 'fd01::2');
  addRoute6(b, 'fd01::/64', 'fd02::1');
  world.run(3_000_000);
  const l = listener(b, '::', 80);
  const c = open(a);
  c.connect(six('fd02::2', 80));
  world.run(10_000);
  const s = accepted(l);
  c.send(new Uint8Array(40_000));
  world.run(5_000_000);
  let got = 0;
  for (let x = s.recv(65536); typeof x !== 'number' && x.len > 0; x = s.recv(65536)) got += x.len;
  assert.equal(got, 40_000);
  const info = c.getsockopt(so.SOL_TCP, so.TCP_INFO) as TcpInfo;
  assert.equal(info.pmtu, 1300);
  assert.equal(info.sndMss, 1300 - 60 - 12);
  assert.equal(c.getsockopt(so.SOL_IPV6, so.IPV6_MTU), 1300);
});

test('flow label: one for all packets of a connection, another after a timeout', () => {
  const w = twoHosts();
  const [c] = connected(w);
  c.send(Buffer.from('x'));
  w.world.run(100_000);
  const own = w.seen.filter((p) => p.ip6 !== null && formatIpv6(p.ip6.src) === 'fd00::1');
  const labels = new Set(own.map((p) => p.ip6?.flowLabel));
  assert.equal(labels.size, 1);
  assert.notEqual([...labels][0], 0);
  refuseWith(w, ICMPV6_NOROUTE);
  c.send(Buffer.from('y'));
  w.world.run(5_000_000);
  assert.equal(labels.has(w.seen.at(-1)?.ip6?.flowLabel), false);
  assert.ok((w.a.mib[MIB.TcpExtTcpTimeoutRehash] as number) > 0);
  c.setsockopt(so.SOL_IPV6, so.IPV6_AUTOFLOWLABEL, 0);
  w.world.run(20_000_000);
  assert.equal(w.seen.at(-1)?.ip6?.flowLabel, 0);
});

test('traffic class and hop limit of a socket; ECN bits are TCP’s own', () => {
  const w = twoHosts();
  w.a.sysctl = w.a.sysctl.with('tcpEcn', 1);
  const l = listener(w.b, '::', 80);
  l.setsockopt(so.SOL_IPV6, so.IPV6_TCLASS, 0x20);
  const c = open(w.a);
  c.setsockopt(so.SOL_IPV6, so.IPV6_TCLASS, 0xb9);
  assert.equal(c.getsockopt(so.SOL_IPV6, so.IPV6_TCLASS), 0xb8);
  c.setsockopt(so.SOL_IPV6, so.IPV6_UNICAST_HOPS, 9);
  c.connect(six('fd00::2', 80));
  w.world.run(10_000);
  c.send(Buffer.from('x'));
  w.world.run(100_000);
  const from = (addr: string): (number | undefined)[] =>
    w.seen
      .filter((p) => p.ip6 !== null && formatIpv6(p.ip6.src) === addr)
      .map((p) => p.ip6?.tclass);
  assert.deepEqual(from('fd00::1'), [0xb8, 0xb8, 0xba]);
  assert.deepEqual(from('fd00::2'), [0x20, 0x20]);
  assert.ok(
    w.seen.every(
      (p) => p.ip6?.hopLimit === (formatIpv6(p.ip6?.src ?? ip6('::')) === 'fd00::1' ? 9 : 64),
    ),
  );
});

test('SYN cookies carry IPv6’s own MSS values', () => {
  const w = twoHosts();
  w.b.sysctl = w.b.sysctl.with('tcpSyncookies', 2);
  const [c, s] = connected(w);
  assert.equal(w.b.mib[MIB.TcpExtSyncookiesSent], 1);
  assert.equal(w.b.mib[MIB.TcpExtSyncookiesRecv], 1);
  assert.equal(tcpOf(s).mssClamp, 1440);
  s.send(Buffer.from('x'));
  w.world.run(10_000);
  assert.equal(textOf(c.recv(9)), 'x');
});

test('fast open over IPv6: a cookie, then data in the SYN', () => {
  const w = twoHosts();
  w.a.sysctl = w.a.sysctl.with('tcpFastopen', 3);
  w.b.sysctl = w.b.sysctl.with('tcpFastopen', 3);
  const l = open(w.b);
  l.bind(six('::', 80));
  l.setsockopt(so.SOL_TCP, so.TCP_FASTOPEN, 5);
  l.listen(5);
  const send = (data: string): Socket => {
    const c = open(w.a);
    assert.ok(c.sendto(Buffer.from(data), MSG_FASTOPEN, six('fd00::2', 80)) >= -EINPROGRESS);
    w.world.run(100_000);
    return c;
  };
  send('one');
  accepted(l);
  send('two');
  assert.equal(textOf(accepted(l).recv(9)), 'two');
  assert.equal(w.a.mib[MIB.TcpExtTCPFastOpenActive], 1);
  assert.equal(w.b.mib[MIB.TcpExtTCPFastOpenPassive], 1);
  const c = open(w.a);
  assert.equal(c.sendto(Buffer.from('x'), MSG_FASTOPEN, { family: 0 }), -EOPNOTSUPP);
});

test('TIME-WAIT over IPv6 answers late segments, and a newer SYN is let in', () => {
  const w = twoHosts();
  const l = listener(w.b, '::', 80);
  const c = open(w.a);
  c.bind(six('::', 5000));
  c.connect(six('fd00::2', 80));
  w.world.run(10_000);
  const s = accepted(l);
  // The server closes first, and keeps TIME-WAIT.
  s.close();
  w.world.run(10_000);
  c.close();
  w.world.run(10_000);
  assert.equal(w.b.tcp.twCount, 1);
  w.world.run(1_000_000);
  const again = open(w.a);
  again.setsockopt(so.SOL_SOCKET, so.SO_REUSEADDR, 1);
  assert.equal(again.bind(six('::', 5000)), 0);
  assert.equal(again.connect(six('fd00::2', 80)), -EINPROGRESS);
  w.world.run(10_000);
  assert.ok(typeof l.accept() !== 'number');
});

test('the same ports with another address are another connection', () => {
  const w = twoHosts();
  addAddress6(w.da, 'fd00::11/64');
  const l = listener(w.b, '::', 80);
  const from = (addr: string): Socket => {
    const c = open(w.a);
    assert.equal(c.bind(six(addr, 6000)), 0);
    assert.equal(c.connect(six('fd00::2', 80)), -EINPROGRESS);
    w.world.run(10_000);
    return c;
  };
  const clients = [from('fd00::1'), from('fd00::11')];
  const servers = [accepted(l), accepted(l)];
  clients.forEach((c, i) => void c.send(Buffer.from(String(i))));
  w.world.run(10_000);
  assert.deepEqual(
    servers.map((s) => textOf(s.recv(9))),
    ['0', '1'],
  );
  assert.equal(w.seen.filter((p) => p.tcp?.flags === TCP_SYN).length, 2);
});

test('a closed socket connects again, over the other family', () => {
  const w = twoHosts();
  const l = listener(w.b, '::', 80);
  const c = open(w.a);
  c.connect(six('fd00::2', 80));
  w.world.run(10_000);
  assert.ok(typeof l.accept() !== 'number');
  assert.equal(c.connect({ family: 0 }), 0);
  assert.equal(text(c.getsockname()), ':: 0');
  assert.equal(c.connect(six('::ffff:10.0.0.2', 80)), -EINPROGRESS);
  w.world.run(10_000);
  assert.equal(text(c.getpeername() as SockAddrIn), '::ffff:10.0.0.2 80');
  assert.equal(c.connect({ family: 0 }), 0);
  assert.equal(c.connect(six('fd00::2', 80)), -EINPROGRESS);
  w.world.run(10_000);
  assert.equal(text(c.getpeername() as SockAddrIn), 'fd00::2 80');
});

function addRoute6(net: NetNs, cidr: string, via: string): void {
  const [dst = '', length] = cidr.split('/');
  const err = fib6Add(
    net,
    {
      table: 254,
      dst: ip6(dst),
      prefixLen: Number(length),
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
  assert.equal(err, 0, errnoName(err));
}
