/**
 * ping: echo requests over a raw ICMP socket, of IPv4 or IPv6, lines and exit codes as iputils' ping has them. Driven
 * by the kernel's timers, so that it runs in real and in virtual time.
 */
import { EMSGSIZE, errnoText, type Namespace, NetError } from '../core/index.ts';
import type { Echo, EchoEvent } from './echo.ts';
import { Echo4 } from './echo4.ts';
import { Echo6, type Target6 } from './echo6.ts';
import { type PingOptions, parsePing, resolvePing } from './ping-options.ts';

const SECOND_US = 1_000_000;
/** A reply time is measured when the request could hold a `struct timeval`. */
const TIMING_SIZE = 16;
const EACCES = 13;

/** Where a program of `app/` writes, and how it finds names. */
export interface AppIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Told once, when the program ends. */
  readonly exit: (code: number) => void;
  /** The address of a name; undefined: there is none. */
  readonly resolve?: (name: string) => string | undefined;
}

/** A program that runs. */
export interface RunningApp {
  /** As SIGINT: it prints its summary and ends. Nothing happens when it has ended. */
  stop(): void;
}

const ENDED: RunningApp = { stop: () => {} };

/** Counts of a run. */
interface Tally {
  sent: number;
  received: number;
  duplicates: number;
  errors: number;
  /** Microseconds. */
  min: number;
  max: number;
  sum: number;
  sumSquares: number;
  /** Most requests without an answer at once. */
  pipe: number;
}

/** Runs ping with the words that follow its name. */
export function ping(ns: Namespace, argv: readonly string[], io: AppIo): RunningApp {
  const command = parsePing(argv);
  if ('text' in command) return fail(io, command.text, command.code);
  const dst = resolvePing(command, io.resolve);
  if (dst === undefined)
    return fail(io, `ping: ${command.target}: Temporary failure in name resolution`, 2);
  try {
    const run = new Ping(ns, dst, command.target, command.options, io);
    run.start();
    return run;
  } catch (e) {
    if (!(e instanceof NetError)) throw e;
    if (e.errno === -EACCES && e.syscall === 'connect')
      return fail(
        io,
        'ping: Do you want to ping broadcast? Then -b. If not, check your local firewall rules',
        2,
      );
    return fail(io, `ping: ${e.syscall}: ${errnoText(e.errno)}`, 2);
  }
}

function fail(io: AppIo, text: string, code: number): RunningApp {
  io.err(`${text}\n`);
  io.exit(code);
  return ENDED;
}

class Ping implements RunningApp {
  private readonly ns: Namespace;
  private readonly target: string;
  private readonly options: PingOptions;
  private readonly io: AppIo;
  private readonly echo: Echo;
  private readonly sentAt: Map<number, number> = new Map();
  private readonly answered: Set<number> = new Set();
  private readonly tally: Tally = {
    sent: 0,
    received: 0,
    duplicates: 0,
    errors: 0,
    min: Number.POSITIVE_INFINITY,
    max: 0,
    sum: 0,
    sumSquares: 0,
    pipe: 0,
  };
  private readonly next: { set(atUs: number): void; clear(): void };
  private readonly deadline: { set(atUs: number): void; clear(): void };
  private startUs = 0;
  private lastUs = 0;
  private ended = false;

  constructor(
    ns: Namespace,
    dst: number | Target6,
    target: string,
    options: PingOptions,
    io: AppIo,
  ) {
    this.ns = ns;
    this.target = target;
    this.options = options;
    this.io = io;
    const ident = ns.kernel.core.random('ping').below(65536);
    const told = (event: EchoEvent): void => this.receive(event);
    this.echo =
      typeof dst === 'number'
        ? new Echo4(ns, dst, options, ident, told)
        : new Echo6(ns, dst, options, ident, told);
    this.next = ns.kernel.core.timer(() => this.tick());
    this.deadline = ns.kernel.core.timer(() => this.finish());
  }

  private get nowUs(): number {
    return this.ns.kernel.core.env.nowUs();
  }

  start(): void {
    const { deadlineS } = this.options;
    if (this.echo.probe.isBroadcast) this.io.err('WARNING: pinging broadcast address\n');
    this.io.out(`PING ${this.target}${this.echo.heading}\n`);
    this.startUs = this.ns.kernel.core.env.nowUs();
    this.lastUs = this.startUs;
    if (deadlineS > 0) this.deadline.set(this.startUs + deadlineS * SECOND_US);
    this.next.set(this.startUs);
  }

  stop(): void {
    this.finish();
  }

  /** Time for the next request, or, after the last one, to give up waiting. */
  private tick(): void {
    const { count, intervalS } = this.options;
    if (count > 0 && this.tally.sent >= count) {
      this.finish();
      return;
    }
    this.send();
    if (this.ended) return;
    const last = count > 0 && this.tally.sent >= count;
    this.next.set(this.nowUs + (last ? this.lingerUs() : Math.round(intervalS * SECOND_US)));
  }

