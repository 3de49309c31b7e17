/**
 * The soak: twenty namespaces, four routers in a ring of bridged segments, every wire with loss, duplicates,
 * reordering and corruption; TCP streams and datagrams between random pairs, in virtual time. Every stream
 * must arrive as it was sent, nothing may be left behind, and the same seed must repeat to the bit.
 */
import assert from 'node:assert/strict';
import { Kernel } from '../../src/core/control/kernel.ts';
import type { Namespace } from '../../src/core/control/namespace.ts';
import { EAGAIN, EINPROGRESS } from '../../src/core/errno.ts';
import { Socket } from '../../src/core/socket/socket.ts';
import { AF_INET, SOCK_DGRAM, SOCK_STREAM } from '../../src/core/transport/sock.ts';
import { ipv4 } from '../../src/core/util/address.ts';
import { Random } from '../../src/core/util/random.ts';
import type { frameBytes } from '../../src/core/wire/frame.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';

const ROUTERS = 4;
const HOSTS_PER_SEGMENT = 4;
const IMPAIRMENT = 'delay 3ms 1ms loss 1% duplicate 0.5% reorder 2% corrupt 0.3% limit 1000';
const PORT = 7000;

export interface SoakReport {
  readonly streams: number;
  readonly streamBytes: number;
  readonly datagramsSent: number;
  readonly datagramsReceived: number;
  readonly packets: number;
  /** FNV-1a over every frame that any device received, with its time. */
  readonly hash: string;
  readonly leaked: readonly string[];
}

/** One stream in one direction: bytes derive from its key, so the receiver can check each of them. */
class Stream {
  readonly size: number;
  sent = 0;
  received = 0;
  readonly key: number;

  constructor(key: number, size: number) {
    this.key = key;
    this.size = size;
  }

  chunk(length: number): Uint8Array {
    const bytes = new Uint8Array(Math.min(length, this.size - this.sent));
    for (let i = 0; i < bytes.length; i++) bytes[i] = byteAt(this.key, this.sent + i);
    return bytes;
  }

  take(data: readonly Uint8Array[]): void {
    for (const slice of data) {
      for (const byte of slice) {
        if (byte !== byteAt(this.key, this.received))
          assert.fail(`stream ${this.key}: byte ${this.received} is ${byte}`);
        this.received++;
      }
    }
  }
}

function byteAt(key: number, index: number): number {
  return (Math.imul(key + index, 0x9e3779b1) >>> 24) & 0xff;
}

interface Flow {
  readonly client: Socket;
  server: Socket | null;
  readonly up: Stream;
  readonly down: Stream;
  /** The client has told the server which flow this is. */
  introduced: boolean;
  clientDone: boolean;
  serverDone: boolean;
}

export class Soak {
  readonly clock: VirtualClock;
  readonly kernel: Kernel;
  private readonly random: Random;
  private readonly hosts: { ns: Namespace; addr: string; listener: Socket; dgram: Socket }[] = [];
  private readonly flows: Flow[] = [];
  private readonly open: Set<Flow> = new Set();
  /** Accepted sockets whose first bytes, the flow's number, are not complete yet. */
  private readonly arriving: { socket: Socket; head: number[] }[] = [];
  private streamBytes = 0;
  private sent = 0;
  private received = 0;
  private packets = 0;
  private hash = 0x811c9dc5 | 0;

  constructor(seed: number) {
    this.clock = new VirtualClock(seed);
    this.kernel = new Kernel({ env: this.clock, seed });
    this.random = new Random(seed, 'soak');
    this.build();
    this.kernel.core.tracer = {
      receive: (dev, pkt) => this.digest(dev.ifindex, pkt),
      transmit: () => {},
      drop: () => {},
    };
  }

  /** Runs `seconds` of traffic, lets everything finish, closes all, and tells. */
  run(seconds: number): SoakReport {
    const core = this.kernel.core;
    for (let tick = 0; tick < seconds * 10; tick++) {
      if (this.random.chance(0.35) && this.open.size < 60) this.startFlow();
      for (let i = 0; i < 3; i++) this.sendDatagram();
      this.turn();
      this.clock.runFor(core, 100_000);
    }
    for (let tick = 0; tick < 36_000 && this.open.size > 0; tick++) {
      this.turn();
      this.clock.runFor(core, 100_000);
    }
    const unfinished = [...this.open].map(
      (f) => `stream ${f.up.key}: ${f.up.received}/${f.up.size}`,
    );
    assert.deepEqual(unfinished, [], 'streams that did not finish');
    for (const host of this.hosts) {
      host.listener.close();
      host.dgram.close();
    }
    this.clock.runFor(core, 400_000_000);
    return {
      streams: this.flows.length * 2,
      streamBytes: this.streamBytes,
      datagramsSent: this.sent,
      datagramsReceived: this.received,
      packets: this.packets,
      hash: (this.hash >>> 0).toString(16).padStart(8, '0'),
      leaked: this.leaks(),
    };
  }

