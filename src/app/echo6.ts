/** Echo requests over IPv6 (RFC 4443 §4) by a raw ICMPv6 socket. */
import {
  AF_INET6,
  EPOLLERR,
  EPOLLIN,
  type Ip6Addr,
  type Namespace,
  NetError,
  parseIpv6,
  type Received,
  SOCK_DGRAM,
  SOCK_RAW,
  type SockAddrIn,
  Socket,
} from '../core/index.ts';
import type { Echo, EchoEvent, EchoProbe } from './echo.ts';
import { check } from './echo4.ts';
import type { PingOptions } from './ping-options.ts';

const ECHO_REQUEST = 128;
const ECHO_REPLY = 129;
const ICMP_HLEN = 8;
const IP6_HLEN = 40;
const IPPROTO_ICMPV6 = 58;
const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;
const SOL_IPV6 = 41;
const IPV6_UNICAST_HOPS = 16;
const IPV6_MULTICAST_HOPS = 18;
const IPV6_MTU_DISCOVER = 23;
const IPV6_MTU = 24;
const IPV6_RECVHOPLIMIT = 51;
const IPV6_HOPLIMIT = 52;
const IPV6_TCLASS = 67;
const PMTUDISC: Readonly<Record<PingOptions['pmtudisc'], number>> = { dont: 0, want: 1, do: 2 };

/** An IPv6 destination: an address, and the device that it is on; '': the route's. */
export interface Target6 {
  readonly addr: Ip6Addr;
  readonly device: string;
}

/** `'fd00::1'`, `'fe80::1%eth0'`; undefined: no IPv6 address. */
export function parseTarget6(text: string): Target6 | undefined {
  const [address = '', device = ''] = text.split('%');
  const addr = parseIpv6(address);
  return addr === undefined ? undefined : { addr, device };
}

export class Echo6 implements Echo {
  readonly probe: EchoProbe;
  readonly heading: string;
  readonly mtuSign = ': ';
  readonly socket: Socket;
  private readonly ns: Namespace;
  private readonly to: SockAddrIn;
  private readonly options: PingOptions;
  private readonly ident: number;

  /** Throws `NetError` when there is no way to the target, or no raw socket. */
  constructor(
    ns: Namespace,
    target: Target6,
    options: PingOptions,
    ident: number,
    told: (event: EchoEvent) => void,
  ) {
    this.ns = ns;
    this.options = options;
    this.ident = ident;
    const scopeId = target.device === '' ? 0 : indexOf(ns, target.device);
    this.to = { family: AF_INET6, addr: 0, addr6: target.addr, port: 0, scopeId };
    this.probe = probeRoute(ns, this.to, options);
    const { size, source } = options;
    const from = source === '' ? '' : `from ${this.probe.address} ${this.probe.device}: `;
    const name = target.device === '' ? String(target.addr) : `${target.addr}%${target.device}`;
    this.heading = `(${name}) ${from}${size} data bytes`;
    const socket = Socket.create(ns.net, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
    if (typeof socket === 'number') throw new NetError(socket, 'socket');
    this.socket = socket;
    this.configure();
    // Events come from inside the stack: what they tell is read when the stack is done.
    const read = ns.kernel.core.timer(() => this.read(told));
    socket.onEvent = (events) => {
      if ((events & (EPOLLIN | EPOLLERR)) !== 0) read.set(ns.kernel.core.nowUs);
    };
  }

  /** The kernel fills the checksum in. */
  send(seq: number): number {
    const bytes = new Uint8Array(ICMP_HLEN + this.options.size);
    const view = new DataView(bytes.buffer);
    view.setUint8(0, ECHO_REQUEST);
    view.setUint16(4, this.ident);
    view.setUint16(6, seq);
    for (let i = ICMP_HLEN; i < bytes.length; i++) bytes[i] = i & 0xff;
    return this.socket.sendto(bytes, 0, this.to);
  }

  close(): void {
    this.socket.onEvent = null;
    this.socket.close();
  }

  private configure(): void {
    const { socket, options: o } = this;
    if (o.ttl > 0) {
      socket.setsockopt(SOL_IPV6, IPV6_UNICAST_HOPS, o.ttl);
      socket.setsockopt(SOL_IPV6, IPV6_MULTICAST_HOPS, o.ttl);
    }
    if (o.tos > 0) socket.setsockopt(SOL_IPV6, IPV6_TCLASS, o.tos);
    socket.setsockopt(SOL_IPV6, IPV6_MTU_DISCOVER, PMTUDISC[o.pmtudisc]);
    socket.setsockopt(SOL_IPV6, IPV6_RECVHOPLIMIT, 1);
    if (this.probe.device !== '') socket.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, this.probe.device);
    else if (o.source !== '') check(socket.bind(sourceOf(o.source)), 'bind');
  }

