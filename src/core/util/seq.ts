/**
 * Arithmetic modulo 2³² on sequence numbers, kept as signed 32-bit integers (RFC 9293 §3.4; Linux
 * `include/net/tcp.h`: before, after, between). Everything that compares sequence numbers is here.
 */

/** `a` precedes `b` (Linux `before`). */
export function seqLt(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

export function seqLe(a: number, b: number): boolean {
  return ((a - b) | 0) <= 0;
}

/** `a` follows `b` (Linux `after`). */
export function seqGt(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

export function seqGe(a: number, b: number): boolean {
  return ((a - b) | 0) >= 0;
}

/** The signed distance from `b` to `a`. */
export function seqDiff(a: number, b: number): number {
  return (a - b) | 0;
}

/** `low <= x <= high`, modulo 2³² (Linux `between(seq1, seq2, seq3)`). */
export function seqBetween(x: number, low: number, high: number): boolean {
  return (high - low) >>> 0 >= (x - low) >>> 0;
}

export function seqMax(a: number, b: number): number {
  return ((a - b) | 0) > 0 ? a : b;
}

export function seqMin(a: number, b: number): number {
  return ((a - b) | 0) < 0 ? a : b;
}
