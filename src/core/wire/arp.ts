/** ARP for IPv4 over Ethernet (RFC 826; Linux `include/uapi/linux/if_arp.h`). Immutable once sent. */

import { ETH_ALEN, ETH_P_IP, getMac, putMac } from './ethernet.ts';

export const ARPOP_REQUEST = 1;
export const ARPOP_REPLY = 2;
export const ARPHRD_ETHER = 1;
export const ARPHRD_LOOPBACK = 772;
/** Tunnels: IPv4 in IPv4, IPv6 in IPv4, GRE. Their link-layer addresses are the ends of the tunnel. */
export const ARPHRD_TUNNEL = 768;
export const ARPHRD_SIT = 776;
export const ARPHRD_IPGRE = 778;
/** Nothing is known of it (venet). */
export const ARPHRD_VOID = 0xffff;
/** A device without link-layer header (tun). */
export const ARPHRD_NONE = 0xfffe;
/** Bytes of an ARP packet for IPv4 over Ethernet. */
export const ARP_LEN = 28;

export class ArpHeader {
  /** `ARPOP_*` */
  readonly op: number;
  /** Sender and target hardware addresses, 48-bit integers. */
  readonly sha: number;
  readonly tha: number;
  /** Sender and target protocol addresses, signed 32-bit integers. */
  readonly spa: number;
  readonly tpa: number;

  constructor(op: number, sha: number, spa: number, tha: number, tpa: number) {
    this.op = op;
    this.sha = sha;
    this.spa = spa;
    this.tha = tha;
    this.tpa = tpa;
  }
}

/** The packet at `at`, of `len` bytes; null if it is short or not for IPv4 over Ethernet. */
export function parseArp(view: DataView, at: number, len: number): ArpHeader | null {
  if (len < ARP_LEN) return null;
  if (view.getUint16(at) !== ARPHRD_ETHER || view.getUint16(at + 2) !== ETH_P_IP) return null;
  if (view.getUint8(at + 4) !== ETH_ALEN || view.getUint8(at + 5) !== 4) return null;
  return new ArpHeader(
    view.getUint16(at + 6),
    getMac(view, at + 8),
    view.getInt32(at + 14),
    getMac(view, at + 18),
    view.getInt32(at + 24),
  );
}

/** Writes 28 bytes. */
export function putArp(view: DataView, at: number, h: ArpHeader): void {
  view.setUint16(at, ARPHRD_ETHER);
  view.setUint16(at + 2, ETH_P_IP);
  view.setUint8(at + 4, ETH_ALEN);
  view.setUint8(at + 5, 4);
  view.setUint16(at + 6, h.op);
  putMac(view, at + 8, h.sha);
  view.setInt32(at + 14, h.spa);
  putMac(view, at + 18, h.tha);
  view.setInt32(at + 24, h.tpa);
}
