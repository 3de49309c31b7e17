/**
 * A lab file's lab in virtual time: its nodes are hosts of a `Net`, each module runs in its own, once for each
 * node and each boot. The stage of its scenario (`lab/play.ts`).
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Namespace } from '../core/control/namespace.ts';
import { formatIpv4 } from '../core/util/address.ts';
import { runCommand } from '../lab/commands.ts';
import { setEnvironment } from '../lab/environment.ts';
import { LabError } from '../lab/file.ts';
import { importInstance } from '../lab/module-instances.ts';
import { NodeLog } from '../lab/node-log.ts';
import { captureOutput, muteOutput } from '../lab/output.ts';
import type { PacketTest } from '../lab/packet-filter.ts';
import type { LabPlan, PlannedNode } from '../lab/plan.ts';
import { type CommandResult, type ProgramEnd, play, type Stage } from '../lab/play.ts';
import { exitCodeOf, ProgramExit, watchExit } from '../lab/program-end.ts';
import type { PlannedNemesis, PlannedStep } from '../lab/scenario.ts';
import { lastToRun } from '../node/virtual/host.ts';
import { beginWork, hasWork } from '../node/virtual/real-work.ts';
import { type Host, HostCrashed } from './host.ts';
import type { FaultKind } from './nemesis.ts';
import type { Net } from './net.ts';
import type { NetBody } from './run.ts';
import type { PacketCount } from './wire-watch.ts';

/** Virtual milliseconds that a program may take until it is ready. */
const READY_MS = 60_000;
const LOOK_MS = 1;

/** What a check of a lab file is given. */
export interface LabView {
  /** Milliseconds since all nodes were ready. */
  readonly now: number;
  readonly nodes: ReadonlyMap<string, NodeView>;
}

export interface NodeView {
  readonly name: string;
  /** False after a crash. */
  readonly up: boolean;
  /** What it printed, line by line. */
  readonly log: readonly string[];
  /** What its module exports, once it ran to its end; undefined before. */
  readonly module: Readonly<Record<string, unknown>> | undefined;
  /** Exit code of its program; undefined: it runs. */
  readonly ended: ProgramEnd | undefined;
}

let lastLab = 0;

class LabHost implements NodeView {
  readonly plan: PlannedNode;
  readonly host: Host;
  readonly nodeLog: NodeLog = new NodeLog();
  module: Readonly<Record<string, unknown>> | undefined = undefined;
  end: ProgramEnd | undefined = undefined;
  boots = 0;
  ns: Namespace | undefined = undefined;

  constructor(plan: PlannedNode, net: Net, names: ReadonlyMap<string, readonly string[]>) {
    this.plan = plan;
    this.host = net.host(plan.name, {
      router: plan.router,
      sysctl: plan.spec.sysctl ?? {},
      names,
      onBoot: (ns) => this.booted(ns),
    });
  }

  get name(): string {
    return this.plan.name;
  }

  get up(): boolean {
    return this.host.up;
  }

  get log(): readonly string[] {
    return this.nodeLog.lines;
  }

  /** Nothing is left that the program waits for: it has ended by itself. */
  get ended(): ProgramEnd | undefined {
    const { host, ns } = this;
    if (this.end === undefined && this.module !== undefined && host.up && ns !== undefined)
      if (!host.waits && !hasWork()) this.end = exitCodeOf(ns.net);
    return this.end;
  }

  private booted(ns: Namespace): void {
    this.release();
    this.ns = ns;
    this.end = undefined;
    this.module = undefined;
    captureOutput(ns.net, this.nodeLog);
    setEnvironment(ns.net, this.plan.spec.env ?? {});
    watchExit(ns.net, (code) => {
      this.end = code;
      this.host.endProgram();
    });
  }

  release(): void {
    if (this.ns !== undefined) muteOutput(this.ns.net);
  }
}

export interface VirtualLabOptions {
  /** Folder of the lab file. */
  readonly dir: string;
  /** Told of each line that a node prints. */
  readonly onLog?: (node: string, line: string) => void;
}

export class VirtualLab implements Stage {
  readonly nodes: ReadonlyMap<string, LabHost>;
  readonly plan: LabPlan;
  private readonly net: Net;
  private readonly dir: string;
  private readonly id: number = ++lastLab;
  private baseMs = 0;
  /** Lists of drops, of the commands that run. */
  private readonly tracing: Set<string[]> = new Set();
  private readonly onRejection: (error: unknown) => void = (error) => this.failed(error);

