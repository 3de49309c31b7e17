/**
 * The demands of the thread that designed network namespaces (June 2006), each with what can be observed
 * when it holds. Ids: S Andrey Savochkin, E Eric Biederman.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Kernel } from '../src/core/control/kernel.ts';
import type { Namespace } from '../src/core/control/namespace.ts';
import { EADDRINUSE, ECONNREFUSED } from '../src/core/errno.ts';
import type { Packet } from '../src/core/packet.ts';
import { Socket } from '../src/core/socket/socket.ts';
import {
  AF_INET,
  AF_INET6,
  EPOLLIN,
  SOCK_DGRAM,
  SOCK_STREAM,
  type SockAddrIn,
} from '../src/core/transport/sock.ts';
import { IPV6_V6ONLY, SOL_IPV6 } from '../src/core/transport/sockopt-names.ts';
import { ipv4 } from '../src/core/util/address.ts';
import { ip6 } from '../src/core/util/ip6-addr.ts';
import { VirtualClock } from '../src/sim/virtual-clock.ts';

interface World {
  readonly clock: VirtualClock;
  readonly kernel: Kernel;
}

function world(seed = 1): World {
  const clock = new VirtualClock(seed);
  return { clock, kernel: new Kernel({ env: clock, seed }) };
}

function wire(w: World, a: Namespace, b: Namespace, cidrA: string, cidrB: string): void {
  w.kernel.veth(
    { netns: a, name: 'eth0', address: cidrA, up: true },
    { netns: b, name: 'eth0', address: cidrB, up: true },
  );
}

function open(ns: Namespace, type: number, family: number = AF_INET): Socket {
  const socket = Socket.create(ns.net, family, type);
  assert.ok(typeof socket !== 'number');
  return socket;
}

const at = (addr: string, port: number): SockAddrIn => ({
  family: AF_INET,
  addr: ipv4(addr),
  port,
});

const at6 = (addr: string, port: number): SockAddrIn => ({
  family: AF_INET6,
  addr: 0,
  addr6: ip6(addr),
  port,
});

function listener(ns: Namespace, port: number, addr = '0.0.0.0'): Socket {
  const socket = open(ns, SOCK_STREAM);
  assert.equal(socket.bind(at(addr, port)), 0);
  assert.equal(socket.listen(16), 0);
  return socket;
}

function receiver(ns: Namespace, port: number): Socket {
  const socket = open(ns, SOCK_DGRAM);
  assert.equal(socket.bind(at('0.0.0.0', port)), 0);
  return socket;
}

function textOf(socket: Socket): string | undefined {
  const got = socket.recv(65536);
  if (typeof got === 'number') return undefined;
  return Buffer.concat(got.data).toString();
}

test('S1: a device is visible in one namespace only, names and indexes collide inside one only', () => {
  const w = world();
  const [a, b, c] = ['a', 'b', 'c'].map((n) => w.kernel.netns.add(n)) as [
    Namespace,
    Namespace,
    Namespace,
  ];
  wire(w, a, b, '10.0.0.1/24', '10.0.0.2/24');
  const names = (ns: Namespace): string[] => [...ns.net.devs].map((d) => d.name);
  assert.deepEqual(names(a), ['lo', 'eth0']);
  assert.deepEqual(names(b), ['lo', 'eth0']);
  assert.deepEqual(names(c), ['lo']);
  assert.equal(a.net.devs.find('eth0')?.ifindex, b.net.devs.find('eth0')?.ifindex);
  assert.notEqual(a.net.devs.find('eth0'), b.net.devs.find('eth0'));
  const clash = (): unknown =>
    w.kernel.veth({ netns: a, name: 'eth0' }, { netns: c, name: 'eth0' });
  assert.throws(clash, { code: 'EEXIST' });
  assert.deepEqual(names(c), ['lo'], 'a refused pair leaves no half behind');
});

test('E8: a new namespace has a lo, which is down, and nothing else', () => {
  const ns = world().kernel.netns.add('x');
  assert.equal([...ns.net.devs].length, 1);
  assert.equal(ns.net.loopback.up, false);
  assert.equal(ns.ip('addr show'), ns.ip('addr show dev lo'));
  assert.equal(ns.ip('route show table all').trim(), '');
  assert.equal(ns.ip('neigh show').trim(), '');
});

test('S2: every packet that IP sees belongs to the namespace of its device; none crosses without a wire', () => {
  const payload = fc.record({
    from: fc.nat(3),
    port: fc.integer({ min: 1, max: 4 }),
    stream: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(payload, { minLength: 1, maxLength: 60 }), fc.nat(1000), (sends, seed) => {
      // Two worlds of two hosts each, with the same addresses and ports, in one kernel.
      const w = world(seed);
      const hosts = ['a', 'b', 'c', 'd'].map((n) => w.kernel.netns.add(n)) as [
        Namespace,
        Namespace,
        Namespace,
        Namespace,
      ];
      wire(w, hosts[0], hosts[1], '10.0.0.1/24', '10.0.0.2/24');
      wire(w, hosts[2], hosts[3], '10.0.0.1/24', '10.0.0.2/24');
      const nets = hosts.map((h) => h.net);
      const seen: string[] = [];
      w.kernel.core.tracer = {
        receive: (dev, pkt: Packet) => {
          if (pkt.dev !== dev || !nets.includes(dev.net))
            seen.push('a packet without its namespace');
        },
        transmit: () => {},
        drop: () => {},
      };
      const boxes = hosts.map((ns) => [1, 2, 3, 4].map((p) => receiver(ns, p)));
      const streams = hosts.map((ns) => listener(ns, 80));
      const expected = hosts.map(() => new Map<number, string[]>());
      const connects = hosts.map(() => 0);
      sends.forEach((s, i) => {
        const to = s.from ^ 1;
        const target = to % 2 === 0 ? '10.0.0.1' : '10.0.0.2';
        const source = hosts[s.from] as Namespace;
        if (s.stream) {
          open(source, SOCK_STREAM).connect(at(target, 80));
          connects[to] = (connects[to] ?? 0) + 1;
        } else {
          const text = `from ${source.net.name} #${i}`;
          open(source, SOCK_DGRAM).sendto(Buffer.from(text), 0, at(target, s.port));
          const list = expected[to]?.get(s.port) ?? [];
          expected[to]?.set(s.port, [...list, text]);
        }
        w.clock.runFor(w.kernel.core, 1000);
      });
      w.clock.runFor(w.kernel.core, 100_000);
      boxes.forEach((perPort, h) => {
        perPort.forEach((socket, i) => {
          const got: string[] = [];
          for (let t = textOf(socket); t !== undefined; t = textOf(socket)) got.push(t);
          assert.deepEqual(got, expected[h]?.get(i + 1) ?? []);
        });
      });
      streams.forEach((socket, h) => {
        let accepted = 0;
        while (typeof socket.accept() !== 'number') accepted++;
        assert.equal(accepted, Math.min(connects[h] ?? 0, 17));
      });
      assert.deepEqual(seen, []);
    }),
    { numRuns: 30 },
  );
});

test('S3: 1,000 namespaces bind 0.0.0.0:80, TCP and UDP; each answers its own clients only', () => {
  const w = world();
  const all = Array.from({ length: 1000 }, (_, i) => {
    const server = w.kernel.netns.add(`s${i}`);
    const client = w.kernel.netns.add(`c${i}`);
    wire(w, server, client, '10.0.0.1/24', '10.0.0.2/24');
    const tcp = listener(server, 80);
    const udp = receiver(server, 80);
    const second = open(server, SOCK_STREAM);
    assert.equal(second.bind(at('0.0.0.0', 80)), -EADDRINUSE);
    const dgram = open(server, SOCK_DGRAM);
    assert.equal(dgram.bind(at('0.0.0.0', 80)), -EADDRINUSE);
    return { tcp, udp, client, i };
  });
  for (const { client, i } of all) {
    assert.ok(open(client, SOCK_STREAM).connect(at('10.0.0.1', 80)) < 0);
    open(client, SOCK_DGRAM).sendto(Buffer.from(`for ${i}`), 0, at('10.0.0.1', 80));
  }
  w.clock.runFor(w.kernel.core, 1_000_000);
  for (const { tcp, udp, i } of all) {
    assert.ok(typeof tcp.accept() !== 'number', `server ${i} has its connection`);
    assert.ok(typeof tcp.accept() === 'number', `server ${i} has one connection only`);
    assert.equal(textOf(udp), `for ${i}`);
    assert.equal(textOf(udp), undefined);
  }
});

test('S3: 1,000 namespaces bind [::]:80, TCP and UDP; each answers its own clients of both families only', () => {
  const w = world();
  const all = Array.from({ length: 1000 }, (_, i) => {
    const server = w.kernel.netns.add(`s${i}`);
    const client = w.kernel.netns.add(`c${i}`);
    wire(w, server, client, '10.0.0.1/24', '10.0.0.2/24');
    server.ip('addr add fd00::1/64 dev eth0 nodad');
    client.ip('addr add fd00::2/64 dev eth0 nodad');
    return { server, client, i, ...bothFamilies(server) };
  });
  for (const { client, i } of all) {
    for (const [family, to] of [
      [AF_INET6, at6('fd00::1', 80)] as const,
      [AF_INET, at('10.0.0.1', 80)] as const,
    ]) {
      assert.ok(open(client, SOCK_STREAM, family).connect(to) < 0);
      open(client, SOCK_DGRAM, family).sendto(Buffer.from(`for ${i}`), 0, to);
    }
  }
  w.clock.runFor(w.kernel.core, 1_000_000);
  for (const { tcp, udp, i } of all) {
    for (const family of ['IPv6', 'IPv4'])
      assert.ok(typeof tcp.accept() !== 'number', `server ${i} has its connection over ${family}`);
    assert.ok(typeof tcp.accept() === 'number', `server ${i} has no others`);
    assert.deepEqual([textOf(udp), textOf(udp), textOf(udp)], [`for ${i}`, `for ${i}`, undefined]);
  }
});

/** Listens on [::]:80; a second bind is refused exactly where Linux refuses it. */
function bothFamilies(ns: Namespace): { tcp: Socket; udp: Socket } {
  const [tcp, udp] = [SOCK_STREAM, SOCK_DGRAM].map((type) => {
    const socket = open(ns, type, AF_INET6);
    assert.equal(socket.bind(at6('::', 80)), 0);
    for (const other of [at6('::', 80), at6('fd00::1', 80), at6('::ffff:10.0.0.1', 80)])
      assert.equal(open(ns, type, AF_INET6).bind(other), -EADDRINUSE);
    assert.equal(open(ns, type).bind(at('0.0.0.0', 80)), -EADDRINUSE);
    assert.equal(open(ns, type).bind(at('10.0.0.1', 80)), -EADDRINUSE);
    const only = open(ns, type, AF_INET6);
    only.setsockopt(SOL_IPV6, IPV6_V6ONLY, 1);
    assert.equal(only.bind(at6('::', 80)), -EADDRINUSE);
    assert.equal(only.bind(at6('::', 81)), 0);
    assert.equal(open(ns, type).bind(at('0.0.0.0', 81)), 0);
    return socket;
  }) as [Socket, Socket];
  assert.equal(tcp.listen(16), 0);
  return { tcp, udp };
}

