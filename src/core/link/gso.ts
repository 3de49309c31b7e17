/**
 * Generic segmentation: one packet that stands for several is cut into those, at a byte edge or at a
 * queue that models a wire. Follows Linux `tcp_gso_segment`, `__udp_gso_segment`, `inet_gso_segment`.
 */
import { NO_PAYLOAD, type Packet, type Payload } from '../packet.ts';
import { TCP_CWR, TCP_FIN, TCP_PSH, TcpHeader } from '../wire/tcp.ts';

/** How many packets `segment` makes of this one (`skb_shinfo->gso_segs`). */
export function segmentCount(pkt: Packet): number {
  return pkt.gsoSize === 0 || pkt.len <= pkt.gsoSize ? 1 : Math.ceil(pkt.len / pkt.gsoSize);
}

/**
 * Cuts a packet into segments of at most `gsoSize` bytes of payload, in order; takes ownership. A
 * packet that is a single segment comes back alone. IP ids count up from the packet's own.
 */
export function segment(pkt: Packet): Packet[] {
  const size = pkt.gsoSize;
  const count = segmentCount(pkt);
  if (count === 1 || (pkt.tcp === null && pkt.udp === null)) {
    pkt.gsoSize = 0;
    return [pkt];
  }
  const out: Packet[] = [];
  const slices = new Cutter(pkt.data);
  for (let i = 0; i < count; i++) {
    const part = pkt.clone();
    part.gsoSize = 0;
    part.len = Math.min(size, pkt.len - i * size);
    part.data = slices.next(part.len);
    if (part.ip !== null) part.ip.id = (part.ip.id + i) & 0xffff;
    if (pkt.tcp !== null) part.tcp = segmentHeader(pkt.tcp, i * size, i === 0, i === count - 1);
    out.push(part);
  }
  return out;
}

/** FIN and PSH belong to the last segment, CWR to the first; all else is repeated. */
function segmentHeader(h: TcpHeader, offset: number, first: boolean, last: boolean): TcpHeader {
  let flags = h.flags;
  if (!first) flags &= ~TCP_CWR;
  if (!last) flags &= ~(TCP_FIN | TCP_PSH);
  return new TcpHeader(
    h.sport,
    h.dport,
    (h.seq + offset) | 0,
    h.ack,
    flags,
    h.window,
    h.urg,
    h.options,
    h.optionsLen,
  );
}

/** Takes a payload apart from its front, without copying. */
class Cutter {
  private readonly data: Payload;
  private index = 0;
  private offset = 0;

  constructor(data: Payload) {
    this.data = data;
  }

  next(len: number): Payload {
    if (len === 0) return NO_PAYLOAD;
    const out: Uint8Array[] = [];
    let left = len;
    while (left > 0) {
      const slice = this.data[this.index] as Uint8Array;
      const take = Math.min(left, slice.length - this.offset);
      if (take > 0) out.push(slice.subarray(this.offset, this.offset + take));
      left -= take;
      this.offset += take;
      if (this.offset === slice.length) {
        this.index++;
        this.offset = 0;
      }
    }
    return out;
  }
}
