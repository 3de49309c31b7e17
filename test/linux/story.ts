/**
 * Stories of two namespaces, told twice: by system calls of a program in namespaces of the kernel's, and by the same
 * calls in Warren in virtual time. What is compared at the end is the teller's business.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  AF_INET,
  AF_INET6,
  errnoName,
  Kernel,
  type Namespace,
  NetError,
  parseIpv4,
  parseIpv6,
  type SockAddrIn,
  Socket,
} from '../../src/core/index.ts';
import { IN6ADDR_ANY } from '../../src/core/util/ip6-addr.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';

export type Value = string | number;
/** Namespace, operation, arguments; `wait` with seconds; a namespace, `ip`, and words of iproute2. */
export type Call = readonly [string, string, ...Value[]] | readonly ['wait', number];

/** Where a story is told: namespaces A and B with lo up. */
export interface Stage {
  /** Does one call; the result, or the name of an errno. */
  call(call: Call): Promise<unknown>;
  close(): Promise<void>;
}

/** Time between calls: a delayed ACK goes out within it, in either world. */
const STEP_S = 0.08;
const AGENT = 'test/linux/story-agent.py';
const NAMES = ['A', 'B'] as const;

function exec(file: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { timeout: 20_000 }, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else reject(new Error(`${file} ${args.join(' ')}: ${stderr}`));
    });
  });
}

const sleep = (seconds: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000);
  });

/** A program in a namespace that makes calls as told. */
class Agent {
  private readonly child: ChildProcess;
  private text = '';
  private waiting: ((line: string) => void) | null = null;

  constructor(ns: string) {
    this.child = spawn('ip', ['netns', 'exec', ns, 'python3', AGENT], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.text += chunk.toString();
      this.deliver();
    });
  }

  private deliver(): void {
    const end = this.text.indexOf('\n');
    if (end < 0 || this.waiting === null) return;
    const line = this.text.slice(0, end);
    this.text = this.text.slice(end + 1);
    const { waiting } = this;
    this.waiting = null;
    waiting(line);
  }

  answer(): Promise<unknown> {
    return new Promise((resolve) => {
      this.waiting = (line) => resolve(JSON.parse(line));
      this.deliver();
    });
  }

  ask(call: readonly Value[]): Promise<unknown> {
    const answer = this.answer();
    this.child.stdin?.write(`${JSON.stringify(call)}\n`);
    return answer;
  }

  end(): void {
    this.child.kill('SIGKILL');
  }
}

/** The kernel's namespaces; `close` deletes them whatever happened. */
export class LinuxStage implements Stage {
  private readonly prefix = `wrn${randomBytes(3).toString('hex')}`;
  private readonly agents: Map<string, Agent> = new Map();
  private made: string[] = [];

  static async open(): Promise<LinuxStage> {
    const stage = new LinuxStage();
    try {
      for (const name of NAMES) {
        const real = stage.prefix + name;
        await exec('ip', ['netns', 'add', real]);
        stage.made.push(real);
        await exec('ip', ['-n', real, 'link', 'set', 'lo', 'up']);
        const agent = new Agent(real);
        stage.agents.set(name, agent);
        await agent.answer();
      }
    } catch (e) {
      await stage.close();
      throw e;
    }
    return stage;
  }

  async call(call: Call): Promise<unknown> {
    const [name, op, ...args] = call;
    if (name === 'wait') {
      await sleep(Number(op));
      return 0;
    }
    if (op === 'ip') {
      const words = args.map(String).join(' ').split(' ');
      const real = words.map((w) =>
        (NAMES as readonly string[]).includes(w) ? this.prefix + w : w,
      );
      await exec('ip', ['-n', this.prefix + name, ...real]);
      return 0;
    }
    const result = await this.agents.get(name)?.ask([op as string, ...args]);
    if (!isQuiet(op)) await sleep(STEP_S);
    return result;
  }

  async close(): Promise<void> {
    for (const agent of this.agents.values()) agent.end();
    for (const name of this.made) await exec('ip', ['netns', 'del', name]).catch(() => undefined);
    this.made = [];
  }
}

/** Calls that send nothing. */
function isQuiet(op: unknown): boolean {
  return /^(?:counters|read|write|list)$/.test(String(op));
}

/** Family, type and protocol of each kind of socket. */
const KINDS: Readonly<Record<string, readonly [family: number, type: number, protocol: number]>> = {
  tcp: [AF_INET, 1, 0],
  udp: [AF_INET, 2, 0],
  raw: [AF_INET, 3, 1],
  ping: [AF_INET, 2, 1],
  tcp6: [AF_INET6, 1, 0],
  udp6: [AF_INET6, 2, 0],
  raw6: [AF_INET6, 3, 58],
  ping6: [AF_INET6, 2, 58],
};

function address(text: Value, port: Value): SockAddrIn {
  const addr = parseIpv4(String(text));
  if (addr !== undefined) return { family: AF_INET, addr, port: Number(port) };
  const addr6 = parseIpv6(String(text)) ?? IN6ADDR_ANY;
  return { family: AF_INET6, addr: 0, port: Number(port), addr6 };
}

