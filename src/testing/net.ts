/**
 * A network for a test: hosts, segments and routers in one kernel in virtual time, what can be broken in
 * it, and what must hold. Time moves only while somebody waits for it.
 */
import { createHash, type Hash } from 'node:crypto';
import { types } from 'node:util';
import type { Namespace } from '../core/control/namespace.ts';
import { parseNetem } from '../core/control/netem-words.ts';
import { Capture } from '../core/link/capture.ts';
import { parseIpv4 } from '../core/util/address.ts';
import type { Random } from '../core/util/random.ts';
import { type Duration, milliseconds } from '../lab/duration.ts';
import { FaultError } from '../lab/fault-words.ts';
import type { PacketTest } from '../lab/packet-filter.ts';
import { Kernel } from '../node/index.ts';
import { abandonAll } from '../node/open-handles.ts';
import { VIRTUAL_EPOCH_US, VirtualTime } from '../node/virtual/clock.ts';
import { addHost, hostOf } from '../node/virtual/host.ts';
import { installVirtual } from '../node/virtual/install.ts';
import { Faults } from '../sim/faults.ts';
import { doWords } from './fault-words.ts';
import { Host, type HostOptions } from './host.ts';
import { Invariants } from './invariants.ts';
import { type NemesisOptions, planNemesis } from './nemesis.ts';
import { Segment } from './segment.ts';
import { type PacketCount, watchWires } from './wire-watch.ts';

export interface NetOptions {
  /** Same seed, same packets; 1 when absent. */
  readonly seed?: number;
  /** Only `virtual` is there: a network in real time is a `Kernel` of `warren`. */
  readonly clock?: 'virtual';
  /** Where the wall clocks begin, milliseconds since 1970. */
  readonly epoch?: number;
  /** Virtual time after which the run fails; an hour when absent. */
  readonly limit?: Duration;
}

export interface LanOptions {
  /** What leaves each host suffers this, in tc-netem's words. */
  readonly netem?: string;
}

/** One line of the timeline. */
export interface Moment {
  readonly us: number;
  readonly what: string;
}

/** A fault that was planned: when, and what. */
export interface PlannedFault {
  readonly atMs: number;
  readonly words: string;
}

export type HostName = Host | string;

export class Net {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly kernel: Kernel;
  readonly faults: Faults = new Faults();
  readonly hosts: Map<string, Host> = new Map();
  readonly names: Map<string, readonly string[]> = new Map();
  /** Runs commands of scenarios (`exec NODE -- …`); a lab has one. */
  onExec: ((host: string, argv: readonly string[]) => void) | undefined = undefined;
  readonly timeline: Moment[] = [];
  /** What nemesis and scenarios planned; a run that shrinks it gives the numbers to keep. */
  readonly planned: PlannedFault[] = [];
  only: ReadonlySet<number> | undefined = undefined;
  /** Rejects when an invariant is broken, a program fails, or time cannot go on. */
  readonly failed: Promise<never>;
  readonly invariants: Invariants;
  /** Where the test itself runs: it has time, and no wires. */
  readonly observer: Namespace;
  private readonly segments: Segment[] = [];
  private readonly closers: (() => void)[] = [];
  private rejectFailed: (error: unknown) => void = () => {};
  private hasFailed = false;

  constructor(options: NetOptions = {}) {
    if (options.clock !== undefined && options.clock !== 'virtual')
      throw new RangeError(`createNet has clock: virtual only, not "${String(options.clock)}"`);
    installVirtual();
    this.seed = options.seed ?? 1;
    const epochUs = options.epoch === undefined ? VIRTUAL_EPOCH_US : options.epoch * 1000;
    this.time = new VirtualTime(this.seed, epochUs);
    this.time.limitUs = milliseconds(options.limit ?? '1h') * 1000;
    this.time.onStalled = (what) => this.fail(new Error(what), 'time');
    this.time.onError = (error) => this.fail(error, 'a program');
    this.kernel = new Kernel({ env: this.time, seed: this.seed });
    this.failed = new Promise((_resolve, reject) => {
      this.rejectFailed = reject;
    });
    this.failed.catch(() => {});
    this.observer = this.kernel.netns.add('test');
    this.observer.link.set('lo', { up: true });
    addHost(this.observer.net);
    this.invariants = new Invariants(this);
  }

