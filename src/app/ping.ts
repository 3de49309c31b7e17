/**
 * ping: echo requests over a raw ICMP socket, lines and exit codes as iputils' ping has them. Driven
 * by the kernel's timers, so that it runs in real and in virtual time.
 */
import {
  AF_INET,
  EMSGSIZE,
  errnoText,
  formatIpv4,
  type Namespace,
  NetError,
  parseIpv4,
  SOCK_DGRAM,
  Socket,
} from '../core/index.ts';
import { checksum, errorText, type IcmpMessage, IcmpSocket, quotedPacket } from './icmp-socket.ts';
import { type PingOptions, parsePing, resolveTarget } from './ping-options.ts';

const ICMP_ECHOREPLY = 0;
const ICMP_ECHO = 8;
const ICMP_HLEN = 8;
const IP_HLEN = 20;
const IPPROTO_ICMP = 1;
const SOL_SOCKET = 1;
const SO_BROADCAST = 6;
const SO_BINDTODEVICE = 25;
const SOL_IP = 0;
const IP_TOS = 1;
const IP_TTL = 2;
const IP_MTU_DISCOVER = 10;
const IP_MTU = 14;
const PMTUDISC: Readonly<Record<PingOptions['pmtudisc'], number>> = { dont: 0, want: 1, do: 2 };
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
  const dst = resolveTarget(command.target, io.resolve);
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

function check(result: number, syscall: string): void {
  if (result < 0) throw new NetError(result, syscall);
}

class Ping implements RunningApp {
  private readonly ns: Namespace;
  private readonly dst: number;
  private readonly target: string;
  private readonly options: PingOptions;
  private readonly io: AppIo;
  private readonly icmp: IcmpSocket;
  private readonly source: Probe;
  private readonly ident: number;
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

  constructor(ns: Namespace, dst: number, target: string, options: PingOptions, io: AppIo) {
    this.ns = ns;
    this.dst = dst;
    this.target = target;
    this.options = options;
    this.io = io;
    this.source = probeRoute(ns, dst, options);
    this.ident = ns.kernel.core.random('ping').below(65536);
    this.icmp = new IcmpSocket(ns, (m) => this.receive(m));
    this.configure();
    this.next = ns.kernel.core.timer(() => this.tick());
    this.deadline = ns.kernel.core.timer(() => this.finish());
  }

  private get nowUs(): number {
    return this.ns.kernel.core.env.nowUs();
  }

  private configure(): void {
    const { socket } = this.icmp;
    const o = this.options;
    if (o.ttl > 0) socket.setsockopt(SOL_IP, IP_TTL, o.ttl);
    if (o.tos > 0) socket.setsockopt(SOL_IP, IP_TOS, o.tos);
    socket.setsockopt(SOL_IP, IP_MTU_DISCOVER, PMTUDISC[o.pmtudisc]);
    if (o.broadcast) socket.setsockopt(SOL_SOCKET, SO_BROADCAST, 1);
    if (this.source.device !== '')
      socket.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, this.source.device);
    else if (o.source !== '')
      check(socket.bind({ family: AF_INET, addr: this.source.address, port: 0 }), 'bind');
  }

  start(): void {
    const { size, source, deadlineS } = this.options;
    if (this.source.isBroadcast) this.io.err('WARNING: pinging broadcast address\n');
    const from =
      source === '' ? '' : ` from ${formatIpv4(this.source.address)} ${this.source.device}:`;
    this.io.out(
      `PING ${this.target} (${formatIpv4(this.dst)})${from} ${size}(${size + ICMP_HLEN + IP_HLEN}) bytes of data.\n`,
    );
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
    const to = { family: AF_INET, addr: this.dst, port: 0 } as const;
    const result = this.icmp.socket.sendto(this.request(seq), 0, to);
    this.tally.pipe = Math.max(this.tally.pipe, this.tally.sent - this.answered.size);
    if (result >= 0) return;
    this.tally.errors++;
    this.io.err(
      result === -EMSGSIZE
        ? `ping: local error: message too long, mtu=${this.source.mtu}\n`
        : `ping: sendmsg: ${errnoText(result)}\n`,
    );
    this.endWhenDone();
  }

  /** An echo request (RFC 792): payload bytes count up, as iputils' do. */
  private request(seq: number): Uint8Array {
    const bytes = new Uint8Array(ICMP_HLEN + this.options.size);
    const view = new DataView(bytes.buffer);
    view.setUint8(0, ICMP_ECHO);
    view.setUint16(4, this.ident);
    view.setUint16(6, seq);
    for (let i = ICMP_HLEN; i < bytes.length; i++) bytes[i] = i & 0xff;
    view.setUint16(2, checksum(bytes));
    return bytes;
  }

  private receive(m: IcmpMessage): void {
    if (this.ended) return;
    if (m.type === ICMP_ECHOREPLY) {
      if (m.rest >>> 16 === this.ident) this.reply(m);
      return;
    }
    if (m.type === ICMP_ECHO) return;
    const quoted = quotedPacket(m);
    if (quoted === undefined || quoted.protocol !== IPPROTO_ICMP) return;
    if (quoted.word2 !== this.ident || quoted.dst !== this.dst) return;
    this.error(m, quoted.word3);
  }

  private reply(m: IcmpMessage): void {
    const seq = m.rest & 0xffff;
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
        `${m.length} bytes from ${formatIpv4(m.src)}: icmp_seq=${seq} ttl=${m.ttl}${time}${duplicate ? ' (DUP!)' : ''}\n`,
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

  private error(m: IcmpMessage, seq: number): void {
    const redirect = m.type === 5;
    if (!redirect) this.tally.errors++;
    this.lastUs = this.nowUs;
    if (!this.options.quiet)
      this.io.out(
        `From ${formatIpv4(m.src)}${redirect ? ':' : ''} icmp_seq=${seq} ${errorText(m)}\n`,
      );
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
    this.icmp.close();
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

interface Probe {
  readonly address: number;
  readonly device: string;
  readonly isBroadcast: boolean;
  readonly mtu: number;
}

/** What a connected datagram socket tells: source address and path MTU; its errors are ping's. */
function probeRoute(ns: Namespace, dst: number, options: PingOptions): Probe {
  const probe = Socket.create(ns.net, AF_INET, SOCK_DGRAM);
  if (typeof probe === 'number') throw new NetError(probe, 'socket');
  try {
    let device = '';
    if (options.source !== '') {
      const address = parseIpv4(options.source);
      if (address === undefined) {
        device = options.source;
        check(probe.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, device), `SO_BINDTODEVICE ${device}`);
      } else check(probe.bind({ family: AF_INET, addr: address, port: 0 }), 'bind');
    }
    const to = { family: AF_INET, addr: dst, port: 1025 } as const;
    let connected = probe.connect(to);
    const isBroadcast = connected === -EACCES && options.broadcast;
    if (isBroadcast) {
      probe.setsockopt(SOL_SOCKET, SO_BROADCAST, 1);
      connected = probe.connect(to);
    }
    check(connected, 'connect');
    const mtu = probe.getsockopt(SOL_IP, IP_MTU);
    return {
      address: probe.getsockname().addr,
      device,
      isBroadcast,
      mtu: typeof mtu === 'number' && mtu > 0 ? mtu : 1500,
    };
  } finally {
    probe.close();
  }
}
