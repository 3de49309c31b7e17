/** TCP_MD5SIG: signatures that Linux 6.18 made, keys of prefixes, and two hosts that agree or do not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addAddress6, at, createWorld, type World } from '../../../../test/world.ts';
import { EINVAL, ENOENT, ENOMEM } from '../../errno.ts';
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import { Socket } from '../../socket/socket.ts';
import { ipv4 } from '../../util/address.ts';
import { ip6, putIp6 } from '../../util/ip6-addr.ts';
import { parseNetwork } from '../../wire/frame.ts';
import type { SockAddrIn } from '../sock.ts';
import { SOL_TCP, TCP_MD5SIG, TCP_MD5SIG_EXT } from '../sockopt-names.ts';
import { Ends6 } from './family.ts';
import { md5KeyFor } from './md5-keys.ts';
import { isSignedRight } from './md5sig.ts';
import { TcpSock } from './sock.ts';
import { setTcpOption } from './sockopt.ts';

/** `struct tcp_md5sig` */
function sig(
  addr: string,
  key: string,
  ext: { readonly flags?: number; readonly prefix?: number; readonly len?: number } = {},
): Uint8Array {
  const bytes = new Uint8Array(216);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 2, true);
  view.setInt32(4, ipv4(addr));
  view.setUint8(128, ext.flags ?? 0);
  view.setUint8(129, ext.prefix ?? 0);
  view.setUint16(130, ext.len ?? key.length, true);
  bytes.set(Buffer.from(key), 136);
  return bytes;
}

/** A SYN, a SYN-ACK, an ACK and five bytes on lo, all with the key "secret". */
const LINUX_SIGNED: readonly string[] = [
  '45000048de36400040065e777f0000017f000001dc521e613922288900000000d002ffd7fe3c000001011312b4b5f865b79be08ecc1b3a336486826b0204ffd7010104020103030a',
  '450000480000400040063cae7f0000017f0000011e61dc52cf7370ee3922288ad012ffd7fe3c000001011312ae7ff098c403ecf221ad33d95968f8920204ffd7010104020103030a',
  '4500003cde37400040065e827f0000017f000001dc521e613922288acf7370efa0100040fe30000001011312c099e74617d412cb773cea6323caec78',
  '45000041de38400040065e7c7f0000017f000001dc521e613922288acf7370efa0180040fe35000001011312e243773a5297fd8199b87a94301d505b68656c6c6f',
];

test('signatures that Linux made are right, and with one bit changed they are not', () => {
  const net = createWorld().addNet('a');
  const sk = new TcpSock(net, 2);
  assert.equal(setTcpOption(sk, TCP_MD5SIG, sig('127.0.0.1', 'secret')), 0);
  for (const hex of LINUX_SIGNED)
    for (const flip of [0, 1]) {
      const bytes = new Uint8Array(Buffer.from(hex, 'hex'));
      bytes[25] = (bytes[25] as number) ^ flip;
      const pkt = net.kernel.newPacket(0x0800);
      parseNetwork(bytes, 0x0800, pkt);
      assert.ok(pkt.tcp !== null);
      assert.equal(isSignedRight(sk, pkt, pkt.tcp), flip === 0);
    }
  assert.equal(net.mib[MIB.TcpExtTCPMD5Failure], LINUX_SIGNED.length);
});

const NOBODY = { saddr: 0, sport: 0, daddr: 0, dport: 0 };

/** The same of an AF_INET6 socket. */
function sig6(
  addr: string,
  key: string,
  ext: { readonly flags?: number; readonly prefix?: number; readonly ifindex?: number } = {},
): Uint8Array {
  const bytes = sig('0.0.0.0', key, ext);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 10, true);
  putIp6(view, 8, ip6(addr));
  view.setInt32(132, ext.ifindex ?? 0, true);
  return bytes;
}

