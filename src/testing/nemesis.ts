/** A schedule of faults at random, all from one stream of the seed: what breaks, when, for how long. */
import type { Random } from '../core/util/random.ts';
import { type Duration, milliseconds } from '../lab/duration.ts';
import type { Host } from './host.ts';
import type { PlannedFault } from './net.ts';

export type FaultKind = 'partition' | 'crash' | 'pause' | 'loss' | 'delay' | 'skew';

export interface NemesisOptions {
  /** Which faults; partition, crash, pause and loss when absent. */
  readonly faults?: readonly FaultKind[];
  /** Mean time from one fault to the next; 5 s when absent. */
  readonly interval?: Duration;
  /** When the last fault has happened, and all is healed; 60 s when absent. */
  readonly until?: Duration;
  /** When it begins; at once when absent. All other times count from there. */
  readonly after?: Duration;
  /** Who suffers; all hosts when absent. */
  readonly hosts?: readonly (Host | string)[];
}

const DEFAULT_FAULTS: readonly FaultKind[] = ['partition', 'crash', 'pause', 'loss'];

/** The schedule, times from now; it ends with `heal`. */
export function planNemesis(
  random: Random,
  hosts: readonly string[],
  options: NemesisOptions,
): PlannedFault[] {
  const faults = options.faults ?? DEFAULT_FAULTS;
  const interval = milliseconds(options.interval ?? '5s');
  const end = milliseconds(options.until ?? '60s');
  const plan: PlannedFault[] = [];
  let at = 0;
  for (;;) {
    at += Math.round(interval * (0.5 + random.float()));
    if (at >= end) break;
    const kind = faults[random.below(faults.length)] as FaultKind;
    const lasts = Math.round(interval * (0.2 + random.float()));
    plan.push(...fault(kind, random, hosts, at, Math.min(at + lasts, end)));
  }
  plan.push({ atMs: end, words: 'heal' });
  return plan;
}

function fault(
  kind: FaultKind,
  random: Random,
  hosts: readonly string[],
  atMs: number,
  endMs: number,
): PlannedFault[] {
  const one = hosts[random.below(hosts.length)] as string;
  const time = `for ${endMs - atMs}ms`;
  switch (kind) {
    case 'partition':
      return [
        { atMs, words: partitionWords(random, hosts) },
        { atMs: endMs, words: 'heal' },
      ];
    case 'crash':
      return [{ atMs, words: `crash ${one} ${time}` }];
    case 'pause':
      return [{ atMs, words: `pause ${one} ${time}` }];
    case 'skew':
      return [
        { atMs, words: `skew ${one} ${random.chance(0.5) ? '-' : '+'}${random.below(60_000)}ms` },
      ];
    default: {
      const others = hosts.filter((h) => h !== one);
      const to = others[random.below(others.length)] ?? one;
      const words =
        kind === 'loss' ? `loss ${5 + random.below(60)}%` : `delay ${10 + random.below(500)}ms`;
      return [
        { atMs, words: `netem ${one} -> ${to} ${words}` },
        { atMs: endMs, words: `netem ${one} -> ${to} off` },
      ];
    }
  }
}

/** Groups of any sizes, or one direction between two. */
function partitionWords(random: Random, hosts: readonly string[]): string {
  const list = [...hosts];
  for (let i = list.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [list[i], list[j]] = [list[j] as string, list[i] as string];
  }
  if (list.length > 1 && random.chance(0.2)) return `partition ${list[0]} -> ${list[1]}`;
  const cut = 1 + random.below(Math.max(1, list.length - 1));
  return `partition ${list.slice(0, cut).join(' ')} | ${list.slice(cut).join(' ')}`;
}
