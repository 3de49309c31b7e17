/**
 * Ethernet II header (IEEE 802.3 §3.1.1; Linux `include/uapi/linux/if_ether.h`).
 */

export const ETH_P_IP = 0x0800;
export const ETH_P_ARP = 0x0806;
export const ETH_P_8021Q = 0x8100;
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
