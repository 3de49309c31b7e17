/** A small lab for tests of devices: namespaces driven by the words of `ip`, in virtual time, and what is on their wires. */
import assert from 'node:assert/strict';
import { ping } from '../src/app/ping.ts';
import { Kernel } from '../src/core/control/kernel.ts';
import type { Namespace } from '../src/core/control/namespace.ts';
import type { NetDevice, PacketTap } from '../src/core/link/net-device.ts';
import type { Packet } from '../src/core/packet.ts';
import { Socket } from '../src/core/socket/socket.ts';
import { AF_INET, SOCK_DGRAM, SOCK_STREAM } from '../src/core/transport/sock.ts';
import { ipv4 } from '../src/core/util/address.ts';
import { frameBytes } from '../src/core/wire/frame.ts';
import { VirtualClock } from '../src/sim/virtual-clock.ts';
import { ipTool } from '../src/tools/ip.ts';

const S = 1_000_000;

/** A frame that a device sent or received. */
export interface Seen {
  readonly pkt: Packet;
  readonly outgoing: boolean;
  /** The frame as bytes; '' of a GSO packet. */
  readonly hex: string;
}

export class DeviceLab {
  readonly clock: VirtualClock = new VirtualClock();
  readonly kernel: Kernel;

  /** @param names namespaces to make, with lo up and without IPv6 unless `ipv6` */
  constructor(names: readonly string[], ipv6 = false) {
    this.kernel = new Kernel({ env: this.clock, seed: 1 });
    for (const name of names) {
      const ns = this.kernel.netns.add(name);
      if (!ipv6) {
        ns.sysctl.set('net.ipv6.conf.all.disable_ipv6', 1);
        ns.sysctl.set('net.ipv6.conf.default.disable_ipv6', 1);
      }
      ns.ip('link set lo up');
    }
  }

  ns(name: string): Namespace {
    return this.kernel.netns.get(name);
  }

  dev(ns: string, name: string): NetDevice {
    const dev = this.ns(ns).net.devs.find(name);
    assert.ok(dev !== undefined, `${ns} has no ${name}`);
    return dev;
  }

  run(us: number = S): void {
    this.clock.runFor(this.kernel.core, us);
  }

  /** Each line: namespace and the words of `ip`; all must succeed. */
  script(text: string): void {
    for (const line of text.split('\n')) {
      const [ns = '', ...words] = line.trim().split(/\s+/);
      if (ns === '') continue;
      if (words[0] === 'sysctl') {
        const [name = '', value = ''] = (words[1] ?? '').split('=');
        this.ns(ns).sysctl.set(name, /^-?\d+$/.test(value) ? Number(value) : value);
      } else this.ns(ns).ip(words);
    }
  }

  /** What `ip WORDS` writes to both of its outputs. */
  ip(ns: string, words: string): string {
    const { netns } = this.kernel;
    const r = ipTool(
      { ns: this.ns(ns), findNetns: (n: string) => netns.find(n), listNetns: () => netns.list() },
      words.split(' '),
    );
    return r.stdout + r.stderr;
  }

  /** The first object of `ip -d -j WORDS`. */
  // biome-ignore lint/suspicious/noExplicitAny: JSON, whose shape is what the tests check
  json(ns: string, words: string): any {
    return JSON.parse(this.ns(ns).ip(`-d -j ${words}`))[0];
  }

  /** True: `ping -c 1` was answered. Text: what it said, when it was not. */
  ping(ns: string, words: string): true | string {
    let text = '';
    let code = -1;
    const io = {
      out: (t: string) => {
        text += t;
      },
      err: (t: string) => {
        text += t;
      },
      exit: (c: number) => {
        code = c;
      },
    };
    ping(this.ns(ns), ['-c', '1', '-W', '2', ...words.split(' ')], io);
    this.run(5 * S);
    return code === 0 ? true : text;
  }

  /** Sends a datagram to a socket on 0.0.0.0:9 of `to`: who sent it, or null. */
  udp(from: string, to: string, addr: string, size = 100): string | null {
    const s = this.socket(to, SOCK_DGRAM);
    const c = this.socket(from, SOCK_DGRAM);
    s.bind({ family: AF_INET, addr: 0, port: 9 });
    c.sendto(new Uint8Array(size), 0, { family: AF_INET, addr: ipv4(addr), port: 9 });
    this.run(5 * S);
    const got = s.recv(100_000);
    s.close();
    c.close();
    if (typeof got === 'number' || got.len !== size) return null;
    const source = got.from?.addr ?? 0;
    return [24, 16, 8, 0].map((n) => (source >>> n) & 255).join('.');
  }

  /** How many bytes of a stream arrive in 20 s. */
  stream(from: string, to: string, addr: string, bytes: number, port = 80): number {
    const s = this.socket(to, SOCK_STREAM);
    s.bind({ family: AF_INET, addr: 0, port });
    s.listen(1);
    const c = this.socket(from, SOCK_STREAM);
    c.connect({ family: AF_INET, addr: ipv4(addr), port });
    this.run();
    const peer = s.accept();
    if (typeof peer === 'number') return 0;
    let sent = 0;
    let got = 0;
    for (let i = 0; i < 2000; i++) {
      if (sent < bytes) {
        const n = c.send(new Uint8Array(Math.min(bytes - sent, 65536)));
        if (n > 0) sent += n;
      }
      this.run(S / 100);
      for (;;) {
        const r = peer.recv(1 << 20);
        if (typeof r === 'number' || r.len === 0) break;
        got += r.len;
      }
      if (got === bytes) break;
    }
    for (const sk of [peer, c, s]) sk.close();
    return got;
  }

  socket(ns: string, type: number, family: number = AF_INET, protocol = 0): Socket {
    const sk = Socket.create(this.ns(ns).net, family, type, protocol);
    assert.ok(typeof sk !== 'number');
    return sk;
  }

  /** Collects what passes a device from now on. */
  watch(ns: string, name: string): Seen[] {
    const seen: Seen[] = [];
    const tap: PacketTap = {
      tap: (pkt, _dev, outgoing) => {
        const hex = pkt.gsoSize > 0 ? '' : Buffer.from(frameBytes(pkt)).toString('hex');
        seen.push({ pkt: pkt.clone(), outgoing, hex });
      },
    };
    const dev = this.dev(ns, name);
    dev.taps = [...(dev.taps ?? []), tap];
    return seen;
  }
}
