/** The labels of IPv6 addresses in a namespace: `ip addrlabel` (Linux `ip6addrlbl_newdel`). */
import { NetError } from '../errno.ts';
import type { NetNs } from '../net.ts';
import { addAddrLabel, addrLabels, removeAddrLabel } from '../network/ipv6/addr-label.ts';
import { splitPrefix6 } from './addr6.ts';
import { findDevice } from './find-device.ts';

/** What `ip addrlabel list` tells of one. */
export interface AddrLabelInfo {
  readonly address: string;
  readonly prefixLen: number;
  readonly dev: string | null;
  readonly label: number;
}

/** What `ip addrlabel add` takes. */
export interface AddrLabelSpec {
  /** `'fd00::/16'` */
  readonly prefix: string;
  readonly label: number;
  /** Of every device when absent. */
  readonly dev?: string;
}

export class AddrLabelControl {
  private readonly net: NetNs;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** EEXIST: the prefix has one. */
  add(spec: AddrLabelSpec): void {
    this.check(addAddrLabel(this.net, { ...this.where(spec), label: spec.label }));
  }

  /** ESRCH: there is none. */
  del(spec: Omit<AddrLabelSpec, 'label'>): void {
    this.check(removeAddrLabel(this.net, this.where(spec)));
  }

  /** Takes all away, the usual ones too. */
  flush(): void {
    for (const l of addrLabels(this.net)) removeAddrLabel(this.net, l);
  }

  /** The first that fits an address counts. */
  list(): AddrLabelInfo[] {
    return addrLabels(this.net).map((l) => ({
      address: String(l.prefix),
      prefixLen: l.prefixLen,
      dev: this.net.devs.findIndex(l.ifindex)?.name ?? null,
      label: l.label,
    }));
  }

  private where(spec: Omit<AddrLabelSpec, 'label'>) {
    const { addr, prefixLen } = splitPrefix6(spec.prefix);
    const ifindex = spec.dev === undefined ? 0 : findDevice(this.net, spec.dev).ifindex;
    return { prefix: addr, prefixLen, ifindex };
  }

  private check(errno: number): void {
    if (errno < 0) throw new NetError(errno, 'rtnetlink');
  }
}
