/** Durations as people write them: `250ms`, `5s`, `2m`, `1h`, or milliseconds as a number. */

export type Duration = number | string;

const UNITS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
};

/** In milliseconds; throws for what is no duration. */
export function milliseconds(duration: Duration): number {
  if (typeof duration === 'number' && duration >= 0) return duration;
  const m = /^(\d+(?:\.\d+)?)(us|ms|s|min|m|h)$/.exec(String(duration).trim());
  if (m === null) throw new RangeError(`"${duration}" is no duration; write 250ms, 5s, 2m or 1h`);
  return Number(m[1]) * (UNITS[m[2] ?? ''] as number);
}

/** `12.304 s` */
export function seconds(us: number): string {
  return `${(us / 1e6).toFixed(3)} s`;
}
