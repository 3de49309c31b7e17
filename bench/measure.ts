/** What all benchmarks share: a result row, and the best of several timed rounds. */

/** One figure beside its reference from the same run. */
export interface Result {
  readonly name: string;
  readonly unit: string;
  readonly reference: number;
  readonly value: number;
  /** `value / reference` */
  readonly ratio: number;
}

/** Seconds of the fastest of `rounds` calls after one to warm up; these machines are noisy. */
export function best(fn: () => unknown, rounds: number): number {
  fn();
  let seconds = Number.POSITIVE_INFINITY;
  for (let i = 0; i < rounds; i++) {
    const start = performance.now();
    fn();
    seconds = Math.min(seconds, (performance.now() - start) / 1000);
  }
  return seconds;
}
