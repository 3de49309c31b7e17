/** TCP_MD5SIG: signatures that Linux 6.18 made, keys of prefixes, and two hosts that agree or do not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, createWorld, openSocket, type World } from '../../../../test/world.ts';
import { EINVAL, ENOENT, ENOMEM } from '../../errno.ts';
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import type { Socket } from '../../socket/socket.ts';
import { ipv4 } from '../../util/address.ts';
import { parseNetwork } from '../../wire/frame.ts';
import { SOL_TCP, TCP_MD5SIG, TCP_MD5SIG_EXT } from '../sockopt-names.ts';
import { isSignedRight, md5KeyOf } from './md5sig.ts';
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
    Buffer.from(md5KeyOf(sk, ipv4(addr)) ?? new Uint8Array(0)).toString();
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

function pair(keyA: string, keyB: string): Pair {
  const w = createWorld();
  const a = w.addNet('a');
  const b = w.addNet('b');
  w.wire({ net: a, cidr: '10.0.0.1/24' }, { net: b, cidr: '10.0.0.2/24' });
  const listener = openSocket(b, 1);
  assert.equal(listener.bind(at('10.0.0.2', 179)), 0);
  if (keyB !== '') listener.setsockopt(SOL_TCP, TCP_MD5SIG, sig('10.0.0.1', keyB));
  listener.listen(5);
  const client = openSocket(a, 1);
  if (keyA !== '') client.setsockopt(SOL_TCP, TCP_MD5SIG, sig('10.0.0.2', keyA));
  client.connect(at('10.0.0.2', 179));
  w.run(10_000);
  return { w, a, b, listener, client };
}

test('with the same key they talk, in segments of their own', () => {
  const { w, b, listener, client } = pair('secret', 'secret');
  const child = listener.accept();
  assert.ok(typeof child !== 'number');
  const bytes = new Uint8Array(20_000).fill(7);
  assert.equal(client.send(bytes), bytes.length);
  w.run(1_000_000);
  let got = 0;
  for (let r = child.recv(100_000); typeof r !== 'number' && r.len > 0; r = child.recv(100_000))
    got += r.len;
  assert.equal(got, bytes.length);
  assert.equal(b.mib[MIB.TcpExtTCPMD5Failure], 0);
  // MSS 1460 without the option's 20 bytes.
  assert.ok((b.mib[MIB.TcpInSegs] as number) >= Math.ceil(20_000 / 1440));
});

test('with different keys, or a key on one side, the SYN dies, and a counter says why', () => {
  const cases = [
    ['secret', 'other', MIB.TcpExtTCPMD5Failure],
    ['secret', '', MIB.TcpExtTCPMD5Unexpected],
    ['', 'secret', MIB.TcpExtTCPMD5NotFound],
  ] as const;
  for (const [keyA, keyB, counter] of cases) {
    const { b, listener } = pair(keyA, keyB);
    assert.ok(typeof listener.accept() === 'number');
    assert.equal(b.mib[counter], 1);
    assert.equal(b.mib[MIB.TcpOutSegs], 0);
  }
});
