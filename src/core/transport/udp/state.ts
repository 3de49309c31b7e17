/** Not built yet. */
import type { NetNs } from '../../net.ts';
export class UdpState { constructor(_net: NetNs) {} }
