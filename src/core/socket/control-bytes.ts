/**
 * Control messages as C has them (`struct cmsghdr` without its head): of level SOL_IP, of packet sockets, and numbers
 * (Linux `ip_cmsg_recv_offset`, `ip_cmsg_send`, `packet_recvmsg`).
 */
import type { PacketInfo } from '../transport/ancillary.ts';
import type { ExtendedError } from '../transport/error-queue.ts';
import type { PacketAuxData } from '../transport/packet/sock.ts';
import { AF_INET, type ControlMessage } from '../transport/sock.ts';
import * as so from '../transport/sockopt-names.ts';

/** Bytes of `struct sockaddr_in`. */
const SOCKADDR_IN = 16;

/** The data of a control message. */
export function controlBytes({ level, type, value }: ControlMessage): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (level === so.SOL_PACKET && type === so.PACKET_AUXDATA)
    return auxBytes(value as PacketAuxData);
  if (level === so.SOL_IP) {
    if (type === so.IP_PKTINFO) return packetInfoBytes(value as PacketInfo);
    if (type === so.IP_RECVERR) return errorBytes(value as ExtendedError);
    if (type === so.IP_RECVORIGDSTADDR) {
      const { addr, port } = value as { readonly addr: number; readonly port: number };
      return sockaddrBytes(addr, port);
    }
    if (type === so.IP_TOS) return Uint8Array.of(Number(value));
  }
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, Number(value), true);
  return bytes;
}

/** `struct in_pktinfo` */
function packetInfoBytes({ ifindex, specDst, addr }: PacketInfo): Uint8Array {
  const view = new DataView(new ArrayBuffer(12));
  view.setInt32(0, ifindex, true);
  view.setInt32(4, specDst);
  view.setInt32(8, addr);
  return new Uint8Array(view.buffer);
}

/** `struct tpacket_auxdata` */
function auxBytes(aux: PacketAuxData): Uint8Array {
  const view = new DataView(new ArrayBuffer(20));
  view.setUint32(0, aux.status, true);
  view.setUint32(4, aux.len, true);
  view.setUint32(8, aux.snaplen, true);
  view.setUint16(12, aux.mac, true);
  view.setUint16(14, aux.net, true);
  view.setUint16(16, aux.vlanTci, true);
  view.setUint16(18, aux.vlanTpid, true);
  return new Uint8Array(view.buffer);
}

/** `struct sock_extended_err`, and the address of who sent it. */
function errorBytes(e: ExtendedError): Uint8Array {
  const view = new DataView(new ArrayBuffer(16 + SOCKADDR_IN));
  view.setUint32(0, e.errno, true);
  view.setUint8(4, e.origin);
  view.setUint8(5, e.type);
  view.setUint8(6, e.code);
  view.setUint32(8, e.info, true);
  view.setUint32(12, e.data ?? 0, true);
  const bytes = new Uint8Array(view.buffer);
  if (e.offender !== 0) bytes.set(sockaddrBytes(e.offender, 0), 16);
  return bytes;
}

function sockaddrBytes(addr: number, port: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(SOCKADDR_IN));
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port);
  view.setInt32(4, addr);
  return new Uint8Array(view.buffer);
}

/** A message to send, from its data; what is too short keeps its bytes, which nobody takes. */
export function controlFromBytes(level: number, type: number, bytes: Uint8Array): ControlMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (level === so.SOL_IP) {
    if (type === so.IP_PKTINFO && bytes.length === 12) {
      const [ifindex, specDst] = [view.getInt32(0, true), view.getInt32(4)];
      return { level, type, value: { ifindex, specDst, addr: view.getInt32(8) } };
    }
    if (type === so.IP_RETOPTS) return { level, type, value: bytes };
    if (type === so.IP_TOS && bytes.length === 1) return { level, type, value: bytes[0] };
  }
  const isNumber = bytes.length === 4;
  return { level, type, value: isNumber ? view.getInt32(0, true) : bytes };
}
