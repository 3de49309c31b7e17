/**
 * What a new namespace takes over from the initial one (Linux `devinet_init_net`, `tcp_sk_init`): settings
 * of IPv4 devices, unless net.core.devconf_inherit_init_net says otherwise, and TCP's buffers and congestion
 * control. A kernel whose initial namespace nobody ever asked for has compiled defaults alone.
 */
import type { NetNs } from './net.ts';

/** Values of net.core.devconf_inherit_init_net. */
export const INHERIT_IPV4 = 0;
export const INHERIT_ALL = 1;
export const INHERIT_NOTHING = 2;
// LINUX: those of the maker's namespace; here a namespace has no maker, and takes the initial one's.
export const INHERIT_MAKER = 3;

/** Called while `net` is made. */
export function inheritSettings(net: NetNs): void {
  const init = net.kernel.initial;
  if (init === null) return;
  if (net.kernel.devconfInherit !== INHERIT_NOTHING) {
    net.ipv4ConfAll = init.ipv4ConfAll;
    net.ipv4ConfDefault = init.ipv4ConfDefault;
  }
  const six =
    net.kernel.devconfInherit === INHERIT_ALL || net.kernel.devconfInherit === INHERIT_MAKER;
  if (six && init.ipv6Maybe !== null) {
    net.ipv6.confAll = init.ipv6Maybe.confAll;
    net.ipv6.confDefault = init.ipv6Maybe.confDefault;
  }
  const { tcpRmem, tcpWmem, tcpCongestionControl } = init.sysctl;
  net.sysctl = net.sysctl
    .with('tcpRmem', tcpRmem)
    .with('tcpWmem', tcpWmem)
    .with('tcpCongestionControl', tcpCongestionControl);
}