test('S5: routes are per namespace: the same prefix leads elsewhere, and a deletion stays at home', () => {
  const w = world();
  const [a, b] = ['a', 'b'].map((n) => w.kernel.netns.add(n)) as [Namespace, Namespace];
  wire(w, a, b, '10.0.0.1/24', '10.0.0.2/24');
  a.ip('route add 10.1.0.0/16 via 10.0.0.2');
  b.ip('route add 10.1.0.0/16 via 10.0.0.1');
  b.ip('route add 10.1.2.0/24 via 10.0.0.77');
  assert.match(a.ip('route get 10.1.2.3'), /via 10\.0\.0\.2 dev eth0 src 10\.0\.0\.1/);
  assert.match(b.ip('route get 10.1.2.3'), /via 10\.0\.0\.77 dev eth0 src 10\.0\.0\.2/);
  a.ip('route del 10.1.0.0/16');
  assert.throws(() => a.ip('route get 10.1.2.3'), { code: 'ENETUNREACH' });
  assert.match(b.ip('route get 10.1.9.9'), /via 10\.0\.0\.1/);
});

test('S9: neighbours are per namespace and device', () => {
  const w = world();
  const names = ['a', 'b', 'c', 'd'].map((n) => w.kernel.netns.add(n)) as [
    Namespace,
    Namespace,
    Namespace,
    Namespace,
  ];
  const [a, b, c, d] = names;
  wire(w, a, b, '10.0.0.1/24', '10.0.0.2/24');
  wire(w, c, d, '10.0.0.1/24', '10.0.0.2/24');
  open(a, SOCK_DGRAM).sendto(Buffer.from('x'), 0, at('10.0.0.2', 9));
  w.clock.runFor(w.kernel.core, 10_000);
  assert.match(a.ip('neigh'), /^10\.0\.0\.2 dev eth0 lladdr [0-9a-f:]{17} (REACHABLE|DELAY)/);
  assert.equal(c.ip('neigh').trim(), '');
  assert.equal(d.ip('neigh').trim(), '');
});