  // ---- building

  host(name: string, options: HostOptions = {}): Host {
    if (this.hosts.has(name)) throw new RangeError(`there is a host "${name}" already`);
    const host = new Host(this, name, options);
    this.hosts.set(name, host);
    return host;
  }

  /** A segment; `connect` joins hosts to it. */
  bridge(subnet: string, name?: string): Segment {
    const segment = new Segment(this, subnet, name);
    this.segments.push(segment);
    return segment;
  }

  connect(host: Host, segment: Segment, options: LanOptions & { address?: string } = {}): void {
    const address = options.address ?? segment.nextAddress();
    host.join(segment, address, options.netem ?? '');
    const text = address.split('/')[0] ?? '';
    this.names.set(host.name.toLowerCase(), [...(this.names.get(host.name) ?? []), text]);
    this.faults.addresses.set(parseIpv4(text) ?? 0, host.name);
  }

  /** A segment and hosts on it, by name. */
  lan<Names extends string>(
    subnet: string,
    names: readonly Names[],
    options: LanOptions = {},
  ): Record<Names, Host> & { readonly segment: Segment } {
    const segment = this.bridge(subnet);
    const made: Record<string, unknown> = {};
    for (const name of names) {
      const host = this.hosts.get(name) ?? this.host(name);
      this.connect(host, segment, options);
      made[name] = host;
    }
    Object.defineProperty(made, 'segment', { value: segment });
    return made as Record<Names, Host> & { readonly segment: Segment };
  }

  /** A router between segments; hosts on them that have no route yet get a default route over it. */
  router(name: string, segments: readonly Segment[], options: LanOptions = {}): Host {
    const router = this.host(name, { router: true });
    for (const segment of segments) {
      const address = segment.nextAddress();
      this.connect(router, segment, { ...options, address });
      for (const host of segment.hosts)
        if (host !== router && !host.hasRoutes) host.route(`default via ${address.split('/')[0]}`);
    }
    return router;
  }

  find(name: HostName): Host {
    if (name instanceof Host) return name;
    const host = this.hosts.get(name);
    if (host === undefined)
      throw new RangeError(
        `there is no host "${name}"; there are ${[...this.hosts.keys()].join(', ')}`,
      );
    return host;
  }

  // ---- faults

  /** `partition n1 n2 | n3`, `netem n1 -> n2 loss 40%`, `crash n1 for 3s` …: docs/testing.md has all. */
  do(words: string): void {
    this.note(words);
    doWords(this, words);
  }

  /** No packet passes between any two of these groups; hosts that no group names are as before. */
  partition(...groups: (HostName | readonly HostName[])[]): void {
    const sides = groups.map((g) =>
      (Array.isArray(g) ? g : [g]).map((h) => this.find(h as HostName)),
    );
    this.note(`partition ${sides.map((s) => s.map((h) => h.name).join(' ')).join(' | ')}`);
    for (const a of sides)
      for (const b of sides)
        if (a !== b) for (const x of a) for (const y of b) this.faults.block(x.name, y.name);
  }

  /** What `from` sends does not reach `to`; the other way it does. */
  block(from: HostName, to: HostName): void {
    this.note(`partition ${this.find(from).name} -> ${this.find(to).name}`);
    this.faults.block(this.find(from).name, this.find(to).name);
  }

  isolate(host: HostName): void {
    const one = this.find(host);
    this.partition(
      [one],
      [...this.hosts.values()].filter((h) => h !== one),
    );
  }

  /** Two halves at random, the bigger one a majority (Jepsen's `partition-random-halves`). */
  partitionHalves(hosts: readonly HostName[] = [...this.hosts.values()]): void {
    const mixed = this.shuffled(hosts);
    const half = Math.floor(mixed.length / 2);
    this.partition(mixed.slice(0, half), mixed.slice(half));
  }

  /** Every host sees a majority, and no two the same one (`partition-majorities-ring`). */
  partitionRing(hosts: readonly HostName[] = [...this.hosts.values()]): void {
    const ring = this.shuffled(hosts);
    const n = ring.length;
    const reach = Math.ceil((Math.floor(n / 2) + 1 - 1) / 2);
    this.note(`partition ring ${ring.map((h) => h.name).join(' ')}`);
    ring.forEach((a, i) => {
      ring.forEach((b, j) => {
        const apart = Math.min((i - j + n) % n, (j - i + n) % n);
        if (apart > reach) this.faults.block(a.name, b.name);
      });
    });
  }

