/**
 * traceroute and tracepath: UDP datagrams with a growing TTL, and the ICMP errors that come back
 * (RFC 1393 describes the idea; output as traceroute(8) and iputils' tracepath have it).
 */
import {
  AF_INET,
  EACCES,
  EMSGSIZE,
  errnoText,
  formatIpv4,
  type Namespace,
  NetError,
  parseIpv4,
  SOCK_DGRAM,
  Socket,
} from '../core/index.ts';
import { type IcmpMessage, IcmpSocket, quotedPacket } from './icmp-socket.ts';
import type { AppIo, RunningApp } from './ping.ts';
import { resolveTarget } from './ping-options.ts';

const IPPROTO_UDP = 17;
const SOL_IP = 0;
const IP_TTL = 2;
const IP_MTU_DISCOVER = 10;
const IP_MTU = 14;
/** IP_PMTUDISC_PROBE: set DF, and send whatever the length. */
const PMTUDISC_PROBE = 3;
const PMTUDISC_DO = 2;
const ICMP_DEST_UNREACH = 3;
const ICMP_TIME_EXCEEDED = 11;
const ICMP_PORT_UNREACH = 3;
const ICMP_FRAG_NEEDED = 4;
/** First port that nobody listens on (traceroute(8)). */
const FIRST_PORT = 33434;
/** tracepath's. */
const PATH_PORT = 44444;
const HEADERS = 28;
const ENDED: RunningApp = { stop: () => {} };
const SECOND_US = 1_000_000;

interface Options {
  readonly target: string;
  readonly maxHops: number;
  readonly firstHop: number;
  readonly probes: number;
  readonly waitUs: number;
  readonly numeric: boolean;
  readonly length: number;
  readonly source: string;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function parse(
  name: string,
  argv: readonly string[],
  flags: string,
  values: string,
): Options | string {
  const o: Mutable<Options> = {
    target: '',
    maxHops: 30,
    firstHop: 1,
    probes: 3,
    waitUs: name === 'tracepath' ? SECOND_US : 5 * SECOND_US,
    numeric: false,
    length: 0,
    source: '',
  };
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] as string;
    if (!word.startsWith('-')) {
      if (o.target === '') o.target = word;
      else o.length = Number(word);
      continue;
    }
    const letter = word[1] ?? '';
    if (flags.includes(letter)) {
      o.numeric ||= letter === 'n';
      continue;
    }
    if (!values.includes(letter))
      return `${name}: -${letter} is not implemented here; the options are ${[...flags, ...values].map((l) => `-${l}`).join(' ')}`;
    const value = word.slice(2) || argv[++i] || '';
    if (letter === 's') o.source = value;
    else if (!(Number(value) > 0)) return `${name}: bad value "${value}" for -${letter}`;
    else if (letter === 'm') o.maxHops = Number(value);
    else if (letter === 'f') o.firstHop = Number(value);
    else if (letter === 'q') o.probes = Number(value);
    else if (letter === 'w') o.waitUs = Math.round(Number(value) * SECOND_US);
    else o.length = Number(value);
  }
  return o.target === '' ? `${name}: usage error: destination required` : o;
}

/** Runs traceroute with the words that follow its name. */
export function traceroute(ns: Namespace, argv: readonly string[], io: AppIo): RunningApp {
  const o = parse('traceroute', argv, 'n4U', 'mfqws');
  return typeof o === 'string' ? fail(io, o, 2) : begin(o, io, (dst) => new Trace(ns, dst, o, io));
}

/** Runs tracepath with the words that follow its name. */
export function tracepath(ns: Namespace, argv: readonly string[], io: AppIo): RunningApp {
  const o = parse('tracepath', argv, 'n4b', 'ml');
  return typeof o === 'string' ? fail(io, o, 1) : begin(o, io, (dst) => new Path(ns, dst, o, io));
}

function fail(io: AppIo, text: string, code: number): RunningApp {
  io.err(`${text}\n`);
  io.exit(code);
  return ENDED;
}

function begin(o: Options, io: AppIo, make: (dst: number) => Prober): RunningApp {
  const dst = resolveTarget(o.target, io.resolve);
  if (dst === undefined) return fail(io, `${o.target}: Name or service not known`, 2);
  try {
    const run = make(dst);
    run.start();
    return run;
  } catch (e) {
    if (!(e instanceof NetError)) throw e;
    return fail(io, `${e.syscall}: ${errnoText(e.errno)}`, 1);
  }
}

