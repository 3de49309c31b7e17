/** What the congestion marks of a packet and of the tunnel around it do to each other (RFC 6040; Linux `inet_ecn.h`). */

const ECN_MASK = 3;
const ECT_1 = 1;
const ECT_0 = 2;
const CE = 3;

/** The outer TOS for a tunnel's own TOS and the inner one (`INET_ECN_encapsulate`). */
export function ecnEncapsulate(outer: number, inner: number): number {
  const mark = (inner & ECN_MASK) === CE ? ECT_0 : inner & ECN_MASK;
  return (outer & ~ECN_MASK) | mark;
}

/**
 * The inner TOS of what comes out; -1: a router marked a packet that does not know what that means, which is to be
 * dropped (`INET_ECN_decapsulate`).
 */
export function ecnDecapsulate(outer: number, inner: number): number {
  if ((outer & ECN_MASK) === CE) return (inner & ECN_MASK) === 0 ? -1 : inner | CE;
  if ((outer & ECN_MASK) === ECT_1 && (inner & ECN_MASK) === ECT_0)
    return (inner & ~ECN_MASK) | ECT_1;
  return inner;
}
