/** UDP's state of one namespace. Made at the first use, so that an idle namespace pays little. */
import type { NetNs } from '../../net.ts';
import { UdpTable } from './table.ts';

export class UdpState {
  readonly net: NetNs;
  /** Counts binds: the later one wins a tie. */
  nextOrder = 1;
  private tableMade: UdpTable | null = null;

  constructor(net: NetNs) {
    this.net = net;
  }

  get table(): UdpTable {
    this.tableMade ??= new UdpTable(this.net);
    return this.tableMade;
  }

  /** True while no socket has a port: what the input path asks first. */
  get idle(): boolean {
    return this.tableMade === null || this.tableMade.size === 0;
  }

  /** Closes every socket: the namespace is gone. */
  destroy(): void {
    if (this.tableMade === null) return;
    for (const sk of this.tableMade.values()) sk.close();
    this.tableMade = null;
  }
}
