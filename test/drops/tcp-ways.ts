/** Ways to die in TCP; the peer is 10.7.0.2:1000, the listener 10.7.0.1:2000. */
import assert from 'node:assert/strict';
import type { DropReason } from '../../src/core/drop.ts';
import { SOL_TCP, TCP_MD5SIG } from '../../src/core/transport/sockopt-names.ts';
import { segmentArrives } from '../../src/core/transport/tcp/arrival.ts';
import { RxSegment } from '../../src/core/transport/tcp/segment.ts';
import { TcpSock } from '../../src/core/transport/tcp/sock.ts';
import { ipv4 } from '../../src/core/util/address.ts';
import { ETH_P_IP } from '../../src/core/wire/ethernet.ts';
import { parseIpv4Packet } from '../../src/core/wire/frame.ts';
import { PEER, type TcpOptions, tcp } from '../wire/build.ts';
import { addRoute, deleteRoute } from '../world.ts';
import type { Way } from './link-ways.ts';
import { type PeerSide, type Scene, timestamps } from './scene.ts';

/** Some signature (RFC 2385 §3.0) behind two nops. */
const SIGNATURE: number[] = [1, 1, 19, 18, ...Array<number>(16).fill(7)];

/** `struct tcp_md5sig` with the key "k" for an address. */
function keyFor(addr: string): Uint8Array {
  const bytes = new Uint8Array(216);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 2, true);
  view.setInt32(4, ipv4(addr));
  view.setUint16(130, 1, true);
  bytes[136] = 107;
  return bytes;
}

const THOUSAND = 'x'.repeat(1000);

/** A segment of the connection `c`, `offset` bytes ahead. */
function next(s: Scene, c: PeerSide, flags: string, offset = 0, o: TcpOptions = {}): void {
  s.segment(flags, { seq: c.seq + offset, ack: c.ack, ...o });
}

/** A connection whose receive buffer is small, and full after `bytes`. */
function narrow(s: Scene): PeerSide {
  const listener = s.listen();
  listener.setsockopt(1, 8, 2304);
  return s.connection(false, listener);
}

