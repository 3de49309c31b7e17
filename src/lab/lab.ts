/**
 * A lab that is up: the process that carries its wires, its nodes, and what can be done to it. Made
 * from a plan; `down` leaves nothing behind.
 */
import { createWriteStream, openSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { Kernel } from '../core/control/kernel.ts';
import { Capture } from '../core/link/capture.ts';
import type { NetDevice } from '../core/link/net-device.ts';
import { formatIpv4 } from '../core/util/address.ts';
import { nearest } from '../core/util/nearest.ts';
import { RealTimeEnv } from '../node/env.ts';
import { hold, release } from '../node/loop.ts';
import type { Offer } from '../node/remote-server.ts';
import type { CommandIo } from './command-io.ts';
import { checkCommand } from './commands.ts';
import { LabError } from './file.ts';
import { runProgram } from './launch.ts';
import { LocalNode } from './local-node.ts';
import type { LabNode } from './node.ts';
import { packetFilter } from './packet-filter.ts';
import type { LabPlan, PlannedNode } from './plan.ts';
import { ProcessNode } from './process-node.ts';
import { nodeArguments } from './program-words.ts';
import { runDir } from './run-dir.ts';
import { Switch } from './switch.ts';

/** A capture that writes its file. */
export interface RunningCapture {
  /** Frames so far. */
  packets(): number;
  stop(): Promise<void>;
}

/** Commands whose words may be nodes that must be there to answer. */
const REACHES: readonly string[] = ['ping', 'traceroute', 'tracepath'];
/** 128 and the number of SIGINT. */
const INTERRUPTED = 130;

export interface LabOptions {
  /** Folder of the lab file: paths in it start there. */
  readonly dir: string;
  /** Told of what happens while the lab comes up, and of each line that a node prints. */
  readonly onProgress?: (text: string) => void;
  readonly onLog?: (node: string, line: string) => void;
}

export class Lab {
  readonly plan: LabPlan;
  readonly kernel: Kernel;
  readonly nodes: ReadonlyMap<string, LabNode>;
  readonly switches: ReadonlyMap<string, Switch>;
  readonly startedAt: number = Date.now();
  private readonly options: LabOptions;
  private readonly captures: Set<RunningCapture> = new Set();
  /** Places of programs that `exec` runs. */
  private readonly offers: Set<Offer> = new Set();
  private lastProgram = 0;

  constructor(plan: LabPlan, options: LabOptions) {
    if (plan.clock === 'virtual')
      throw new LabError(
        'clock: virtual is for warren test and warren replay; what is to stay up needs clock: real',
      );
    this.plan = plan;
    this.options = options;
    const env = new RealTimeEnv();
    this.kernel =
      plan.seed === 'random' ? new Kernel({ env }) : new Kernel({ env, seed: plan.seed });
    this.switches = new Map(plan.wires.map((w) => [w.name, new Switch(this.kernel, w)]));
    this.nodes = new Map(plan.nodes.map((n) => [n.name, this.makeNode(n)]));
    for (const node of this.nodes.values())
      node.log.follow((line) => options.onLog?.(node.plan.name, line));
  }

  /** Puts every node on the network, in parallel: after it, namespaces answer pings. */
  async attach(): Promise<void> {
    // A lab that is up keeps its process alive, and its wires as fast as they can be.
    hold();
    await Promise.all([...this.nodes.values()].map((n) => n.attach()));
  }

  /** Starts the programs in the order that `after:` asks for; resolves when all are ready. */
  async start(): Promise<void> {
    const started = new Map<string, Promise<void>>();
    const start = (name: string): Promise<void> => {
      const known = started.get(name);
      if (known !== undefined) return known;
      const node = this.node(name);
      const promise = Promise.all(node.plan.after.map(start)).then(async () => {
        if (node.state === 'idle' && node.program !== '-')
          this.options.onProgress?.(`${name}: starting ${node.program}`);
        await node.start();
        if (node.program !== '-') this.options.onProgress?.(`${name}: ready`);
      });
      started.set(name, promise);
      return promise;
    };
    await Promise.all([...this.nodes.keys()].map(start));
  }

  /** The node of that name; refuses an unknown one with the nearest known. */
  node(name: string): LabNode {
    const node = this.nodes.get(name);
    if (node !== undefined) return node;
    const near = nearest(name, [...this.nodes.keys()]);
    const hint =
      near === undefined
        ? `the nodes are ${[...this.nodes.keys()].join(', ')}`
        : `did you mean "${near}"?`;
    throw new LabError(`there is no node "${name}"; ${hint}`);
  }

  /** Runs one of Warren's commands in a node, once that and the nodes that it is about are on the network. */
  async command(name: string, argv: readonly string[], io: CommandIo): Promise<number> {
    const node = this.node(name);
    const others = REACHES.includes(argv[0] ?? '') ? argv.slice(1) : [];
    for (const one of [node, ...others.map((word) => this.nodes.get(word))]) {
      await one?.online(io);
      if (io.signal.aborted) return INTERRUPTED;
    }
    return node.command(argv, io);
  }

  /** Runs a command or a Node program in a node; resolves with its exit code. `cwd`: where it was typed. */
  async exec(name: string, argv: readonly string[], io: CommandIo, cwd: string): Promise<number> {
    const node = this.node(name);
    const args = nodeArguments(argv);
    if (args === undefined) {
      checkCommand(argv[0] ?? '');
      return this.command(name, argv, io);
    }
    await node.online(io);
    if (io.signal.aborted) return INTERRUPTED;
    const path = join(runDir(), `${process.pid}.exec.${++this.lastProgram}.sock`);
    const offer = await node.offer(path);
    this.offers.add(offer);
    const env = Object.entries(node.plan.spec.env ?? {}).map(([k, v]) => [k, String(v)] as const);
    const launch = { node: name, argv: args, env: Object.fromEntries(env), path };
    try {
      return await (io.launch?.(launch) ?? runProgram(launch, cwd, io));
    } finally {
      this.offers.delete(offer);
      offer.close();
    }
  }

  /** Pulls the cable of a node on a network, or the wire between two nodes; `heal` plugs it in again. */
  cut(a: string, b: string): void {
    for (const [wire, node] of this.ends(a, b)) wire.pull(node);
  }

  heal(a: string, b: string): void {
    for (const [wire, node] of this.ends(a, b)) wire.plugIn(node);
  }

  /** Plugs every cable in. */
  healAll(): void {
    for (const wire of this.switches.values())
      for (const end of wire.wire.ends) wire.plugIn(end.node);
  }

  /** Which interface of `node` leads to `towards` (a network or a node on a shared wire); the only one when not given. */
  interfaceOf(node: string, towards: string | undefined): string {
    const { plan } = this.node(node);
    const found = plan.interfaces.filter(
      (i) => towards === undefined || this.leadsTo(i.wire, node, towards),
    );
    const [only] = found;
    if (only !== undefined && found.length === 1) return only.name;
    const all = plan.interfaces.map((i) => `${i.name} (${i.wire})`).join(', ');
    if (only === undefined)
      throw new LabError(`${node} has no wire to "${towards}"; it has ${all}`);
    throw new LabError(
      `${node} has several interfaces; name one by its network or neighbour: ${all}`,
    );
  }

  /** Writes every frame of the lab's wires, or of one node's, to a pcapng file until stopped. */
  capture(
    file: string,
    only: { node?: string | undefined; wire?: string | undefined; filter?: string | undefined },
  ): RunningCapture {
    const devices = this.captureDevices(only);
    const filter = packetFilter(only.filter ?? '', (name) => this.addressesOf(name));
    const stream = createWriteStream(file, { fd: openForWriting(file) });
    // A full disk ends the file, not the lab.
    stream.on('error', (error) => this.options.onProgress?.(`capture: ${error.message}`));
    const capture = new Capture(devices, (bytes) => void stream.write(bytes), { filter });
    const running: RunningCapture = {
      packets: () => capture.packets,
      stop: async (): Promise<void> => {
        capture.close();
        this.captures.delete(running);
        await finished(stream);
      },
    };
    this.captures.add(running);
    return running;
  }

  async down(): Promise<void> {
    for (const capture of [...this.captures]) await capture.stop();
    for (const offer of this.offers) offer.close();
    await Promise.all([...this.nodes.values()].map((n) => n.stop()));
    release();
  }

  /** Of a node, as filters name it. */
  addressesOf(name: string): readonly string[] | undefined {
    return this.nodes.get(name)?.plan.interfaces.map((i) => formatIpv4(i.address));
  }

  private makeNode(plan: PlannedNode): LabNode {
    const wires = plan.interfaces.map((i) => this.switches.get(i.wire) as Switch);
    const context = {
      kernel: this.kernel,
      wires,
      hosts: this.plan.hostsOf(plan.name),
      dir: this.options.dir,
    };
    return plan.spec.run === undefined
      ? new LocalNode(plan, context)
      : new ProcessNode(plan, context);
  }

  private ends(a: string, b: string): [Switch, string][] {
    const network = this.switches.get(b);
    if (network?.wire.ends.some((e) => e.node === a)) return [[network, a]];
    this.node(a);
    const link = [...this.switches.values()].find(
      (s) => s.wire.direct && joins(s, a) && joins(s, b),
    );
    if (link !== undefined)
      return [
        [link, a],
        [link, b],
      ];
    const shared = [...this.switches.values()].filter((s) => joins(s, a) && joins(s, b));
    const [one] = shared;
    if (one !== undefined)
      throw new LabError(
        `${a} and ${b} share the network ${one.wire.name}, which has no wire between just the two; "cut ${a} ${one.wire.name}" takes ${a} off it`,
      );
    const own = [...this.switches.values()].filter((s) => joins(s, a)).map((s) => s.wire.name);
    throw new LabError(
      `there is no wire between ${a} and "${b}"; ${a} is on ${own.join(', ') || 'none'}`,
    );
  }

  private leadsTo(wireName: string, node: string, towards: string): boolean {
    if (wireName === towards) return true;
    const wire = this.switches.get(wireName);
    return wire !== undefined && node !== towards && joins(wire, towards);
  }

  private captureDevices(only: {
    node?: string | undefined;
    wire?: string | undefined;
  }): NetDevice[] {
    if (only.node !== undefined) this.node(only.node);
    const devices: NetDevice[] = [];
    for (const wire of this.switches.values()) {
      if (only.wire !== undefined && wire.wire.name !== only.wire) continue;
      for (const end of wire.wire.ends) {
        const port = wire.port(end.node);
        if (port !== undefined && (only.node === undefined || only.node === end.node))
          devices.push(port);
      }
    }
    if (devices.length === 0)
      throw new LabError(`there is no wire "${only.wire ?? ''}" to capture`);
    return devices;
  }
}

function joins(wire: Switch, node: string): boolean {
  return wire.wire.ends.some((e) => e.node === node);
}

function openForWriting(file: string): number {
  try {
    return openSync(file, 'w');
  } catch (error) {
    throw new LabError(`capture: ${(error as Error).message}`);
  }
}

function finished(stream: WriteStream): Promise<void> {
  return new Promise((resolve) => stream.end(() => resolve()));
}
