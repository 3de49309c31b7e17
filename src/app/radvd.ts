/**
 * radvd: a router says to its hosts what they need (RFC 4861 §6.2): now and then, when one asks, and, with a lifetime of
 * zero, when it stops. Driven by the kernel's timers, over a raw ICMPv6 socket, as radvd(8) is.
 */
import {
  AF_INET6,
  EPOLLIN,
  type Namespace,
  NetError,
  parseIpv6,
  SOCK_RAW,
  type SockAddrIn,
  Socket,
} from '../core/index.ts';
import type { AppIo, RunningApp } from './ping.ts';
import { parseRadvdConfig, RadvdConfigError, type RadvdInterface } from './radvd-config.ts';
import { advertisement } from './radvd-message.ts';

const IPPROTO_ICMPV6 = 58;
const SOL_IPV6 = 41;
const IPV6_UNICAST_HOPS = 16;
const IPV6_MULTICAST_IF = 17;
const IPV6_MULTICAST_HOPS = 18;
const IPV6_MULTICAST_LOOP = 19;
const IPV6_JOIN_GROUP = 20;
const IPV6_RECVPKTINFO = 49;
const IPV6_PKTINFO = 50;
const IPV6_RECVHOPLIMIT = 51;
const IPV6_HOPLIMIT = 52;
const ROUTER_SOLICITATION = 133;
const ALL_NODES = 'ff02::1';
const ALL_ROUTERS = 'ff02::2';
/** RFC 4861 §10: the first advertisements come sooner. */
const MAX_INITIAL_RTR_ADVERTISEMENTS = 3;
const MAX_INITIAL_RTR_ADVERT_INTERVAL_US = 16_000_000;
const MAX_RA_DELAY_US = 500_000;

/** Runs radvd: `radvd -C 'TEXT OF RADVD.CONF'`, or with the configuration itself. */
export function radvd(ns: Namespace, argv: readonly string[], io: AppIo): RunningApp {
  const text = argv[0] === '-C' ? argv[1] : argv[0];
  if (text === undefined) return fail(io, 'radvd: no configuration: radvd -C CONFIG', 2);
  try {
    const run = new Radvd(ns, parseRadvdConfig(text), io);
    run.start();
    return run;
  } catch (e) {
    if (e instanceof RadvdConfigError || e instanceof NetError)
      return fail(io, `radvd: ${e.message}`, 1);
    throw e;
  }
}

function fail(io: AppIo, text: string, code: number): RunningApp {
  io.err(`${text}\n`);
  io.exit(code);
  return { stop: () => {} };
}

/** One interface on which something is said. */
interface Speaker {
  readonly config: RadvdInterface;
  readonly ifindex: number;
  readonly timer: { set(atUs: number): void; clear(): void };
  sent: number;
  /** When something was said to all last. */
  lastUs: number;
}

class Radvd implements RunningApp {
  private readonly ns: Namespace;
  private readonly io: AppIo;
  private readonly socket: Socket;
  private readonly speakers: Speaker[] = [];
  private ended = false;