export const TCP_WAYS: Readonly<Partial<Record<DropReason, Way>>> = {
  TCP_CSUM: (s) => s.segment('S', { bad: true }),
  TCP_FLAGS: (s) => {
    s.listen();
    s.segment('A');
  },
  TCP_AUTH_HDR: (s) => {
    s.listen();
    // A signature that is too short, in options long enough for one.
    s.segment('S', { tcpOpts: [19, 4, 0, 0, ...Array<number>(16).fill(1)] });
  },
  TCP_MD5UNEXPECTED: (s) => {
    s.listen();
    s.segment('S', { tcpOpts: SIGNATURE });
  },
  TCP_MD5NOTFOUND: (s) => {
    s.listen().setsockopt(SOL_TCP, TCP_MD5SIG, keyFor(PEER));
    s.segment('S');
  },
  TCP_MD5FAILURE: (s) => {
    s.listen().setsockopt(SOL_TCP, TCP_MD5SIG, keyFor(PEER));
    s.segment('S', { tcpOpts: SIGNATURE });
  },
  TCP_RESET: (s) => next(s, s.connection(), 'R'),
  TCP_CLOSE: (s) => {
    // Reset, and found by nothing any more: only a segment that was on its way to it arrives.
    const c = s.connection();
    next(s, c, 'R');
    const { sk } = c.child;
    assert.ok(sk instanceof TcpSock);
    const pkt = s.kernel.newPacket(ETH_P_IP, s.tunDev);
    parseIpv4Packet(tcp('A'), pkt);
    assert.ok(pkt.tcp !== null);
    segmentArrives(sk, new RxSegment(pkt, pkt.tcp, 0, 20));
  },
  TCP_INVALID_SYN: (s) => next(s, s.connection(), 'S'),
  TCP_OLD_SEQUENCE: (s) => next(s, s.connection(), 'A', -20_000, { data: 'x' }),
  TCP_INVALID_SEQUENCE: (s) => next(s, s.connection(), 'A', 1_000_000, { data: 'x' }),
  TCP_INVALID_END_SEQUENCE: (s) => {
    const c = narrow(s);
    next(s, c, 'A', 0, { data: 'x' });
    next(s, c, 'A', 1, { data: THOUSAND + THOUSAND + THOUSAND });
  },
  TCP_OLD_DATA: (s) => {
    const c = s.connection();
    next(s, c, 'A', 0, { data: THOUSAND });
    next(s, c, 'A', 0, { data: THOUSAND });
  },
  TCP_OFOMERGE: (s) => {
    const c = s.connection();
    next(s, c, 'A', 2000, { data: THOUSAND });
    next(s, c, 'A', 2000, { data: THOUSAND });
  },
  TCP_INVALID_ACK_SEQUENCE: (s) => {
    s.listen();
    s.segment('S', { seq: 1000 });
    s.segment('A', { seq: 1001, ack: 77 });
  },
  IP_OUTNOROUTES: (s) => {
    // A cookie comes back from where no route leads any more.
    s.box.sysctl = s.box.sysctl.with('tcpSyncookies', 2);
    addRoute(s.box, '10.50.0.0/16', { dev: s.tunDev });
    s.listen();
    s.segment('S', { src: '10.50.0.1', seq: 1000 });
    const ack = s.lastSent().getUint32(24) + 1;
    deleteRoute(s.box, '10.50.0.0/16', s.tunDev);
    s.segment('A', { src: '10.50.0.1', seq: 1001, ack });
  },
  TCP_TOO_OLD_ACK: (s) => next(s, s.connection(), 'A', 0, { ack: 5, data: 'x' }),
  TCP_ACK_UNSENT_DATA: (s) => {
    const c = s.connection();
    next(s, c, 'A', 0, { ack: c.ack + 1000 });
  },
  TCP_ABORT_ON_DATA: (s) => {
    const c = s.connection();
    c.child.close();
    next(s, c, 'A', 0, { data: THOUSAND });
  },
  TCP_LISTEN_OVERFLOW: (s) => {
    s.listen(0);
    for (let port = 1000; port < 1004; port++) s.segment('S', { sport: port });
    for (let port = 1000; port < 1004; port++) {
      s.sent.length = 0;
      s.segment('S', { sport: port });
      if (s.sent.length === 0) continue;
      s.segment('A', { sport: port, seq: 1001, ack: s.lastSent().getUint32(24) + 1 });
    }
  },
  TCP_RFC7323_PAWS: (s) => {
    const c = s.connection(true);
    next(s, c, 'A', 0, { data: 'x', tcpOpts: timestamps(50, c.tsVal) });
  },
  TCP_RFC7323_PAWS_ACK: (s) => {
    const c = s.connection(true);
    next(s, c, 'A', 0, { data: 'x', tcpOpts: timestamps(100, c.tsVal) });
    next(s, c, 'A', 0, { tcpOpts: timestamps(50, c.tsVal) });
  },
  TCP_RFC7323_TSECR: (s) => {
    s.listen();
    s.segment('S', { seq: 1000, tcpOpts: timestamps(100, 0) });
    const ack = s.lastSent().getUint32(24) + 1;
    s.segment('A', { seq: 1001, ack, tcpOpts: timestamps(101, 0x12345678) });
  },
  TCP_ZEROWINDOW: (s) => {
    // The window is used up; what is read after shutdown(SHUT_RD) opens none.
    const c = narrow(s);
    let seq = 0;
    for (let i = 0; i < 9 && s.lastSent().getUint16(34) > 0; i++) {
      const window = s.lastSent().getUint16(34);
      next(s, c, 'A', seq, { data: 'x'.repeat(window) });
      seq += window;
    }
    c.child.shutdown(0);
    c.child.recv(10_000);
    next(s, c, 'A', seq, { data: 'x' });
  },
  TCP_OVERWINDOW: (s) => {
    s.listen();
    s.segment('S', { seq: 1000 });
    const ack = s.lastSent().getUint32(24) + 1;
    s.segment('A', { seq: 1_000_000, ack });
  },
  TCP_OFO_DROP: (s) => {
    const c = s.connection();
    next(s, c, 'A', 1000, { data: 'x'.repeat(100) });
    next(s, c, 'A', 0, { data: 'x'.repeat(1200) });
  },
  TCP_OFO_QUEUE_PRUNE: (s) => {
    const c = narrow(s);
    for (let i = 1; i < 12; i++) next(s, c, 'A', 1 + 100 * i, { data: 'x' });
    for (let i = 0; i < 12; i++) next(s, c, 'A', i, { data: 'x' });
  },
  PROTO_MEM: (s) => {
    const c = narrow(s);
    for (let i = 0; i < 12; i++) next(s, c, 'A', i, { data: 'x' });
    for (let i = 1; i < 30; i++) next(s, c, 'A', 30 + 3 * i, { data: 'x' });
  },
};
