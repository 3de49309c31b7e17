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

/** The header at `at`, of which `len` bytes are there; null if it is short or claims more (RFC 768). */
export function parseUdp(view: DataView, at: number, len: number): UdpHeader | null {
  if (len < UDP_HLEN) return null;
  const claimed = view.getUint16(at + 4);
  if (claimed < UDP_HLEN || claimed > len) return null;
  return new UdpHeader(view.getUint16(at), view.getUint16(at + 2));
}

/** Writes 8 bytes for a datagram of `len` bytes, header included; its checksum field is left zero. */
export function putUdp(view: DataView, at: number, h: UdpHeader, len: number): void {
  view.setUint16(at, h.sport);
  view.setUint16(at + 2, h.dport);
  view.setUint16(at + 4, len);
}
