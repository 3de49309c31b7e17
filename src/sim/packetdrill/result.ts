/** What became of a script. */
import type { Position } from './script.ts';

export interface Failure {
  readonly position: Position;
  /** The event as written; empty when it is about no event. */
  readonly event: string;
  /** One sentence, or several. */
  readonly reasons: readonly string[];
  /** What was seen, in the script's notation; null: nothing. */
  readonly seen: string | null;
}

export interface RunResult {
  readonly file: string;
  readonly failure: Failure | null;
  /** Packets of the run in order, with their times, in the script's notation. */
  readonly packets: readonly string[];
  /** What code printed. */
  readonly printed: readonly string[];
  /** Time of the script when it ended, µs. */
  readonly endUs: number;
}

/** Thrown inside a run; the first one ends it. */
export class ScriptFailure extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.reasons.join('; '));
    this.failure = failure;
  }
}

/** Packets shown before a failure. */
const SHOWN = 12;

/** A report: file and line, what was expected, what was seen, and what happened before. */
export function formatFailure(result: RunResult): string {
  const { failure, file, packets } = result;
  if (failure === null) return '';
  const lines = [`${file}:${failure.position.line}: ${failure.reasons.join('; ')}`];
  if (failure.event !== '') lines.push(`  script: ${failure.event.replace(/\s*\n\s*/g, ' ')}`);
  if (failure.seen !== null) lines.push(`  seen:   ${failure.seen}`);
  if (packets.length > 0) {
    lines.push(packets.length > SHOWN ? `  packets before (last ${SHOWN}):` : '  packets before:');
    for (const p of packets.slice(-SHOWN)) lines.push(`    ${p}`);
  }
  return lines.join('\n');
}
