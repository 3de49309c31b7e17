/** MLD in virtual time: what a host tells of its groups and senders, and what it answers (RFC 2710, RFC 3810). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWorld, type World } from '../../../../test/world.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import type { Packet } from '../../packet.ts';
import { Socket } from '../../socket/socket.ts';
import { AF_INET6, SOCK_DGRAM } from '../../transport/sock.ts';
import { getIp6, IN6ADDR_ANY, type Ip6Addr, ip6, putIp6 } from '../../util/ip6-addr.ts';
import { flatten } from '../../wire/frame.ts';
import { writeConf6 } from './conf.ts';
import { sendOnLink } from './send.ts';

const GROUP = ip6('ff05::1234');
const [S1, S2, S3] = [ip6('fd00::1'), ip6('fd00::2'), ip6('fd00::3')] as const;

interface Scene {
  readonly world: World;
  readonly host: NetNs;
  readonly dev: NetDevice;
  readonly router: NetDevice;
  /** What the host said of GROUP, as text. */
  readonly said: string[];
  readonly socket: Socket;
}

function scene(): Scene {
  const world = createWorld({ ipv6: true });
  const host = world.addNet('host');
  const [dev, router] = world.wire({ net: host }, { net: world.addNet('router') });
  const said: string[] = [];
  router.rxHandler = (pkt) => {
    said.push(...told(pkt));
    return true;
  };
  const socket = Socket.create(host, AF_INET6, SOCK_DGRAM, 0);
  assert.ok(typeof socket !== 'number');
  world.run(10_000_000);
  said.length = 0;
  return { world, host, dev, router, said, socket };
}

/** `'4 '`, `'3 '`, `'5 fd00::1'` of reports; `'v1 report'`, `'v1 done'`. */
function told(pkt: Packet): string[] {
  const type = pkt.icmp?.type;
  const bytes = flatten(pkt.data, pkt.len);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (type === 131 || type === 132)
    return getIp6(view, 0).equals(GROUP) ? [type === 131 ? 'v1 report' : 'v1 done'] : [];
  if (type !== 143) return [];
  const out: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const count = view.getUint16(at + 2);
    const sources = Array.from({ length: count }, (_, i) => getIp6(view, at + 20 + 16 * i));
    if (getIp6(view, at + 4).equals(GROUP))
      out.push(`${view.getUint8(at)} ${sources.map(String).sort().join(' ')}`);
    at += 20 + 16 * count;
  }
  return out;
}

function option(s: Scene, name: number, source?: Ip6Addr): number {
  const request = { multiaddr: GROUP, ifindex: s.dev.ifindex };
  return s.socket.setsockopt(41, name, source === undefined ? request : { ...request, source });
}

/** A query of the router; version 1 when there are no sources. */
function ask(s: Scene, group: Ip6Addr, delayMs: number, sources: readonly Ip6Addr[] | null): void {
  const body = new Uint8Array(sources === null ? 16 : 20 + 16 * sources.length);
  const view = new DataView(body.buffer);
  putIp6(view, 0, group);
  if (sources !== null) view.setUint16(18, sources.length);
  for (const [i, a] of (sources ?? []).entries()) putIp6(view, 20 + 16 * i, a);
  const [from] = s.router.ipv6?.addresses ?? [];
  sendOnLink(s.router, {
    src: from?.addr ?? IN6ADDR_ANY,
    dst: ip6('ff02::1'),
    type: 130,
    rest: delayMs << 16,
    body,
    hopLimit: 1,
    routerAlert: true,
    tclass: 0,
  });
}

/** What was said within `seconds`. */
function heard(s: Scene, seconds: number): string[] {
  s.world.run(seconds * 1e6);
  return s.said.splice(0);
}

test('S15: joined and left from all senders: each is told twice', () => {
  const s = scene();
  assert.equal(option(s, 20), 0);
  assert.deepEqual(heard(s, 5), ['4 ', '4 ']);
  assert.equal(option(s, 21), 0);
  assert.deepEqual(heard(s, 5), ['3 ', '3 ']);
  assert.equal(s.dev.ipv6?.mld, null);
});

