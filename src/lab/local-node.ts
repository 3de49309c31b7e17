/** A node whose namespace lives in the process of the lab; it may have a JavaScript module in it. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Kernel } from '../core/control/kernel.ts';
import type { Namespace } from '../core/control/namespace.ts';
import { formatIpv4 } from '../core/util/address.ts';
import { shareHosts } from '../node/hosts.ts';
import { runIn } from '../node/index.ts';
import { abandonAll } from '../node/open-handles.ts';
import { doorOf } from '../node/place-door.ts';
import { type Offer, offerPlace } from '../node/remote-server.ts';
import type { CommandIo } from './command-io.ts';
import { runCommand } from './commands.ts';
import { setEnvironment } from './environment.ts';
import type { LabNode, NodeState } from './node.ts';
import { NodeLog } from './node-log.ts';
import { captureOutput, releaseOutput } from './output.ts';
import type { PlannedNode } from './plan.ts';
import type { Switch } from './switch.ts';
import { waitFor, waitForLog } from './wait-ready.ts';

/** What a node is given by its lab. */
export interface NodeContext {
  readonly kernel: Kernel;
  /** The wire of each interface, in order. */
  readonly wires: readonly Switch[];
  readonly hosts: ReadonlyMap<string, readonly string[]>;
  /** Folder of the lab file. */
  readonly dir: string;
}

export class LocalNode implements LabNode {
  readonly plan: PlannedNode;
  readonly log: NodeLog = new NodeLog();
  readonly ns: Namespace;
  state: NodeState = 'idle';
  exit: string | undefined;
  private readonly context: NodeContext;

  constructor(plan: PlannedNode, context: NodeContext) {
    this.plan = plan;
    this.context = context;
    this.ns = context.kernel.netns.add(plan.name);
  }

  get program(): string {
    return this.plan.spec.module === undefined ? '-' : `module ${this.plan.spec.module}`;
  }

  async attach(): Promise<void> {
    const { ns, plan } = this;
    shareHosts(ns.net, this.context.hosts);
    if (plan.router) ns.sysctl.set('net.ipv4.ip_forward', '1');
    for (const [name, value] of Object.entries(plan.spec.sysctl ?? {}))
      ns.sysctl.set(name, `${value}`);
    ns.link.set('lo', { up: true });
    plan.interfaces.forEach((planned, i) => {
      const address = `${formatIpv4(planned.address)}/${planned.prefixLen}`;
      this.context.wires[i]?.joinNamespace(ns, plan.name, planned, address);
      if (planned.netem !== '') ns.qdisc.replace(planned.name, planned.netem);
    });
    for (const route of plan.routes) ns.ip(`route add ${route}`);
    captureOutput(ns.net, this.log);
  }

  async start(): Promise<void> {
    const { module } = this.plan.spec;
    if (module === undefined) return;
    this.state = 'starting';
    const url = pathToFileURL(resolve(this.context.dir, module));
    // A module that two nodes name is loaded once for each.
    url.searchParams.set('node', this.plan.name);
    setEnvironment(this.ns.net, this.plan.spec.env ?? {});
    let failure: unknown;
    runIn(this.ns.net, () => import(url.href)).catch((error: unknown) => {
      failure = error;
      this.state = 'exited';
      this.exit = 'error';
      this.log.write(
        `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
        'err',
      );
    });
    const failed = (): string | undefined =>
      failure === undefined ? undefined : `${this.plan.name}: ${String(failure)}`;
    const { ready } = this.plan;
    if (ready?.kind === 'log') await waitForLog(this.log, ready.text, failed);
    if (ready?.kind === 'tcp')
      await waitFor(() => this.ns.net.tcp.hasListener(ready.port), `tcp ${ready.port}`, failed);
    if (failure === undefined) this.state = 'ready';
  }

  async online(): Promise<void> {}

  command(argv: readonly string[], io: CommandIo): Promise<number> {
    return runCommand(this.ns, argv, io);
  }

  async offer(path: string): Promise<Offer> {
    return offerPlace(this.ns.net, path, doorOf);
  }

  async stop(): Promise<void> {
    releaseOutput(this.ns.net);
    // Its programs are gone with it, and keep this process no longer.
    abandonAll(this.ns.net);
    this.ns.destroy();
  }
}