  private build(): void {
    const routers = Array.from({ length: ROUTERS }, (_, i) => this.kernel.netns.add(`r${i}`));
    routers.forEach((router, i) => {
      router.sysctl.set('net.ipv4.ip_forward', '1');
      const next = routers[(i + 1) % ROUTERS] as Namespace;
      this.kernel.veth(
        { netns: router, name: 'right', address: `10.255.${i}.1/24`, up: true },
        { netns: next, name: 'left', address: `10.255.${i}.2/24`, up: true },
      );
    });
    routers.forEach((router, i) => {
      router.ip('link add br0 type bridge');
      router.ip('link set br0 up');
      router.ip(`addr add 10.0.${i}.1/24 dev br0`);
      for (let h = 0; h < HOSTS_PER_SEGMENT; h++) this.addHost(router, i, h);
      for (let d = 1; d < ROUTERS; d++) {
        const way =
          d <= ROUTERS / 2
            ? `10.255.${i}.2 dev right`
            : `10.255.${(i + ROUTERS - 1) % ROUTERS}.1 dev left`;
        router.ip(`route add 10.0.${(i + d) % ROUTERS}.0/24 via ${way}`);
      }
    });
  }

  private addHost(router: Namespace, segment: number, h: number): void {
    const ns = this.kernel.netns.add(`h${segment}-${h}`);
    const addr = `10.0.${segment}.${10 + h}`;
    this.kernel.veth(
      { netns: ns, name: 'eth0', address: `${addr}/24`, up: true },
      { netns: router, name: `port${h}`, up: true },
    );
    router.ip(`link set port${h} master br0`);
    ns.link.set('lo', { up: true });
    ns.ip(`route add default via 10.0.${segment}.1`);
    ns.qdisc.replace('eth0', IMPAIRMENT);
    router.qdisc.replace(`port${h}`, IMPAIRMENT);
    const listener = this.socket(ns, SOCK_STREAM);
    assert.equal(listener.bind({ family: AF_INET, addr: 0, port: PORT }), 0);
    assert.equal(listener.listen(128), 0);
    const dgram = this.socket(ns, SOCK_DGRAM);
    assert.equal(dgram.bind({ family: AF_INET, addr: 0, port: PORT }), 0);
    this.hosts.push({ ns, addr, listener, dgram });
  }

  private socket(ns: Namespace, type: number): Socket {
    const socket = Socket.create(ns.net, AF_INET, type);
    assert.ok(typeof socket !== 'number');
    return socket;
  }

  private pick(): (typeof this.hosts)[number] {
    return this.hosts[this.random.below(this.hosts.length)] as (typeof this.hosts)[number];
  }

  private startFlow(): void {
    const from = this.pick();
    const to = this.pick();
    const key = this.flows.length;
    const client = this.socket(from.ns, SOCK_STREAM);
    const errno = client.connect({ family: AF_INET, addr: ipv4(to.addr), port: PORT });
    assert.ok(errno === 0 || errno === -EINPROGRESS, `connect ${errno}`);
    const flow: Flow = {
      client,
      server: null,
      introduced: false,
      up: new Stream(key * 2, 4 + this.random.below(200_000)),
      down: new Stream(key * 2 + 1, 1 + this.random.below(200_000)),
      clientDone: false,
      serverDone: false,
    };
    this.flows.push(flow);
    this.open.add(flow);
  }

  private sendDatagram(): void {
    const from = this.pick();
    const to = this.pick();
    const size = 8 + this.random.below(4000);
    const bytes = new Uint8Array(size);
    const key = this.random.below(65536);
    bytes[0] = key >> 8;
    bytes[1] = key & 255;
    for (let i = 2; i < size; i++) bytes[i] = byteAt(key, i);
    const n = from.dgram.sendto(bytes, 0, { family: AF_INET, addr: ipv4(to.addr), port: PORT });
    if (n > 0) this.sent++;
  }

