/** Not built yet. */
import type { Packet } from '../../packet.ts';
export function pingInput(_pkt: Packet): boolean { return false; }
