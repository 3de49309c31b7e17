/** The system-call layer beyond the recorded facts (`test/errno-facts.test.ts`). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, createWorld, openSocket, tcp, udp } from '../../../test/world.ts';
import {
  EADDRNOTAVAIL,
  EBADF,
  EINVAL,
  ENETDOWN,
  ENODEV,
  ENOPROTOOPT,
  ENOTCONN,
  EPERM,
} from '../errno.ts';
import { AF_INET, SOCK_DGRAM, SOCK_STREAM } from '../transport/sock.ts';
import * as so from '../transport/sockopt-names.ts';
import { unprivileged } from './credentials.ts';
import { Socket } from './socket.ts';

const net = () => createWorld().addNet('a');

test('options come back as they were set', () => {
  const n = net();
  for (const type of [SOCK_DGRAM, SOCK_STREAM]) {
    const s = openSocket(n, type);
    for (const [level, name, value] of [
      [so.SOL_SOCKET, so.SO_REUSEPORT, 1],
      [so.SOL_SOCKET, so.SO_KEEPALIVE, 1],
      [so.SOL_SOCKET, so.SO_OOBINLINE, 1],
      [so.SOL_SOCKET, so.SO_NO_CHECK, 1],
      [so.SOL_SOCKET, so.SO_DONTROUTE, 1],
      [so.SOL_SOCKET, so.SO_TIMESTAMP, 1],
      [so.SOL_SOCKET, so.SO_LINGER, { onoff: 1, linger: 5 }],
      [so.SOL_SOCKET, so.SO_RCVTIMEO, { sec: 1, usec: 250_000 }],
      [so.SOL_SOCKET, so.SO_BINDTODEVICE, 'lo'],
      [so.SOL_IP, so.IP_PKTINFO, 1],
      [so.SOL_IP, so.IP_RECVERR, 1],
      [so.SOL_IP, so.IP_FREEBIND, 1],
      [so.SOL_IP, so.IP_TRANSPARENT, 1],
      [so.SOL_IP, so.IP_MINTTL, 3],
      [so.SOL_IP, so.IP_MULTICAST_ALL, 0],
      [so.SOL_IP, so.IP_LOCAL_PORT_RANGE, 50_000 | (60_000 << 16)],
    ] as const) {
      assert.equal(s.setsockopt(level, name, value), 0, `${level}/${name}`);
      const back = s.getsockopt(level, name);
      assert.deepEqual(typeof back === 'number' ? back | 0 : back, value, `${level}/${name}`);
    }
  }
});

test('SO_BINDTODEVICE: unbinding is for the privileged; SO_TIMESTAMPNS replaces SO_TIMESTAMP', () => {
  const n = net();
  const s = openSocket(n, SOCK_DGRAM, 0, unprivileged(1000));
  assert.equal(s.setsockopt(so.SOL_SOCKET, so.SO_BINDTODEVICE, 'nope'), -ENODEV);
  assert.equal(s.setsockopt(so.SOL_SOCKET, so.SO_BINDTODEVICE, Buffer.from('lo\0')), 0);
  assert.equal(s.setsockopt(so.SOL_SOCKET, so.SO_BINDTODEVICE, ''), -EPERM);
  s.setsockopt(so.SOL_SOCKET, so.SO_TIMESTAMP, 1);
  s.setsockopt(so.SOL_SOCKET, so.SO_TIMESTAMPNS, 1);
  assert.equal(s.getsockopt(so.SOL_SOCKET, so.SO_TIMESTAMP), 0);
  assert.equal(s.getsockopt(so.SOL_SOCKET, so.SO_NETNS_COOKIE), n.id);
});

test('a multicast or broadcast address is bound, but is no source', () => {
  const n = net();
  const s = udp(n);
  assert.equal(s.bind(at('224.0.0.5', 9)), 0);
  assert.deepEqual(s.getsockname(), at('224.0.0.5', 9));
  assert.equal(s.sk.saddr, 0);
  s.connect(at('127.0.0.1', 7));
  assert.equal(s.sk.saddr, at('127.0.0.1', 0).addr);
  assert.equal(udp(n).bind(at('10.1.2.3', 0)), -EADDRNOTAVAIL);
});

test('a fixed local port range; a reserved port is never chosen; a range is bounded by the namespace’s', () => {
  const n = net();
  n.sysctl = n.sysctl.with('ipLocalReservedPorts', [[50_001, 50_002]]);
  const made = Array.from({ length: 4 }, () => {
    const s = udp(n);
    s.setsockopt(so.SOL_IP, so.IP_LOCAL_PORT_RANGE, 50_000 | (50_003 << 16));
    return s.bind(at('0.0.0.0', 0)) === 0 ? s.getsockname().port : 0;
  });
  assert.deepEqual(made.sort(), [0, 0, 50_000, 50_003]);
  const s = udp(n);
  assert.equal(s.setsockopt(so.SOL_IP, so.IP_LOCAL_PORT_RANGE, 9 | (8 << 16)), -EINVAL);
});

test('IP_BIND_ADDRESS_NO_PORT: connect chooses the port, and keeps the address', () => {
  const n = net();
  const l = tcp(n);
  l.bind(at('127.0.0.1', 80));
  l.listen(1);
  const c = tcp(n);
  c.setsockopt(so.SOL_IP, so.IP_BIND_ADDRESS_NO_PORT, 1);
  assert.equal(c.bind(at('127.0.0.9', 0)), 0);
  assert.deepEqual(c.getsockname(), at('127.0.0.9', 0));
  c.connect(at('127.0.0.1', 80));
  assert.notEqual(c.getsockname().port, 0);
  assert.equal(c.getsockname().addr, at('127.0.0.9', 0).addr);
});

test('nothing goes on after close, and nothing begins in a dead namespace', () => {
  const n = net();
  const s = tcp(n);
  assert.equal(s.close(), 0);
  assert.equal(s.close(), -EBADF);
  assert.equal(s.bind(at('0.0.0.0', 1)), -EBADF);
  assert.equal(s.recv(1), -EBADF);
  assert.equal(s.setsockopt(so.SOL_SOCKET, so.SO_BROADCAST, 1), -EBADF);
  n.destroy();
  assert.equal(Socket.create(n, AF_INET, SOCK_STREAM), -ENETDOWN);
});

test('levels belong to protocols', () => {
  const n = net();
  const u = udp(n);
  assert.equal(u.getsockopt(so.SOL_TCP, so.TCP_NODELAY), -ENOPROTOOPT);
  assert.equal(u.getsockopt(so.SOL_RAW, so.ICMP_FILTER), -ENOPROTOOPT);
  assert.equal(u.getsockopt(so.SOL_UDP, so.UDP_CORK), 0);
  assert.equal(u.setsockopt(so.SOL_UDP, so.UDP_CORK, Uint8Array.of(1, 0, 0, 0)), 0);
  assert.equal(u.getsockopt(so.SOL_UDP, so.UDP_CORK), 1);
  assert.equal(u.getpeername(), -ENOTCONN);
});
