/**
 * A node whose program is a process of its own. Its namespace's stack runs inside that process (`agent.ts`);
 * what leaves its devices goes over one stream socket to the wires here.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TunPort } from '../core/device/tun.ts';
import { formatIpv4, formatMac } from '../core/util/address.ts';
import { type FrameStream, FrameStreamServer, type NodeConfig } from '../node/index.ts';
import type { Offer } from '../node/remote-server.ts';
import type { CommandIo } from './command-io.ts';
import { LabError } from './file.ts';
import type { NodeContext } from './local-node.ts';
import type { LabNode, NodeState } from './node.ts';
import { NodeLog } from './node-log.ts';
import type { PlannedNode } from './plan.ts';
import { programOf } from './program-words.ts';
import { runDir } from './run-dir.ts';
import type { Switch } from './switch.ts';
import { waitFor, waitForLog } from './wait-ready.ts';

/** Time between asking a program to end and ending it, milliseconds. */
const KILL_AFTER_MS = 2000;
/** A wait for a program's start that is longer than this is told, milliseconds. */
const TELL_AFTER_MS = 500;

export class ProcessNode implements LabNode {
  readonly plan: PlannedNode;
  readonly log: NodeLog = new NodeLog();
  state: NodeState = 'idle';
  exit: string | undefined;
  private readonly context: NodeContext;
  private readonly argv: readonly string[];
  private readonly token: string = randomBytes(16).toString('hex');
  private readonly ports: TunPort[] = [];
  private child: ChildProcess | undefined;
  private server: FrameStreamServer | undefined;
  private stream: FrameStream | undefined;
  /** The namespace is configured, and on its wires. */
  private joined = false;
  private stopped = false;
  private lastCommand = 0;
  private readonly commands: Map<number, CommandIo> = new Map();

  constructor(plan: PlannedNode, context: NodeContext) {
    this.plan = plan;
    this.context = context;
    this.argv = programOf(plan.spec.run ?? '') ?? [];
  }

  get program(): string {
    const pid = this.child?.pid === undefined ? '' : ` (pid ${this.child.pid})`;
    return `${['node', ...this.argv].join(' ')}${pid}`;
  }

  async attach(): Promise<void> {
    this.plan.interfaces.forEach((planned, i) => {
      const wire = this.context.wires[i] as Switch;
      const port = wire.joinPort(this.plan.name, planned.policy);
      this.ports.push(port);
      port.onTransmitGso = (frame, gsoSize) => {
        this.stream?.sendFrame(i, frame, gsoSize);
      };
    });
    this.server = await FrameStreamServer.listen(this.socketPath(), (hello, stream) => {
      if (hello.node !== this.plan.name || hello.token !== this.token || this.stream !== undefined)
        throw new Error(`this is not the program of ${this.plan.name}`);
      this.connect(stream);
      return this.config();
    });
  }

