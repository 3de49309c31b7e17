/** Not built yet. */
import type { NetNs } from '../../net.ts';
export class PingState { constructor(_net: NetNs) {} }
