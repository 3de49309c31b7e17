/**
 * Ethernet II header (IEEE 802.3 §3.1.1; Linux `include/uapi/linux/if_ether.h`).
 */

export const ETH_P_IP = 0x0800;
export const ETH_P_ARP = 0x0806;
export const ETH_P_8021Q = 0x8100;
/** Provider tags (IEEE 802.1ad). */
export const ETH_P_8021AD = 0x88a8;
export const ETH_P_IPV6 = 0x86dd;
/** Matches every protocol; only in packet sockets. */
export const ETH_P_ALL = 0x0003;
/** Destination, source, type; no frame check sequence. */
export const ETH_HLEN = 14;
export const ETH_ALEN = 6;

/** Immutable: one object serves every packet that a neighbour entry sends. */
export class EthHeader {
  /** 48-bit integer */
  readonly dst: number;
  /** 48-bit integer */
  readonly src: number;
  /** EtherType, host order */
  readonly proto: number;

  constructor(dst: number, src: number, proto: number) {
    this.dst = dst;
    this.src = src;
    this.proto = proto;
  }
}

/** The header at `at`; 14 bytes must be there. */
export function parseEth(view: DataView, at: number): EthHeader {
  return new EthHeader(getMac(view, at), getMac(view, at + 6), view.getUint16(at + 12));
}

/** Writes 14 bytes. */
export function putEth(view: DataView, at: number, h: EthHeader): void {
  putMac(view, at, h.dst);
  putMac(view, at + 6, h.src);
  view.setUint16(at + 12, h.proto);
}

/** Reads six bytes as a 48-bit integer. */
export function getMac(view: DataView, at: number): number {
  return view.getUint16(at) * 0x100000000 + view.getUint32(at + 2);
}

/** Writes a 48-bit integer as six bytes. */
export function putMac(view: DataView, at: number, mac: number): void {
  view.setUint16(at, Math.floor(mac / 0x100000000));
  view.setUint32(at + 2, mac % 0x100000000);
}
