/** UDP header (RFC 768). Length and checksum exist at byte edges only. Immutable once sent. */

/** Bytes of the header. */
export const UDP_HLEN = 8;

export class UdpHeader {
  readonly sport: number;
  readonly dport: number;

  constructor(sport: number, dport: number) {
    this.sport = sport;
    this.dport = dport;
  }
}
