/** Not built yet. */
import type { NetNs } from '../../net.ts';
export class Ipv4State { generation = 0; constructor(_net: NetNs) {} }