test('S15: senders that are wanted, and that are not', () => {
  const s = scene();
  assert.equal(option(s, 46, S1), 0);
  assert.deepEqual([...new Set(heard(s, 5))], ['5 fd00::1']);
  assert.equal(option(s, 46, S1), -99);
  assert.equal(option(s, 46, S2), 0);
  assert.deepEqual([...new Set(heard(s, 5))], ['5 fd00::2']);
  assert.equal(option(s, 43, S3), -22);
  assert.equal(option(s, 47, S1), 0);
  assert.deepEqual([...new Set(heard(s, 5))], ['6 fd00::1']);
  assert.equal(option(s, 47, S2), 0);
  assert.deepEqual([...new Set(heard(s, 5))], ['6 fd00::2']);
  assert.equal(s.dev.ipv6?.groups.has(GROUP), false);
  assert.equal(option(s, 20), 0);
  heard(s, 5);
  assert.equal(option(s, 43, S1), 0);
  assert.deepEqual([...new Set(heard(s, 5))], ['6 fd00::1']);
  const filter = { multiaddr: GROUP, ifindex: s.dev.ifindex, mode: 1, sources: [S2, S3] };
  assert.equal(s.socket.setsockopt(41, 48, filter), 0);
  assert.deepEqual([...new Set(heard(s, 5))], ['3 fd00::2 fd00::3']);
});

test('S15: queries, general, of a group, of senders, are answered within their delay', () => {
  const s = scene();
  option(s, 46, S1);
  heard(s, 5);
  ask(s, IN6ADDR_ANY, 1000, []);
  assert.deepEqual(heard(s, 1.1), ['1 fd00::1']);
  ask(s, GROUP, 1000, []);
  assert.deepEqual(heard(s, 1.1), ['1 fd00::1']);
  ask(s, GROUP, 1000, [S1, S2]);
  assert.deepEqual(heard(s, 1.1), ['1 fd00::1']);
  ask(s, GROUP, 1000, [S2]);
  assert.deepEqual(heard(s, 1.1), []);
  ask(s, ip6('ff05::99'), 1000, []);
  assert.deepEqual(heard(s, 1.1), []);
});

test('S15: version 1 is spoken while its router is about, or where force_mld_version says so', () => {
  const s = scene();
  option(s, 20);
  heard(s, 5);
  ask(s, IN6ADDR_ANY, 1000, null);
  assert.deepEqual(heard(s, 1.1), ['v1 report']);
  assert.equal(option(s, 21), 0);
  assert.deepEqual(heard(s, 3), ['v1 done']);
  option(s, 20);
  assert.deepEqual(heard(s, 11), ['v1 report', 'v1 report']);
  s.world.run(400_000_000);
  assert.equal(option(s, 21), 0);
  assert.deepEqual(heard(s, 5), ['3 ', '3 ']);
  const { ipv6 } = s.dev;
  assert.ok(ipv6 !== null);
  writeConf6(s.host, ipv6, 'forceMldVersion', 1);
  option(s, 20);
  assert.deepEqual(heard(s, 1)[0], 'v1 report');
});

test('S15: a socket hears whom it asked for', () => {
  const s = scene();
  s.router.rxHandler = null;
  const sender = Socket.create(s.router.net, AF_INET6, SOCK_DGRAM, 0);
  assert.ok(typeof sender !== 'number');
  s.socket.bind({ family: AF_INET6, addr: 0, addr6: IN6ADDR_ANY, port: 7 });
  const from = s.router.ipv6?.addresses[0]?.addr ?? IN6ADDR_ANY;
  const send = (): number => {
    const to = { family: AF_INET6, addr: 0, addr6: GROUP, port: 7, scopeId: s.router.ifindex };
    sender.setsockopt(41, 17, s.router.ifindex);
    assert.equal(sender.sendto(new Uint8Array(1), 0, to), 1);
    s.world.run(10_000);
    let n = 0;
    while (typeof s.socket.recv(10) !== 'number') n++;
    return n;
  };
  option(s, 46, S1);
  assert.equal(send(), 0);
  option(s, 46, from);
  assert.equal(send(), 1);
  option(s, 21);
  option(s, 20);
  assert.equal(send(), 1);
  option(s, 43, from);
  assert.equal(send(), 0);
});