  constructor(ns: Namespace, config: readonly RadvdInterface[], io: AppIo) {
    this.ns = ns;
    this.io = io;
    const socket = Socket.create(ns.net, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
    if (typeof socket === 'number') throw new NetError(socket, 'socket');
    this.socket = socket;
    for (const i of config) this.add(i);
    if (this.speakers.length === 0) {
      socket.close();
      throw new RadvdConfigError('no interface is there on which anything is to be said');
    }
  }

  private add(config: RadvdInterface): void {
    const { core } = this.ns.kernel;
    if (!this.ns.link.has(config.name)) {
      if (config.IgnoreIfMissing) return;
      this.socket.close();
      throw new RadvdConfigError(`interface "${config.name}" is not there`);
    }
    if (!config.AdvSendAdvert) return;
    // What is wrong in it is told now.
    advertisement(config, { mac: macOf(this.ns, config.name) }, false);
    const timer = core.timer(() => this.periodic(speaker));
    const { ifindex } = this.ns.link.show(config.name);
    const speaker: Speaker = { config, ifindex, timer, sent: 0, lastUs: Number.NEGATIVE_INFINITY };
    this.speakers.push(speaker);
  }

  start(): void {
    const { socket, ns } = this;
    for (const option of [IPV6_UNICAST_HOPS, IPV6_MULTICAST_HOPS])
      socket.setsockopt(SOL_IPV6, option, 255);
    socket.setsockopt(SOL_IPV6, IPV6_MULTICAST_LOOP, 0);
    socket.setsockopt(SOL_IPV6, IPV6_RECVPKTINFO, 1);
    socket.setsockopt(SOL_IPV6, IPV6_RECVHOPLIMIT, 1);
    const multiaddr = parseIpv6(ALL_ROUTERS);
    const read = ns.kernel.core.timer(() => this.read());
    socket.onEvent = (events) => {
      if ((events & EPOLLIN) !== 0) read.set(ns.kernel.core.nowUs);
    };
    for (const s of this.speakers) {
      if (multiaddr !== undefined)
        socket.setsockopt(SOL_IPV6, IPV6_JOIN_GROUP, { multiaddr, ifindex: s.ifindex });
      s.timer.set(ns.kernel.core.nowUs);
    }
  }

  /** As SIGTERM: who was a router says that it is none any more (RFC 4861 §6.2.5). */
  stop(): void {
    if (this.ended) return;
    this.ended = true;
    for (const s of this.speakers) {
      s.timer.clear();
      this.send(s, ALL_NODES, true);
    }
    this.socket.onEvent = null;
    this.socket.close();
    this.io.exit(0);
  }

  /** Says it to all, unless to who asks alone, and waits for a random time (§6.2.4). */
  private periodic(s: Speaker): void {
    const { core } = this.ns.kernel;
    const { config } = s;
    if (!config.UnicastOnly && this.send(s, ALL_NODES, false)) {
      s.sent++;
      s.lastUs = core.nowUs;
    }
    const maxUs = config.MaxRtrAdvInterval * 1e6;
    const least = config.MinRtrAdvInterval < 0 ? 0.33 * maxUs : config.MinRtrAdvInterval * 1e6;
    const minUs = Math.min(Math.max(least, 3e6), maxUs);
    const waitUs = minUs + core.random('radvd').below(Math.max(Math.floor(maxUs - minUs), 1));
    const soon = s.sent < MAX_INITIAL_RTR_ADVERTISEMENTS;
    s.timer.set(
      core.nowUs + (soon ? Math.min(waitUs, MAX_INITIAL_RTR_ADVERT_INTERVAL_US) : waitUs),
    );
  }

  private read(): void {
    for (;;) {
      if (this.ended) return;
      const got = this.socket.recv(65_536);
      if (typeof got === 'number') return;
      const first = got.data[0]?.[0];
      const hops = got.control?.find((c) => c.type === IPV6_HOPLIMIT)?.value;
      const info = got.control?.find((c) => c.type === IPV6_PKTINFO)?.value;
      const ifindex = (info as { readonly ifindex?: number } | undefined)?.ifindex;
      const speaker = this.speakers.find((s) => s.ifindex === ifindex);
      if (first !== ROUTER_SOLICITATION || hops !== 255 || speaker === undefined) continue;
      this.answer(speaker, String(got.from?.addr6 ?? '::'));
    }
  }

  /** §6.2.6: to all, soon, but not too often; or, with UnicastOnly, to who asked. */
  private answer(s: Speaker, from: string): void {
    const { core } = this.ns.kernel;
    if (s.config.UnicastOnly) {
      if (from !== '::') this.send(s, from, false);
      return;
    }
    const delayUs = core.random('radvd').below(MAX_RA_DELAY_US);
    const earliestUs = s.lastUs + s.config.MinDelayBetweenRAs * 1e6;
    s.timer.set(Math.max(core.nowUs + delayUs, earliestUs + delayUs));
  }

  private send(s: Speaker, dst: string, last: boolean): boolean {
    const addr6 = parseIpv6(dst);
    const { link } = this.ns;
    const { name } = s.config;
    const { ifindex } = s;
    // It may have gone away, or another may have its name now.
    if (addr6 === undefined || !link.has(name) || link.show(name).ifindex !== ifindex) return false;
    this.socket.setsockopt(SOL_IPV6, IPV6_MULTICAST_IF, ifindex);
    const to: SockAddrIn = { family: AF_INET6, addr: 0, addr6, port: 0, scopeId: ifindex };
    const bytes = advertisement(s.config, { mac: macOf(this.ns, name) }, last);
    return this.socket.sendto(bytes, 0, to) >= 0;
  }
}

function macOf(ns: Namespace, name: string): number[] {
  const { linkType, address } = ns.link.show(name);
  if (linkType !== 'ether') return [];
  return address.split(':').map((b) => Number.parseInt(b, 16));
}
