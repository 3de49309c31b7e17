/** Which of the two families something belongs to. */
import type { Packet } from '../../packet.ts';
import type { Ends6, TcpFamily } from './family.ts';
import { FAMILY4 } from './family4.ts';
import { FAMILY6 } from './family6.ts';

/** Of a connection. */
export function familyOf(ends: Ends6 | null): TcpFamily {
  return ends === null ? FAMILY4 : FAMILY6;
}

/** Of a packet. */
export function familyOfPacket(pkt: Packet): TcpFamily {
  return pkt.ip6 === null ? FAMILY4 : FAMILY6;
}
