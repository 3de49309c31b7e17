/** TCP_REPAIR: a connection moves from one socket to another, with its queues, and nobody notices. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, createWorld, tcp, textOf } from '../../../../test/world.ts';
import { EINVAL, EPERM } from '../../errno.ts';
import { unprivileged } from '../../socket/credentials.ts';
import { Socket } from '../../socket/socket.ts';
import { MSG_PEEK } from '../sock.ts';
import {
  SOL_TCP,
  TCP_INFO,
  TCP_MAXSEG,
  TCP_QUEUE_SEQ,
  TCP_REPAIR,
  TCP_REPAIR_OPTIONS,
  TCP_REPAIR_QUEUE,
  TCP_REPAIR_WINDOW,
  TCP_TIMESTAMP,
} from '../sockopt-names.ts';
import { TCP_ESTABLISHED } from './constants.ts';
import type { TcpInfo } from './info.ts';

const RECV_QUEUE = 1;
const SEND_QUEUE = 2;

function set(s: Socket, name: number, value: number | Uint8Array): void {
  assert.equal(s.setsockopt(SOL_TCP, name, value), 0, `option ${name}`);
}

function get(s: Socket, name: number): number {
  return s.getsockopt(SOL_TCP, name) as number;
}

function words(...list: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(list.length * 4);
  const view = new DataView(bytes.buffer);
  list.forEach((w, i) => {
    view.setUint32(i * 4, w, true);
  });
  return bytes;
}

test('a checkpoint and its restoration: unread and unacknowledged bytes survive (CRIU)', () => {
  const world = createWorld();
  const a = world.addNet('a');
  const b = world.addNet('b');
  world.wire({ net: a, cidr: '10.0.0.1/24' }, { net: b, cidr: '10.0.0.2/24' });
  const l = tcp(b);
  l.bind(at('10.0.0.2', 80));
  l.listen(5);
  const old = tcp(a);
  old.connect(at('10.0.0.2', 80));
  world.run(10_000);
  const peer = l.accept();
  assert.ok(typeof peer !== 'number');
  peer.send(Buffer.from('unread '));
  world.run(10_000);
  // What `old` sends from now on does not arrive.
  const next = world.kernel.protocols.inet[6];
  world.kernel.protocols.inet[6] = (pkt) => {
    if (pkt.dev?.net !== b) next?.(pkt);
  };
  old.send(Buffer.from('unacked '));
  world.run(1_000);
  set(old, TCP_REPAIR, 1);
  const info = old.getsockopt(SOL_TCP, TCP_INFO) as TcpInfo;
  const saved = { mss: get(old, TCP_MAXSEG), ts: get(old, TCP_TIMESTAMP) };
  const window = old.getsockopt(SOL_TCP, TCP_REPAIR_WINDOW) as Uint8Array;
  set(old, TCP_REPAIR_QUEUE, RECV_QUEUE);
  const rcvEnd = get(old, TCP_QUEUE_SEQ);
  const unread = textOf(old.recv(100, MSG_PEEK));
  set(old, TCP_REPAIR_QUEUE, SEND_QUEUE);
  const sndEnd = get(old, TCP_QUEUE_SEQ);
  const unacked = textOf(old.recv(100, MSG_PEEK));
  assert.deepEqual([unread, unacked], ['unread ', 'unacked ']);
  const name = old.getsockname();
  old.close();
  world.run(10_000);
  assert.equal((peer.getsockopt(SOL_TCP, TCP_INFO) as TcpInfo).state, TCP_ESTABLISHED, 'no RST');
  world.kernel.protocols.inet[6] = next;

  const made = tcp(a);
  set(made, TCP_REPAIR, 1);
  set(made, TCP_REPAIR_QUEUE, SEND_QUEUE);
  set(made, TCP_QUEUE_SEQ, (sndEnd - unacked.length) | 0);
  set(made, TCP_REPAIR_QUEUE, RECV_QUEUE);
  set(made, TCP_QUEUE_SEQ, (rcvEnd - unread.length) | 0);
  assert.equal(made.bind(name), 0);
  assert.equal(made.connect(at('10.0.0.2', 80)), 0);
  set(
    made,
    TCP_REPAIR_OPTIONS,
    words(2, saved.mss, 3, info.sndWscale | (info.rcvWscale << 16), 4, 0, 8, 0),
  );
  set(made, TCP_TIMESTAMP, saved.ts);
  assert.equal(made.send(Buffer.from(unread)), unread.length);
  set(made, TCP_REPAIR_QUEUE, SEND_QUEUE);
  assert.equal(made.send(Buffer.from(unacked)), unacked.length);
  set(made, TCP_REPAIR_WINDOW, window);
  set(made, TCP_REPAIR, 0);
  made.send(Buffer.from('new'));
  assert.equal(textOf(made.recv(100)), 'unread ');
  world.run(3_000_000);
  assert.equal(textOf(peer.recv(100)), 'unacked new');
  peer.send(Buffer.from('answer'));
  world.run(10_000);
  assert.equal(textOf(made.recv(100)), 'answer');
});

test('what is refused (results of the kernel)', () => {
  const world = createWorld();
  const net = world.addNet('a');
  const s = tcp(net);
  const plain = Socket.create(net, 2, 1, 0, unprivileged(1000));
  assert.ok(typeof plain !== 'number');
  assert.equal(plain.setsockopt(SOL_TCP, TCP_REPAIR, 1), -EPERM);
  assert.equal(s.setsockopt(SOL_TCP, TCP_REPAIR_QUEUE, 1), -EPERM);
  assert.equal(s.setsockopt(SOL_TCP, TCP_QUEUE_SEQ, 1), -EINVAL);
  assert.equal(s.setsockopt(SOL_TCP, TCP_TIMESTAMP, 1), -EPERM);
  assert.equal(s.setsockopt(SOL_TCP, TCP_REPAIR, 2), -EINVAL);
  assert.equal(s.getsockopt(SOL_TCP, TCP_REPAIR_QUEUE), -EINVAL);
  assert.equal(s.getsockoptBytes(SOL_TCP, TCP_REPAIR_WINDOW, 20), -EPERM);
  set(s, TCP_REPAIR, 1);
  assert.equal(s.setsockopt(SOL_TCP, TCP_REPAIR_QUEUE, 3), -EINVAL);
  assert.equal(s.recv(1), -EPERM);
  assert.equal(s.send(Buffer.from('x')), -EINVAL);
  assert.equal(s.setsockopt(SOL_TCP, TCP_REPAIR_OPTIONS, new Uint8Array(8)), -EPERM);
  set(s, TCP_REPAIR, -1);
  s.bind(at('127.0.0.1', 80));
  s.listen(1);
  assert.equal(s.setsockopt(SOL_TCP, TCP_REPAIR, 1), -EPERM);
});
