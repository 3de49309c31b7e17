/** Which addresses may be bound (Linux `inet_addr_valid_or_nonlocal`, `ping_check_bind_addr`). */

import { EADDRNOTAVAIL } from '../errno.ts';
import { l3TableOf } from '../link/l3mdev.ts';
import { inetAddrType } from '../network/route/addr-type.ts';
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from '../network/route/route.ts';
import { PingSock } from './ping/sock.ts';
import type { Sock } from './sock.ts';

/** `RTN_*` of an address that `sk` may bind, or -EADDRNOTAVAIL. */
export function bindAddressType(sk: Sock, addr: number): number {
  if (addr === 0) return RTN_LOCAL;
  const type = inetAddrType(sk.net, addr, l3TableOf(sk.net, sk.boundDevIf));
  if (type === RTN_LOCAL) return type;
  const isGroup = type === RTN_MULTICAST || type === RTN_BROADCAST;
  if (isGroup) return sk instanceof PingSock ? -EADDRNOTAVAIL : type;
  const mayBeForeign = sk.net.sysctl.ipNonlocalBind !== 0 || sk.freebind || sk.transparent;
  return mayBeForeign ? type : -EADDRNOTAVAIL;
}

/** Nobody has such an address as a source: packets get another (`__inet_bind`). */
export function isGroupType(type: number): boolean {
  return type === RTN_MULTICAST || type === RTN_BROADCAST;
}
