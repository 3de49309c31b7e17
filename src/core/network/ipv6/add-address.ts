/** A device gets an address (Linux `ipv6_add_addr`); what follows it is its caller's. */
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import {
  type AutoAddress,
  addrScope,
  IFA_F_TENTATIVE,
  type Ipv6Address,
  scopeOfAddr,
} from './address.ts';
import type { Ipv6Device } from './device.ts';
import { armLifetimes } from './lifetime-timer.ts';

export interface NewAddress {
  readonly addr: Ip6Addr;
  readonly prefixLen: number;
  readonly peer?: Ip6Addr | null;
  /** `IFA_F_*` */
  readonly flags: number;
  readonly metric?: number;
  readonly validLft: number;
  readonly preferredLft: number;
  readonly auto?: AutoAddress;
}

/** It is tentative; nobody has been asked yet. */
export function newAddress(ipv6: Ipv6Device, spec: NewAddress): Ipv6Address {
  const { dev } = ipv6;
  const address: Ipv6Address = {
    dev,
    addr: spec.addr,
    peer: spec.peer ?? null,
    prefixLen: spec.prefixLen,
    scope: scopeOfAddr(spec.addr),
    flags: spec.flags | IFA_F_TENTATIVE,
    metric: spec.metric ?? 0,
    validLft: spec.validLft,
    preferredLft: spec.preferredLft,
    updatedUs: dev.net.kernel.nowUs,
    dadProbes: -1,
    dadNonce: -1,
    dadTimer: null,
    joined: false,
    installed: false,
    auto: spec.auto ?? null,
  };
  insert(ipv6, address);
  dev.ops.addrChanged?.(dev, address.addr, true);
  armLifetimes(ipv6);
  return address;
}

function insert(ipv6: Ipv6Device, address: Ipv6Address): void {
  const scope = addrScope(address.addr);
  const i = ipv6.addresses.findIndex((a) => scope >= addrScope(a.addr));
  const at = i < 0 ? ipv6.addresses.length : i;
  ipv6.addresses = ipv6.addresses.slice(0, at).concat(address, ipv6.addresses.slice(at));
}
