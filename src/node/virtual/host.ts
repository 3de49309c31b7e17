/**
 * The machine that a program in virtual time sees: clocks with skew and drift, a random source, and
 * whether it runs at all. One for each namespace of a kernel in virtual time.
 */
import type { NetNs } from '../../core/net.ts';
import { Random } from '../../core/util/random.ts';
import { currentNet } from '../current.ts';
import { type Closing, markClosing, markReady, type Ready, setGate } from '../loop.ts';

/** A timer of a program's. */
export interface HostTimer {
  hasRef(): boolean;
  clear(): void;
}

/** Milliseconds since the host's boot that `process.uptime` and `performance.now` begin with. */
export class VirtualHost {
  readonly net: NetNs;
  /** The program's random numbers. */
  readonly random: Random;
  /** Real-clock offset, microseconds: skew. */
  skewUs = 0;
  /** Seconds that its clocks count in a second of the kernel's. */
  rate = 1;
  /** Where `rate` began to hold: the kernel's time, and the host's at it. */
  private fromUs: number;
  private hostUs = 0;
  readonly bootUs: number;
  paused = false;
  dead = false;
  /** What waits for `resume`. */
  private readonly parked: (Ready | Closing)[] = [];
  lastTimerId = 0;
  /** What its program waits for; immediates are too short to be among them. */
  readonly timers: Set<HostTimer> = new Set();

  constructor(net: NetNs, incarnation: number) {
    this.net = net;
    const { kernel } = net;
    this.fromUs = kernel.env.nowUs();
    this.bootUs = this.fromUs;
    this.hostUs = this.fromUs;
    const purpose = `program:${net.name ?? net.id}`;
    this.random = new Random(
      kernel.seed,
      incarnation === 0 ? purpose : `${purpose}:${incarnation}`,
    );
  }

  /** The kernel's time. */
  get us(): number {
    return this.net.kernel.env.nowUs();
  }

  /** The host's monotonic clock, microseconds with fractions. */
  monotonicUs(): number {
    return this.hostUs + (this.us - this.fromUs) * this.rate;
  }

  /** The host's wall clock, microseconds since 1970. */
  wallUs(): number {
    return this.net.kernel.env.epochUs + this.monotonicUs() + this.skewUs;
  }

  /** From now on the clocks run `ppm` millionths too fast. */
  setDrift(ppm: number): void {
    this.hostUs = this.monotonicUs();
    this.fromUs = this.us;
    this.rate = 1 + ppm / 1e6;
  }

  /** When a timer of `ms` of the host's milliseconds is due. */
  dueUs(ms: number): number {
    return this.us + Math.ceil((ms * 1000) / this.rate);
  }

  /** The program stops where it is, as by SIGSTOP; the stack goes on. */
  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    for (const waiting of this.parked.splice(0)) {
      if ('dispatch' in waiting && waiting.queued) {
        waiting.queued = false;
        markReady(waiting);
      } else if ('finishClose' in waiting) markClosing(waiting);
    }
  }

  park(waiting: Ready | Closing): void {
    this.parked.push(waiting);
  }
}

const hosts: WeakMap<NetNs, VirtualHost> = new WeakMap();
let gated = false;
let last: NetNs | undefined;

/** Whose callback ran last: who throws, or rejects unheard, is this one. */
export function lastToRun(): NetNs | undefined {
  return last;
}

/** Gives `net` a host; from now on what runs in it lives in the kernel's time. */
export function addHost(net: NetNs, incarnation = 0): VirtualHost {
  if (!gated) setGate(mayRun);
  gated = true;
  const host = new VirtualHost(net, incarnation);
  hosts.set(net, host);
  return host;
}

export function hostOf(net: NetNs): VirtualHost | undefined {
  return hosts.get(net);
}

/** The host of the running code; undefined: it lives in real time. */
export function currentHost(): VirtualHost | undefined {
  const net = currentNet();
  return net === undefined ? undefined : hosts.get(net);
}

function mayRun(waiting: Ready | Closing): boolean {
  if (waiting.net === undefined) return true;
  const host = hosts.get(waiting.net);
  if (host === undefined) return true;
  if (host.dead) {
    // What was closed at the last instant is in no list of open handles any more.
    waiting.abandon?.();
    return false;
  }
  if (host.paused) {
    host.park(waiting);
    return false;
  }
  last = waiting.net;
  return true;
}
