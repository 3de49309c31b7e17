/**
 * V3: which sockets hear a datagram, and who gets a connection: what Linux 6.18 did (`data/linux-delivery.json`, measured by
 * `data/linux_delivery.py`), case by case against our sockets in virtual time. Several hear exactly what is for groups
 * and for all, and raw sockets; everything else is one socket's.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Kernel } from '../src/core/control/kernel.ts';
import type { Namespace } from '../src/core/control/namespace.ts';
import { errnoName } from '../src/core/errno.ts';
import { ROOT } from '../src/core/socket/credentials.ts';
import { Socket } from '../src/core/socket/socket.ts';
import {
  AF_INET,
  AF_INET6,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  type SockAddrIn,
} from '../src/core/transport/sock.ts';
import * as so from '../src/core/transport/sockopt-names.ts';
import { ipv4 } from '../src/core/util/address.ts';
import { ip6 } from '../src/core/util/ip6-addr.ts';
import { VirtualClock } from '../src/sim/virtual-clock.ts';

type Addr = readonly [string, number];

interface SocketSpec {
  readonly kind: string;
  readonly bind: Addr | null;
  readonly opts: readonly string[];
  readonly join: string | readonly [string, string] | null;
  readonly connect: Addr | null;
  readonly proto: number;
}

interface SendSpec {
  readonly kind: string;
  readonly to: Addr;
  readonly opts: readonly string[];
  readonly from: Addr | null;
  readonly proto: number;
}

/** Indexes of those who heard it, an errno, or what became of many flows. */
type Heard =
  | readonly number[]
  | string
  | { 'each once': boolean; 'the same for a flow': boolean; used: readonly number[] };

interface Case {
  readonly title: string;
  readonly sockets: readonly SocketSpec[];
  readonly sends: readonly SendSpec[];
  readonly binds: readonly string[];
  readonly heard: readonly Heard[];
}

const { setup, cases } = JSON.parse(readFileSync('test/data/linux-delivery.json', 'utf8')) as {
  readonly setup: readonly string[];
  readonly cases: readonly Case[];
};

/** Flows of one case; `FLOWS` of the measuring program. */
const FLOWS = 60;
const TYPES: Readonly<Record<string, number>> = {
  udp: SOCK_DGRAM,
  raw: SOCK_RAW,
  tcp: SOCK_STREAM,
};

const isV6 = (kind: string): boolean => kind.endsWith('6');
const isTcp = (kind: string): boolean => kind.startsWith('tcp');

function sockaddr([addr, port]: Addr): SockAddrIn {
  if (addr.includes(':')) return { family: AF_INET6, addr: 0, addr6: ip6(addr), port };
  return { family: AF_INET, addr: ipv4(addr), port };
}

class Bench {
  private readonly clock = new VirtualClock(1);
  private readonly kernel = new Kernel({ env: this.clock, seed: 1 });
  private readonly ns: Namespace = this.kernel.netns.add('a');
  private readonly sockets: (Socket | null)[] = [];

  constructor() {
    for (const line of setup) {
      const [name = '', value = ''] = line.replace('sysctl -qw ', '').split('=');
      if (line.startsWith('ip ')) this.ns.ip(line.slice(3));
      else this.ns.sysctl.set(name, value);
    }
  }

  /** What each socket's calls gave, the first that failed. */
  open(specs: readonly SocketSpec[]): string[] {
    return specs.map((spec) => {
      const socket = this.create(spec.kind, spec.proto, spec.opts);
      const result = this.prepare(socket, spec);
      this.sockets.push(result === 0 ? socket : null);
      if (result !== 0) socket.close();
      return result === 0 ? 'ok' : errnoName(result);
    });
  }

  private create(kind: string, proto: number, opts: readonly string[]): Socket {
    const family = isV6(kind) ? AF_INET6 : AF_INET;
    const socket = Socket.create(this.ns.net, family, TYPES[kind.slice(0, 3)] ?? 0, proto, ROOT);
    assert.ok(typeof socket !== 'number');
    for (const opt of opts) setOption(socket, opt);
    return socket;
  }

