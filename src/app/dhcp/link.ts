/**
 * The two sockets of a DHCP program: a packet socket, for those who have no address yet, and one of UDP, so that the
 * kernel knows that somebody is at the port.
 */
import {
  AF_INET,
  AF_PACKET,
  type Namespace,
  NetError,
  SOCK_DGRAM,
  Socket,
} from '../../core/index.ts';
import { checksum } from '../icmp-socket.ts';

const ETH_P_IP = 0x0800;
const IPPROTO_UDP = 17;
const IP_HLEN = 20;
const UDP_HLEN = 8;
const DHCP_TTL = 64;
const MAC_BROADCAST = 0xffffffffffff;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_BROADCAST = 6;
const SO_BINDTODEVICE = 25;
const SO_ATTACH_FILTER = 26;
/** Frames read at once, before others have their turn. */
const BURST = 64;

/** Which device, and which port of ours. */
export interface LinkSpec {
  readonly device: string;
  readonly port: number;
}

/** Where a datagram is to go; `mac` absent: to all. Addresses are signed 32-bit integers. */
export interface Datagram {
  readonly src: number;
  readonly dst: number;
  readonly port: number;
  readonly mac?: number;
}

export class DhcpLink {
  readonly mac: number;
  readonly ifindex: number;
  private readonly ns: Namespace;
  private readonly port: number;
  private readonly frames: Socket;
  private readonly udp: Socket;

  /** @throws NetError no such device, no right to read frames, the port is taken */
  constructor(ns: Namespace, spec: LinkSpec, received: (data: Uint8Array, src: number) => void) {
    const dev = ns.net.devs.find(spec.device);
    if (dev === undefined) throw new NetError(-19, `device ${spec.device}`);
    this.ns = ns;
    this.mac = dev.mac;
    this.ifindex = dev.ifindex;
    this.port = spec.port;
    this.udp = made(Socket.create(ns.net, AF_INET, SOCK_DGRAM), 'socket');
    try {
      this.udp.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
      this.udp.setsockopt(SOL_SOCKET, SO_BROADCAST, 1);
      this.udp.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, spec.device);
      const bound = this.udp.bind({ family: AF_INET, addr: 0, port: spec.port });
      if (bound < 0) throw new NetError(bound, 'bind');
      this.frames = made(Socket.create(ns.net, AF_PACKET, SOCK_DGRAM), 'socket');
    } catch (e) {
      this.udp.close();
      throw e;
    }
    this.frames.setsockopt(SOL_SOCKET, SO_ATTACH_FILTER, portFilter(spec.port));
    this.frames.bind({ family: AF_PACKET, protocol: ETH_P_IP, ifindex: this.ifindex });
    // Events come from inside the stack: what they tell is read when the stack is done.
    const { core } = ns.kernel;
    const read = core.timer(() => {
      if (this.read(received)) read.set(core.nowUs);
    });
    this.frames.onEvent = () => read.set(core.nowUs);
    this.udp.onEvent = () => read.set(core.nowUs);
  }

  /** True: there may be more. */
  private read(received: (data: Uint8Array, src: number) => void): boolean {
    // The frames have it all.
    while (typeof this.udp.recv(0) !== 'number');
    for (let i = 0; i < BURST; i++) {
      const got = this.frames.recv(65_536);
      if (typeof got === 'number') return false;
      if (got.link?.pkttype === PACKET_OUTGOING) continue;
      const [bytes] = got.data;
      const payload = bytes === undefined ? null : udpPayload(bytes, this.port);
      if (payload !== null) received(payload.data, payload.src);
    }
    return true;
  }

  /** Past routes and neighbours. */
  sendFrame(data: Uint8Array, to: Datagram): void {
    this.frames.sendto(udpPacket(data, { ...to, from: this.port }), 0, {
      family: AF_PACKET,
      protocol: ETH_P_IP,
      ifindex: this.ifindex,
      hatype: 1,
      pkttype: 0,
      halen: 6,
      addr: to.mac ?? MAC_BROADCAST,
    });
  }

  /** As any datagram. */
  send(data: Uint8Array, dst: number, port: number): void {
    this.udp.sendto(data, 0, { family: AF_INET, addr: dst, port });
  }

  close(): void {
    this.frames.onEvent = null;
    this.udp.onEvent = null;
    this.frames.close();
    this.udp.close();
  }

  get namespace(): Namespace {
    return this.ns;
  }
}

const PACKET_OUTGOING = 4;

function made(socket: Socket | number, call: string): Socket {
  if (typeof socket === 'number') throw new NetError(socket, call);
  return socket;
}

/** Whole datagrams of UDP to `port`, and no others: `udp dst port N and not fragment`, as pcap compiles it. */
function portFilter(port: number): object {
  return [
    { code: 0x30, jt: 0, jf: 0, k: 9 },
    { code: 0x15, jt: 0, jf: 6, k: IPPROTO_UDP },
    { code: 0x28, jt: 0, jf: 0, k: 6 },
    { code: 0x45, jt: 4, jf: 0, k: 0x3fff },
    { code: 0xb1, jt: 0, jf: 0, k: 0 },
    { code: 0x48, jt: 0, jf: 0, k: 2 },
    { code: 0x15, jt: 0, jf: 1, k: port },
    { code: 0x06, jt: 0, jf: 0, k: 0xffffffff },
    { code: 0x06, jt: 0, jf: 0, k: 0 },
  ];
}

/** What an IPv4 packet of UDP carries to `port`; null: it is broken. */
export function udpPayload(
  bytes: Uint8Array,
  port: number,
): { readonly data: Uint8Array; readonly src: number } | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = ((bytes[0] ?? 0) & 15) * 4;
  if (head < IP_HLEN || bytes.length < head + UDP_HLEN) return null;
  const total = view.getUint16(2);
  const length = view.getUint16(head + 4);
  if (total > bytes.length || length < UDP_HLEN || head + length > total) return null;
  if (view.getUint16(head + 2) !== port || checksum(bytes.subarray(0, head)) !== 0) return null;
  const data = bytes.subarray(head + UDP_HLEN, head + length);
  if (view.getUint16(head + 6) !== 0 && udpSum(bytes.subarray(head, head + length), view) !== 0)
    return null;
  return { data, src: view.getInt32(12) };
}

/** Over the pseudo-header too (RFC 768); `ip` is the packet's. */
function udpSum(segment: Uint8Array, ip: DataView): number {
  const bytes = new Uint8Array(12 + segment.length);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, ip.getInt32(12));
  view.setInt32(4, ip.getInt32(16));
  view.setUint16(8, IPPROTO_UDP);
  view.setUint16(10, segment.length);
  bytes.set(segment, 12);
  return checksum(bytes);
}

function udpPacket(data: Uint8Array, to: Datagram & { readonly from: number }): Uint8Array {
  const bytes = new Uint8Array(IP_HLEN + UDP_HLEN + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x4510);
  view.setUint16(2, bytes.length);
  view.setUint16(8, (DHCP_TTL << 8) | IPPROTO_UDP);
  view.setInt32(12, to.src);
  view.setInt32(16, to.dst);
  view.setUint16(10, checksum(bytes.subarray(0, IP_HLEN)));
  view.setUint16(20, to.from);
  view.setUint16(22, to.port);
  view.setUint16(24, UDP_HLEN + data.length);
  bytes.set(data, IP_HLEN + UDP_HLEN);
  view.setUint16(26, udpSum(bytes.subarray(IP_HLEN), view) || 0xffff);
  return bytes;
}