/** What both have: a socket that sends, one that listens, and a timer. */
abstract class Prober implements RunningApp {
  protected readonly ns: Namespace;
  protected readonly dst: number;
  protected readonly options: Options;
  protected readonly io: AppIo;
  protected readonly socket: Socket;
  protected readonly timer: { set(atUs: number): void; clear(): void };
  private readonly icmp: IcmpSocket;
  private ended = false;

  constructor(ns: Namespace, dst: number, options: Options, io: AppIo) {
    this.ns = ns;
    this.dst = dst;
    this.options = options;
    this.io = io;
    const socket = Socket.create(ns.net, AF_INET, SOCK_DGRAM);
    if (typeof socket === 'number') throw new NetError(socket, 'socket');
    this.socket = socket;
    this.icmp = new IcmpSocket(ns, (m) => this.heard(m));
    this.timer = ns.kernel.core.timer(() => this.timedOut());
    const source = parseIpv4(options.source) ?? 0;
    const bound = socket.bind({ family: AF_INET, addr: source, port: 0 });
    if (bound < 0) throw new NetError(bound, 'bind');
  }

  abstract start(): void;
  protected abstract timedOut(): void;
  /** An ICMP error about our datagram to `port`. */
  protected abstract error(m: IcmpMessage, port: number): void;

  stop(): void {
    this.end(1);
  }

  protected get nowUs(): number {
    return this.ns.kernel.core.env.nowUs();
  }

  protected send(port: number, ttl: number, size: number): number {
    this.socket.setsockopt(SOL_IP, IP_TTL, ttl);
    const to = { family: AF_INET, addr: this.dst, port } as const;
    return this.socket.sendto(new Uint8Array(size), 0, to);
  }

  protected end(code: number): void {
    if (this.ended) return;
    this.ended = true;
    this.timer.clear();
    this.icmp.close();
    this.socket.close();
    this.io.exit(code);
  }

  private heard(m: IcmpMessage): void {
    if (this.ended || (m.type !== ICMP_DEST_UNREACH && m.type !== ICMP_TIME_EXCEEDED)) return;
    const quoted = quotedPacket(m);
    if (quoted === undefined || quoted.protocol !== IPPROTO_UDP || quoted.dst !== this.dst) return;
    if (quoted.word0 === this.socket.getsockname().port) this.error(m, quoted.word1);
  }
}

/** What a probe of traceroute met. */
interface Answer {
  readonly src: number;
  readonly rttUs: number;
  readonly note: string;
}

/** `!H` and its kin of traceroute(8). */
function note(m: IcmpMessage): string {
  if (m.type !== ICMP_DEST_UNREACH || m.code === ICMP_PORT_UNREACH) return '';
  const known = ['!N', '!H', '!P', '', `!F-${m.rest & 0xffff}`, '!S'][m.code];
  if (known !== undefined) return ` ${known}`;
  return m.code === 9 || m.code === 10 || m.code === 13 ? ' !X' : ` !<${m.code}>`;
}

class Trace extends Prober {
  private hop = 0;
  private port = FIRST_PORT - 1;
  private reached = false;
  /** Of the current hop, by port. */
  private readonly sentAt: Map<number, number> = new Map();
  private answers: (Answer | null | undefined)[] = [];
  private firstPort = 0;

  start(): void {
    const { target, maxHops, firstHop } = this.options;
    this.io.out(
      `traceroute to ${target} (${formatIpv4(this.dst)}), ${maxHops} hops max, 60 byte packets\n`,
    );
    this.hop = firstHop;
    this.timer.set(this.nowUs);
    this.sentAt.clear();
  }

  protected timedOut(): void {
    if (this.sentAt.size > 0) this.endHop();
    else this.startHop();
  }

  private startHop(): void {
    this.answers = new Array<undefined>(this.options.probes).fill(undefined);
    this.firstPort = this.port + 1;
    for (let i = 0; i < this.options.probes; i++) {
      this.port++;
      this.sentAt.set(this.port, this.nowUs);
      // A pending ICMP error of the probe before may be what this call reports: send again.
      let result = this.send(this.port, this.hop, 60 - HEADERS);
      if (result < 0) result = this.send(this.port, this.hop, 60 - HEADERS);
      if (result === -EACCES || result === -EMSGSIZE) this.answers[i] = null;
    }
    this.timer.set(this.nowUs + this.options.waitUs);
  }

  protected error(m: IcmpMessage, port: number): void {
    const sentUs = this.sentAt.get(port);
    const index = port - this.firstPort;
    if (sentUs === undefined || index < 0 || this.answers[index] !== undefined) return;
    this.answers[index] = { src: m.src, rttUs: this.nowUs - sentUs, note: note(m) };
    if (m.type === ICMP_DEST_UNREACH) this.reached = true;
    if (this.answers.every((a) => a !== undefined)) this.endHop();
  }

