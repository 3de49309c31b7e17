/**
 * A DNS server of a lab (RFC 1034, RFC 1035; by UDP): it knows the names of its domain, forwards what belongs to others,
 * and refuses that when it has nobody to ask. What waits for an answer is bounded.
 */
import {
  AF_INET,
  type ControlMessage,
  type Namespace,
  NetError,
  parseIpv4,
  parseIpv6,
  SOCK_DGRAM,
  type SockAddrIn,
  Socket,
} from '../../core/index.ts';
import {
  CLASS_IN,
  type DnsQuestion,
  type DnsRecord,
  encodeName,
  encodeReply,
  NOERROR,
  NOTIMP,
  NXDOMAIN,
  parseQuestion,
  REFUSED,
  SERVFAIL,
  TYPE_A,
  TYPE_AAAA,
  TYPE_ANY,
  TYPE_PTR,
  TYPE_SOA,
} from './message.ts';

export interface DnsServerOptions {
  /** The domain it answers for; names without a dot are in it. */
  readonly domain?: string;
  /** Addresses of each name, IPv4 or IPv6. */
  readonly hosts: ReadonlyMap<string, readonly string[]>;
  /** Whom it asks about other names, in turn; signed 32-bit integers. */
  readonly forward?: readonly number[];
  /** Seconds that answers may be kept. */
  readonly ttl?: number;
  readonly port?: number;
}

const DNS_PORT = 53;
const DEFAULT_TTL = 60;
const SOL_IP = 0;
const IP_PKTINFO = 8;
/** Questions that wait for somebody else's answer, at most, and how long. */
const MAX_PENDING = 256;
const PENDING_US = 5_000_000;
/** Messages read at once, before others have their turn. */
const BURST = 64;

interface Pending {
  readonly question: DnsQuestion;
  readonly from: SockAddrIn;
  readonly control: readonly ControlMessage[];
  readonly untilUs: number;
  /** Whom it was asked. */
  readonly upstream: number;
}

export class DnsServer {
  private readonly ns: Namespace;
  private readonly options: DnsServerOptions;
  private readonly domain: string;
  private readonly records: Map<string, DnsRecord[]> = new Map();
  private readonly socket: Socket;
  /** Asks others, from a port that is hard to guess. */
  private readonly asking: Socket;
  private readonly pending: Map<number, Pending> = new Map();
  private readonly timer;
  private turn = 0;

  /** @throws NetError the port is taken, or needs a capability */
  constructor(ns: Namespace, options: DnsServerOptions) {
    this.ns = ns;
    this.options = options;
    this.domain = (options.domain ?? '').toLowerCase();
    for (const [name, addresses] of options.hosts) this.addHost(name.toLowerCase(), addresses);
    const { core } = ns.kernel;
    this.socket = open(ns, options.port ?? DNS_PORT);
    this.socket.setsockopt(SOL_IP, IP_PKTINFO, 1);
    this.asking = open(ns, 0);
    const read = core.timer(() => {
      if (this.read()) read.set(core.nowUs);
    });
    this.socket.onEvent = () => read.set(core.nowUs);
    this.asking.onEvent = () => read.set(core.nowUs);
    this.timer = core.timer(() => this.expire());
  }

  stop(): void {
    this.timer.clear();
    this.pending.clear();
    this.socket.close();
    this.asking.close();
  }

  private addHost(name: string, addresses: readonly string[]): void {
    const full = name.includes('.') || this.domain === '' ? name : `${name}.${this.domain}`;
    const ttl = this.options.ttl ?? DEFAULT_TTL;
    for (const text of addresses) {
      const v4 = parseIpv4(text);
      const v6 = v4 === undefined ? parseIpv6(text) : undefined;
      if (v4 !== undefined) {
        const data = Uint8Array.of(v4 >>> 24, (v4 >>> 16) & 255, (v4 >>> 8) & 255, v4 & 255);
        this.add({ name: full, type: TYPE_A, ttl, data });
        const reversed = `${[...data].reverse().join('.')}.in-addr.arpa`;
        this.add({ name: reversed, type: TYPE_PTR, ttl, data: encodeName(full) });
      } else if (v6 !== undefined) {
        const view = new DataView(new ArrayBuffer(16));
        [v6.a, v6.b, v6.c, v6.d].forEach((word, i) => {
          view.setInt32(4 * i, word);
        });
        this.add({ name: full, type: TYPE_AAAA, ttl, data: new Uint8Array(view.buffer) });
      } else throw new RangeError(`"${text}" is no address`);
    }
  }

  private add(record: DnsRecord): void {
    const known = this.records.get(record.name);
    if (known === undefined) this.records.set(record.name, [record]);
    else known.push(record);
  }

  /** True: there may be more. */
  private read(): boolean {
    let n = 0;
    for (; n < BURST; n++) {
      const got = this.socket.recv(4096);
      if (typeof got === 'number') break;
      if (got.from !== null) this.query(joined(got.data, got.len), got.from, got.control);
    }
    for (; n < 2 * BURST; n++) {
      const got = this.asking.recv(4096);
      if (typeof got === 'number') return false;
      if (got.from !== null) this.answered(joined(got.data, got.len), got.from);
    }
    return true;
  }

