/** A raw ICMP socket that reads whole messages: what ping and traceroute listen on. */
import {
  AF_INET,
  EPOLLERR,
  EPOLLIN,
  formatIpv4,
  type Namespace,
  NetError,
  SOCK_RAW,
  Socket,
} from '../core/index.ts';

const IPPROTO_ICMP = 1;

/** An ICMP message with what its IP header said. */
export interface IcmpMessage {
  /** Source address, signed 32-bit integer. */
  readonly src: number;
  readonly ttl: number;
  readonly type: number;
  readonly code: number;
  /** Second word: identifier and sequence number, next-hop MTU, gateway. Unsigned. */
  readonly rest: number;
  /** Bytes of the ICMP message, header included. */
  readonly length: number;
  /** What follows the ICMP header. */
  readonly data: Uint8Array;
}

/** The packet that an ICMP error quotes. */
export interface QuotedPacket {
  readonly dst: number;
  readonly protocol: number;
  /** First two 16-bit words behind the IP header: ports, or type and code. */
  readonly word0: number;
  readonly word1: number;
  /** Third and fourth: identifier and sequence number of an echo. */
  readonly word2: number;
  readonly word3: number;
}

export class IcmpSocket {
  readonly socket: Socket;
  private readonly onMessage: (message: IcmpMessage) => void;

  /** Throws `NetError` when the namespace gives no raw socket. */
  constructor(ns: Namespace, onMessage: (message: IcmpMessage) => void) {
    const socket = Socket.create(ns.net, AF_INET, SOCK_RAW, IPPROTO_ICMP);
    if (typeof socket === 'number') throw new NetError(socket, 'socket');
    this.socket = socket;
    this.onMessage = onMessage;
    // Events come from inside the stack: what they tell is read when the stack is done.
    const read = ns.kernel.core.timer(() => this.read());
    socket.onEvent = (events) => {
      if ((events & (EPOLLIN | EPOLLERR)) !== 0) read.set(ns.kernel.core.nowUs);
    };
  }

  private read(): void {
    for (;;) {
      const got = this.socket.recv(65536);
      if (typeof got === 'number') return;
      const message = parseMessage(join(got.data, got.len));
      if (message !== undefined) this.onMessage(message);
    }
  }

  close(): void {
    this.socket.onEvent = null;
    this.socket.close();
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

/** An IP packet that carries ICMP; undefined if it is cut short. */
function parseMessage(bytes: Uint8Array): IcmpMessage | undefined {
  const headerLen = ((bytes[0] ?? 0) & 15) * 4;
  if (bytes.length < headerLen + 8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    src: view.getInt32(12),
    ttl: view.getUint8(8),
    type: view.getUint8(headerLen),
    code: view.getUint8(headerLen + 1),
    rest: view.getUint32(headerLen + 4),
    length: bytes.length - headerLen,
    data: bytes.subarray(headerLen + 8),
  };
}

/** What an ICMP error quotes; undefined when it quotes too little. */
export function quotedPacket(message: IcmpMessage): QuotedPacket | undefined {
  const { data } = message;
  const headerLen = ((data[0] ?? 0) & 15) * 4;
  if (headerLen < 20 || data.length < headerLen + 8) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  return {
    dst: view.getInt32(16),
    protocol: view.getUint8(9),
    word0: view.getUint16(headerLen),
    word1: view.getUint16(headerLen + 2),
    word2: view.getUint16(headerLen + 4),
    word3: view.getUint16(headerLen + 6),
  };
}

/** RFC 1071 over a message of even or odd length; for the echo that ping builds itself. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2)
    sum += ((bytes[i] as number) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

const UNREACHABLE: readonly string[] = [
  'Destination Net Unreachable',
  'Destination Host Unreachable',
  'Destination Protocol Unreachable',
  'Destination Port Unreachable',
  'Frag needed and DF set',
  'Source Route Failed',
  'Destination Net Unknown',
  'Destination Host Unknown',
  'Source Host Isolated',
  'Destination Net Prohibited',
  'Destination Host Prohibited',
  'Destination Net Unreachable for Type of Service',
  'Destination Host Unreachable for Type of Service',
  'Packet filtered',
  'Precedence Violation',
  'Precedence Cutoff',
];
const REDIRECT: readonly string[] = [
  'Redirect Network',
  'Redirect Host',
  'Redirect Type of Service and Network',
  'Redirect Type of Service and Host',
];

/** What iputils' ping says of an ICMP error. */
export function errorText(message: IcmpMessage): string {
  const { type, code, rest } = message;
  switch (type) {
    case 3:
      if (code === 4) return `Frag needed and DF set (mtu = ${rest & 0xffff})`;
      return UNREACHABLE[code] ?? `Dest Unreachable, Bad Code: ${code}`;
    case 4:
      return 'Source Quench';
    case 5:
      return `${REDIRECT[code] ?? `Redirect, Bad Code: ${code}`}(New nexthop: ${formatIpv4(rest | 0)})`;
    case 11:
      if (code === 0) return 'Time to live exceeded';
      return code === 1 ? 'Frag reassembly time exceeded' : `Time exceeded, Bad Code: ${code}`;
    case 12:
      return `Parameter problem: pointer = ${rest >>> 24}`;
    default:
      return `Bad ICMP type: ${type}`;
  }
}
