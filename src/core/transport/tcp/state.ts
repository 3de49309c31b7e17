/** Not built yet. */
import type { NetNs } from '../../net.ts';
export class TcpState { constructor(_net: NetNs) {} }
