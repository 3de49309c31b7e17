/** Not built yet. */
import type { Packet } from '../packet.ts';
export function netifReceive(_pkt: Packet): void {}
