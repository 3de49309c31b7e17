/** Warren's namespaces, in virtual time, with its own tools. */
import { ping } from '../../src/app/ping.ts';
import type { ToolContext } from '../../src/core/control/ip/ip.ts';
import {
  AF_INET,
  AF_INET6,
  errnoName,
  Kernel,
  parseIpv4,
  parseIpv6,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  type SockAddrIn,
  Socket,
} from '../../src/core/index.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';
import { bridgeTool } from '../../src/tools/bridge.ts';
import { ipTool } from '../../src/tools/ip.ts';
import { monitorTool } from '../../src/tools/monitor.ts';
import { ssTool } from '../../src/tools/ss.ts';
import { sysctlTool } from '../../src/tools/sysctl.ts';
import { tcTool } from '../../src/tools/tc.ts';
import { icmp6Words } from './icmp6-words.ts';
import { type Outcome, type World, wordsOf } from './world.ts';

/** Warren's namespaces, in virtual time. */
export class WarrenWorld implements World {
  readonly clock: VirtualClock = new VirtualClock();
  readonly kernel: Kernel = new Kernel({ env: this.clock, seed: 1 });
  private readonly sockets: Socket[] = [];
  /** What the monitor of a namespace printed. */
  private readonly seen: Map<string, string> = new Map();
  private readonly resetters: Socket[] = [];
  private readonly accepted: Set<Socket> = new Set();

  add(name: string, ipv6: boolean): Promise<void> {
    const ns = this.kernel.netns.add(name);
    if (!ipv6) ns.sysctl.set('net.ipv6.conf.all.disable_ipv6', 1);
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
      case 'ss':
        return ssTool(ctx, words);
      case 'tc':
        return tcTool(ctx, words);
      case 'ping':
        return this.ping(name, words);
      case 'monitor-start':
        return this.startMonitor(name, words);
      case 'monitor-stop':
        return print(this.seen.get(name) ?? '', '');
      case 'tcp-listen':
        return this.listen(name, words);
      case 'tcp-resetter':
        return this.listen(name, words, this.resetters);
      case 'tcp-ask':
        return this.ask(name, words);
      case 'tcp-connect':
        return this.connect(name, words);
      case 'icmp6-send':
        return this.icmp6Send(name, icmp6Words(words));
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

  private startMonitor(name: string, words: readonly string[]): Outcome {
    this.seen.set(name, '');
    const outcome = monitorTool(this.contextOf(name), words, (text) => {
      this.seen.set(name, (this.seen.get(name) ?? '') + text);
    });
    return 'stop' in outcome ? print('', '') : outcome;
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

  private socket(name: string, type: number, addr = ''): Socket {
    const family = addr.includes(':') ? AF_INET6 : AF_INET;
    const socket = Socket.create(this.kernel.netns.get(name).net, family, type);
    if (typeof socket === 'number') throw new Error(errnoName(socket));
    this.sockets.push(socket);
    return socket;
  }

  private listen(name: string, words: readonly string[], kind: Socket[] = []): Outcome {
    const socket = this.socket(name, SOCK_STREAM, words[0]);
    socket.bind(sockaddr(words));
    socket.listen(8);
    kind.push(socket);
    return { stdout: '', stderr: '', code: 0 };
  }

  private connect(name: string, words: readonly string[]): Outcome {
    const socket = this.socket(name, SOCK_STREAM, words[0]);
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

  private ask(name: string, words: readonly string[]): Outcome {
    const limitUs = Number(words[2]) * 1_000_000;
    const socket = this.socket(name, SOCK_STREAM, words[0]);
    const result = socket.connect(sockaddr(words));
    if (result < 0 && errnoName(result) !== 'EINPROGRESS') return print(errnoName(result));
    const { core } = this.kernel;
    if (!this.clock.runUntil(core, () => (socket.poll() & 0x1c) !== 0, limitUs))
      return print('timeout');
    const sent = socket.send(new Uint8Array(1));
    if (sent < 0) return print(errnoName(sent));
    const answered = this.clock.runUntil(
      core,
      () => {
        this.serveResetters();
        return (socket.poll() & 0x1) !== 0;
      },
      limitUs,
    );
    if (!answered) return print('timeout');
    const got = socket.recv(10);
    if (typeof got === 'number') return print(errnoName(got));
    return print(got.len === 0 ? 'eof' : 'ok');
  }

  /** What the program of a resetter does when it has its turn. */
  private serveResetters(): void {
    for (const listener of this.resetters) {
      const child = listener.accept();
      if (typeof child !== 'number') this.accepted.add(child);
    }
    for (const child of this.accepted) {
      if ((child.poll() & 0x1) === 0) continue;
      child.recv(1);
      child.setsockopt(1, 13, { onoff: 1, linger: 0 });
      child.close();
      this.accepted.delete(child);
    }
  }

  private icmp6Send(name: string, [dev = '', dst = '', hex = '', hops]: string[]): Outcome {
    const ns = this.kernel.netns.get(name);
    const socket = Socket.create(ns.net, AF_INET6, SOCK_RAW, 58);
    if (typeof socket === 'number') return print(errnoName(socket));
    this.sockets.push(socket);
    const ifindex = ns.net.devs.find(dev)?.ifindex ?? 0;
    for (const option of [16, 18]) socket.setsockopt(41, option, Number(hops));
    socket.setsockopt(41, 17, ifindex);
    const to = { ...sockaddr([dst, '0']), scopeId: ifindex };
    const sent = socket.sendto(Buffer.from(hex, 'hex'), 0, to);
    return sent < 0 ? print(errnoName(sent)) : print('', '');
  }

  private udpAsk(name: string, words: readonly string[]): Outcome {
    const socket = this.socket(name, SOCK_DGRAM, words[0]);
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

function sockaddr([addr = '', port]: readonly string[]): SockAddrIn {
  const addr6 = parseIpv6(addr);
  if (addr6 !== undefined) return { family: AF_INET6, addr: 0, addr6, port: Number(port) };
  return { family: AF_INET, addr: parseIpv4(addr) ?? 0, port: Number(port) };
}

function print(text: string, end = '\n'): Outcome {
  return { stdout: text + end, stderr: '', code: 0 };
}