function told(result: unknown): unknown {
  return typeof result === 'number' && result < 0 ? errnoName(result) : result;
}

/** Warren's namespaces, in virtual time. */
export class WarrenStage implements Stage {
  readonly clock: VirtualClock = new VirtualClock(1);
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 1 });
  private readonly socks: Map<string, Socket> = new Map();

  constructor() {
    for (const name of NAMES) this.kernel.netns.add(name).ip('link set lo up');
  }

  namespace(name: string): Namespace {
    return this.kernel.netns.get(name);
  }

  call(call: Call): Promise<unknown> {
    return Promise.resolve(this.callNow(call));
  }

  callNow(call: Call): unknown {
    const [name, op, ...args] = call;
    if (name === 'wait') {
      this.clock.runFor(this.kernel.core, Number(op) * 1_000_000);
      return 0;
    }
    const ns = this.namespace(name);
    let result: unknown;
    try {
      result = told(this.perform(ns, String(op), args));
    } catch (e) {
      if (!(e instanceof NetError)) throw e;
      result = e.code;
    }
    if (!isQuiet(op)) this.clock.runFor(this.kernel.core, STEP_S * 1_000_000);
    return result;
  }

  close(): Promise<void> {
    for (const socket of this.socks.values()) socket.close();
    return Promise.resolve();
  }

  private perform(ns: Namespace, op: string, a: readonly Value[]): unknown {
    switch (op) {
      case 'ip':
        ns.ip(a.map(String).join(' '));
        return 0;
      case 'read':
        return ns.fs.read(String(a[0]));
      case 'write':
        ns.fs.write(String(a[0]), String(a[1]));
        return 0;
      case 'list':
        return [...ns.fs.list(String(a[0]))].sort();
      case 'counters':
        return countersIn(ns);
      default:
        return this.socketCall(ns, op, a);
    }
  }

  private socketCall(ns: Namespace, op: string, a: readonly Value[]): unknown {
    const id = `${ns.name} ${a[0]}`;
    const kind = KINDS[op];
    if (kind !== undefined) {
      const made = Socket.create(ns.net, ...kind);
      if (typeof made === 'number') return made;
      this.socks.set(id, made);
      return 0;
    }
    const s = this.socks.get(id);
    assert.ok(s !== undefined, `no socket ${id}`);
    const [, x = 0, y = 0, z = 0, w = 0] = a;
    if (op !== 'accept') return socketCall(s, op, [x, y, z, w]);
    const child = s.accept();
    if (typeof child === 'number') return child;
    this.socks.set(`${ns.name} ${x}`, child);
    return 0;
  }
}

type Four = readonly [Value, Value, Value, Value];

function socketCall(s: Socket, op: string, [x, y, z, w]: Four): unknown {
  switch (op) {
    case 'bind':
      return s.bind(address(x, y));
    case 'listen':
      return s.listen(Number(x));
    case 'connect':
      return s.connect(address(x, y));
    case 'send':
      return s.send(new Uint8Array(Number(x)), Number(y));
    case 'sendto':
      return s.sendto(new Uint8Array(Number(x)), Number(y), address(z, w));
    case 'sendhex':
      return s.sendto(Buffer.from(String(x), 'hex'), 0, address(y, z));
    case 'join':
      return s.setsockopt(0, 35, {
        multiaddr: parseIpv4(String(x)) ?? 0,
        address: parseIpv4(String(y)) ?? 0,
      });
    case 'recv': {
      const got = s.recv(Number(x), Number(y));
      return typeof got === 'number' ? got : got.len;
    }
    case 'set':
      return s.setsockopt(Number(x), Number(y), z);
    case 'get':
      return s.getsockopt(Number(x), Number(y));
    case 'shutdown':
      return s.shutdown(Number(x));
    case 'close':
      return s.close();
    case 'reset':
      s.setsockopt(1, 13, { onoff: 1, linger: 0 });
      return s.close();
    default:
      return assert.fail(op);
  }
}

export type Counters = Readonly<Record<string, number>>;

/** What snmp, netstat and snmp6 tell, read as a program reads them. */
export function countersIn(ns: Namespace): Counters {
  const out: Record<string, number> = {};
  for (const file of ['snmp', 'netstat']) {
    const lines = ns.fs.read(`/proc/net/${file}`).trimEnd().split('\n');
    for (let i = 0; i + 1 < lines.length; i += 2) {
      const [group = '', ...names] = (lines[i] as string).split(' ');
      const [, ...figures] = (lines[i + 1] as string).split(' ');
      for (const [j, name] of names.entries()) out[group.slice(0, -1) + name] = Number(figures[j]);
    }
  }
  for (const line of ns.fs.read('/proc/net/snmp6').trimEnd().split('\n')) {
    const [name = '', figure] = line.split(/\s+/);
    out[name] = Number(figure);
  }
  return out;
}