  private prepare(socket: Socket, { bind, join, connect, kind }: SocketSpec): number {
    let r = bind === null ? 0 : socket.bind(sockaddr(bind));
    const [group, local] = typeof join === 'string' ? [join, '127.0.0.1'] : (join ?? ['', '']);
    if (r === 0 && join !== null && isV6(kind)) {
      const { ifindex } = this.ns.link.show(local);
      r = socket.setsockopt(so.SOL_IPV6, so.IPV6_JOIN_GROUP, { multiaddr: ip6(group), ifindex });
    } else if (r === 0 && join !== null) {
      const request = { multiaddr: ipv4(group), address: ipv4(local), ifindex: 0 };
      r = socket.setsockopt(so.SOL_IP, so.IP_ADD_MEMBERSHIP, request);
    }
    if (r === 0 && connect !== null) r = socket.connect(sockaddr(connect));
    if (r === 0 && isTcp(kind)) r = socket.listen(200);
    return r;
  }

  deliver(spec: SendSpec): Heard {
    if (!spec.opts.includes('flows')) return this.once(spec, spec.from).heard;
    const local = isV6(spec.kind) ? 'fd00::1' : '10.0.0.2';
    const used = new Set<number>();
    let stable = true;
    let one = true;
    for (let i = 0; i < FLOWS; i++) {
      const { heard, socket } = this.once(spec, [local, 20000 + i]);
      assert.ok(typeof heard !== 'string' && 'length' in heard);
      one &&= heard.length === 1;
      for (const n of heard) used.add(n);
      if (isTcp(spec.kind)) continue;
      socket.sendto(new Uint8Array(8), 0, sockaddr(spec.to));
      stable &&= this.hear(spec.kind).join() === heard.join();
    }
    return { 'each once': one, 'the same for a flow': stable, used: [...used].sort() };
  }

  private once(spec: SendSpec, from: Addr | null): { heard: Heard; socket: Socket } {
    const socket = this.create(spec.kind, spec.proto, spec.opts);
    if (from !== null) {
      setOption(socket, 'reuse');
      assert.equal(socket.bind(sockaddr(from)), 0);
    }
    const to = sockaddr(spec.to);
    const r = isTcp(spec.kind) ? socket.connect(to) : socket.sendto(new Uint8Array(8), 0, to);
    if (r < 0 && !isTcp(spec.kind)) return { heard: errnoName(r), socket };
    return { heard: this.hear(spec.kind), socket };
  }

  private hear(kind: string): number[] {
    this.clock.runFor(this.kernel.core, 1000);
    return this.sockets.flatMap((socket, i) => {
      const heard: number[] = [];
      const take = (): boolean =>
        socket !== null && typeof (isTcp(kind) ? socket.accept() : socket.recv(4096)) !== 'number';
      while (take()) heard.push(i);
      return heard;
    });
  }
}

function setOption(socket: Socket, opt: string): void {
  const set = (level: number, name: number, value: number | string): void => {
    assert.equal(socket.setsockopt(level, name, value), 0, opt);
  };
  if (opt === 'reuse') set(so.SOL_SOCKET, so.SO_REUSEADDR, 1);
  else if (opt === 'reuseport') set(so.SOL_SOCKET, so.SO_REUSEPORT, 1);
  else if (opt === 'only6') set(so.SOL_IPV6, so.IPV6_V6ONLY, 1);
  else if (opt === 'broadcast') set(so.SOL_SOCKET, so.SO_BROADCAST, 1);
  else if (opt === 'mcloop0' && socket.sk.inet6 !== null)
    set(so.SOL_IPV6, so.IPV6_MULTICAST_LOOP, 0);
  else if (opt === 'mcloop0') set(so.SOL_IP, so.IP_MULTICAST_LOOP, 0);
  else if (opt === 'mcall0') set(so.SOL_IP, so.IP_MULTICAST_ALL, 0);
  else if (opt.startsWith('dev:')) set(so.SOL_SOCKET, so.SO_BINDTODEVICE, opt.slice(4));
  else if (opt !== 'flows') assert.fail(opt);
}

for (const { title, sockets, sends, binds, heard } of cases)
  test(`V3: ${title}`, () => {
    const bench = new Bench();
    assert.deepEqual(bench.open(sockets), binds);
    assert.deepEqual(
      sends.map((s) => bench.deliver(s)),
      heard,
    );
  });
