/**
 * Scripts of socket calls in two namespaces, A and B, joined by a veth pair, a0 (10.0.0.1) and b0 (10.0.0.2): done by
 * the kernel (`script-agent.py`) and by Warren in virtual time, result by result.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  AF_INET,
  AF_PACKET,
  type ControlMessage,
  errnoName,
  Kernel,
  type Namespace,
  NetError,
  parseIpv4,
  type SockAddr,
  Socket,
} from '../../src/core/index.ts';
import { controlBytes, controlFromBytes } from '../../src/core/socket/control-bytes.ts';
import { programOf } from '../../src/core/transport/filter/bpf.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';
import { PYTHON } from './tools.ts';

/** An operation and its arguments; see `World.run` of the agent. */
export type Step = readonly [string, ...unknown[]];
export type Script = readonly Step[];

/** What the kernel answers to each script. */
export function runOnLinux(scripts: readonly Script[]): Promise<unknown[][]> {
  return new Promise((resolve, reject) => {
    const child = spawn(PYTHON, ['test/linux/script-agent.py'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code !== 0) reject(new Error(`script-agent.py ended with ${code}`));
      else
        resolve(
          text
            .trimEnd()
            .split('\n')
            .map((line) => JSON.parse(line) as unknown[]),
        );
    });
    child.stdin.end(JSON.stringify(scripts));
  });
}

/** One millisecond between calls: what was sent has arrived. */
const STEP_US = 1000;

export class WarrenScript {
  readonly clock: VirtualClock = new VirtualClock(1);
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 1 });
  private readonly socks: Map<string, Socket> = new Map();

  constructor() {
    const { netns } = this.kernel;
    for (const name of ['A', 'B']) {
      const ns = netns.add(name);
      for (const dir of ['all', 'default']) ns.sysctl.set(`net.ipv6.conf.${dir}.disable_ipv6`, '1');
    }
    const a = this.ns('A');
    const words = 'index 20 address 02:00:00:00:00:0b netns B';
    a.ip(`link add a0 index 10 address 02:00:00:00:00:0a type veth peer name b0 ${words}`);
    for (const [name, dev, n] of [
      ['A', 'a0', 1],
      ['B', 'b0', 2],
    ] as const)
      for (const cmd of [
        'link set lo up',
        `link set ${dev} up`,
        `addr add 10.0.0.${n}/24 dev ${dev}`,
      ])
        this.ns(name).ip(cmd);
    this.settle();
  }

  ns(name: string): Namespace {
    return this.kernel.netns.get(name);
  }

  private settle(us = STEP_US): void {
    this.clock.runFor(this.kernel.core, us);
  }

  run(script: Script): unknown[] {
    return script.map((step) => {
      const result = this.step(step);
      this.settle();
      return result;
    });
  }

  private step([op, ...a]: Step): unknown {
    try {
      const result = this.perform(op, a);
      return typeof result === 'number' && result < 0 ? errnoName(result) : result;
    } catch (e) {
      if (e instanceof NetError) return e.code;
      throw e;
    }
  }

  private perform(op: string, a: readonly unknown[]): unknown {
    switch (op) {
      case 'wait':
        this.settle(Number(a[0]) * 1e6);
        return 0;
      case 'ip':
        try {
          this.ns(String(a[0])).ip(String(a[1]));
          return 0;
        } catch {
          return 2;
        }
      case 'read':
        return this.ns(String(a[0])).fs.read(String(a[1]));
      case 'write':
        this.ns(String(a[0])).fs.write(String(a[1]), String(a[2]));
        return 0;
      case 'sock': {
        const [id, ns, ...kind] = a as [string, string, number, number, number];
        const made = Socket.create(this.ns(ns).net, ...kind);
        if (typeof made === 'number') return made;
        this.socks.set(id, made);
        return 0;
      }
      case 'accept': {
        const child = this.socks.get(String(a[0]))?.accept() ?? -9;
        if (typeof child === 'number') return child;
        this.socks.set(String(a[1]), child);
        return 0;
      }
      default:
        return this.call(this.socks.get(String(a[0])), op, a.slice(1));
    }
  }

  private call(s: Socket | undefined, op: string, a: readonly unknown[]): unknown {
    assert.ok(s !== undefined, `no socket for ${op}`);
    const n = (i: number): number => Number(a[i]);
    switch (op) {
      case 'set':
        return s.setsockopt(n(0), n(1), n(2));
      case 'sethex':
        return s.setsockopt(n(0), n(1), hexBytes(a[2]));
      case 'gethex': {
        const got = s.getsockoptBytes(n(0), n(1), n(2));
        return typeof got === 'number' ? got : Buffer.from(got).toString('hex');
      }
      case 'program': {
        const bytes = (a[0] as number[][]).flatMap(([code = 0, jt = 0, jf = 0, k = 0]) => [
          code & 255,
          code >>> 8,
          jt,
          jf,
          k & 255,
          (k >>> 8) & 255,
          (k >>> 16) & 255,
          k >>> 24,
        ]);
        return s.setsockopt(
          1,
          a[1] === undefined ? 26 : n(1),
          programOf(Uint8Array.from(bytes)) ?? [],
        );
      }
      case 'bindll':
        return this.withDevice(s, a[0], (ifindex) =>
          s.bind({ ...LINK, ifindex, protocol: n(1) } as SockAddr),
        );
      case 'namell': {
        const name = s.linkName();
        if (typeof name === 'number') return name;
        const dev = s.sk.net.devs.findIndex(name.ifindex)?.name ?? '';
        return [dev, name.protocol, name.hatype, macHex(name.addr, name.halen)];
      }
      case 'sendll':
        return this.withDevice(s, a[0], (ifindex) =>
          s.sendto(hexBytes(a[3]), 0, {
            ...LINK,
            ifindex,
            protocol: n(1),
            addr: Number.parseInt(`0${String(a[2])}`, 16),
          } as SockAddr),
        );
      case 'bind':
        return s.bind(inet(a[0], a[1]));
      case 'listen':
        return s.listen(n(0));
      case 'connect':
        return s.connect(inet(a[0], a[1]));
      case 'send':
        return s.send(hexBytes(a[0]));
      case 'sendto':
        return s.sendto(hexBytes(a[0]), 0, inet(a[1], a[2]));
      case 'sendmsg': {
        const control = (a[3] as [number, number, string][]).map(([level, type, hex]) =>
          controlFromBytes(level, type, hexBytes(hex)),
        );
        return s.sendto(hexBytes(a[0]), 0, inet(a[1], a[2]), control as ControlMessage[]);
      }
      case 'recv':
        return this.receive(s, n(0), a[1] === undefined ? 0 : n(1));
      case 'drain': {
        let count = 0;
        while (typeof s.recv(70_000) !== 'number') count++;
        return count;
      }
      case 'close':
        return s.close();
      default:
        return assert.fail(op);
    }
  }

  private receive(s: Socket, max: number, flags: number): unknown {
    const got = s.recv(max, flags);
    if (typeof got === 'number') return got;
    const { link, from } = got;
    const dev = link === undefined ? undefined : s.sk.net.devs.findIndex(link.ifindex);
    return {
      data: Buffer.concat([...got.data]).toString('hex'),
      from:
        link !== undefined
          ? [
              dev?.name ?? '',
              link.protocol,
              link.pkttype,
              link.hatype,
              macHex(link.addr, link.halen),
            ]
          : from === null
            ? null
            : [dotted(from.addr), from.port],
      flags: got.flags & 0x20,
      control: got.control.map((c) => [
        c.level,
        c.type,
        Buffer.from(controlBytes(c)).toString('hex'),
      ]),
    };
  }

  private withDevice(s: Socket, name: unknown, use: (ifindex: number) => number): unknown {
    const dev = s.sk.net.devs.find(String(name));
    return dev === undefined ? 'ENODEV' : use(dev.ifindex);
  }
}