  /** Two halves that only one host sees both of (`bridge`). */
  partitionBridge(hosts: readonly HostName[] = [...this.hosts.values()]): void {
    const [, ...rest] = this.shuffled(hosts);
    const half = Math.ceil(rest.length / 2);
    this.partition(rest.slice(0, half), rest.slice(half));
  }

  /** Pulls a cable: the one of `a` to the segment `b`, or the wire that only `a` and `b` are on. */
  cut(a: HostName, b: HostName): void {
    this.note(`cut ${this.find(a).name} ${nameOf(b)}`);
    for (const [segment, host] of this.cables(a, b)) segment.setCable(host, false);
  }

  /**
   * Ends partitions and impairments between pairs, lets go what was held, and plugs all cables in; with two
   * names only that cable.
   */
  heal(a?: HostName, b?: HostName): void {
    if (a !== undefined && b !== undefined) {
      this.note(`heal ${this.find(a).name} ${nameOf(b)}`);
      for (const [segment, host] of this.cables(a, b)) segment.setCable(host, true);
      return;
    }
    this.note('heal');
    this.faults.unblockAll();
    this.faults.netem.clear();
    this.faults.release();
    for (const segment of this.segments)
      for (const host of segment.hosts) segment.setCable(host.name, true);
  }

  private cables(a: HostName, b: HostName): [Segment, string][] {
    const host = this.find(a);
    const own = this.segments.filter((s) => s.hosts.includes(host));
    const to = nameOf(b);
    const named = own.find((s) => s.name === to);
    if (named !== undefined) return [[named, host.name]];
    const other = this.hosts.get(to);
    const wire = own.find(
      (s) => s.hosts.length === 2 && other !== undefined && s.hosts.includes(other),
    );
    if (wire !== undefined && other !== undefined)
      return [
        [wire, host.name],
        [wire, other.name],
      ];
    throw new FaultError(
      `there is no cable from ${host.name} to "${to}"; it is on ${own.map((s) => s.name).join(', ') || 'no wire'}`,
    );
  }

  /** What leaves `host` (or, with `to`, what goes from it to there) suffers this; `off` ends it. */
  netem(host: HostName, to: HostName | undefined, words: string): void {
    const from = this.find(host);
    this.note(`netem ${from.name}${to === undefined ? '' : ` -> ${this.find(to).name}`} ${words}`);
    if (to === undefined) from.setNetem(words);
    else {
      const pair = `${from.name}>${this.find(to).name}`;
      if (words === 'off') this.faults.netem.delete(pair);
      else this.faults.netem.set(pair, parseNetem(words));
    }
  }

  /** Keeps what `from` sends to `to` until `release`. */
  hold(from: HostName, to: HostName): void {
    this.note(`hold ${this.find(from).name} -> ${this.find(to).name}`);
    this.faults.hold(this.find(from).name, this.find(to).name);
  }

  release(): void {
    this.note(`release: ${this.faults.release()} packets`);
  }

  crash(host: HostName): void {
    this.note(`crash ${this.find(host).name}`);
    this.find(host).crash();
  }

  restart(host: HostName): void {
    this.note(`restart ${this.find(host).name}`);
    this.find(host).restart();
  }

  pause(host: HostName): void {
    this.note(`pause ${this.find(host).name}`);
    this.find(host).pause();
  }

  resume(host: HostName): void {
    this.note(`resume ${this.find(host).name}`);
    this.find(host).resume();
  }

  // ---- time

  /** Milliseconds since the start. */
  now(): number {
    return this.time.nowUs() / 1000;
  }

  /** Lets so much time pass. */
  async advance(by: Duration): Promise<void> {
    await this.wait(milliseconds(by));
  }

  private wait(ms: number): Promise<void> {
    const letGo = this.time.hold();
    const passed = new Promise<void>((resolve) => {
      this.observer.run(() => setTimeout(resolve, Math.max(1, ms)));
    });
    return Promise.race([passed, this.failed]).finally(letGo);
  }