  /** Lets every socket do what it can without waiting. */
  private turn(): void {
    for (const host of this.hosts) {
      this.accept(host.listener);
      this.readDatagrams(host.dgram);
    }
    for (const half of [...this.arriving]) this.readHead(half);
    for (const flow of this.open) this.pump(flow);
  }

  private accept(listener: Socket): void {
    for (let s = listener.accept(); typeof s !== 'number'; s = listener.accept())
      this.arriving.push({ socket: s, head: [] });
  }

  /** The first four bytes of a connection are the number of its flow, in the clear. */
  private readHead(half: { socket: Socket; head: number[] }): void {
    const got = half.socket.recv(4 - half.head.length);
    if (typeof got === 'number') {
      assert.equal(got, -EAGAIN);
      return;
    }
    for (const slice of got.data) half.head.push(...slice);
    if (half.head.length < 4) return;
    const [a = 0, b = 0, c = 0, d = 0] = half.head;
    const flow = this.flows[(a << 24) | (b << 16) | (c << 8) | d];
    assert.ok(flow !== undefined && flow.server === null, 'a connection that nobody made');
    flow.server = half.socket;
    this.arriving.splice(this.arriving.indexOf(half), 1);
  }

  private pump(flow: Flow): void {
    if (!flow.introduced) {
      const key = flow.up.key / 2;
      const n = flow.client.send(Uint8Array.of(key >> 24, key >> 16, key >> 8, key));
      if (n !== 4) return;
      flow.introduced = true;
    }
    flow.clientDone ||= this.exchange(flow.client, flow.up, flow.down);
    if (flow.server !== null) flow.serverDone ||= this.exchange(flow.server, flow.down, flow.up);
    if (!flow.clientDone || !flow.serverDone) return;
    flow.client.close();
    flow.server?.close();
    this.open.delete(flow);
  }

  /** Sends and reads what goes; true once everything was sent and the other side's end was read. */
  private exchange(socket: Socket, out: Stream, into: Stream): boolean {
    while (out.sent < out.size) {
      const n = socket.send(out.chunk(16_384));
      if (n <= 0) break;
      out.sent += n;
      if (out.sent === out.size) socket.shutdown(1);
    }
    for (;;) {
      const got = socket.recv(65_536);
      if (typeof got === 'number') {
        if (got !== -EAGAIN) assert.fail(`stream ${into.key}: recv ${got}`);
        return false;
      }
      if (got.len === 0) {
        assert.equal(into.received, into.size, `stream ${into.key} ended early`);
        return out.sent === out.size;
      }
      into.take(got.data);
      this.streamBytes += got.len;
    }
  }

  private readDatagrams(socket: Socket): void {
    for (;;) {
      const got = socket.recv(65_536);
      if (typeof got === 'number') return;
      this.received++;
      const bytes = Buffer.concat(got.data);
      const key = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
      for (let i = 2; i < bytes.length; i++)
        if (bytes[i] !== byteAt(key, i))
          assert.fail(`a datagram of ${bytes.length} bytes: byte ${i}`);
    }
  }

  private digest(ifindex: number, pkt: Parameters<typeof frameBytes>[0]): void {
    this.packets++;
    let h = Math.imul(this.hash ^ ifindex, 0x01000193);
    h = Math.imul(h ^ (this.clock.nowUs() | 0), 0x01000193);
    h = Math.imul(h ^ pkt.len, 0x01000193);
    if (pkt.ip !== null) h = Math.imul(h ^ pkt.ip.src ^ pkt.ip.id, 0x01000193);
    if (pkt.tcp !== null) h = Math.imul(h ^ pkt.tcp.seq ^ pkt.tcp.ack, 0x01000193);
    this.hash = h;
  }

  /** What a lab that has come to rest still holds. */
  private leaks(): string[] {
    const core = this.kernel.core;
    const leaks: string[] = [];
    if (core.backlogLength !== 0) leaks.push(`${core.backlogLength} packets wait`);
    for (const net of core.namespaces.values()) {
      const sockets = net.tcp.socks.size + net.tcp.twCount + (net.udp.idle ? 0 : 1);
      if (sockets !== 0) leaks.push(`${net.name}: ${sockets} sockets`);
      if (net.ipv4.reassembly.memory !== 0) leaks.push(`${net.name}: fragments`);
    }
    return leaks;
  }
}