test('S10, E7: veth is a pair: carrier follows the other end, deletion takes both', () => {
  const w = world();
  const [a, b] = ['a', 'b'].map((n) => w.kernel.netns.add(n)) as [Namespace, Namespace];
  wire(w, a, b, '10.0.0.1/24', '10.0.0.2/24');
  assert.match(a.ip('link show eth0'), /<BROADCAST,MULTICAST,UP,LOWER_UP>/);
  b.ip('link set eth0 down');
  assert.match(
    a.ip('link show eth0'),
    /<NO-CARRIER,BROADCAST,MULTICAST,UP>.*state (LOWERLAYER)?DOWN/,
  );
  b.ip('link del eth0');
  assert.equal(a.net.devs.find('eth0'), undefined);
  assert.equal(b.net.devs.find('eth0'), undefined);
});

test('S20: nothing is shared but the wires one draws', () => {
  const w = world();
  const [a, b] = ['a', 'b'].map((n) => w.kernel.netns.add(n)) as [Namespace, Namespace];
  for (const ns of [a, b]) ns.ip('link set lo up');
  listener(b, 5000);
  const socket = open(a, SOCK_STREAM);
  socket.connect(at('127.0.0.1', 5000));
  w.clock.runFor(w.kernel.core, 10_000);
  assert.equal(socket.sk.takeError(), ECONNREFUSED, 'the lo of a does not reach the lo of b');
  assert.equal(
    [...b.net.mib].some((n) => n > 0),
    false,
    'no counter of b moved',
  );
});

