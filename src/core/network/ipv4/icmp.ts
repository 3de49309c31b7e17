/** Not built yet. */
import type { Packet } from '../../packet.ts';
export function icmpInput(_pkt: Packet): void {}
