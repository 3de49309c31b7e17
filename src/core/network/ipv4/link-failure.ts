/** Not built yet. */
import type { Packet } from '../../packet.ts';
export function ipLinkFailure(_pkt: Packet): void {}