  /** How long to wait behind the last request (iputils `__schedule_exit`). */
  private lingerUs(): number {
    const { lingerS, intervalS } = this.options;
    if (this.tally.received === 0) return Math.round(lingerS * SECOND_US);
    return Math.max(2 * this.tally.max, Math.round(intervalS * SECOND_US));
  }

  private send(): void {
    const seq = ++this.tally.sent & 0xffff;
    this.sentAt.set(seq, this.nowUs);
    this.lastUs = this.nowUs;
    const result = this.echo.send(seq);
    this.tally.pipe = Math.max(this.tally.pipe, this.tally.sent - this.answered.size);
    if (result >= 0) return;
    this.tally.errors++;
    this.io.err(
      result === -EMSGSIZE
        ? `ping: local error: message too long, mtu${this.echo.mtuSign}${this.echo.probe.mtu}\n`
        : `ping: sendmsg: ${errnoText(result)}\n`,
    );
    this.endWhenDone();
  }

  private receive(event: EchoEvent): void {
    if (this.ended) return;
    if (event.kind === 'reply') this.reply(event);
    else this.error(event);
  }

  private reply({ seq, from, ttl, length }: EchoEvent): void {
    const sentUs = this.sentAt.get(seq);
    if (sentUs === undefined) return;
    const rttUs = this.nowUs - sentUs;
    const duplicate = this.answered.has(seq);
    this.answered.add(seq);
    this.lastUs = this.nowUs;
    if (duplicate) this.tally.duplicates++;
    else this.tally.received++;
    this.count(rttUs);
    if (!this.options.quiet) {
      const time = this.options.size >= TIMING_SIZE ? ` time=${roundTrip(rttUs)} ms` : '';
      this.io.out(
        `${length} bytes from ${from}: icmp_seq=${seq} ttl=${ttl}${time}${duplicate ? ' (DUP!)' : ''}\n`,
      );
    }
    this.endWhenDone();
  }

  private count(rttUs: number): void {
    const t = this.tally;
    t.min = Math.min(t.min, rttUs);
    t.max = Math.max(t.max, rttUs);
    t.sum += rttUs;
    t.sumSquares += rttUs * rttUs;
  }

  private error({ kind, seq, from, text }: EchoEvent): void {
    const redirect = kind === 'redirect';
    if (!redirect) this.tally.errors++;
    this.lastUs = this.nowUs;
    if (!this.options.quiet)
      this.io.out(`From ${from}${redirect ? ':' : ''} icmp_seq=${seq} ${text}\n`);
    this.endWhenDone();
  }

  private endWhenDone(): void {
    const { count } = this.options;
    const t = this.tally;
    if (count > 0 && t.sent >= count && t.received + t.errors >= count) this.finish();
  }

  private finish(): void {
    if (this.ended) return;
    this.ended = true;
    this.next.clear();
    this.deadline.clear();
    this.echo.close();
    this.io.out(`\n--- ${this.target} ping statistics ---\n${this.summary()}`);
    const t = this.tally;
    const { deadlineS, count } = this.options;
    const short = deadlineS > 0 && count > 0 && t.received < count;
    this.io.exit(t.received === 0 || short ? 1 : 0);
  }

  private summary(): string {
    const t = this.tally;
    const loss = t.sent === 0 ? 0 : ((t.sent - t.received) * 100) / t.sent;
    const parts = [`${t.sent} packets transmitted`, `${t.received} received`];
    if (t.duplicates > 0) parts.push(`+${t.duplicates} duplicates`);
    if (t.errors > 0) parts.push(`+${t.errors} errors`);
    // %.6g of C: at most six digits, no zeros behind.
    parts.push(`${Number(loss.toPrecision(6))}% packet loss`);
    parts.push(`time ${Math.floor((this.lastUs - this.startUs) / 1000)}ms`);
    let text = `${parts.join(', ')}\n`;
    if (t.received > 0 && this.options.size >= TIMING_SIZE) text += this.times();
    if (t.pipe > 1)
      text += `${t.received > 0 && this.options.size >= TIMING_SIZE ? ', ' : ''}pipe ${t.pipe}`;
    return `${text}\n`;
  }

  private times(): string {
    const t = this.tally;
    const n = t.received + t.duplicates;
    const mean = t.sum / n;
    const deviation = Math.sqrt(Math.max(0, t.sumSquares / n - mean * mean));
    const shown = [t.min, mean, t.max, deviation].map((us) => (Math.floor(us) / 1000).toFixed(3));
    return `rtt min/avg/max/mdev = ${shown.join('/')} ms`;
  }
}

/** A round-trip time in milliseconds with as many digits as iputils gives it. */
function roundTrip(us: number): string {
  const ms = us / 1000;
  if (us >= 100_000 - 50) return ms.toFixed(0);
  if (us >= 10_000 - 5) return ms.toFixed(1);
  return us >= 1000 ? ms.toFixed(2) : ms.toFixed(3);
}