  async start(): Promise<void> {
    this.state = 'starting';
    const agent = new URL(
      import.meta.url.endsWith('.ts') ? './agent.ts' : './agent.js',
      import.meta.url,
    );
    const child = spawn(process.execPath, ['--import', agent.href, ...this.argv], {
      cwd: this.context.dir,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        ...Object.fromEntries(
          Object.entries(this.plan.spec.env ?? {}).map(([k, v]) => [k, String(v)]),
        ),
        WARREN_LAB_SOCKET: this.socketPath(),
        WARREN_LAB_NODE: this.plan.name,
        WARREN_LAB_TOKEN: this.token,
      },
    });
    this.child = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => this.log.write(text, 'out'));
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.log.write(text, 'err'));
    child.once('error', (error) => this.ended(error.message));
    child.once('exit', (code, signal) => this.ended(signal ?? `code ${code}`));
    await this.ready();
    if (this.exit === undefined) this.state = 'ready';
  }

  async online(io: CommandIo): Promise<void> {
    const since = performance.now();
    let told = false;
    const there = (): boolean => {
      if (!told && performance.now() - since > TELL_AFTER_MS) {
        told = true;
        io.err(`waiting for ${this.plan.name} to start\n`);
      }
      return this.joined || io.signal.aborted;
    };
    await waitFor(there, 'start', () => this.whyGone());
  }

  async command(argv: readonly string[], io: CommandIo): Promise<number> {
    const stream = this.connected();
    const id = ++this.lastCommand;
    this.commands.set(id, io);
    const interrupt = (): void => {
      stream.request('interrupt', id).catch(() => {});
    };
    io.signal.addEventListener('abort', interrupt, { once: true });
    try {
      return Number(await stream.request('command', { id, argv }));
    } catch (error) {
      throw new LabError((error as Error).message);
    } finally {
      io.signal.removeEventListener('abort', interrupt);
      this.commands.delete(id);
    }
  }

  async offer(path: string): Promise<Offer> {
    const stream = this.connected();
    try {
      await stream.request('offer', path);
    } catch (error) {
      throw new LabError(`${this.plan.name}: ${(error as Error).message}`);
    }
    return {
      close: () => {
        stream.request('withdraw', path).catch(() => rmSync(path, { force: true }));
      },
    };
  }

  /** The wire to the program, which holds the namespace. */
  private connected(): FrameStream {
    const { stream } = this;
    if (stream !== undefined && this.joined) return stream;
    throw new LabError(this.whyGone() ?? `${this.plan.name} has not started yet`);
  }

  private whyGone(): string | undefined {
    if (this.exit !== undefined)
      return `${this.plan.name} is gone: its program, which held its namespace, has ended (${this.exit})`;
    return this.stopped ? 'the lab goes down' : undefined;
  }

  async stop(): Promise<void> {
    const { child } = this;
    this.stopped = true;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill('SIGTERM');
      const kill = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
      await gone;
      clearTimeout(kill);
    }
    await this.server?.close();
  }

  private connect(stream: FrameStream): void {
    this.stream = stream;
    stream.onFrame = (device, frame, gsoSize) => {
      this.ports[device]?.receive(frame, gsoSize);
    };
    stream.onClose = () => {
      this.stream = undefined;
      this.joined = false;
    };
    // The handshake's own handler goes first; ours serves what comes after it.
    queueMicrotask(() => {
      stream.onRequest = (method, params) => this.serve(method, params);
    });
  }

  private serve(method: string, params: unknown): unknown {
    if (method === 'joined') {
      this.joined = true;
      return null;
    }
    if (method !== 'output') throw new Error(`nobody serves ${method}`);
    const { id, kind, text } = params as { id: number; kind: string; text: string };
    const io = this.commands.get(id);
    if (typeof text === 'string') kind === 'err' ? io?.err(text) : io?.out(text);
    return null;
  }

  private config(): NodeConfig {
    const { plan, context } = this;
    return {
      name: plan.name,
      seed: context.kernel.core.random(`node:${plan.name}`).u32(),
      devices: plan.interfaces.map((i) => ({
        name: i.name,
        mac: formatMac(context.kernel.core.nextMac()),
        addresses: [`${formatIpv4(i.address)}/${i.prefixLen}`],
        ...(i.netem === '' ? {} : { netem: i.netem }),
      })),
      routes: plan.routes,
      sysctl: { ...(plan.router ? { 'net.ipv4.ip_forward': 1 } : {}), ...plan.spec.sysctl },
      hosts: Object.fromEntries(context.hosts),
    };
  }

  private async ready(): Promise<void> {
    const failed = (): string | undefined =>
      this.exit === undefined
        ? undefined
        : [
            `${this.plan.name} ended (${this.exit}) before it was ready`,
            ...this.log.lines.slice(-5),
          ].join('\n  ');
    const { ready } = this.plan;
    if (ready?.kind === 'log') await waitForLog(this.log, ready.text, failed);
    else if (ready?.kind === 'tcp') {
      const listening = async (): Promise<boolean> =>
        this.joined && (await this.stream?.request('listening', ready.port)) === true;
      await waitFor(() => listening().catch(() => false), `tcp ${ready.port}`, failed);
    } else await waitFor(() => this.joined, 'start', failed);
  }

  private ended(how: string): void {
    this.exit = how;
    this.state = 'exited';
  }

  private socketPath(): string {
    return join(runDir(), `${process.pid}.node.${this.plan.name}.sock`);
  }
}