const LINK = { family: AF_PACKET, hatype: 0, pkttype: 0, halen: 6, addr: 0 } as const;

function hexBytes(text: unknown): Uint8Array {
  return new Uint8Array(Buffer.from(String(text), 'hex'));
}

function macHex(addr: number, len: number): string {
  return addr
    .toString(16)
    .padStart(12, '0')
    .slice(0, 2 * len);
}

function dotted(addr: number): string {
  return [24, 16, 8, 0].map((shift) => (addr >>> shift) & 255).join('.');
}

function inet(text: unknown, port: unknown): SockAddr {
  return { family: AF_INET, addr: parseIpv4(String(text)) ?? 0, port: Number(port) };
}

/** Runs both, and compares; `plain` takes out of a result what may differ. */
export async function compareScripts(
  scripts: readonly Script[],
  plain: (result: unknown, step: Step) => unknown = (r) => r,
): Promise<void> {
  const kernel = await runOnLinux(scripts);
  const differences: string[] = [];
  for (const [i, script] of scripts.entries()) {
    const ours = new WarrenScript().run(script);
    for (const [n, step] of script.entries()) {
      const [theirs, own] = [kernel[i]?.[n], ours[n]].map((r) => JSON.stringify(plain(r, step)));
      if (own !== theirs)
        differences.push(
          `script ${i}, step ${n}: ${JSON.stringify(step)}\n  Linux ${theirs}\n  here  ${own}`,
        );
    }
  }
  assert.equal(differences.join('\n'), '');
}
