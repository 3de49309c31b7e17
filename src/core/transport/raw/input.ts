/** Not built yet. */
import type { Packet } from '../../packet.ts';
export function rawInput(_pkt: Packet): boolean { return false; }
