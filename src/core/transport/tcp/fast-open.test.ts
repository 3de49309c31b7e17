/** Fast open (RFC 7413), both sides, against a peer that the test plays; counters as the kernel counts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, createWorld, tcp, type World } from '../../../../test/world.ts';
import { EINPROGRESS, EINVAL, EISCONN, EOPNOTSUPP } from '../../errno.ts';
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import { ETH_P_IP } from '../../wire/ethernet.ts';
import { IPPROTO_TCP, Ipv4Header } from '../../wire/ipv4.ts';
import { TcpHeader, TcpOptions, tcpOptionsLen } from '../../wire/tcp.ts';
import { EPOLLOUT, MSG_FASTOPEN, type Received } from '../sock.ts';
import { TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_KEY } from '../sockopt-names.ts';
import { fastOpenCookie } from './fast-open.ts';
import type { TcpInfo } from './info.ts';
import { LOCAL, LOCAL_PORT, Peer, REMOTE, REMOTE_PORT } from './peer.test.ts';
import { TcpSock } from './sock.ts';

/** The connection that most tests open. */
const PAIR = { saddr: LOCAL, daddr: REMOTE, ends: null };
const SYN_DATA = 32;
const TFO_CHILD = 128;

function sendSyn(p: Peer, cookie: Uint8Array | null, data: Uint8Array, seq = 0): void {
  const options = new TcpOptions();
  options.mss = 1000;
  options.fastOpenCookie = cookie;
  const pkt = p.kernel.newPacket(ETH_P_IP);
  pkt.ip = new Ipv4Header(REMOTE, LOCAL, IPPROTO_TCP, 64, 0);
  const len = tcpOptionsLen(options);
  pkt.tcp = new TcpHeader(p.port, LOCAL_PORT, p.isn + seq, 0, 2, 65535, 0, options, len);
  pkt.len = data.length;
  if (data.length > 0) pkt.data = [data];
  p.kernel.enqueue(pkt, p.dev);
  p.kernel.run();
}

function counter(net: NetNs, name: keyof typeof MIB): number {
  return net.mib[MIB[name]] as number;
}

function text(got: Received | number): string {
  assert.ok(typeof got !== 'number', String(got));
  return Buffer.concat(got.data).toString();
}

/** A listener with room for `qlen` fast opens. */
function listen(p: Peer, qlen = 5): TcpSock {
  p.net.sysctl = p.net.sysctl.with('tcpFastopen', 3);
  const sk = new TcpSock(p.net, 2);
  assert.equal(sk.setOption(TCP_FASTOPEN, qlen), 0);
  assert.equal(sk.bind(0, LOCAL_PORT), 0);
  assert.equal(sk.listen(8), 0);
  return sk;
}

function goodCookie(p: Peer): Uint8Array {
  const key = p.net.tcp.fastOpenKeys?.[0];
  assert.ok(key !== undefined);
  return fastOpenCookie(key, PAIR);
}

test('the cookie of a key is the kernel’s own (RFC 7413 §4.1.2)', () => {
  const key = [0xbd72af14, 0xc9958ba2, 0x995cc84f, 0xaee2521e].map((w) => w | 0);
  const [a = 0, b = 0, c = 0, d = 0] = key;
  const cookie = fastOpenCookie([a, b, c, d], { saddr: 0x7f000001, daddr: 0x7f000001, ends: null });
  assert.equal(Buffer.from(cookie).toString('hex'), '6bab45bc20c76c5e');
});

test('server: a request for a cookie is answered with one, data are not taken', () => {
  const p = new Peer();
  const listener = listen(p);
  sendSyn(p, new Uint8Array(0), Buffer.from('hello'));
  const answer = p.sent[0]?.tcp;
  assert.deepEqual(answer?.options?.fastOpenCookie, goodCookie(p));
  assert.equal(p.next(), 'S. 0:0 ack 1');
  assert.equal(counter(p.net, 'TcpExtTCPFastOpenCookieReqd'), 1);
  assert.ok(typeof listener.accept() === 'number');
});

