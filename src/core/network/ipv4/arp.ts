/** Not built yet. */
import type { Packet } from '../../packet.ts';
export function arpInput(_pkt: Packet): void {}
