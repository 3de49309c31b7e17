/** A host of a simulated network: a namespace, and the machine and programs in it. */
import type { Namespace } from '../core/control/namespace.ts';
import type { PolicySet } from '../core/control/policy.ts';
import { isPromise } from '../core/control/promise.ts';
import type { SocketInfo } from '../core/control/sockets.ts';
import { splitWords } from '../core/control/split-words.ts';
import { NetError } from '../core/errno.ts';
import { parseMac } from '../core/util/address.ts';
import { type Duration, milliseconds } from '../lab/duration.ts';
import { shareHosts } from '../node/hosts.ts';
import { abandonAll, closeAll, isKept } from '../node/open-handles.ts';
import { addHost, type VirtualHost } from '../node/virtual/host.ts';
import { parseFilter } from '../tools/ss-filter.ts';
import type { Net } from './net.ts';
import type { Segment } from './segment.ts';

export interface HostOptions {
  /** Forwards packets. */
  readonly router?: boolean;
  readonly sysctl?: Readonly<Record<string, string | number>>;
  /** Addresses of the names that it knows; those of the network when absent. */
  readonly names?: ReadonlyMap<string, readonly string[]>;
  /** Told of each namespace that it gets, before its program runs. */
  readonly onBoot?: (ns: Namespace, boot: number) => void;
}

interface Joined {
  readonly segment: Segment;
  readonly address: string;
  mac: string | undefined;
  netem: string;
  readonly policy: PolicySet | null;
}

/** The host is gone, and with it what ran there. */
export class HostCrashed extends Error {
  constructor(host: string) {
    super(`${host} crashed`);
    this.name = 'HostCrashed';
  }
}

export class Host {
  readonly net: Net;
  readonly name: string;
  private readonly options: HostOptions;
  private readonly joined: Joined[] = [];
  private readonly routes: string[] = [];
  private program: (() => unknown) | undefined;
  private boots = 0;
  private namespace: Namespace;
  private machine: VirtualHost;
  private skewMs = 0;
  private driftPpm = 0;
  private isUp = true;
  private readonly onCrash: Set<(error: Error) => void> = new Set();

  constructor(net: Net, name: string, options: HostOptions) {
    this.net = net;
    this.name = name;
    this.options = options;
    [this.namespace, this.machine] = this.boot();
  }

  /** The namespace that the host has now; a restart gives it another. */
  get ns(): Namespace {
    return this.namespace;
  }

  get up(): boolean {
    return this.isUp;
  }

  /** Its first address. */
  get address(): string {
    return (this.joined[0]?.address ?? '').split('/')[0] ?? '';
  }

  get addresses(): readonly string[] {
    return this.joined.map((j) => j.address.split('/')[0] ?? '');
  }

  private boot(): [Namespace, VirtualHost] {
    const ns = this.net.kernel.netns.add(this.name);
    ns.link.set('lo', { up: true });
    if (this.options.router === true) ns.sysctl.set('net.ipv4.ip_forward', '1');
    for (const [name, value] of Object.entries(this.options.sysctl ?? {}))
      ns.sysctl.set(name, `${value}`);
    shareHosts(ns.net, this.options.names ?? this.net.names);
    const boot = this.boots++;
    const machine = addHost(ns.net, boot);
    machine.skewUs = this.skewMs * 1000;
    if (this.driftPpm !== 0) machine.setDrift(this.driftPpm);
    this.namespace = ns;
    this.machine = machine;
    for (const joined of this.joined) this.plug(joined);
    for (const route of this.routes) this.addRoute(route);
    this.options.onBoot?.(ns, boot);
    return [ns, machine];
  }

  /** Gives the host an interface on a segment. */
  join(segment: Segment, address: string, netem: string, policy: PolicySet | null = null): void {
    const joined: Joined = { segment, address, mac: undefined, netem, policy };
    this.joined.push(joined);
    this.plug(joined);
  }

  private plug(joined: Joined): void {
    const name = `eth${this.joined.indexOf(joined)}`;
    joined.mac = joined.segment.plug(this, name, joined.address, joined.mac, joined.policy);
    this.net.faults.macs.set(parseMac(joined.mac) ?? 0, this.name);
    if (joined.netem !== '') this.namespace.qdisc.replace(name, joined.netem);
  }