/** The same over ::1, and the ACK of the five bytes. */
const LINUX_SIGNED6: readonly string[] = [
  '600f8dc6003406400000000000000000000000000000000100000000000000000000000000000001b0f89d19de00329c00000000d002ffc4003c00000101131271d8da3a62e13e814b90a297670cb75a0204ffc4010104020103030a',
  '6006672c0034064000000000000000000000000000000001000000000000000000000000000000019d19b0f8ead49710de00329dd012ffc4003c000001011312fdf5f75dcc0739eb37fca4d97f7c37e90204ffc4010104020103030a',
  '600f8dc6002806400000000000000000000000000000000100000000000000000000000000000001b0f89d19de00329dead49711a01000400030000001011312beb49f95284e2a7ca3392a257e3ea909',
  '600f8dc6002d06400000000000000000000000000000000100000000000000000000000000000001b0f89d19de00329dead49711a01800400035000001011312587dc6b0b78cfeedd59a51343d66722668656c6c6f',
  '6006672c0028064000000000000000000000000000000001000000000000000000000000000000019d19b0f8ead49711de0032a2a010004000300000010113126b988c309f01cdfabf8520c647010f8a',
];

test('the same over IPv6', () => {
  const net = createWorld().addNet('a');
  const sk = new TcpSock(net, 10);
  assert.equal(setTcpOption(sk, TCP_MD5SIG, sig6('::1', 'secret')), 0);
  for (const hex of LINUX_SIGNED6)
    for (const flip of [0, 1]) {
      const bytes = new Uint8Array(Buffer.from(hex, 'hex'));
      bytes[45] = (bytes[45] as number) ^ flip;
      const pkt = net.kernel.newPacket(0x86dd);
      parseNetwork(bytes, 0x86dd, pkt);
      assert.ok(pkt.tcp !== null);
      assert.equal(isSignedRight(sk, pkt, pkt.tcp), flip === 0);
    }
  assert.equal(net.mib[MIB.TcpExtTCPMD5Failure], LINUX_SIGNED6.length);
});

test('what it takes of an AF_INET6 socket, and whose keys they are', () => {
  const net = createWorld().addNet('a');
  const sk = new TcpSock(net, 10);
  const set = (name: number, value: Uint8Array): number => setTcpOption(sk, name, value);
  const keyFor = (addr: string): string => {
    const ends = new Ends6(ip6('::'), ip6(addr));
    return Buffer.from(md5KeyFor(sk, { ...NOBODY, ends }) ?? new Uint8Array(0)).toString();
  };
  assert.equal(set(TCP_MD5SIG, sig('1.2.3.4', 'abc')), -EINVAL);
  assert.equal(set(TCP_MD5SIG, sig6('::2', 'abc').subarray(1)), -EINVAL);
  assert.equal(set(TCP_MD5SIG, sig6('::2', '')), -ENOENT);
  const net6 = { flags: 1, prefix: 32 };
  assert.equal(set(TCP_MD5SIG_EXT, sig6('2001::', 'net', { flags: 1, prefix: 129 })), -EINVAL);
  assert.equal(set(TCP_MD5SIG_EXT, sig6('2001::', 'net', net6)), 0);
  assert.equal(set(TCP_MD5SIG, sig6('2001::1', 'one')), 0);
  // Without a device's number the flag means all; a device must be a layer-3 master.
  assert.equal(set(TCP_MD5SIG_EXT, sig6('2001::9', 'dev', { flags: 2 })), 0);
  assert.equal(set(TCP_MD5SIG_EXT, sig6('2001::9', 'dev', { flags: 2, ifindex: 1 })), -EINVAL);
  assert.equal(keyFor('2001::1'), 'one');
  assert.equal(keyFor('2001::2'), 'net');
  assert.equal(keyFor('2002::1'), '');
  assert.equal(set(TCP_MD5SIG_EXT, sig6('::', 'any', { flags: 1, prefix: 0 })), 0);
  assert.equal(keyFor('2002::1'), 'any');
  assert.equal(set(TCP_MD5SIG_EXT, sig6('::', '', { flags: 1, prefix: 0 })), 0);
  // A v4-mapped address is IPv4's.
  const mapped = { flags: 1, prefix: 16 };
  assert.equal(
    set(TCP_MD5SIG_EXT, sig6('::ffff:1.2.0.0', 'v4', { flags: 1, prefix: 33 })),
    -EINVAL,
  );
  assert.equal(set(TCP_MD5SIG_EXT, sig6('::ffff:1.2.0.0', 'v4', mapped)), 0);
  const to = { ...NOBODY, daddr: ipv4('1.2.9.9'), ends: null };
  assert.equal(Buffer.from(md5KeyFor(sk, to) ?? new Uint8Array(0)).toString(), 'v4');
  assert.equal(keyFor('::'), '');
});

