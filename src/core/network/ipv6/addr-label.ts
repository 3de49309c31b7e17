/**
 * Labels of addresses, by which sources are chosen (RFC 6724 §2.1, §5 rule 6; Linux `net/ipv6/addrlabel.c`): a source
 * with the label of its destination is preferred. Nearly every namespace has the usual ones and no list of its own.
 */
import { EEXIST, EINVAL, ESRCH } from '../../errno.ts';
import type { NetNs } from '../../net.ts';
import { type Ip6Addr, ip6, isMapped6, prefixOf, samePrefix } from '../../util/ip6-addr.ts';

export interface AddrLabel {
  readonly prefix: Ip6Addr;
  readonly prefixLen: number;
  /** 0: of every device. */
  readonly ifindex: number;
  readonly label: number;
}

function usual(prefix: string, prefixLen: number, label: number): AddrLabel {
  return { prefix: ip6(prefix), prefixLen, ifindex: 0, label };
}

/** RFC 6724 §2.1, with Linux's additions (`ip6addrlbl_init_table`); the first that fits counts. */
const USUAL: readonly AddrLabel[] = Object.freeze([
  usual('::1', 128, 0),
  usual('::', 96, 3),
  usual('::ffff:0:0', 96, 4),
  usual('2001::', 32, 6),
  usual('2001:10::', 28, 7),
  usual('3ffe::', 16, 12),
  usual('2002::', 16, 2),
  usual('fec0::', 10, 11),
  usual('fc00::', 7, 5),
  usual('::', 0, 1),
]);
/** `IPV6_ADDR_LABEL_DEFAULT`: of an address to which no entry fits. */
const DEFAULT_LABEL = 0xffffffff;

export function addrLabels(net: NetNs): readonly AddrLabel[] {
  return net.ipv6.extraMaybe?.labels ?? USUAL;
}

/** The label of an address on a device (`ipv6_addr_label`). */
export function labelOf(net: NetNs, addr: Ip6Addr, ifindex: number): number {
  const labels = addrLabels(net);
  for (let i = 0; i < labels.length; i++) {
    const l = labels[i] as AddrLabel;
    if (l.ifindex !== 0 && l.ifindex !== ifindex) continue;
    if (samePrefix(l.prefix, addr, l.prefixLen)) return l.label;
  }
  return DEFAULT_LABEL;
}

function isSame(a: AddrLabel, b: AddrLabel): boolean {
  return a.prefixLen === b.prefixLen && a.ifindex === b.ifindex && a.prefix.equals(b.prefix);
}

/** Linux `ip6addrlbl_add`; 0 or `-errno`. */
export function addAddrLabel(net: NetNs, wanted: AddrLabel): number {
  const { prefixLen, ifindex } = wanted;
  if (prefixLen > 128 || wanted.label === DEFAULT_LABEL) return -EINVAL;
  if (ifindex !== 0 && net.devs.findIndex(ifindex) === undefined) return -EINVAL;
  if (isMapped6(wanted.prefix) && prefixLen > 96) return -EINVAL;
  const made = { ...wanted, prefix: prefixOf(wanted.prefix, prefixLen) };
  const labels = addrLabels(net);
  if (labels.some((l) => isSame(l, made))) return -EEXIST;
  const i = labels.findIndex(
    (l) => l.prefixLen < prefixLen || (l.prefixLen === prefixLen && l.ifindex === 0),
  );
  const at = i < 0 ? labels.length : i;
  set(net, [...labels.slice(0, at), made, ...labels.slice(at)]);
  return 0;
}

export function removeAddrLabel(net: NetNs, wanted: Omit<AddrLabel, 'label'>): number {
  const labels = addrLabels(net);
  const gone = { ...wanted, prefix: prefixOf(wanted.prefix, wanted.prefixLen), label: 0 };
  const left = labels.filter((l) => !isSame(l, gone));
  if (left.length === labels.length) return -ESRCH;
  set(net, left);
  return 0;
}

function set(net: NetNs, labels: readonly AddrLabel[]): void {
  net.ipv6.extra.labels = labels;
  net.ipv6.changed();
}
