/** Not built yet. */
import type { Packet } from '../../packet.ts';
import type { IcmpError } from '../../protocols.ts';
export function pingError(_pkt: Packet, _error: IcmpError): void {}