test('what setsockopt(TCP_MD5SIG) takes', () => {
  const net = createWorld().addNet('a');
  const sk = new TcpSock(net, 2);
  const set = (name: number, value: Uint8Array): number => setTcpOption(sk, name, value);
  assert.equal(set(TCP_MD5SIG, sig('1.2.3.4', '')), -ENOENT);
  assert.equal(set(TCP_MD5SIG, sig('1.2.3.4', 'abc')), 0);
  assert.equal(set(TCP_MD5SIG, sig('1.2.3.4', '', { len: 81 })), -EINVAL);
  assert.equal(set(TCP_MD5SIG, sig('1.2.3.4', 'abc').subarray(1)), -EINVAL);
  assert.equal(set(TCP_MD5SIG_EXT, sig('1.2.0.0', 'net', { flags: 1, prefix: 33 })), -EINVAL);
  assert.equal(set(TCP_MD5SIG_EXT, sig('1.2.0.0', 'net', { flags: 1, prefix: 16 })), 0);
  const keyFor = (addr: string): string =>
    Buffer.from(
      md5KeyFor(sk, { ...NOBODY, daddr: ipv4(addr), ends: null }) ?? new Uint8Array(0),
    ).toString();
  assert.equal(keyFor('1.2.3.4'), 'abc');
  assert.equal(keyFor('1.2.9.9'), 'net');
  assert.equal(keyFor('1.3.0.0'), '');
  assert.equal(set(TCP_MD5SIG, sig('1.2.3.4', 'new')), 0);
  assert.equal(keyFor('1.2.3.4'), 'new');
  assert.equal(set(TCP_MD5SIG, sig('1.2.3.4', '')), 0);
  assert.equal(keyFor('1.2.3.4'), 'net');
  let n = 0;
  let err = 0;
  for (; n < 2000 && err === 0; n++) err = set(TCP_MD5SIG, sig(`10.0.${n >> 8}.${n & 255}`, 'abc'));
  assert.equal(err, -ENOMEM);
  assert.ok(n > 900 && n < 1000, `${n} keys`);
});

interface Pair {
  readonly w: World;
  readonly a: NetNs;
  readonly b: NetNs;
  readonly listener: Socket;
  readonly client: Socket;
}

/** Addresses of a and b, of either family, and how a socket's address is written. */
interface Family {
  readonly name: string;
  readonly af: number;
  readonly a: string;
  readonly b: string;
  readonly at: (addr: string, port: number) => SockAddrIn;
  readonly sig: (addr: string, key: string) => Uint8Array;
  readonly mss: number;
}

const V4: Family = { name: 'IPv4', af: 2, a: '10.0.0.1', b: '10.0.0.2', at, sig, mss: 1440 };
const V6: Family = {
  name: 'IPv6',
  af: 10,
  a: 'fd00::1',
  b: 'fd00::2',
  at: (addr, port) => ({ family: 10, addr: 0, addr6: ip6(addr), port, scopeId: 0 }),
  sig: sig6,
  mss: 1420,
};
/** AF_INET6 sockets with v4-mapped addresses. */
const MAPPED: Family = {
  ...V6,
  name: 'IPv4 by AF_INET6',
  a: '::ffff:10.0.0.1',
  b: '::ffff:10.0.0.2',
  mss: 1440,
};