test('server: data of a SYN with a good cookie are read, and answered, before the handshake ends', () => {
  const p = new Peer();
  const listener = listen(p);
  sendSyn(p, goodCookie(p), Buffer.from('hello'));
  assert.equal(p.sent[0]?.tcp?.options?.fastOpenCookie, null);
  assert.equal(p.next(), 'S. 0:0 ack 6');
  const child = listener.accept();
  assert.ok(child instanceof TcpSock);
  assert.equal(child.state, 3);
  assert.ok((child.poll() & EPOLLOUT) !== 0);
  assert.equal(text(child.recvmsg(100, 0)), 'hello');
  assert.equal(child.sendmsg(Buffer.from('world'), 0, null), 5);
  assert.equal(p.next(), 'P. 1:6 ack 6');
  assert.equal(listener.acceptQueue?.fastOpenLen, 1);
  p.send('.', 6, 6);
  assert.equal(child.state, 1);
  assert.equal(listener.acceptQueue?.fastOpenLen, 0);
  const info = child.getOption(11) as TcpInfo;
  assert.equal(info.options & (SYN_DATA | TFO_CHILD), SYN_DATA | TFO_CHILD);
  assert.equal(counter(p.net, 'TcpExtTCPFastOpenPassive'), 1);
});

test('server: the SYN-ACK is repeated from the socket, without data, then the socket fails', () => {
  const p = new Peer();
  const listener = listen(p);
  sendSyn(p, goodCookie(p), Buffer.from('hello'));
  const child = listener.accept();
  assert.ok(child instanceof TcpSock);
  child.sendmsg(Buffer.from('world'), 0, null);
  const times = p.sendTimes(200_000_000);
  // One more than tcp_synack_retries; and no data among them.
  assert.deepEqual(times, [1000, 3000, 7000, 15000, 31000, 63000]);
  assert.equal(child.err, 110);
  assert.equal(listener.acceptQueue?.fastOpenLen, 0);
});

test('server: a wrong cookie gets the right one and an ordinary handshake', () => {
  const p = new Peer();
  const listener = listen(p);
  sendSyn(p, new Uint8Array(8).fill(7), Buffer.from('hello'));
  assert.deepEqual(p.sent[0]?.tcp?.options?.fastOpenCookie, goodCookie(p));
  assert.equal(p.next(), 'S. 0:0 ack 1');
  assert.equal(counter(p.net, 'TcpExtTCPFastOpenPassiveFail'), 1);
  assert.ok(typeof listener.accept() === 'number');
});

test('server: a cookie of the second key is good, and is replaced (TCP_FASTOPEN_KEY)', () => {
  const p = new Peer();
  const listener = listen(p);
  const keys = new Uint8Array(32).map((_, i) => i);
  assert.equal(listener.setOption(TCP_FASTOPEN_KEY, keys), 0);
  assert.deepEqual(listener.getOption(TCP_FASTOPEN_KEY), keys);
  const [first, second] = listener.fastOpenKeys ?? [];
  assert.ok(first !== undefined && second !== undefined);
  sendSyn(p, fastOpenCookie(second, PAIR), Buffer.from('x'));
  assert.deepEqual(p.sent[0]?.tcp?.options?.fastOpenCookie, fastOpenCookie(first, PAIR));
  assert.equal(p.next(), 'S. 0:0 ack 2');
  assert.equal(counter(p.net, 'TcpExtTCPFastOpenPassiveAltKey'), 1);
});