  constructor(net: Net, plan: LabPlan, options: VirtualLabOptions) {
    this.net = net;
    this.plan = plan;
    this.dir = options.dir;
    this.nodes = new Map(
      plan.nodes.map((n) => [n.name, new LabHost(n, net, plan.hostsOf(n.name))] as const),
    );
    for (const { name, nodeLog } of this.nodes.values())
      nodeLog.follow((line) => options.onLog?.(name, line));
    this.layWires();
    net.onExec = (host, argv) => void this.exec(host, argv);
    net.time.onError = (error) => this.failed(error);
    process.on('unhandledRejection', this.onRejection);
  }

  private layWires(): void {
    const { net, plan } = this;
    const segments = new Map(
      plan.wires.map((w) => [w.name, net.bridge(`${formatIpv4(w.subnet)}/${w.prefixLen}`, w.name)]),
    );
    for (const { plan: node, host } of this.nodes.values()) {
      for (const i of node.interfaces) {
        const segment = segments.get(i.wire);
        if (segment === undefined) continue;
        host.join(segment, `${formatIpv4(i.address)}/${i.prefixLen}`, i.netem, i.policy);
        net.faults.addresses.set(i.address, node.name);
      }
      for (const route of node.routes) host.route(route);
    }
  }

  /** Starts the programs in the order that `after:` asks for; resolves when all are ready. */
  async start(): Promise<void> {
    const started = new Map<string, Promise<void>>();
    const start = (name: string): Promise<void> => {
      const known = started.get(name);
      if (known !== undefined) return known;
      const node = this.node(name);
      const promise = Promise.all(node.plan.after.map(start)).then(() => this.startNode(node));
      started.set(name, promise);
      return promise;
    };
    await Promise.all([...this.nodes.keys()].map(start));
    this.baseMs = this.net.now();
  }

  private async startNode(node: LabHost): Promise<void> {
    const { ready, spec } = node.plan;
    if (spec.module !== undefined) node.host.start(() => this.run(node));
    if (ready === undefined) return;
    const end = this.net.now() + READY_MS;
    const isReady = (): boolean =>
      ready.kind === 'tcp'
        ? (node.ns?.net.tcp.hasListener(ready.port) ?? false)
        : node.log.some((line) => line.includes(ready.text));
    while (!isReady()) {
      const words = ready.kind === 'tcp' ? `tcp ${ready.port}` : `log ${ready.text}`;
      const why = node.ended === undefined ? '' : `; its program ended with ${node.ended}`;
      if (node.ended !== undefined || this.net.now() > end)
        throw new Error(`${node.name} is not ready (${words})${why}`);
      await this.net.advance(LOOK_MS);
    }
  }

  /** Loads the node's module anew; what it throws ends its program. */
  private async run(node: LabHost): Promise<void> {
    const boot = node.boots++;
    const { ns } = node;
    // Reading files takes no virtual time.
    const loaded = beginWork('modules');
    try {
      const url = pathToFileURL(resolve(this.dir, node.plan.spec.module ?? ''));
      const module = await importInstance(url, `${this.id}.${node.name}.${boot}`, loaded);
      if (node.ns === ns) node.module = module;
    } catch (error) {
      if (node.ns === ns && node.host.up) this.programFailed(node, error);
    }
  }

  /** An error that no program caught: the one whose callback ran last threw it. */
  private failed(error: unknown): void {
    const net = lastToRun();
    const node = [...this.nodes.values()].find((n) => n.ns?.net === net);
    if (error instanceof ProgramExit || error instanceof HostCrashed) return;
    if (node === undefined) this.net.fail(error, 'a program');
    else this.programFailed(node, error);
  }

  private programFailed(node: LabHost, error: unknown): void {
    if (error instanceof ProgramExit) return;
    node.end = 1;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    node.nodeLog.write(`${text}\n`, 'err');
    node.host.endProgram();
    const expected = this.plan.scenario.expect.some(
      (e) => e.kind === 'exit' && e.node === node.name && e.status === 1,
    );
    if (!expected) this.net.fail(error, node.name);
  }

  private node(name: string): LabHost {
    const node = this.nodes.get(name);
    if (node === undefined) throw new LabError(`there is no node "${name}"`);
    return node;
  }

