/** Not built yet. */
import type { NetNs } from '../../net.ts';
export class RawState { constructor(_net: NetNs) {} }