  /** `ip route add WORDS`, now and after each restart. */
  route(words: string): void {
    this.routes.push(words);
    this.addRoute(words);
  }

  private addRoute(words: string): void {
    this.namespace.ip(`route add ${words}`);
  }

  get hasRoutes(): boolean {
    return this.routes.length > 0;
  }

  /** What leaves the host suffers this, in tc-netem's words; `off` ends it. */
  setNetem(words: string): void {
    this.joined.forEach((joined, i) => {
      joined.netem = words === 'off' ? '' : words;
      if (!this.isUp) return;
      const dev = `eth${i}`;
      if (joined.netem !== '') this.namespace.qdisc.replace(dev, joined.netem);
      else
        try {
          this.namespace.qdisc.del(dev);
        } catch (error) {
          if (!(error instanceof NetError)) throw error;
        }
    });
  }

  /**
   * Runs `fn` on this host: with its network, names, timers, clocks and random numbers. Time moves until
   * the promise is settled; a crash rejects it.
   */
  run<T>(fn: () => T): T {
    if (!this.isUp) throw new HostCrashed(this.name);
    const result = this.namespace.run(fn);
    if (!isPromise(result)) return result;
    const letGo = this.net.time.hold();
    const crashed = new Promise<never>((_resolve, reject) => {
      this.onCrash.add(reject);
      result.catch(() => {}).finally(() => this.onCrash.delete(reject));
    });
    return Promise.race([result, crashed]).finally(letGo) as T;
  }

  /** The host's program: runs now, and again after each restart. What it throws fails the run. */
  start(program: () => unknown): this {
    this.program = program;
    this.runProgram();
    return this;
  }

  private runProgram(): void {
    const { program, namespace } = this;
    if (program === undefined) return;
    try {
      const result = namespace.run(program);
      if (isPromise(result))
        result.catch((error: unknown) => {
          if (namespace === this.namespace && this.isUp) this.net.fail(error, this.name);
        });
    } catch (error) {
      this.net.fail(error, this.name);
    }
  }

  /** Power off: no FIN, no RST, memory gone. */
  crash(): void {
    if (!this.isUp) return;
    this.isUp = false;
    this.machine.dead = true;
    abandonAll(this.namespace.net);
    this.namespace.destroy();
    const waiting = [...this.onCrash];
    this.onCrash.clear();
    for (const reject of waiting) reject(new HostCrashed(this.name));
  }

  /** Its program ends: what it waits for is forgotten, and its sockets are closed as a kernel does it. */
  endProgram(): void {
    for (const timer of this.machine.timers) timer.clear();
    closeAll(this.namespace.net);
  }

  /** Is there something that its program waits for? */
  get waits(): boolean {
    for (const timer of this.machine.timers) if (timer.hasRef()) return true;
    return isKept(this.namespace.net);
  }

  /** Its sockets that an ss filter chooses, as in: state established '( dport = :80 )' */
  sockets(filter: string = ''): SocketInfo[] {
    const { states, filter: chosen } = parseFilter(splitWords(filter));
    return this.namespace.sockets
      .list()
      .filter((s) => (states ?? [s.state]).includes(s.state) && chosen(s));
  }

  /** Power on, and the program that `start` was given runs anew. */
  restart(): void {
    this.crash();
    this.isUp = true;
    this.boot();
    this.runProgram();
  }

  /** The programs stop as by SIGSTOP; the kernel goes on and acknowledges what comes. */
  pause(): void {
    this.machine.pause();
  }

  resume(): void {
    this.machine.resume();
  }

  /** The wall clock is wrong by so much. */
  skew(by: Duration, sign: 1 | -1 = 1): void {
    this.skewMs = milliseconds(by) * sign;
    this.machine.skewUs = this.skewMs * 1000;
  }

  /** The clocks run so many millionths too fast. */
  drift(ppm: number): void {
    this.driftPpm = ppm;
    this.machine.setDrift(ppm);
  }

  /** Its clock now, milliseconds since 1970. */
  now(): number {
    return Math.floor(this.machine.wallUs() / 1000);
  }
}
