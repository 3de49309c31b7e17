/** Not built yet. */
import type { Packet } from '../../packet.ts';
export function udpInput(_pkt: Packet): void {}
