/** Bridges of a namespace: ports and forwarding table (`bridge link`, `bridge fdb`). */
import type { NetNs } from '../net.ts';

export interface BridgePortInfo { readonly ifindex: number; readonly dev: string; readonly link: string | null; readonly flags: readonly string[]; readonly mtu: number; readonly master: string; readonly state: 'disabled' | 'listening' | 'learning' | 'forwarding' | 'blocking'; readonly priority: number; readonly cost: number; readonly hairpin: boolean; readonly learning: boolean; readonly flood: boolean; readonly mcastFlood: boolean; readonly bcastFlood: boolean; readonly isolated: boolean }
export type BridgePortSet = Partial<BridgePortInfo>;
export interface FdbInfo { readonly mac: string; readonly dev: string; readonly master: string | null; readonly state: 'permanent' | 'static' | ''; readonly used: number; readonly updated: number }
export class BridgeControl {
  constructor(_net: NetNs) {}
  ports(): BridgePortInfo[] { return []; }
  fdb(): FdbInfo[] { return []; }
  set(_dev: string, _o: { ageingTime?: number }): void {}
  setPort(_dev: string, _set: BridgePortSet): void {}
  fdbAdd(_m: string, _d: string, _s: string): void {}
  fdbReplace(_m: string, _d: string, _s: string): void {}
  fdbDel(_m: string, _d: string): void {}
}