function openOf(net: NetNs, f: Family): Socket {
  const socket = Socket.create(net, f.af, 1);
  assert.ok(typeof socket !== 'number');
  return socket;
}

function pair(keyA: string, keyB: string, f: Family): Pair {
  const w = createWorld({ ipv6: true });
  const a = w.addNet('a');
  const b = w.addNet('b');
  const [da, db] = w.wire({ net: a, cidr: '10.0.0.1/24' }, { net: b, cidr: '10.0.0.2/24' });
  addAddress6(da, 'fd00::1/64');
  addAddress6(db, 'fd00::2/64');
  w.run(3_000_000);
  const listener = openOf(b, f);
  assert.equal(listener.bind(f.at(f.b, 179)), 0);
  if (keyB !== '') assert.equal(listener.setsockopt(SOL_TCP, TCP_MD5SIG, f.sig(f.a, keyB)), 0);
  listener.listen(5);
  const client = openOf(a, f);
  if (keyA !== '') assert.equal(client.setsockopt(SOL_TCP, TCP_MD5SIG, f.sig(f.b, keyA)), 0);
  client.connect(f.at(f.b, 179));
  w.run(10_000);
  return { w, a, b, listener, client };
}

for (const f of [V4, V6, MAPPED]) {
  test(`${f.name}: with the same key they talk, in segments of their own, to the end`, () => {
    const { w, a, b, listener, client } = pair('secret', 'secret', f);
    const child = listener.accept();
    assert.ok(typeof child !== 'number');
    const bytes = new Uint8Array(20_000).fill(7);
    assert.equal(client.send(bytes), bytes.length);
    w.run(1_000_000);
    let got = 0;
    for (let r = child.recv(100_000); typeof r !== 'number' && r.len > 0; r = child.recv(100_000))
      got += r.len;
    assert.equal(got, bytes.length);
    // The MSS without the option's 20 bytes.
    assert.ok((b.mib[MIB.TcpInSegs] as number) >= Math.ceil(20_000 / f.mss));
    // To the end: TIME-WAIT signs, too.
    child.close();
    w.run(100_000);
    client.close();
    w.run(1_000_000);
    assert.equal(a.tcp.twCount + b.tcp.twCount, 1);
    // A SYN for nobody is not answered: whoever signed it would not believe an answer that is not.
    const late = openOf(a, f);
    assert.equal(late.setsockopt(SOL_TCP, TCP_MD5SIG, f.sig(f.b, 'secret')), 0);
    listener.close();
    const resets = b.mib[MIB.TcpOutRsts];
    late.connect(f.at(f.b, 179));
    w.run(100_000);
    assert.equal(b.mib[MIB.TcpOutRsts], resets);
    for (const net of [a, b])
      for (const counter of [MIB.TcpExtTCPMD5Failure, MIB.TcpExtTCPMD5NotFound])
        assert.equal(net.mib[counter], 0);
  });

  test(`${f.name}: with different keys, or one only, the SYN dies, and a counter says why`, () => {
    const cases = [
      ['secret', 'other', MIB.TcpExtTCPMD5Failure],
      ['secret', '', MIB.TcpExtTCPMD5Unexpected],
      ['', 'secret', MIB.TcpExtTCPMD5NotFound],
    ] as const;
    for (const [keyA, keyB, counter] of cases) {
      const { b, listener } = pair(keyA, keyB, f);
      assert.ok(typeof listener.accept() === 'number');
      assert.equal(b.mib[counter], 1);
      assert.equal(b.mib[MIB.TcpOutSegs], 0);
    }
  });
}
