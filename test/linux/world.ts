/**
 * The same commands in two worlds: real namespaces of this machine's kernel, and Warren in virtual
 * time. A differential test runs a script in both and compares what each command gave.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { ping } from '../../src/app/ping.ts';
import { AF_INET, errnoName, Kernel, parseIpv4, Socket, SOCK_DGRAM, SOCK_STREAM } from '../../src/core/index.ts';
import type { ToolContext } from '../../src/core/control/ip/ip.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';
import { bridgeTool } from '../../src/tools/bridge.ts';
import { ipTool } from '../../src/tools/ip.ts';
import { sysctlTool } from '../../src/tools/sysctl.ts';

/** What a command gave. */
export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/**
 * A command line begins with the name of its namespace: `A ip addr add …`, `A ping …`,
 * `A sysctl …`, `A bridge …`; and ours: `A tcp-listen ADDR PORT`, `A tcp-connect ADDR PORT SECONDS`,
 * `A udp-ask ADDR PORT`, which print `ok` or the name of an errno. `wait SECONDS` waits.
 */
export interface World {
  add(name: string): Promise<void>;
  run(line: string): Promise<Outcome>;
  close(): Promise<void>;
}

/** Why the real world is not there; undefined when it is. */
export function linuxMissing(): string | undefined {
  if (process.platform !== 'linux') return 'not Linux';
  if (process.getuid?.() !== 0) return 'needs root for network namespaces';
  const probe = `wrnprobe${randomBytes(3).toString('hex')}`;
  try {
    execFileSync('ip', ['netns', 'add', probe], { stdio: 'ignore', timeout: 5000 });
    execFileSync('ip', ['netns', 'del', probe], { stdio: 'ignore', timeout: 5000 });
    return undefined;
  } catch {
    return 'cannot make network namespaces (ip netns add failed)';
  }
}

/** Reason to skip, for node:test; with WARREN_REQUIRE_LINUX=1 a missing Linux fails instead. */
export function skipReason(): string | false {
  const missing = linuxMissing();
  if (missing === undefined) return false;
  if (process.env['WARREN_REQUIRE_LINUX'] === '1') throw new Error(`no Linux to compare with: ${missing}`);
  return missing;
}

/** Splits at white space; quotes keep words together. */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((m) => m[1] ?? m[2] ?? '');
}

const LISTENER = `
import socket,sys,time
s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)
s.bind((sys.argv[1],int(sys.argv[2]))); s.listen(8); print("ready",flush=True)
time.sleep(60)
`;
const CONNECT = `
import socket,sys,errno
s=socket.socket(); s.settimeout(float(sys.argv[3]))
try:
  s.connect((sys.argv[1],int(sys.argv[2]))); print("ok")
except socket.timeout: print("timeout")
except OSError as e: print(errno.errorcode[e.errno])
`;
const UDP_ASK = `
import socket,sys,errno
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(1)
try:
  s.connect((sys.argv[1],int(sys.argv[2]))); s.send(b"x"); s.recv(10); print("ok")
except socket.timeout: print("timeout")
except OSError as e: print(errno.errorcode[e.errno])
`;

/** Real namespaces, with a random prefix; `close` deletes them whatever happened. */
export class LinuxWorld implements World {
  private readonly prefix = `wrn${randomBytes(3).toString('hex')}`;
  private readonly names: string[] = [];
  private readonly children: ChildProcess[] = [];

  async add(name: string): Promise<void> {
    const real = this.prefix + name;
    this.names.push(name);
    await this.exec('ip', ['netns', 'add', real]);
    // IPv6 would put addresses, routes and packets of its own into what is compared.
    await this.exec('ip', [
      'netns',
      'exec',
      real,
      'sysctl',
      '-qw',
      'net.ipv6.conf.all.disable_ipv6=1',
      'net.ipv6.conf.default.disable_ipv6=1',
    ]);
  }

  async run(line: string): Promise<Outcome> {
    const [name = '', tool = '', ...words] = wordsOf(line);
    if (name === 'wait') {
      await new Promise((done) => setTimeout(done, Number(tool) * 1000));
      return { stdout: '', stderr: '', code: 0 };
    }
    const real = words.map((w) => (this.names.includes(w) ? this.prefix + w : w));
    const inside = ['netns', 'exec', this.prefix + name];
    switch (tool) {
      case 'ip':
      case 'bridge':
        return this.exec(tool, ['-n', this.prefix + name, ...real]);
      case 'tcp-listen':
        return this.listen(name, words);
      case 'tcp-connect':
        return this.exec('ip', [...inside, PYTHON, '-c', CONNECT, ...words]);
      case 'udp-ask':
        return this.exec('ip', [...inside, PYTHON, '-c', UDP_ASK, ...words]);
      default:
        return this.exec('ip', [...inside, tool, ...real]);
    }
  }

