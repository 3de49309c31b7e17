/** The three hash tables against a list that is searched as `compute_score` reads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { at, createWorld } from '../../../../test/world.ts';
import { AF_INET } from '../sock.ts';
import { UdpSock } from './sock.ts';

const LOCAL = [0, 0x7f000001, 0x7f000002];
const REMOTE = [0x7f000001, 0x7f000003];

interface Move {
  readonly what: 'bind' | 'connect' | 'disconnect' | 'close';
  readonly pick: number;
  readonly local: number;
  readonly port: number;
  readonly remote: number;
  readonly dport: number;
  readonly dev: boolean;
}

const move: fc.Arbitrary<Move> = fc.record({
  what: fc.constantFrom('bind', 'bind', 'connect', 'disconnect', 'close'),
  pick: fc.nat(30),
  local: fc.constantFrom(...LOCAL),
  port: fc.integer({ min: 1, max: 3 }),
  remote: fc.constantFrom(...REMOTE),
  dport: fc.integer({ min: 0, max: 2 }),
  dev: fc.boolean(),
});

function best(all: readonly UdpSock[], s: number, sp: number, d: number, dp: number): number {
  let points = -1;
  for (const sk of all) {
    if (sk.sport !== dp || (sk.rcvSaddr !== 0 && sk.rcvSaddr !== d)) continue;
    if (sk.daddr !== 0 && sk.daddr !== s) continue;
    if (sk.dport !== 0 && sk.dport !== sp) continue;
    if (sk.boundDevIf > 1) continue;
    points = Math.max(points, pointsOf(sk));
  }
  return points;
}

/** Peer before address before device. */
function pointsOf(sk: UdpSock): number {
  const hasPeer = sk.connected && sk.dport !== 0;
  return (
    (hasPeer ? 100 : 0) +
    (sk.rcvSaddr !== 0 ? 50 : 0) +
    (sk.daddr !== 0 ? 4 : 0) +
    (sk.dport !== 0 ? 4 : 0) +
    (sk.boundDevIf !== 0 ? 4 : 0)
  );
}

test('the socket that is found scores as high as any', () => {
  const queries = LOCAL.slice(1).flatMap((d) =>
    REMOTE.flatMap((s) => [1, 2].flatMap((sp) => [1, 2, 3].map((dp) => [s, sp, d, dp] as const))),
  );
  fc.assert(
    fc.property(fc.array(move, { maxLength: 80 }), (moves) => {
      const net = createWorld().addNet('a');
      const all: UdpSock[] = [];
      for (const m of moves) {
        const sk = all[m.pick % Math.max(1, all.length)];
        if (m.what === 'bind') {
          const made = new UdpSock(net, AF_INET);
          made.reuseAddr = true;
          made.boundDevIf = m.dev ? 1 : 0;
          assert.equal(made.bind(m.local, m.port), 0);
          all.push(made);
        } else if (sk !== undefined && m.what === 'connect') sk.connect(m.remote, m.dport);
        else if (sk !== undefined && m.what === 'disconnect') sk.disconnect();
        else if (sk !== undefined) {
          sk.close();
          all.splice(all.indexOf(sk), 1);
        }
      }
      assert.equal(net.udp.table.size, all.length);
      for (const [s, sp, d, dp] of queries) {
        const found = net.udp.table.lookup(s, sp, d, dp, 1);
        const points = found === null ? -1 : pointsOf(found);
        assert.equal(points, best(all, s, sp, d, dp));
      }
      for (const sk of [...all]) sk.close();
      assert.equal(net.udp.table.size, 0);
      for (const [s, sp, d, dp] of queries)
        assert.equal(net.udp.table.lookup(s, sp, d, dp, 1), null);
    }),
    { numRuns: 200 },
  );
});

test('of 2,000 sockets connected to one port each gets its own datagrams', () => {
  const world = createWorld();
  const net = world.addNet('a');
  const socks = Array.from({ length: 2000 }, (_, i) => {
    const sk = new UdpSock(net, AF_INET);
    sk.reuseAddr = true;
    assert.equal(sk.bind(at('127.0.0.1', 0).addr, 53), 0);
    assert.equal(sk.connect(0x7f000001, i + 1000), 0);
    return sk;
  });
  socks.forEach((sk, i) => {
    assert.equal(net.udp.table.lookup(0x7f000001, i + 1000, 0x7f000001, 53, 1), sk);
  });
});