test('E9: layer 2: every device but lo has a MAC of its own and speaks Ethernet', () => {
  const w = world();
  const [a, b] = ['a', 'b'].map((n) => w.kernel.netns.add(n)) as [Namespace, Namespace];
  wire(w, a, b, '10.0.0.1/24', '10.0.0.2/24');
  const frames: string[] = [];
  w.kernel.core.tracer = {
    receive: (dev, pkt) => {
      if (dev.name === 'eth0')
        frames.push(pkt.eth === null ? 'bare' : pkt.arp === null ? 'ip' : 'arp');
    },
    transmit: () => {},
    drop: () => {},
  };
  const box = receiver(b, 7);
  open(a, SOCK_DGRAM).sendto(Buffer.from('x'), 0, at('10.0.0.2', 7));
  w.clock.runFor(w.kernel.core, 10_000);
  assert.deepEqual(frames, ['arp', 'arp', 'ip']);
  assert.equal(box.poll() & EPOLLIN, EPOLLIN);
  const macs = [a, b].map((ns) => ns.net.devs.find('eth0')?.mac);
  assert.notEqual(macs[0], macs[1]);
});

test('S8: a socket belongs for life to the namespace it was made in', () => {
  const w = world();
  const [a, b] = ['a', 'b'].map((n) => w.kernel.netns.add(n)) as [Namespace, Namespace];
  const s1 = listener(a, 5555);
  const s2 = listener(b, 5555);
  assert.equal(s1.sk.net, a.net);
  assert.equal(s2.sk.net, b.net);
  const fields = Object.getOwnPropertyDescriptor(s1.sk, 'net');
  assert.ok(fields);
});

test('S20: a namespace that dies takes its connections along, and nothing of it stays', () => {
  const w = world();
  const [a, b] = ['a', 'b'].map((n) => w.kernel.netns.add(n)) as [Namespace, Namespace];
  const before = w.kernel.core.timers.count;
  wire(w, a, b, '10.0.0.1/24', '10.0.0.2/24');
  listener(b, 80);
  for (let i = 0; i < 20; i++) open(a, SOCK_STREAM).connect(at('10.0.0.2', 80));
  open(a, SOCK_STREAM).connect(at('10.0.0.9', 80));
  w.clock.runFor(w.kernel.core, 50_000);
  a.destroy();
  b.destroy();
  assert.equal(w.kernel.core.namespaces.size, 0);
  assert.equal(w.kernel.core.timers.count, before);
  assert.equal(w.kernel.core.backlogLength, 0);
});

test('E2, E4: protocol code looks up its context and decides nothing by it: one script, equal results in each', () => {
  const w = world();
  const results = ['a', 'b', 'c'].map((name) => {
    const ns = w.kernel.netns.add(name);
    ns.ip('link set lo up');
    const refused = [
      () => ns.ip('route add 10.0.0.0/8 via 192.0.2.1'),
      () => ns.ip('addr del 10.0.0.1/8 dev lo'),
      () => ns.ip('link set nothing up'),
    ].map((call) => {
      try {
        call();
        return 'done';
      } catch (error) {
        return (error as { code: string }).code;
      }
    });
    const socket = open(ns, SOCK_STREAM);
    const started = socket.connect(at('127.0.0.1', 9));
    w.clock.runFor(w.kernel.core, 1000);
    return [...refused, started, socket.sk.takeError(), ns.ip('-j addr show lo')];
  });
  assert.deepEqual(results[1], results[0]);
  assert.deepEqual(results[2], results[0]);
  assert.deepEqual(results[0]?.slice(0, 3), ['ENETUNREACH', 'EADDRNOTAVAIL', 'EINVAL']);
});