  private query(bytes: Uint8Array, from: SockAddrIn, control: readonly ControlMessage[]): void {
    const q = parseQuestion(bytes);
    if (q === null) return;
    if (q.opcode !== 0 || q.qclass !== CLASS_IN) {
      this.reply(q, NOTIMP, [], from, control);
      return;
    }
    const known = this.records.get(q.name);
    if (known !== undefined) {
      const wanted = known.filter((r) => r.type === q.type || q.type === TYPE_ANY);
      this.reply(q, NOERROR, wanted, from, control);
    } else if (this.isOwn(q.name)) this.reply(q, NXDOMAIN, [], from, control);
    else this.forward(q, bytes, from, control);
  }

  private isOwn(name: string): boolean {
    return this.domain !== '' && (name === this.domain || name.endsWith(`.${this.domain}`));
  }

  private reply(
    q: DnsQuestion,
    rcode: number,
    answers: readonly DnsRecord[],
    from: SockAddrIn,
    control: readonly ControlMessage[],
  ): void {
    const authoritative = rcode === NXDOMAIN || rcode === NOERROR;
    const recursion = (this.options.forward ?? []).length > 0;
    const authority = authoritative && answers.length === 0 ? [this.startOfAuthority()] : [];
    const data = encodeReply(q, { rcode, authoritative, recursion, answers, authority });
    this.send(data, from, control);
  }

  /** From the address that was asked. */
  private send(data: Uint8Array, to: SockAddrIn, control: readonly ControlMessage[]): void {
    const info = control.find((c) => c.level === SOL_IP && c.type === IP_PKTINFO)?.value;
    const { specDst = 0 } = (info ?? {}) as { readonly specDst?: number };
    const value = { ifindex: 0, specDst, addr: 0 };
    this.socket.sendto(data, 0, to, [{ level: SOL_IP, type: IP_PKTINFO, value }]);
  }

  /** How long it may be remembered that there is nothing (RFC 2308 §3). */
  private startOfAuthority(): DnsRecord {
    const ttl = this.options.ttl ?? DEFAULT_TTL;
    const names = [encodeName(`ns.${this.domain}`), encodeName(`root.${this.domain}`)];
    const numbers = new DataView(new ArrayBuffer(20));
    [1, 3600, 600, 86_400, ttl].forEach((n, i) => {
      numbers.setUint32(4 * i, n);
    });
    const data = Uint8Array.of(...names.flatMap((n) => [...n]), ...new Uint8Array(numbers.buffer));
    return { name: this.domain, type: TYPE_SOA, ttl, data };
  }

  private forward(
    question: DnsQuestion,
    bytes: Uint8Array,
    from: SockAddrIn,
    control: readonly ControlMessage[],
  ): void {
    const servers = this.options.forward ?? [];
    if (servers.length === 0 || this.pending.size >= MAX_PENDING) {
      this.reply(question, servers.length === 0 ? REFUSED : SERVFAIL, [], from, control);
      return;
    }
    const random = this.ns.kernel.core.random('dns');
    let id = random.below(0x10000);
    while (this.pending.has(id)) id = random.below(0x10000);
    const upstream = servers[this.turn++ % servers.length] as number;
    const nowUs = this.ns.kernel.core.env.nowUs();
    this.pending.set(id, { question, from, control, untilUs: nowUs + PENDING_US, upstream });
    if (!this.timer.pending) this.timer.set(nowUs + PENDING_US);
    const asked = bytes.slice();
    new DataView(asked.buffer).setUint16(0, id);
    this.asking.sendto(asked, 0, { family: AF_INET, addr: upstream, port: DNS_PORT });
  }

  /** Only who was asked may answer, and only what was asked (RFC 5452 §9.1). */
  private answered(bytes: Uint8Array, from: SockAddrIn): void {
    if (bytes.length < 12) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const id = view.getUint16(0);
    const waiting = this.pending.get(id);
    if (waiting === undefined || waiting.upstream !== from.addr || from.port !== DNS_PORT) return;
    const { question } = waiting;
    const same = question.bytes.every((b, i) => lower(bytes[12 + i]) === lower(b));
    if ((view.getUint16(2) & 0x8000) === 0 || !same) return;
    this.pending.delete(id);
    const copy = bytes.slice();
    new DataView(copy.buffer).setUint16(0, question.id);
    this.send(copy, waiting.from, waiting.control);
  }

  private expire(): void {
    const nowUs = this.ns.kernel.core.env.nowUs();
    let nextUs = Number.POSITIVE_INFINITY;
    for (const [id, p] of this.pending) {
      if (p.untilUs > nowUs) {
        nextUs = Math.min(nextUs, p.untilUs);
        continue;
      }
      this.pending.delete(id);
      this.reply(p.question, SERVFAIL, [], p.from, p.control);
    }
    if (nextUs !== Number.POSITIVE_INFINITY) this.timer.set(nextUs);
  }
}

function lower(byte: number | undefined): number {
  const b = byte ?? 0;
  return b >= 65 && b <= 90 ? b + 32 : b;
}

function open(ns: Namespace, port: number): Socket {
  const socket = Socket.create(ns.net, AF_INET, SOCK_DGRAM);
  if (typeof socket === 'number') throw new NetError(socket, 'socket');
  const bound = socket.bind({ family: AF_INET, addr: 0, port });
  if (bound >= 0) return socket;
  socket.close();
  throw new NetError(bound, 'bind');
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