  private read(told: (event: EchoEvent) => void): void {
    for (;;) {
      const got = this.socket.recv(65_536);
      if (typeof got === 'number') return;
      this.receive(got, told);
    }
  }

  private receive(got: Received, told: (event: EchoEvent) => void): void {
    const bytes = join(got.data, got.len);
    if (bytes.length < ICMP_HLEN) return;
    const view = new DataView(bytes.buffer);
    const type = view.getUint8(0);
    const hops = got.control.find((c) => c.level === SOL_IPV6 && c.type === IPV6_HOPLIMIT)?.value;
    const about = { from: this.nameOf(got.from), ttl: Number(hops ?? 0), length: bytes.length };
    if (type === ECHO_REPLY) {
      if (view.getUint16(4) !== this.ident) return;
      told({ kind: 'reply', seq: view.getUint16(6), text: '', ...about });
      return;
    }
    const at = ICMP_HLEN + IP6_HLEN;
    if (type >= ECHO_REQUEST || bytes.length < at + ICMP_HLEN || view.getUint8(at) !== ECHO_REQUEST)
      return;
    if (view.getUint16(at + 4) !== this.ident) return;
    const text = errorText(type, view.getUint8(1), view.getUint32(4));
    told({ kind: 'error', seq: view.getUint16(at + 6), text, ...about });
  }

  /** Link-local addresses are named with their device. */
  private nameOf(from: SockAddrIn | null): string {
    const scope = from?.scopeId ?? 0;
    const dev = scope === 0 ? undefined : this.ns.net.devs.findIndex(scope);
    return dev === undefined ? String(from?.addr6) : `${from?.addr6}%${dev.name}`;
  }
}

function join(parts: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function indexOf(ns: Namespace, device: string): number {
  const dev = ns.net.devs.find(device);
  if (dev === undefined) throw new NetError(19, `unknown iface: ${device}`);
  return dev.ifindex;
}

function sourceOf(text: string): SockAddrIn {
  const addr6 = parseIpv6(text);
  if (addr6 === undefined) throw new NetError(19, `unknown iface: ${text}`);
  return { family: AF_INET6, addr: 0, addr6, port: 0 };
}

const UNREACHABLE: readonly string[] = [
  'No route',
  'Administratively prohibited',
  'Beyond scope of source address',
  'Address unreachable',
  'Port unreachable',
  'Source address failed ingress/egress policy',
  'Reject route to destination',
];

/** What iputils' ping says of an ICMPv6 error. */
function errorText(type: number, code: number, info: number): string {
  switch (type) {
    case 1:
      return `Destination unreachable: ${UNREACHABLE[code] ?? `Unknown code ${code}`}`;
    case 2:
      return `Packet too big: mtu=${info}${code === 0 ? '' : `, code=${code}`}`;
    case 3:
      return `Time exceeded: ${code === 0 ? 'Hop limit' : code === 1 ? 'Defragmentation failure' : `code ${code}`}`;
    case 4:
      return `Parameter problem: ${['Wrong header field ', 'Unknown header ', 'Unknown option '][code] ?? `code ${code} `}at ${info}`;
    default:
      return `unknown icmp type: ${type}`;
  }
}

/** What a connected datagram socket tells: source address and path MTU; its errors are ping's. */
function probeRoute(ns: Namespace, to: SockAddrIn, options: PingOptions): EchoProbe {
  const probe = Socket.create(ns.net, AF_INET6, SOCK_DGRAM);
  if (typeof probe === 'number') throw new NetError(probe, 'socket');
  try {
    let device = '';
    if (options.source !== '') {
      if (parseIpv6(options.source) === undefined) {
        device = options.source;
        check(probe.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, device), `SO_BINDTODEVICE ${device}`);
      } else check(probe.bind(sourceOf(options.source)), 'bind');
    }
    check(probe.connect({ ...to, port: 1025 }), 'connect');
    const mtu = probe.getsockopt(SOL_IPV6, IPV6_MTU);
    return {
      address: String(probe.getsockname().addr6),
      device,
      isBroadcast: false,
      mtu: typeof mtu === 'number' && mtu > 0 ? mtu : 1500,
    };
  } finally {
    probe.close();
  }
}