test('server: the queue of unfinished fast opens is bounded; a RST keeps its place for a minute', () => {
  const p = new Peer();
  const listener = listen(p, 1);
  sendSyn(p, goodCookie(p), Buffer.from('a'));
  assert.equal(p.next(), 'S. 0:0 ack 2');
  p.send('R', 2, 0);
  assert.equal(counter(p.net, 'TcpAttemptFails'), 2);
  assert.equal(listener.acceptQueue?.fastOpenLen, 0, 'not accepted yet: no hold');
  listener.acceptQueue?.shift();
  sendSyn(p, goodCookie(p), Buffer.from('a'), 1000);
  const child = listener.accept();
  assert.ok(child instanceof TcpSock);
  p.sent = [];
  p.send('R', 1002, 0);
  assert.equal(child.err, 104);
  assert.equal(listener.acceptQueue?.fastOpenLen, 1);
  sendSyn(p, goodCookie(p), Buffer.from('a'), 3000);
  assert.equal(p.sent[0]?.tcp?.ack, p.isn + 3001, 'an ordinary handshake');
  assert.equal(counter(p.net, 'TcpExtTCPFastOpenListenOverflow'), 1);
  p.port++;
  p.run(61_000_000);
  p.sent = [];
  sendSyn(p, goodCookie(p), Buffer.from('a'), 5000);
  assert.equal(p.sent[0]?.tcp?.ack, p.isn + 5002);
});

test('server: 0x200 asks for no cookie, 0x400 makes every listener one', () => {
  const p = new Peer();
  p.net.sysctl = p.net.sysctl.with('tcpFastopen', 0x602);
  const listener = p.listen();
  sendSyn(p, null, Buffer.from('hi'));
  assert.equal(p.next(), 'S. 0:0 ack 3');
  const child = listener.accept();
  assert.ok(child instanceof TcpSock);
  assert.equal(text(child.recvmsg(10, 0)), 'hi');
});

test('server: closing before the handshake ends: the FIN waits, then all is over', () => {
  const p = new Peer();
  const listener = listen(p);
  sendSyn(p, goodCookie(p), Buffer.from('hello'));
  const child = listener.accept();
  assert.ok(child instanceof TcpSock);
  child.recvmsg(10, 0);
  p.expect('S. 0:0 ack 6');
  child.close();
  assert.equal(p.next(), 'F. 1:1 ack 6');
  p.send('.', 6, 1);
  assert.equal(listener.acceptQueue?.fastOpenLen, 0);
  p.send('F.', 6, 2);
  assert.equal(p.net.tcp.twCount, 1);
});

function synAck(p: Peer, ack: number, cookie: Uint8Array | null, exp = false): void {
  const options = new TcpOptions();
  options.mss = 1000;
  options.fastOpenCookie = cookie;
  options.fastOpenExp = exp;
  const pkt = p.kernel.newPacket(ETH_P_IP);
  pkt.ip = new Ipv4Header(REMOTE, LOCAL, IPPROTO_TCP, 64, 0);
  const len = tcpOptionsLen(options);
  pkt.tcp = new TcpHeader(
    REMOTE_PORT,
    p.local,
    p.isn,
    (p.iss + ack) | 0,
    18,
    65535,
    0,
    options,
    len,
  );
  p.kernel.enqueue(pkt, p.dev);
  p.kernel.run();
}

const TO = { family: 2, addr: REMOTE, port: REMOTE_PORT } as const;
const COOKIE: Uint8Array = new Uint8Array(8).fill(9);

/** A client that has `COOKIE` for the peer. */
function withCookie(): Peer {
  const p = new Peer();
  const sk = new TcpSock(p.net, 2);
  assert.equal(sk.sendmsg(Buffer.from('first'), MSG_FASTOPEN, TO), -EINPROGRESS);
  const syn = p.sent[0]?.tcp;
  assert.deepEqual(syn?.options?.fastOpenCookie, new Uint8Array(0));
  assert.equal(p.next(), 'S 0:0');
  synAck(p, 1, COOKIE);
  assert.equal((sk.getOption(11) as TcpInfo).fastopenClientFail, 1);
  sk.lingerUs = 0;
  sk.close();
  const fresh = new Peer();
  // What the first connection learnt, in a world without its leftovers.
  fresh.net.tcp.metrics.obtain(PAIR).cookie = COOKIE;
  assert.deepEqual(p.net.tcp.metrics.obtain(PAIR).cookie, COOKIE);
  assert.equal(p.net.tcp.metrics.obtain(PAIR).mss, 1000);
  fresh.local = 0;
  return fresh;
}

