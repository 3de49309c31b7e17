/** ARP for IPv4 over Ethernet (RFC 826; Linux `include/uapi/linux/if_arp.h`). Immutable once sent. */

export const ARPOP_REQUEST = 1;
export const ARPOP_REPLY = 2;
export const ARPHRD_ETHER = 1;
export const ARPHRD_LOOPBACK = 772;
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
