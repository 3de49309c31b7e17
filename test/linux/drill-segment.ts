/** TCP, UDP and ICMP packets as bytes, for tests that talk to a packetdrill target by hand. */
import { foldChecksum, sum16 } from '../../src/core/wire/checksum.ts';
import type { Address } from '../../src/sim/packetdrill/target.ts';

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;

export interface Ends {
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
}

export interface Segment {
  readonly sport: number;
  readonly dport: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly options?: readonly number[];
  readonly data?: Uint8Array;
}

export function v4(text: string): Uint8Array {
  return Uint8Array.from(text.split('.').map(Number));
}

/** Full notation only: eight words. */
export function v6(text: string): Uint8Array {
  return Uint8Array.from(
    text.split(':').flatMap((w) => [parseInt(w, 16) >> 8, parseInt(w, 16) & 255]),
  );
}

export function address(addr: Uint8Array, port: number): Address {
  return { family: addr.length === 4 ? 2 : 10, addr, port, flowinfo: 0, scopeId: 0 };
}

/** An IP packet around a payload whose checksum field is at `checksumAt`. */
export function ipPacket(
  { src, dst }: Ends,
  protocol: number,
  payload: Uint8Array,
  checksumAt: number,
): Uint8Array {
  const size = src.length;
  const header = size === 4 ? 20 : 40;
  const packet = new Uint8Array(header + payload.length);
  const view = new DataView(packet.buffer);
  if (size === 4) {
    view.setUint16(0, 0x4500);
    view.setUint16(2, packet.length);
    view.setUint16(8, 0x4000 | protocol);
    packet.set(src, 12);
    packet.set(dst, 16);
    view.setUint16(10, foldChecksum(sum16(packet, 0, 20, 0)));
  } else {
    view.setUint32(0, 0x60000000);
    view.setUint16(4, payload.length);
    view.setUint16(6, (protocol << 8) | 64);
    packet.set(src, 8);
    packet.set(dst, 24);
  }
  packet.set(payload, header);
  view.setUint16(header + checksumAt, 0);
  const pseudo = protocol === 1 ? 0 : pseudoSum(packet, protocol, payload.length);
  view.setUint16(header + checksumAt, foldChecksum(sum16(packet, header, packet.length, pseudo)));
  return packet;
}

function pseudoSum(packet: Uint8Array, protocol: number, length: number): number {
  const [from, to] = (packet[0] as number) >> 4 === 4 ? [12, 20] : [8, 40];
  return sum16(packet, from, to, protocol + length);
}

export function tcpPacket(ends: Ends, s: Segment): Uint8Array {
  const options = s.options ?? [];
  const data = s.data ?? new Uint8Array(0);
  const tcp = new Uint8Array(20 + options.length + data.length);
  const view = new DataView(tcp.buffer);
  view.setUint16(0, s.sport);
  view.setUint16(2, s.dport);
  view.setUint32(4, s.seq);
  view.setUint32(8, s.ack);
  tcp[12] = ((20 + options.length) / 4) << 4;
  tcp[13] = s.flags;
  view.setUint16(14, 65535);
  tcp.set(options, 20);
  tcp.set(data, 20 + options.length);
  return ipPacket(ends, 6, tcp, 16);
}

export function udpPacket(ends: Ends, sport: number, dport: number, data: Uint8Array): Uint8Array {
  const udp = new Uint8Array(8 + data.length);
  const view = new DataView(udp.buffer);
  view.setUint16(0, sport);
  view.setUint16(2, dport);
  view.setUint16(4, udp.length);
  udp.set(data, 8);
  return ipPacket(ends, 17, udp, 6);
}

/** What a TCP packet says. */
export interface ReadSegment extends Segment {
  readonly length: number;
  readonly checksumsRight: boolean;
}

export function readTcp(packet: Uint8Array): ReadSegment {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const is4 = (packet[0] as number) >> 4 === 4;
  const at = is4 ? 20 : 40;
  const length = packet.length - at;
  const sum = sum16(packet, at, packet.length, pseudoSum(packet, 6, length));
  const header = ((packet[at + 12] as number) >> 4) * 4;
  return {
    sport: view.getUint16(at),
    dport: view.getUint16(at + 2),
    seq: view.getUint32(at + 4),
    ack: view.getUint32(at + 8),
    flags: packet[at + 13] as number,
    length: length - header,
    checksumsRight: sum === 0xffff && (!is4 || sum16(packet, 0, 20, 0) === 0xffff),
  };
}
