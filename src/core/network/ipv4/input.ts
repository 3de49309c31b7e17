/** Not built yet. */
import type { Packet } from '../../packet.ts';
export function ipInput(_pkt: Packet): void {}