  /** Does `action` (words, or a function) at that time of the run. Part of the schedule that is shrunk. */
  at(time: Duration, action: string | (() => void)): void {
    const atMs = milliseconds(time);
    const words = typeof action === 'string' ? action : `${action.name || 'a function'}()`;
    const index = this.planned.push({ atMs, words }) - 1;
    if (this.only?.has(index) === false) return;
    this.later(Math.max(0, atMs - this.now()), () => {
      if (typeof action === 'string') this.do(action);
      else action();
    });
  }

  every(interval: Duration, action: () => void): () => void {
    const timer = this.observer.run(() =>
      setInterval(() => this.guarded(action), milliseconds(interval)),
    );
    return () => clearInterval(timer);
  }

  /** Runs `action` after so many milliseconds; what it throws fails the run. */
  later(ms: number, action: () => void): void {
    this.observer.run(() => setTimeout(() => this.guarded(action), ms));
  }

  private guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.fail(error, 'test');
    }
  }

  /** Faults at random times, from the seed, and healing between them and at the end. */
  nemesis(options: NemesisOptions = {}): void {
    const names = options.hosts?.map((h) => this.find(h).name) ?? [...this.hosts.keys()];
    const start = this.now() + milliseconds(options.after ?? 0);
    for (const { atMs, words } of planNemesis(this.random('nemesis'), names, options))
      this.at(start + atMs, words);
  }

  /** A stream of random numbers of the seed's. */
  random(purpose: string): Random {
    return this.kernel.core.random(`test:${purpose}`);
  }

  private shuffled(hosts: readonly HostName[]): Host[] {
    const list = hosts.map((h) => this.find(h));
    const random = this.random('shuffle');
    for (let i = list.length - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [list[i], list[j]] = [list[j] as Host, list[i] as Host];
    }
    return list;
  }

  // ---- what must hold

  /** Must be true (or not throw) after every instant of the run. */
  always(name: string, check: () => unknown): void {
    this.invariants.always(name, check);
  }

  /** Must become true within that time; resolves when it does. */
  eventually(name: string, check: () => unknown, within: Duration = '60s'): Promise<void> {
    // Time stops there to look, even if nothing else happens.
    const stop = this.every('10ms', () => undefined);
    return this.invariants.eventually(name, check, milliseconds(within)).finally(stop);
  }

  /** Must be true at least once, in at least one run of a sweep. */
  sometimes(name: string, check: () => unknown): void {
    this.invariants.sometimes(name, check);
  }

  note(what: string): void {
    this.timeline.push({ us: this.time.nowUs(), what });
  }

  /** Ends the run with this error. */
  fail(error: unknown, where: string): void {
    if (this.hasFailed) return;
    this.hasFailed = true;
    this.note(`${where} failed: ${types.isNativeError(error) ? error.message : String(error)}`);
    this.rejectFailed(error);
  }

  // ---- packets

  /**
   * Counts from now on the frames that a filter in tcpdump's words chooses, such as `tcp port 80 and
   * tcp[tcpflags] & tcp-rst != 0`. Each counts once, when a host sends it into a wire; with `on`, what that host
   * sends or gets, or what is sent into that segment.
   */
  packets(
    filter: string | PacketTest,
    options: { readonly on?: HostName | undefined } = {},
  ): PacketCount {
    const on = options.on === undefined ? undefined : nameOf(options.on);
    return watchWires(this, this.segments, filter, on);
  }

  /** Records every frame of every device as pcapng. */
  capture(sink: (bytes: Uint8Array) => void): Capture {
    const capture = new Capture(this.kernel.core, sink);
    this.closers.push(() => capture.close());
    return capture;
  }

  /** A digest of everything on all wires from now on: equal runs have equal digests. */
  digest(): () => string {
    const hash: Hash = createHash('sha256');
    this.capture((bytes) => void hash.update(bytes));
    return () => hash.copy().digest('hex');
  }

  /** Ends all programs and the network. */
  close(): void {
    for (const close of this.closers) close();
    for (const ns of [...this.hosts.values()].map((h) => h.ns).concat(this.observer)) {
      const host = hostOf(ns.net);
      if (host !== undefined) host.dead = true;
      abandonAll(ns.net);
    }
    this.time.onInstant = undefined;
    this.time.stop();
  }
}

function nameOf(name: HostName): string {
  return typeof name === 'string' ? name : name.name;
}

/** A network in virtual time; close it when done. */
export function createNet(options: NetOptions = {}): Net {
  return new Net(options);
}
