/** Ping sockets and raw sockets (Linux `net/ipv4/ping.c`, `raw.c`). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  at,
  bytesOf,
  createWorld,
  openSocket,
  textOf,
  type World,
} from '../../../../test/world.ts';
import {
  EACCES,
  EAGAIN,
  EDESTADDRREQ,
  EHOSTUNREACH,
  EINVAL,
  EMSGSIZE,
  EPERM,
} from '../../errno.ts';
import type { NetNs } from '../../net.ts';
import { icmpSend } from '../../network/ipv4/icmp.ts';
import type { Packet } from '../../packet.ts';
import { unprivileged } from '../../socket/credentials.ts';
import { Socket } from '../../socket/socket.ts';
import { ipv4 } from '../../util/address.ts';
import { foldChecksum, sum16 } from '../../wire/checksum.ts';
import { ICMP_DEST_UNREACH, ICMP_PKT_FILTERED } from '../../wire/icmp.ts';
import { IPPROTO_ICMP, IPPROTO_RAW, IPPROTO_UDP } from '../../wire/ipv4.ts';
import type { ExtendedError } from '../error-queue.ts';
import { AF_INET, EPOLLERR, MSG_ERRQUEUE, SOCK_DGRAM, SOCK_RAW } from '../sock.ts';
import * as so from '../sockopt-names.ts';

function worldOfTwo(): { readonly world: World; readonly a: NetNs; readonly b: NetNs } {
  const world = createWorld();
  const a = world.addNet('a');
  const b = world.addNet('b');
  world.wire({ net: a, cidr: '10.0.0.1/24' }, { net: b, cidr: '10.0.0.2/24' });
  a.sysctl = a.sysctl.with('pingGroupRange', [0, 100]);
  return { world, a, b };
}

function echo(id: number, sequence: number, data = 'ping'): Uint8Array {
  const bytes = new Uint8Array([8, 0, 0, 0, id >> 8, id & 255, 0, sequence, ...Buffer.from(data)]);
  const sum = foldChecksum(sum16(bytes, 0, bytes.length, 0));
  bytes[2] = sum >> 8;
  bytes[3] = sum & 255;
  return bytes;
}

test('a ping socket puts its identifier in and gets its own replies', () => {
  const { world, a } = worldOfTwo();
  const s = openSocket(a, SOCK_DGRAM, IPPROTO_ICMP);
  const other = openSocket(a, SOCK_DGRAM, IPPROTO_ICMP);
  other.bind(at('10.0.0.1', 0));
  assert.equal(s.send(echo(0, 1)), -EDESTADDRREQ);
  assert.equal(s.sendto(new Uint8Array([0, 0, 0, 0, 0, 0, 0, 1]), 0, at('10.0.0.2', 0)), -EINVAL);
  assert.equal(s.sendto(echo(0x1234, 7), 0, at('10.0.0.2', 0)), 12);
  world.run(10_000);
  const got = s.recv(100);
  assert.ok(typeof got !== 'number');
  const bytes = bytesOf(got);
  assert.deepEqual([bytes[0], bytes[1]], [0, 0]);
  assert.equal(bytes.readUInt16BE(4), s.getsockname().port, 'not the 0x1234 that was written');
  assert.equal(bytes.readUInt16BE(6), 7);
  assert.equal(foldChecksum(sum16(bytes, 0, bytes.length, 0)), 0);
  assert.equal(bytes.toString('latin1', 8), 'ping');
  assert.deepEqual(got.from, at('10.0.0.2', 0));
  assert.equal(other.recv(9), -EAGAIN);
  assert.notEqual(other.getsockname().port, s.getsockname().port);
});

test('who may ping, and who may go raw', () => {
  const { a } = worldOfTwo();
  const open = (type: number, gid: number): number => {
    const s = Socket.create(a, AF_INET, type, IPPROTO_ICMP, unprivileged(gid));
    return typeof s === 'number' ? s : 0;
  };
  assert.equal(open(SOCK_DGRAM, 100), 0);
  assert.equal(open(SOCK_DGRAM, 101), -EACCES);
  assert.equal(open(SOCK_RAW, 100), -EPERM);
});

test('a raw ICMP socket sees whole packets, and not what ICMP_FILTER names', () => {
  const { world, a } = worldOfTwo();
  const s = openSocket(a, SOCK_RAW, IPPROTO_ICMP);
  assert.equal(s.sendto(echo(0x4242, 1), 0, at('10.0.0.2', 0)), 12);
  world.run(10_000);
  const got = s.recv(100);
  assert.ok(typeof got !== 'number');
  const bytes = bytesOf(got);
  assert.equal(bytes[0], 0x45);
  assert.equal(bytes.readUInt16BE(2), 32);
  assert.equal(bytes.readUInt16BE(24), 0x4242);
  assert.equal(s.setsockopt(so.SOL_RAW, so.ICMP_FILTER, 1 << 0), 0);
  s.sendto(echo(1, 2), 0, at('10.0.0.2', 0));
  world.run(10_000);
  assert.equal(s.recv(100), -EAGAIN);
});

test('a raw socket that is bound takes what is for its address', () => {
  const { world, a, b } = worldOfTwo();
  const udpHeader = Buffer.from([0, 5, 0, 9, 0, 9, 0, 0, 120]);
  const s = openSocket(a, SOCK_RAW, IPPROTO_UDP);
  const rx = openSocket(b, SOCK_RAW, IPPROTO_UDP);
  assert.equal(rx.bind(at('10.0.0.2', 0)), 0);
  const deaf = openSocket(b, SOCK_RAW, IPPROTO_UDP);
  deaf.bind(at('127.0.0.1', 0));
  assert.equal(s.connect(at('10.0.0.2', 0)), 0);
  assert.equal(s.send(udpHeader), 9);
  world.run(10_000);
  assert.equal(textOf(rx.recv(100)).slice(28), 'x');
  assert.equal(deaf.recv(100), -EAGAIN);
});

test('IP_HDRINCL: the header is the application’s, but for lengths, source and checksum', () => {
  const { world, a, b } = worldOfTwo();
  const rx = openSocket(b, SOCK_RAW, 200);
  const s = openSocket(a, SOCK_RAW, IPPROTO_RAW);
  const header = Buffer.alloc(24);
  header[0] = 0x45;
  header.writeUInt16BE(0xbeef, 4);
  header[8] = 33;
  header[9] = 200;
  header.writeInt32BE(ipv4('10.0.0.2'), 16);
  header.write('data', 20);
  assert.equal(s.sendto(header, 0, at('10.0.0.2', 0)), 24);
  world.run(10_000);
  const got = rx.recv(100);
  assert.ok(typeof got !== 'number');
  const bytes = bytesOf(got);
  assert.equal(bytes.readUInt16BE(4), 0xbeef);
  assert.equal(bytes[8], 33);
  assert.equal(bytes.readInt32BE(12), ipv4('10.0.0.1'));
  assert.equal(foldChecksum(sum16(bytes, 0, 20, 0)), 0);
  assert.equal(s.sendto(new Uint8Array(1501), 0, at('10.0.0.2', 0)), -EMSGSIZE);
  assert.equal(s.sendto(new Uint8Array(10), 0, at('10.0.0.2', 0)), -EINVAL);
});

test('an ICMP error about a ping reaches the ping socket and the raw one that sent it', () => {
  const { world, a, b } = worldOfTwo();
  b.sysctl = b.sysctl.with('icmpRatelimit', 0);
  const next = world.kernel.protocols.inet[IPPROTO_ICMP];
  world.kernel.protocols.inet[IPPROTO_ICMP] = (pkt: Packet) =>
    pkt.dev?.net === b ? icmpSend(pkt, ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, 0) : next?.(pkt);
  for (const type of [SOCK_DGRAM, SOCK_RAW]) {
    const s = openSocket(a, type, IPPROTO_ICMP);
    s.connect(at('10.0.0.2', 0));
    s.setsockopt(so.SOL_IP, so.IP_RECVERR, 1);
    assert.equal(s.send(echo(5, 1)), 12);
    world.run(10_000);
    assert.equal(s.poll() & EPOLLERR, EPOLLERR);
    const got = s.recv(100, MSG_ERRQUEUE);
    assert.ok(typeof got !== 'number');
    const [message] = got.control;
    const error = message?.value as ExtendedError;
    assert.deepEqual([error.errno, error.code], [EHOSTUNREACH, ICMP_PKT_FILTERED]);
    assert.equal(s.recv(100, MSG_ERRQUEUE), -EAGAIN);
    s.close();
  }
});