  private endHop(): void {
    this.sentAt.clear();
    let text = `${String(this.hop).padStart(2)} `;
    let last: number | undefined;
    for (const a of this.answers) {
      if (a === undefined || a === null) text += ' *';
      else {
        if (a.src !== last) text += ` ${this.nameOf(a.src)}`;
        text += `  ${(a.rttUs / 1000).toFixed(3)} ms${a.note}`;
        last = a.src;
      }
    }
    this.io.out(`${text}\n`);
    this.hop++;
    if (this.reached || this.hop > this.options.maxHops) this.end(0);
    else this.timer.set(this.nowUs);
  }

  private nameOf(src: number): string {
    const address = formatIpv4(src);
    return this.options.numeric ? address : `${address} (${address})`;
  }
}

class Path extends Prober {
  private mtu = 0;
  private ttl = 1;
  private port = PATH_PORT;
  private tries = 0;
  private sentUs = 0;

  start(): void {
    this.socket.setsockopt(SOL_IP, IP_MTU_DISCOVER, PMTUDISC_DO);
    this.mtu = this.options.length > 0 ? this.options.length : this.routeMtu();
    this.socket.setsockopt(SOL_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE);
    this.io.out(`${' 1?: [LOCALHOST]'.padEnd(38)}pmtu ${this.mtu}\n`);
    this.timer.set(this.nowUs);
  }

  /** The MTU that the namespace knows of before the first probe. */
  private routeMtu(): number {
    const probe = Socket.create(this.ns.net, AF_INET, SOCK_DGRAM);
    if (typeof probe === 'number') throw new NetError(probe, 'socket');
    const result = probe.connect({ family: AF_INET, addr: this.dst, port: PATH_PORT });
    const mtu = result < 0 ? result : probe.getsockopt(SOL_IP, IP_MTU);
    probe.close();
    if (result < 0) throw new NetError(result, 'connect');
    return typeof mtu === 'number' && mtu > 0 ? mtu : 1500;
  }

  protected timedOut(): void {
    if (this.tries === 3) {
      this.io.out(`${line(`${this.ttl}:`, ' no reply', 0).trimEnd()}\n`);
      this.nextHop();
      return;
    }
    this.probe();
  }

  private probe(): void {
    this.tries++;
    this.port++;
    this.sentUs = this.nowUs;
    const result = this.send(this.port, this.ttl, this.mtu - HEADERS);
    if (result < 0) this.send(this.port, this.ttl, this.mtu - HEADERS);
    this.timer.set(this.nowUs + this.options.waitUs);
  }

  private nextHop(): void {
    this.tries = 0;
    this.ttl++;
    if (this.ttl > this.options.maxHops) {
      this.io.out(`     Too many hops: pmtu ${this.mtu}\n     Resume: pmtu ${this.mtu} \n`);
      this.end(0);
    } else this.timer.set(this.nowUs);
  }

  protected error(m: IcmpMessage, port: number): void {
    if (port !== this.port) return;
    const from = line(`${this.ttl}:`, formatIpv4(m.src), 58);
    const ms = `${((this.nowUs - this.sentUs) / 1000).toFixed(3)}ms `;
    if (m.type === ICMP_TIME_EXCEEDED) {
      this.io.out(`${from}${ms}\n`);
      this.nextHop();
    } else if (m.code === ICMP_PORT_UNREACH) {
      this.io.out(
        `${from}${ms}reached\n     Resume: pmtu ${this.mtu} hops ${this.ttl} back ${back(m.ttl)} \n`,
      );
      this.end(0);
    } else if (m.code === ICMP_FRAG_NEEDED && (m.rest & 0xffff) < this.mtu) {
      this.mtu = m.rest & 0xffff;
      this.io.out(`${from}${ms}pmtu ${this.mtu}\n`);
      this.tries = 0;
      this.timer.set(this.nowUs);
    } else {
      const what = m.code === 0 ? '!N' : m.code === 1 ? '!H' : m.code === 2 ? '!P' : '!A';
      this.io.out(`${from}${ms}${what}\n     Resume: pmtu ${this.mtu} \n`);
      this.end(1);
    }
  }
}

/** `" 1:  10.0.0.1 …"`, as wide as tracepath makes it. */
function line(hop: string, name: string, width: number): string {
  return `${hop.padStart(3)}  ${name}`.padEnd(width);
}

/** How many hops an answer came, from its TTL: it started from 64, 128 or 255. */
function back(ttl: number): number {
  return (ttl <= 64 ? 65 : ttl <= 128 ? 129 : 256) - ttl;
}
