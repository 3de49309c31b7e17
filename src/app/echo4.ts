/** Echo requests over IPv4 (RFC 792) by a raw ICMP socket. */
import {
  AF_INET,
  formatIpv4,
  type Namespace,
  NetError,
  parseIpv4,
  SOCK_DGRAM,
  Socket,
} from '../core/index.ts';
import type { Echo, EchoEvent, EchoProbe } from './echo.ts';
import { checksum, errorText, type IcmpMessage, IcmpSocket, quotedPacket } from './icmp-socket.ts';
import type { PingOptions } from './ping-options.ts';

const ICMP_ECHOREPLY = 0;
const ICMP_REDIRECT = 5;
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
const EACCES = 13;

export class Echo4 implements Echo {
  readonly probe: EchoProbe;
  readonly heading: string;
  readonly mtuSign = '=';
  private readonly dst: number;
  private readonly options: PingOptions;
  private readonly icmp: IcmpSocket;
  private readonly ident: number;

  /** Throws `NetError` when there is no way to `dst`, or no raw socket. */
  constructor(
    ns: Namespace,
    dst: number,
    options: PingOptions,
    ident: number,
    told: (event: EchoEvent) => void,
  ) {
    this.dst = dst;
    this.options = options;
    this.ident = ident;
    this.probe = probeRoute(ns, dst, options);
    const { size, source } = options;
    const from = source === '' ? '' : ` from ${this.probe.address} ${this.probe.device}:`;
    const whole = size + ICMP_HLEN + IP_HLEN;
    this.heading = ` (${formatIpv4(dst)})${from} ${size}(${whole}) bytes of data.`;
    this.icmp = new IcmpSocket(ns, (m) => this.receive(m, told));
    this.configure();
  }

  get socket(): Socket {
    return this.icmp.socket;
  }

  send(seq: number): number {
    return this.icmp.socket.sendto(this.request(seq), 0, {
      family: AF_INET,
      addr: this.dst,
      port: 0,
    });
  }

  close(): void {
    this.icmp.close();
  }

  private configure(): void {
    const { socket } = this.icmp;
    const o = this.options;
    if (o.ttl > 0) socket.setsockopt(SOL_IP, IP_TTL, o.ttl);
    if (o.tos > 0) socket.setsockopt(SOL_IP, IP_TOS, o.tos);
    socket.setsockopt(SOL_IP, IP_MTU_DISCOVER, PMTUDISC[o.pmtudisc]);
    if (o.broadcast) socket.setsockopt(SOL_SOCKET, SO_BROADCAST, 1);
    if (this.probe.device !== '') socket.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, this.probe.device);
    else if (o.source !== '') {
      const addr = parseIpv4(this.probe.address) ?? 0;
      check(socket.bind({ family: AF_INET, addr, port: 0 }), 'bind');
    }
  }

  /** An echo request: payload bytes count up, as iputils' do. */
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

  private receive(m: IcmpMessage, told: (event: EchoEvent) => void): void {
    const from = formatIpv4(m.src);
    const { ttl, length } = m;
    if (m.type === ICMP_ECHOREPLY) {
      if (m.rest >>> 16 === this.ident)
        told({ kind: 'reply', seq: m.rest & 0xffff, from, ttl, length, text: '' });
      return;
    }
    if (m.type === ICMP_ECHO) return;
    const quoted = quotedPacket(m);
    if (quoted === undefined || quoted.protocol !== IPPROTO_ICMP) return;
    if (quoted.word2 !== this.ident || quoted.dst !== this.dst) return;
    const kind = m.type === ICMP_REDIRECT ? 'redirect' : 'error';
    told({ kind, seq: quoted.word3, from, ttl, length, text: errorText(m) });
  }
}

export function check(result: number, syscall: string): void {
  if (result < 0) throw new NetError(result, syscall);
}

/** What a connected datagram socket tells: source address and path MTU; its errors are ping's. */
function probeRoute(ns: Namespace, dst: number, options: PingOptions): EchoProbe {
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
      address: formatIpv4(probe.getsockname().addr),
      device,
      isBroadcast,
      mtu: typeof mtu === 'number' && mtu > 0 ? mtu : 1500,
    };
  } finally {
    probe.close();
  }
}