test('client: with a cookie the data go with the SYN (MSG_FASTOPEN)', () => {
  const p = withCookie();
  const sk = new TcpSock(p.net, 2);
  assert.equal(sk.sendmsg(Buffer.from('hello'), MSG_FASTOPEN, TO), 5);
  assert.deepEqual(p.sent[0]?.tcp?.options?.fastOpenCookie, COOKIE);
  assert.equal(p.next(), 'S 0:5');
  synAck(p, 6, null);
  p.expect('. 6:6 ack 1');
  assert.equal(sk.state, 1);
  assert.equal(counter(p.net, 'TcpExtTCPFastOpenActive'), 1);
  assert.ok(((sk.getOption(11) as TcpInfo).options & SYN_DATA) !== 0);
  // The first call after the handshake notices that it is over.
  assert.equal(sk.sendmsg(Buffer.from('x'), MSG_FASTOPEN, TO), 1);
  assert.equal(sk.sendmsg(Buffer.from('x'), MSG_FASTOPEN, TO), -EISCONN);
});

test('client: data that the SYN-ACK does not acknowledge are sent again at once', () => {
  const p = withCookie();
  const sk = new TcpSock(p.net, 2);
  assert.equal(sk.sendmsg(Buffer.from('hello'), MSG_FASTOPEN, TO), 5);
  assert.equal(p.next(), 'S 0:5');
  synAck(p, 1, null);
  p.expect('P. 1:6 ack 1');
  assert.equal(counter(p.net, 'TcpExtTCPFastOpenActiveFail'), 1);
  assert.equal((sk.getOption(11) as TcpInfo).fastopenClientFail, 2);
});

test('client: a SYN that is repeated has neither data nor cookie', () => {
  const p = withCookie();
  const sk = new TcpSock(p.net, 2);
  sk.sendmsg(Buffer.from('hello'), MSG_FASTOPEN, TO);
  assert.equal(p.next(), 'S 0:5');
  p.run(1_100_000);
  assert.equal(p.sent[0]?.tcp?.options?.fastOpenCookie, null);
  assert.equal(p.next(), 'S 0:0');
  synAck(p, 1, null);
  p.expect('P. 1:6 ack 1');
  assert.equal((sk.getOption(11) as TcpInfo).fastopenClientFail, 3);
});

test('client: TCP_FASTOPEN_CONNECT waits for the first write', () => {
  const p = withCookie();
  const sk = new TcpSock(p.net, 2);
  assert.equal(sk.setOption(TCP_FASTOPEN_CONNECT, 1), 0);
  assert.equal(sk.connect(REMOTE, REMOTE_PORT), 0);
  sk.fileState = 1;
  p.expect();
  assert.equal(sk.poll() & EPOLLOUT, EPOLLOUT);
  assert.equal(sk.sendmsg(Buffer.from('hello'), 0, null), 5);
  assert.equal(p.next(), 'S 0:5');
  // Without a cookie the SYN goes at once, and asks for one.
  p.net.tcp.metrics.flush();
  const other = new TcpSock(p.net, 2);
  other.setOption(TCP_FASTOPEN_CONNECT, 1);
  assert.equal(other.connect(REMOTE, REMOTE_PORT), -EINPROGRESS);
  assert.deepEqual(p.sent[0]?.tcp?.options?.fastOpenCookie, new Uint8Array(0));
});