  private exec(file: string, args: readonly string[]): Promise<Outcome> {
    return new Promise((resolve) => {
      execFile(file, args, { timeout: 20_000, env: ENV }, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 124;
        resolve({ stdout: this.hide(stdout), stderr: this.hide(stderr), code });
      });
    });
  }

  private hide(text: string): string {
    return text.replaceAll(this.prefix, '');
  }

  private listen(name: string, words: readonly string[]): Promise<Outcome> {
    const args = ['netns', 'exec', this.prefix + name, PYTHON, '-c', LISTENER, ...words];
    const child = spawn('ip', args, { stdio: ['ignore', 'pipe', 'ignore'], env: ENV });
    this.children.push(child);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve({ stdout: '', stderr: 'not ready', code: 1 }), 10_000);
      child.stdout?.once('data', () => {
        clearTimeout(timer);
        resolve({ stdout: '', stderr: '', code: 0 });
      });
    });
  }

  async close(): Promise<void> {
    for (const child of this.children) child.kill('SIGKILL');
    for (const name of this.names) await this.exec('ip', ['netns', 'del', this.prefix + name]);
  }
}

const PYTHON = '/usr/bin/python3';
const ENV: NodeJS.ProcessEnv = { ...process.env, LC_ALL: 'C' };

/** Warren's namespaces, in virtual time. */
export class WarrenWorld implements World {
  readonly clock: VirtualClock = new VirtualClock();
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 1 });
  private readonly sockets: Socket[] = [];

  add(name: string): Promise<void> {
    this.kernel.netns.add(name);
    return Promise.resolve();
  }

  run(line: string): Promise<Outcome> {
    return Promise.resolve(this.runNow(line));
  }

  close(): Promise<void> {
    for (const socket of this.sockets) socket.close();
    return Promise.resolve();
  }

  private runNow(line: string): Outcome {
    const [name = '', tool = '', ...words] = wordsOf(line);
    if (name === 'wait') {
      this.clock.runFor(this.kernel.core, Number(tool) * 1_000_000);
      return { stdout: '', stderr: '', code: 0 };
    }
    // Real commands take time: whatever the last one caused has happened.
    this.clock.runFor(this.kernel.core, 5000);
    const ctx = this.contextOf(name);
    switch (tool) {
      case 'ip':
        return ipTool(ctx, words);
      case 'bridge':
        return bridgeTool(ctx, words);
      case 'sysctl':
        return sysctlTool(ctx, words);
      case 'ping':
        return this.ping(name, words);
      case 'tcp-listen':
        return this.listen(name, words);
      case 'tcp-connect':
        return this.connect(name, words);
      case 'udp-ask':
        return this.udpAsk(name, words);
      default:
        throw new Error(`no such tool: ${tool}`);
    }
  }

  contextOf(name: string): ToolContext {
    const { netns } = this.kernel;
    return {
      ns: netns.get(name),
      findNetns: (n) => netns.find(n),
      listNetns: () => netns.list(),
    };
  }

  private ping(name: string, words: readonly string[]): Outcome {
    let stdout = '';
    let stderr = '';
    let code: number | undefined;
    ping(this.kernel.netns.get(name), words, {
      out: (text) => {
        stdout += text;
      },
      err: (text) => {
        stderr += text;
      },
      exit: (c) => {
        code = c;
      },
    });
    this.clock.runUntil(this.kernel.core, () => code !== undefined, 60_000_000);
    return { stdout, stderr, code: code ?? 124 };
  }

  private socket(name: string, type: number): Socket {
    const socket = Socket.create(this.kernel.netns.get(name).net, AF_INET, type);
    if (typeof socket === 'number') throw new Error(errnoName(socket));
    this.sockets.push(socket);
    return socket;
  }

  private listen(name: string, words: readonly string[]): Outcome {
    const socket = this.socket(name, SOCK_STREAM);
    socket.bind(sockaddr(words));
    socket.listen(8);
    return { stdout: '', stderr: '', code: 0 };
  }

  private connect(name: string, words: readonly string[]): Outcome {
    const socket = this.socket(name, SOCK_STREAM);
    const result = socket.connect(sockaddr(words));
    if (result < 0 && errnoName(result) !== 'EINPROGRESS') return print(errnoName(result));
    const done = this.clock.runUntil(
      this.kernel.core,
      () => (socket.poll() & 0x1c) !== 0,
      Number(words[2]) * 1_000_000,
    );
    const err = socket.getsockopt(1, 4);
    return print(!done ? 'timeout' : err === 0 ? 'ok' : errnoName(Number(err)));
  }

  private udpAsk(name: string, words: readonly string[]): Outcome {
    const socket = this.socket(name, SOCK_DGRAM);
    const connected = socket.connect(sockaddr(words));
    if (connected < 0) return print(errnoName(connected));
    const sent = socket.send(new Uint8Array(1));
    if (sent < 0) return print(errnoName(sent));
    const done = this.clock.runUntil(
      this.kernel.core,
      () => (socket.poll() & 0x9) !== 0,
      1_000_000,
    );
    if (!done) return print('timeout');
    const got = socket.recv(10);
    return print(typeof got === 'number' ? errnoName(got) : 'ok');
  }
}

function sockaddr(words: readonly string[]): { family: 2; addr: number; port: number } {
  return { family: AF_INET, addr: parseIpv4(words[0] ?? '') ?? 0, port: Number(words[1]) };
}

function print(text: string): Outcome {
  return { stdout: `${text}\n`, stderr: '', code: 0 };
}
