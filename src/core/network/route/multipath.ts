/**
 * How flows are shared out over the ways of a route (Linux `fib_multipath_hash`, `rt6_multipath_hash`; RFC 2992): a
 * keyed hash of what net.ipv4.fib_multipath_hash_policy and its kin of IPv6 name.
 */
import type { NetNs } from '../../net.ts';
import { type SipKey, sipHash } from '../../util/siphash.ts';
import type { RuleFlow } from '../rule/fib-rule.ts';

/** Bits of fib_multipath_hash_fields (`FIB_MULTIPATH_HASH_FIELD_*`). */
const SRC_IP = 1;
const DST_IP = 2;
const IP_PROTO = 4;
const SRC_PORT = 16;
const DST_PORT = 32;

/** What each policy hashes: addresses; with protocol and ports; addresses (of what is inside of a tunnel, on Linux). */
const POLICY_FIELDS: readonly number[] = [
  SRC_IP | DST_IP,
  SRC_IP | DST_IP | IP_PROTO | SRC_PORT | DST_PORT,
  SRC_IP | DST_IP,
];

/** Fields that a policy takes; `own`: those of policy 3. */
export function hashFields(policy: number, own: number): number {
  return POLICY_FIELDS[policy] ?? own;
}

/** 31 bits. `src` and `dst`: folded addresses. */
export function multipathHash(
  net: NetNs,
  fields: number,
  src: number,
  dst: number,
  flow: RuleFlow,
): number {
  const ports =
    ((fields & SRC_PORT) === 0 ? 0 : (flow.sport ?? 0) << 16) |
    ((fields & DST_PORT) === 0 ? 0 : (flow.dport ?? 0));
  const [low] = sipHash(keyOf(net), [
    (fields & SRC_IP) === 0 ? 0 : src,
    (fields & DST_IP) === 0 ? 0 : dst,
    (fields & IP_PROTO) === 0 ? 0 : (flow.proto ?? 0),
    ports,
  ]);
  return low >>> 1;
}

/** Of this namespace, or what net.ipv4.fib_multipath_hash_seed says. */
function keyOf(net: NetNs): SipKey {
  const seed = net.sysctl.fibMultipathHashSeed;
  if (seed !== 0) return [seed, seed, seed, seed];
  const { ipv4 } = net;
  if (ipv4.multipathKey === null) {
    const random = net.kernel.random('fib-multipath');
    ipv4.multipathKey = [random.i32(), random.i32(), random.i32(), random.i32()];
  }
  return ipv4.multipathKey;
}

/** A way among several, and whether a flow may take it. */
export interface WeightedWay {
  readonly weight: number;
}

/** The way at `hash` among those that serve, by their weights (`fib_select_multipath`); null: none serves. */
export function pickWay<W extends WeightedWay, Q>(
  ways: readonly W[],
  hash: number,
  serves: (way: W, query: Q) => boolean,
  query: Q,
): W | null {
  let total = 0;
  for (const way of ways) if (serves(way, query)) total += way.weight;
  if (total === 0) return null;
  let point = (hash / 2 ** 31) * total;
  let last: W | null = null;
  for (const way of ways) {
    if (!serves(way, query)) continue;
    last = way;
    point -= way.weight;
    if (point < 0) return way;
  }
  return last;
}