  private async exec(name: string, argv: readonly string[]): Promise<void> {
    const { code, output } = await this.command(name, argv);
    const last = output.trim().split('\n').at(-1) ?? '';
    this.net.note(`${name}: ${argv.join(' ')}: exit code ${code}${last === '' ? '' : `: ${last}`}`);
  }

  close(): void {
    process.off('unhandledRejection', this.onRejection);
    for (const node of this.nodes.values()) node.release();
  }

  // ---- the stage

  now(): number {
    return this.net.now() - this.baseMs;
  }

  sleep(ms: number): Promise<void> {
    return this.net.advance(ms);
  }

  step({ words, atMs, everyMs, untilMs }: PlannedStep): void {
    const { net } = this;
    if (everyMs === undefined) {
      net.at(this.baseMs + atMs, words);
      return;
    }
    const tick = (): void => {
      if (this.now() > untilMs) return;
      net.do(words);
      net.later(everyMs, tick);
    };
    net.later(atMs, tick);
  }

  nemesis({ atMs, faults, intervalMs, untilMs, nodes }: PlannedNemesis): void {
    this.net.nemesis({
      after: this.baseMs + atMs - this.net.now(),
      until: untilMs - atMs,
      ...(faults === undefined ? {} : { faults: faults as readonly FaultKind[] }),
      ...(intervalMs === undefined ? {} : { interval: intervalMs }),
      ...(nodes === undefined ? {} : { hosts: nodes }),
    });
  }

  async command(name: string, argv: readonly string[]): Promise<CommandResult> {
    const { host, ns } = this.node(name);
    let output = '';
    const add = (text: string): void => {
      output += text;
    };
    if (!host.up || ns === undefined) return { code: 255, output: `${name} is down`, drops: [] };
    const { drops, stop } = this.traceDrops();
    const { signal } = new AbortController();
    try {
      const code = await host.run(() => runCommand(ns, argv, { out: add, err: add, signal }));
      return { code, output, drops };
    } catch (error) {
      if (!(error instanceof HostCrashed)) throw error;
      return { code: 255, output: `${output}\n${name} crashed`, drops };
    } finally {
      stop();
    }
  }

  /** What is dropped from now on, in words, each in two ways. */
  private traceDrops(): { drops: string[]; stop: () => void } {
    const { core } = this.net.kernel;
    const drops: string[] = [];
    this.tracing.add(drops);
    core.tracer ??= {
      receive: () => {},
      transmit: () => {},
      drop: (net, _pkt, reason, by) => {
        const where = `dropped ${net.name ?? 'a wire'}`;
        for (const list of this.tracing) {
          if (list.length >= MAX_DROPS) continue;
          list.push(`${where} ${reason} ${by}`.trim());
          if (by !== '') list.push(`${where} ${by}`);
        }
      },
    };
    return { drops, stop: () => void this.tracing.delete(drops) };
  }

  log(name: string): readonly string[] {
    return this.node(name).log;
  }

  ended(name: string): ProgramEnd | undefined {
    return this.node(name).ended;
  }

  watch(test: PacketTest, on: string | undefined): PacketCount {
    return this.net.packets(test, { on });
  }

  async check(module: string, name: string): Promise<() => unknown> {
    const url = pathToFileURL(resolve(this.dir, module));
    const loaded = beginWork('checks');
    const found = await this.net.observer.run(() =>
      importInstance(url, `${this.id}.checks`, loaded),
    );
    const check = found[name];
    if (typeof check !== 'function')
      throw new LabError(
        `${module} has no function "${name}"; it exports ${Object.keys(found).join(', ') || 'nothing'}`,
      );
    const view = this.view();
    return () => check(view) as unknown;
  }

  private view(): LabView {
    const { nodes } = this;
    const now = (): number => this.now();
    return {
      nodes,
      get now() {
        return now();
      },
    };
  }

  always(name: string, check: () => unknown): void {
    this.net.always(name, check);
  }

  sometimes(name: string, check: () => unknown): void {
    this.net.sometimes(name, check);
  }
}

/** Drops that are kept of one command. */
const MAX_DROPS = 2000;

/** The scenario of a lab, as the body of a run. */
export function labBody(plan: LabPlan, options: VirtualLabOptions): NetBody {
  return async ({ net }) => {
    const lab = new VirtualLab(net, plan, options);
    try {
      await lab.start();
      await play(plan.scenario, lab);
    } finally {
      lab.close();
    }
  };
}
