/**
 * Which of our addresses a packet is sent from (RFC 6724 §5; Linux `ipv6_dev_get_saddr`). The rules are tried in turn
 * on two addresses; the first that prefers one decides.
 */
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import {
  commonBits,
  type Ip6Addr,
  isLoopback6,
  isMapped6,
  isMulticast6,
} from '../../util/ip6-addr.ts';
import { labelOf } from './addr-label.ts';
import {
  addrScope,
  IFA_F_DEPRECATED,
  IFA_F_HOMEADDRESS,
  IFA_F_OPTIMISTIC,
  IFA_F_TEMPORARY,
  type Ipv6Address,
  isUsable,
} from './address.ts';

/** Scope of link-local destinations. */
const SCOPE_LINKLOCAL = 2;

interface Question {
  readonly dst: Ip6Addr;
  readonly scope: number;
  readonly label: number;
  readonly dev: NetDevice | null;
}

/** The best source for `dst` out of `dev` (null: any device); null when there is none. */
export function selectAddr6(net: NetNs, dev: NetDevice | null, dst: Ip6Addr): Ip6Addr | null {
  const question = { dst, scope: addrScope(dst), label: labelOf(net, dst, dev?.ifindex ?? 0), dev };
  const own = dev?.ipv6?.conf.useOifAddrsOnly ?? 0;
  const onlyHere =
    dev !== null &&
    (isMulticast6(dst) ||
      question.scope <= SCOPE_LINKLOCAL ||
      own !== 0 ||
      net.ipv6.confAll.useOifAddrsOnly !== 0);
  let best: Ipv6Address | null = null;
  // An address of the device itself wins a tie: it is asked first.
  if (dev !== null) best = bestOf(dev, question, best);
  if (!onlyHere)
    for (const other of net.devs) if (other !== dev) best = bestOf(other, question, best);
  return best?.addr ?? null;
}

function bestOf(dev: NetDevice, q: Question, before: Ipv6Address | null): Ipv6Address | null {
  let best = before;
  for (const a of dev.ipv6?.addresses ?? [])
    if (isUsable(a) && (best === null || compare(a, best, q) > 0)) best = a;
  return best;
}

/** Positive: `a` is the better source. */
function compare(a: Ipv6Address, b: Ipv6Address, q: Question): number {
  return (
    ranked(a, b, (x) => (x.addr.equals(q.dst) ? 1 : 0)) ||
    ranked(a, b, (x) => scopeRank(addrScope(x.addr), q.scope)) ||
    ranked(a, b, (x) => (isPreferred(x) ? 1 : 0)) ||
    ranked(a, b, (x) => ((x.flags & IFA_F_HOMEADDRESS) !== 0 ? 1 : 0)) ||
    ranked(a, b, (x) => (q.dev === null || x.dev === q.dev ? 1 : 0)) ||
    ranked(a, b, (x) => (labelOf(x.dev.net, x.addr, x.dev.ifindex) === q.label ? 1 : 0)) ||
    ranked(a, b, (x) => (isTemporary(x) === prefersTemporary(x) ? 1 : 0)) ||
    ranked(a, b, (x) => (isOrchid(x.addr) === isOrchid(q.dst) ? 1 : 0)) ||
    ranked(a, b, (x) => Math.min(commonBits(x.addr, q.dst), x.prefixLen)) ||
    ranked(a, b, (x) => ((x.flags & IFA_F_OPTIMISTIC) === 0 ? 1 : 0))
  );
}

function ranked(a: Ipv6Address, b: Ipv6Address, rank: (x: Ipv6Address) => number): number {
  return rank(a) - rank(b);
}

/** Rule 2: the smallest scope that reaches the destination; of those that do not, the largest. */
function scopeRank(scope: number, wanted: number): number {
  return scope >= wanted ? -scope : scope - 128;
}

/** Rule 3. An optimistic address counts as preferred only where use_optimistic says so (RFC 4429 §3.1). */
function isPreferred(x: Ipv6Address): boolean {
  if (isLoopback6(x.addr) || isMapped6(x.addr)) return true;
  const own = x.dev.ipv6?.conf.useOptimistic ?? 0;
  const optimistic = own !== 0 || x.dev.net.ipv6.confAll.useOptimistic !== 0;
  const avoid = optimistic ? IFA_F_DEPRECATED : IFA_F_DEPRECATED | IFA_F_OPTIMISTIC;
  return (x.flags & avoid) === 0;
}

/** Rule 7: where use_tempaddr is 2, temporary addresses are preferred to public ones; elsewhere it is the other way. */
function prefersTemporary(x: Ipv6Address): boolean {
  return (x.dev.ipv6?.conf.useTempaddr ?? 0) >= 2;
}

function isTemporary(x: Ipv6Address): boolean {
  return (x.flags & IFA_F_TEMPORARY) !== 0;
}

/** 2001:10::/28 (RFC 4843); among themselves alone they are preferred. */
function isOrchid(x: Ip6Addr): boolean {
  return (x.a & 0xfffffff0) === 0x20010010;
}