test('client: two timeouts after data in a SYN end fast open for a while, and a success ends that', () => {
  const p = withCookie();
  p.net.sysctl = p.net.sysctl.with('tcpFastopenBlackholeTimeoutSec', 3600);
  const sk = new TcpSock(p.net, 2);
  sk.sendmsg(Buffer.from('hello'), MSG_FASTOPEN, TO);
  p.run(4_000_000);
  assert.equal(counter(p.net, 'TcpExtTCPFastOpenBlackhole'), 1);
  sk.close();
  p.sent = [];
  const next = new TcpSock(p.net, 2);
  assert.equal(next.sendmsg(Buffer.from('hello'), MSG_FASTOPEN, TO), -EINPROGRESS);
  assert.equal(p.sent[0]?.tcp?.options?.fastOpenCookie, null);
  next.close();
  p.run(3_601_000_000);
  p.sent = [];
  const later = new TcpSock(p.net, 2);
  assert.equal(later.sendmsg(Buffer.from('hello'), MSG_FASTOPEN, TO), 5);
});

test('client: what is refused: the sysctl, no address (results of the kernel)', () => {
  const p = new Peer();
  const sk = new TcpSock(p.net, 2);
  assert.equal(sk.sendmsg(Buffer.from('x'), MSG_FASTOPEN, null), -EINVAL);
  p.net.sysctl = p.net.sysctl.with('tcpFastopen', 0);
  assert.equal(sk.sendmsg(Buffer.from('x'), MSG_FASTOPEN, TO), -EOPNOTSUPP);
  assert.equal(sk.setOption(TCP_FASTOPEN_CONNECT, 1), -EOPNOTSUPP);
});

test('a peer that knows only the experimental option is asked with it next', () => {
  const p = new Peer();
  const ask = (): TcpOptions | null | undefined => {
    p.local = 0;
    p.sent = [];
    const sk = new TcpSock(p.net, 2);
    sk.sendmsg(Buffer.from('x'), MSG_FASTOPEN, TO);
    const h = p.sent[0]?.tcp;
    assert.ok(h !== undefined && h !== null);
    p.iss = h.seq;
    p.local = h.sport;
    return h.options;
  };
  assert.equal(ask()?.fastOpenExp, false);
  synAck(p, 1, null);
  assert.equal(ask()?.fastOpenExp, true);
  synAck(p, 1, COOKIE, true);
  const o = ask();
  assert.equal(o?.fastOpenExp, true);
  assert.deepEqual(o?.fastOpenCookie, COOKIE);
});

function two(): { world: World; a: NetNs; b: NetNs } {
  const world = createWorld();
  const a = world.addNet('a');
  const b = world.addNet('b');
  world.wire({ net: a, cidr: '10.0.0.1/24' }, { net: b, cidr: '10.0.0.2/24' });
  return { world, a, b };
}

test('two hosts: the second connection takes its data along; counters as on the kernel', () => {
  const { world, a, b } = two();
  b.sysctl = b.sysctl.with('tcpFastopen', 3);
  const l = tcp(b);
  l.setsockopt(6, TCP_FASTOPEN, 5);
  l.bind(at('10.0.0.2', 80));
  l.listen(5);
  for (let i = 0; i < 3; i++) {
    const c = tcp(a);
    const n = c.sendto(Buffer.from('hello'), MSG_FASTOPEN, at('10.0.0.2', 80));
    assert.equal(n, i === 0 ? -EINPROGRESS : 5);
    world.run(10_000);
    if (i === 0) assert.equal(c.send(Buffer.from('hello')), 5);
    world.run(10_000);
    const s = l.accept();
    assert.ok(typeof s !== 'number');
    assert.equal(text(s.recv(100)), 'hello');
    c.close();
    s.close();
    world.run(10_000);
  }
  assert.equal(counter(a, 'TcpExtTCPFastOpenActive'), 2);
  assert.equal(counter(b, 'TcpExtTCPFastOpenPassive'), 2);
  assert.equal(counter(b, 'TcpExtTCPFastOpenCookieReqd'), 1);
});
