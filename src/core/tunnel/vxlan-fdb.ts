/** Where the MACs of a VXLAN are (Linux `struct vxlan_fdb`, `vxlan_snoop`, `vxlan_cleanup`): written down, or learnt. */
import type { Kernel } from '../kernel.ts';
import type { NetDevice } from '../link/net-device.ts';

/** What an entry leads to. */
export interface VxlanRemote {
  readonly addr: number;
  /** 0: the device's own. */
  readonly port: number;
  /** -1: the device's own. */
  readonly vni: number;
  readonly link: NetDevice | null;
}

export interface VxlanEntry {
  readonly mac: number;
  /** Several for groups and for the entry of all that is unknown. */
  remotes: readonly VxlanRemote[];
  /** Nobody but an administrator changes it. */
  readonly permanent: boolean;
  /** Written down, but it ages (`NUD_REACHABLE`). */
  usedUs: number;
  updatedUs: number;
}

// DEVIATION: on Linux nothing bounds what is learnt; senders that invent addresses must not fill the memory.
const MAX_LEARNT = 65_536;

export class VxlanFdb {
  ageingUs = 300_000_000;
  private readonly kernel: Kernel;
  private readonly entries: Map<number, VxlanEntry> = new Map();

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  list(): VxlanEntry[] {
    return [...this.entries.values()];
  }

  /** Looking makes an entry younger. */
  find(mac: number): VxlanEntry | undefined {
    const entry = this.entries.get(mac);
    if (entry !== undefined) entry.usedUs = this.kernel.nowUs;
    return entry;
  }

  set(mac: number, remotes: readonly VxlanRemote[], permanent: boolean): void {
    const nowUs = this.kernel.nowUs;
    this.entries.set(mac, { mac, remotes, permanent, usedUs: nowUs, updatedUs: nowUs });
  }

  remove(mac: number): boolean {
    return this.entries.delete(mac);
  }

  /** A frame came from `addr`; false: its sender is known to be elsewhere, and the frame is to be dropped. */
  learn(mac: number, addr: number): boolean {
    const known = this.find(mac);
    if (known !== undefined) {
      const [first] = known.remotes;
      if (first?.addr === addr) return true;
      if (known.permanent) return false;
      known.remotes = [{ addr, port: 0, vni: -1, link: null }];
      known.updatedUs = this.kernel.nowUs;
      return true;
    }
    if (this.entries.size < MAX_LEARNT)
      this.set(mac, [{ addr, port: 0, vni: -1, link: null }], false);
    return true;
  }

  /** What was not used for the ageing time goes. */
  age(): void {
    const nowUs = this.kernel.nowUs;
    for (const [mac, e] of this.entries)
      if (!e.permanent && e.usedUs + this.ageingUs <= nowUs) this.entries.delete(mac);
  }

  /** The device went down: what was written down stays (`vxlan_flush`). */
  flush(): void {
    for (const [mac, e] of this.entries) if (!e.permanent) this.entries.delete(mac);
  }
}
