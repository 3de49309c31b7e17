/** UDP between namespaces: counters, buffers, groups, errors, corking (RFC 768, RFC 1122 §4.1). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addRoute,
  at,
  bytesOf,
  createWorld,
  openSocket,
  textOf,
  udp,
  type World,
} from '../../../../test/world.ts';
import { EAGAIN, ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, EPIPE } from '../../errno.ts';
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import { icmpSend } from '../../network/ipv4/icmp.ts';
import { BAD_L4_CSUM, type Packet } from '../../packet.ts';
import type { Socket } from '../../socket/socket.ts';
import { ipv4 } from '../../util/address.ts';
import { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH } from '../../wire/icmp.ts';
import { IPPROTO_UDP } from '../../wire/ipv4.ts';
import type { ExtendedError } from '../error-queue.ts';
import {
  EPOLLIN,
  EPOLLOUT,
  MSG_ERRQUEUE,
  MSG_MORE,
  MSG_PEEK,
  MSG_TRUNC,
  SOCK_DGRAM,
} from '../sock.ts';
import * as so from '../sockopt-names.ts';

interface Pair {
  readonly world: World;
  readonly a: NetNs;
  readonly b: NetNs;
}

function pair(seed = 1): Pair {
  const world = createWorld({ seed });
  const a = world.addNet('a');
  const b = world.addNet('b');
  world.wire({ net: a, cidr: '10.0.0.1/24' }, { net: b, cidr: '10.0.0.2/24' });
  return { world, a, b };
}

function bound(net: NetNs, addr: string, port: number): Socket {
  const s = udp(net);
  assert.equal(s.bind(at(addr, port)), 0);
  return s;
}

const text = (s: string): Buffer => Buffer.from(s);

test('a datagram arrives whole, with its sender, and is counted on both sides', () => {
  const { world, a, b } = pair();
  const rx = bound(b, '0.0.0.0', 5000);
  const tx = bound(a, '0.0.0.0', 4000);
  const data = text('hello');
  assert.equal(tx.sendto(data, 0, at('10.0.0.2', 5000)), 5);
  data.fill(0);
  world.run(10_000);
  const got = rx.recv(100);
  assert.ok(typeof got !== 'number');
  assert.equal(bytesOf(got).toString(), 'hello', 'the sender may reuse its buffer');
  assert.deepEqual(got.from, at('10.0.0.1', 4000));
  assert.equal(a.mib[MIB.UdpOutDatagrams], 1);
  assert.equal(b.mib[MIB.UdpInDatagrams], 1);
  assert.equal(rx.recv(100), -EAGAIN);
});

test('truncation and peeking tell the whole length', () => {
  const { world, b } = pair();
  const rx = bound(b, '127.0.0.1', 1);
  udp(b).sendto(text('abcdef'), 0, at('127.0.0.1', 1));
  world.run(1000);
  for (const flags of [MSG_PEEK, MSG_PEEK, 0]) {
    const got = rx.recv(2, flags);
    assert.ok(typeof got !== 'number');
    assert.equal(bytesOf(got).toString(), 'ab');
    assert.deepEqual([got.len, got.fullLen, got.flags & MSG_TRUNC], [2, 6, MSG_TRUNC]);
  }
  assert.equal(rx.recv(2), -EAGAIN);
});

test('SO_PEEK_OFF walks through a datagram', () => {
  const { world, b } = pair();
  const rx = bound(b, '127.0.0.1', 1);
  rx.setsockopt(so.SOL_SOCKET, so.SO_PEEK_OFF, 0);
  udp(b).sendto(text('abcdef'), 0, at('127.0.0.1', 1));
  world.run(1000);
  assert.equal(textOf(rx.recv(2, MSG_PEEK)), 'ab');
  assert.equal(textOf(rx.recv(2, MSG_PEEK)), 'cd');
  assert.equal(textOf(rx.recv(9)), 'abcdef');
});

test('the receive buffer holds what Linux holds, and what is over is counted (SO_MEMINFO on 6.18)', () => {
  const { world, b } = pair();
  for (const [size, held] of [
    [1, 256],
    [197, 256],
    [198, 166],
    [1000, 92],
    [1472, 92],
    [8000, 12],
  ] as const) {
    const rx = bound(b, '127.0.0.1', 1);
    const tx = udp(b);
    const before = b.mib[MIB.UdpRcvbufErrors] ?? 0;
    for (let i = 0; i < 400; i++) tx.sendto(new Uint8Array(size), 0, at('127.0.0.1', 1));
    world.run(1000);
    let n = 0;
    while (typeof rx.recv(1) !== 'number') n++;
    assert.equal(n, held, `${size} bytes`);
    assert.equal((b.mib[MIB.UdpRcvbufErrors] ?? 0) - before, 400 - held);
    rx.close();
  }
  assert.equal(b.drops.get('SOCKET_RCVBUFF'), b.mib[MIB.UdpRcvbufErrors]);
});

test('a reader gives memory back in lumps of a quarter of the buffer', () => {
  const { world, b } = pair();
  const rx = bound(b, '127.0.0.1', 1);
  const tx = udp(b);
  const fill = (n: number): void => {
    for (let i = 0; i < n; i++) tx.sendto(text('x'), 0, at('127.0.0.1', 1));
    world.run(1000);
  };
  fill(300);
  rx.recv(1);
  fill(1);
  let n = 0;
  for (; n < 63; n++) rx.recv(1);
  fill(100);
  while (typeof rx.recv(1) !== 'number') n++;
  assert.equal(n, 63 + 192 + 64, 'the datagram that came after one read was refused');
});

test('a bad checksum is no datagram', () => {
  const { world, b } = pair();
  const rx = bound(b, '127.0.0.1', 1);
  const next = world.kernel.protocols.inet[IPPROTO_UDP];
  world.kernel.protocols.inet[IPPROTO_UDP] = (pkt: Packet) => {
    pkt.flags |= BAD_L4_CSUM;
    next?.(pkt);
  };
  udp(b).sendto(text('x'), 0, at('127.0.0.1', 1));
  world.run(1000);
  assert.equal(rx.recv(1), -EAGAIN);
  assert.deepEqual([b.mib[MIB.UdpInCsumErrors], b.mib[MIB.UdpInErrors]], [1, 1]);
  assert.equal(b.drops.get('UDP_CSUM'), 1);
});

test('broadcast reaches every socket of the port; unicast the last that was bound', () => {
  const { world, a, b } = pair();
  const two = [1, 2].map(() => {
    const s = udp(b);
    s.setsockopt(so.SOL_SOCKET, so.SO_REUSEADDR, 1);
    assert.equal(s.bind(at('0.0.0.0', 7)), 0);
    return s;
  });
  const other = bound(b, '10.0.0.2', 8);
  const tx = udp(a);
  tx.setsockopt(so.SOL_SOCKET, so.SO_BROADCAST, 1);
  assert.equal(tx.sendto(text('all'), 0, at('10.0.0.255', 7)), 3);
  world.run(10_000);
  assert.deepEqual(
    two.map((s) => textOf(s.recv(9))),
    ['all', 'all'],
  );
  tx.sendto(text('one'), 0, at('10.0.0.2', 7));
  world.run(10_000);
  assert.deepEqual(
    two.map((s) => textOf(s.recv(9))),
    ['EAGAIN', 'one'],
  );
  tx.sendto(text('none'), 0, at('10.0.0.255', 8));
  world.run(10_000);
  assert.equal(other.recv(9), -EAGAIN, 'bound to its address, it gets no broadcast');
  assert.equal(b.mib[MIB.UdpIgnoredMulti], 1);
  assert.equal(tx.poll() & 8, 0, 'nobody says that nobody listens');
});

test('SO_REUSEPORT shares flows out; a flow stays where it is', () => {
  const { world, a, b } = pair();
  const group = Array.from({ length: 4 }, () => {
    const s = udp(b);
    s.setsockopt(so.SOL_SOCKET, so.SO_REUSEPORT, 1);
    assert.equal(s.bind(at('0.0.0.0', 9)), 0);
    return s;
  });
  const flows = Array.from({ length: 200 }, () => bound(a, '0.0.0.0', 0));
  for (let round = 0; round < 2; round++) {
    flows.forEach((f, i) => {
      f.sendto(text(String(i)), 0, at('10.0.0.2', 9));
      world.run(100);
    });
  }
  const seen = group.map((s) => {
    const got: string[] = [];
    for (let t = s.recv(9); typeof t !== 'number'; t = s.recv(9)) got.push(bytesOf(t).toString());
    return got;
  });
  for (const got of seen) {
    assert.ok(got.length > 60 && got.length < 140, String(got.length));
    assert.equal(new Set(got).size * 2, got.length, 'both datagrams of a flow');
  }
});

test('a multicast group: members only, IP_MULTICAST_ALL, looped back or not, sources', () => {
  const { world, a, b } = pair();
  const group = '239.1.1.1';
  const request = { multiaddr: ipv4(group), address: ipv4('10.0.0.2'), ifindex: 0 };
  const tx = udp(a);
  tx.setsockopt(so.SOL_IP, so.IP_MULTICAST_IF, ipv4('10.0.0.1'));
  const send = (): void => {
    tx.sendto(text('m'), 0, at(group, 6));
    world.run(10_000);
  };
  const make = (): Socket => {
    const s = udp(b);
    s.setsockopt(so.SOL_SOCKET, so.SO_REUSEADDR, 1);
    s.bind(at('0.0.0.0', 6));
    return s;
  };
  const member = make();
  const any = make();
  const strict = make();
  strict.setsockopt(so.SOL_IP, so.IP_MULTICAST_ALL, 0);
  const all = [member, any, strict];
  const got = (): string[] => all.map((s) => textOf(s.recv(9)));
  send();
  assert.deepEqual(got(), ['EAGAIN', 'EAGAIN', 'EAGAIN'], 'the host is in no group');
  assert.equal(member.setsockopt(so.SOL_IP, so.IP_ADD_MEMBERSHIP, request), 0);
  send();
  assert.deepEqual(got(), ['m', 'm', 'EAGAIN']);
  const from = (addr: string) => ({ ...request, source: ipv4(addr) });
  assert.equal(strict.setsockopt(so.SOL_IP, so.IP_ADD_SOURCE_MEMBERSHIP, from('10.0.0.7')), 0);
  send();
  assert.deepEqual(got(), ['m', 'm', 'EAGAIN']);
  assert.equal(strict.setsockopt(so.SOL_IP, so.IP_ADD_SOURCE_MEMBERSHIP, from('10.0.0.1')), 0);
  send();
  assert.deepEqual(got(), ['m', 'm', 'm']);
  strict.close();
  member.close();
  send();
  assert.equal(any.recv(9), -EAGAIN, 'the last member has gone');
  const own = udp(a);
  own.setsockopt(so.SOL_IP, so.IP_ADD_MEMBERSHIP, { ...request, address: ipv4('10.0.0.1') });
  own.bind(at('0.0.0.0', 6));
  send();
  assert.equal(textOf(own.recv(9)), 'm', 'a sender that is a member hears itself');
  tx.setsockopt(so.SOL_IP, so.IP_MULTICAST_LOOP, 0);
  send();
  assert.equal(own.recv(9), -EAGAIN);
});

test('what comes of ICMP: hard errors to connected sockets, all of them to IP_RECVERR', () => {
  const { world, a, b } = pair();
  const soft = (pkt: Packet): void => icmpSend(pkt, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
  const next = world.kernel.protocols.inet[IPPROTO_UDP];
  world.kernel.protocols.inet[IPPROTO_UDP] = (pkt: Packet) =>
    pkt.udp?.dport === 77 ? soft(pkt) : next?.(pkt);
  b.sysctl = b.sysctl.with('icmpRatelimit', 0);
  const c = udp(a);
  const outcomes = (port: number, setup: (s: Socket) => void): number => {
    const s = udp(a);
    setup(s);
    s.connect(at('10.0.0.2', port));
    s.send(text('payload'));
    world.run(10_000);
    const result = Number(s.recv(1));
    s.close();
    return result;
  };
  const recverr = (s: Socket): void => void s.setsockopt(so.SOL_IP, so.IP_RECVERR, 1);
  assert.equal(
    outcomes(77, () => {}),
    -EAGAIN,
  );
  assert.equal(outcomes(77, recverr), -EHOSTUNREACH);
  assert.equal(
    outcomes(78, () => {}),
    -ECONNREFUSED,
  );
  recverr(c);
  c.sendto(text('payload'), 0, at('10.0.0.2', 77));
  world.run(10_000);
  const got = c.recv(4, MSG_ERRQUEUE);
  assert.ok(typeof got !== 'number');
  assert.equal(bytesOf(got).toString(), 'payl');
  assert.deepEqual(got.from, at('10.0.0.2', 77));
  assert.equal(got.flags, MSG_ERRQUEUE | MSG_TRUNC);
  const error = got.control[0]?.value as ExtendedError;
  assert.deepEqual([error.errno, error.type, error.code], [EHOSTUNREACH, 3, 1]);
  assert.equal(error.offender, ipv4('10.0.0.2'));
  assert.equal(c.getsockopt(so.SOL_SOCKET, so.SO_ERROR), 0, 'the queue was the error');
});

test('MSG_MORE and UDP_CORK make one datagram of several sends', () => {
  const { world, b } = pair();
  const rx = bound(b, '127.0.0.1', 1);
  const tx = udp(b);
  assert.equal(tx.sendto(text('one '), MSG_MORE, at('127.0.0.1', 1)), 4);
  assert.equal(tx.send(text('two')), 3);
  tx.setsockopt(so.SOL_UDP, so.UDP_CORK, 1);
  tx.sendto(text('three '), 0, at('127.0.0.1', 1));
  tx.sendto(text('four'), 0, at('127.0.0.1', 1));
  world.run(1000);
  assert.equal(textOf(rx.recv(99)), 'one two');
  assert.equal(rx.recv(99), -EAGAIN);
  tx.setsockopt(so.SOL_UDP, so.UDP_CORK, 0);
  world.run(1000);
  assert.equal(textOf(rx.recv(99)), 'three four');
});

test('UDP_SEGMENT cuts one send into datagrams', () => {
  const { world, a, b } = pair();
  const rx = bound(b, '0.0.0.0', 1);
  const tx = udp(a);
  tx.setsockopt(so.SOL_UDP, so.UDP_SEGMENT, 4);
  assert.equal(tx.sendto(text('aaaabbbbcc'), 0, at('10.0.0.2', 1)), 10);
  world.run(10_000);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => textOf(rx.recv(99))),
    ['aaaa', 'bbbb', 'cc', 'EAGAIN'],
  );
});

test('control messages: address, TTL, TOS and time of a datagram', () => {
  const { world, a, b } = pair();
  const rx = bound(b, '0.0.0.0', 1);
  for (const name of [so.IP_PKTINFO, so.IP_RECVTTL, so.IP_RECVTOS])
    assert.equal(rx.setsockopt(so.SOL_IP, name, 1), 0);
  rx.setsockopt(so.SOL_SOCKET, so.SO_TIMESTAMP, 1);
  const tx = udp(a);
  tx.setsockopt(so.SOL_IP, so.IP_TTL, 9);
  const tos = [{ level: so.SOL_IP, type: so.IP_TOS, value: 0x10 }];
  assert.equal(tx.sendto(text('x'), 0, at('10.0.0.2', 1), tos), 1);
  world.run(10_000);
  const got = rx.recv(1);
  assert.ok(typeof got !== 'number');
  const value = (type: number): unknown => got.control.find((c) => c.type === type)?.value;
  const addr = ipv4('10.0.0.2');
  assert.deepEqual(value(so.IP_PKTINFO), { ifindex: 2, specDst: addr, addr });
  assert.equal(value(so.IP_TTL), 9);
  assert.equal(value(so.IP_TOS), 0x10);
  assert.equal(typeof value(so.SO_TIMESTAMP), 'number');
});

test('path MTU discovery: a router says how much, and what is longer is refused or cut', () => {
  const world = createWorld();
  const [a, r, b] = ['a', 'r', 'b'].map((n) => world.addNet(n)) as [NetNs, NetNs, NetNs];
  world.wire({ net: a, cidr: '10.0.0.1/24' }, { net: r, cidr: '10.0.0.254/24' });
  const small = { mtu: 1000 };
  world.wire(
    { net: r, cidr: '10.1.0.254/24', ...small },
    { net: b, cidr: '10.1.0.1/24', ...small },
  );
  for (const dev of r.devs)
    if (dev.ipv4 !== null) dev.ipv4.conf = dev.ipv4.conf.with('forwarding', 1);
  addRoute(a, '10.1.0.0/16', { via: '10.0.0.254' });
  addRoute(b, '10.0.0.0/24', { via: '10.1.0.254' });
  const rx = bound(b, '0.0.0.0', 1);
  const tx = udp(a);
  tx.setsockopt(so.SOL_IP, so.IP_MTU_DISCOVER, so.IP_PMTUDISC_DO);
  tx.connect(at('10.1.0.1', 1));
  assert.equal(tx.send(new Uint8Array(1400)), 1400);
  world.run(10_000);
  assert.equal(tx.send(text('x')), -EMSGSIZE, 'the pending error');
  assert.equal(tx.getsockopt(so.SOL_IP, so.IP_MTU), 1000);
  assert.equal(tx.send(new Uint8Array(973)), -EMSGSIZE);
  assert.equal(tx.send(new Uint8Array(972)), 972);
  tx.setsockopt(so.SOL_IP, so.IP_MTU_DISCOVER, so.IP_PMTUDISC_WANT);
  assert.equal(tx.send(new Uint8Array(3000)), 3000, 'cut at the sender');
  world.run(10_000);
  const lengths = [rx.recv(9999), rx.recv(9999)].map((g) => (typeof g === 'number' ? g : g.len));
  assert.deepEqual(lengths, [972, 3000]);
});

test('events: readable and error, and only notes', () => {
  const { world, a, b } = pair();
  const rx = bound(b, '0.0.0.0', 1);
  let seen = 0;
  rx.onEvent = (events) => {
    seen |= events;
  };
  udp(a).sendto(new Uint8Array(0), 0, at('10.0.0.2', 1));
  world.run(10_000);
  assert.equal(seen & EPOLLIN, EPOLLIN);
  assert.equal(rx.poll() & (EPOLLIN | EPOLLOUT), EPOLLIN | EPOLLOUT);
  assert.equal(textOf(rx.recv(1)), '');
});

test('a namespace that dies takes its sockets along', () => {
  const { a } = pair();
  const s = bound(a, '0.0.0.0', 1);
  s.connect(at('10.0.0.2', 1));
  s.shutdown(1);
  assert.equal(s.send(text('x')), -EPIPE);
  a.udp.destroy();
  assert.equal(a.udp.idle, true);
  assert.ok(typeof openSocket(a, SOCK_DGRAM) !== 'number');
});
