/** Not built yet. */
import type { Packet } from '../../packet.ts';
export function tcpInput(_pkt: Packet): void {}
