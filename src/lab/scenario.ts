/**
 * The `scenario:` and `expect:` of a lab file, checked before anything is started: what happens when, and what
 * is asked for. `play.ts` carries it out.
 */
import { splitWords } from '../core/control/split-words.ts';
import { formatIpv4 } from '../core/util/address.ts';
import { nearest } from '../core/util/nearest.ts';
import { checkCommand } from './commands.ts';
import { type Duration, milliseconds } from './duration.ts';
import { type Fault, hostsIn, parseFault } from './fault-words.ts';
import { type ExpectSpec, LabError, type LabSource, type StepSpec } from './file.ts';
import { type PacketTest, packetFilter } from './packet-filter.ts';
import type { PlannedNode, PlannedWire } from './plan.ts';
import { nodeArguments } from './program-words.ts';
import { expandRange } from './range.ts';

export interface PlannedStep {
  readonly words: string;
  readonly fault: Fault;
  /** Once at this time, or at intervals. */
  readonly atMs: number;
  readonly everyMs: number | undefined;
  readonly untilMs: number;
}

/** Faults at random times, from the seed. */
export interface PlannedNemesis {
  readonly atMs: number;
  readonly faults: readonly string[] | undefined;
  readonly intervalMs: number | undefined;
  readonly untilMs: number;
  readonly nodes: readonly string[] | undefined;
}

/** How many there may be. */
export interface Count {
  readonly text: string;
  allows(n: number): boolean;
}

interface Timed {
  /** The item in words, as complaints name it. */
  readonly text: string;
  /** Checked once at this time. */
  readonly atMs: number | undefined;
  /** Must have come true at this time. */
  readonly byMs: number | undefined;
}

export type Expectation = Timed &
  (
    | {
        readonly kind: 'command';
        readonly node: string;
        readonly argv: readonly string[];
        readonly status: number;
        readonly output: string | undefined;
        readonly fails: boolean | string;
      }
    | {
        readonly kind: 'log';
        readonly node: string;
        readonly output: string;
        readonly count: Count;
      }
    | { readonly kind: 'exit'; readonly node: string; readonly status: number }
    | {
        readonly kind: 'packets';
        readonly test: PacketTest;
        readonly on: string | undefined;
        readonly count: Count;
      }
    | {
        readonly kind: 'always' | 'sometimes' | 'eventually';
        readonly module: string;
        readonly name: string;
      }
  );

export interface Scenario {
  readonly steps: readonly PlannedStep[];
  readonly nemeses: readonly PlannedNemesis[];
  readonly expect: readonly Expectation[];
  /** When the last step is over. */
  readonly endMs: number;
}

type Path = readonly (string | number)[];
type Kind = Expectation['kind'];

const SUBJECTS: readonly string[] = ['always', 'sometimes', 'eventually', 'packets', 'log', 'exit'];
const MODIFIERS: readonly string[] = ['at', 'by', 'on', 'status', 'output', 'fails', 'count'];
/** What may stand beside each. */
const FITTING: Readonly<Record<Kind, readonly string[]>> = {
  command: ['at', 'by', 'status', 'output', 'fails'],
  log: ['at', 'by', 'output', 'count'],
  exit: ['at', 'by', 'status'],
  packets: ['at', 'by', 'on', 'count'],
  always: [],
  sometimes: [],
  eventually: ['by'],
};

/** What a scenario may name. */
export interface Cast {
  readonly nodes: ReadonlyMap<string, PlannedNode>;
  readonly wires: readonly PlannedWire[];
}

export function planScenario(source: LabSource, cast: Cast): Scenario {
  return new ScenarioPlanner(source, cast).plan();
}

class ScenarioPlanner {
  private readonly source: LabSource;
  private readonly cast: Cast;

  constructor(source: LabSource, cast: Cast) {
    this.source = source;
    this.cast = cast;
  }

  plan(): Scenario {
    const { spec } = this.source;
    const steps: PlannedStep[] = [];
    const nemeses: PlannedNemesis[] = [];
    (spec.scenario ?? []).forEach((step, i) => {
      const path = ['scenario', i];
      if (step.nemesis === undefined) steps.push(...this.steps(step, path));
      else nemeses.push(this.nemesis(step, path));
    });
    const expect = (spec.expect ?? []).map((e, i) => this.expectation(e, ['expect', i]));
    const ends = [...steps.map(endOf), ...nemeses.map((n) => n.untilMs)];
    return { steps, nemeses, expect, endMs: Math.max(0, ...ends) };
  }

  // ---- scenario

  private steps(step: StepSpec, path: Path): PlannedStep[] {
    const { at, every, from, until } = step;
    if ((at === undefined) === (every === undefined))
      this.source.fail(path, 'a step has a time: at: 5s, or every: 5s');
    if (at !== undefined && (from !== undefined || until !== undefined))
      this.source.fail(path, 'from: and until: go with every:, not with at:');
    if (step.do === undefined) this.source.fail(path, 'a step says what to do, as in: do: heal');
    const atMs = milliseconds(at ?? from ?? every ?? 0);
    const everyMs = every === undefined ? undefined : milliseconds(every);
    if (everyMs === 0) this.source.fail([...path, 'every'], 'every: 0 would never end');
    const untilMs =
      until === undefined ? (every === undefined ? atMs : Infinity) : milliseconds(until);
    const list = typeof step.do === 'string' ? [step.do] : (step.do ?? []);
    return list.map((words) => {
      const fault = this.fault(words, [...path, 'do']);
      return { words: words.trim(), fault, atMs, everyMs, untilMs };
    });
  }

  private fault(words: string, path: Path): Fault {
    let fault: Fault;
    try {
      fault = parseFault(words);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return this.source.fail(path, `do: ${error.message}`);
    }
    for (const host of hostsIn(fault)) this.node(host, path);
    if (fault.kind === 'exec') this.command(fault.argv, path);
    return fault;
  }

  private nemesis(step: StepSpec, path: Path): PlannedNemesis {
    const extra = (['every', 'from', 'until', 'do'] as const).find((w) => step[w] !== undefined);
    if (extra !== undefined) this.source.fail(path, `${extra}: does not go with nemesis:`);
    const { faults, interval, until, nodes } = step.nemesis ?? {};
    const atMs = milliseconds(step.at ?? 0);
    const names = nodes?.flatMap((word) => expandRange(word) ?? [word]);
    for (const name of names ?? []) this.node(name, [...path, 'nemesis', 'nodes']);
    return {
      atMs,
      faults,
      intervalMs: interval === undefined ? undefined : milliseconds(interval),
      untilMs: atMs + milliseconds(until ?? '60s'),
      nodes: names,
    };
  }

  private node(name: string, path: Path): PlannedNode {
    const node = this.cast.nodes.get(name);
    if (node !== undefined) return node;
    const near = nearest(name, [...this.cast.nodes.keys()]);
    const hint = near === undefined ? 'name it under nodes' : `did you mean "${near}"?`;
    return this.source.fail(path, `there is no node "${name}"; ${hint}`);
  }

  /** Words of a command that runs in a node. */
  private command(argv: readonly string[], path: Path): void {
    const isNode = nodeArguments(argv) !== undefined;
    if (isNode && this.source.spec.clock === 'virtual')
      this.source.fail(
        path,
        `"${argv.join(' ')}" would be a process of its own, which keeps the wall clock; with clock: virtual a node's module: is its program`,
      );
    if (isNode) return;
    try {
      checkCommand(argv[0] ?? '');
    } catch (error) {
      this.source.fail(path, (error as Error).message.replace(/^exec: /, ''));
    }
  }

  // ---- expectations

  private expectation(spec: ExpectSpec, path: Path): Expectation {
    const subjects = Object.keys(spec).filter((w) => !MODIFIERS.includes(w));
    const [subject, second] = subjects;
    if (subject === undefined)
      return this.source.fail(
        path,
        `an expectation asks for one thing: NODE: COMMAND, or one of ${SUBJECTS.join(', ')}`,
      );
    for (const word of subjects) this.subject(word, path);
    if (second !== undefined)
      return this.source.fail(
        [...path, second],
        `an expectation asks for one thing, and this one for ${subjects.join(' and ')}`,
      );
    const kind = (SUBJECTS.includes(subject) ? subject : 'command') as Kind;
    for (const word of Object.keys(spec))
      if (word !== subject && !FITTING[kind].includes(word))
        this.source.fail([...path, word], `${word}: does not go with ${subject}:`);
    const timed = this.timed(spec, subject, path);
    if (kind === 'command') return this.commandExpectation(spec, subject, timed, path);
    return this.otherExpectation(kind, spec, timed, path);
  }

  private subject(word: string, path: Path): void {
    if (SUBJECTS.includes(word) || this.cast.nodes.has(word)) return;
    const near = nearest(word, [...SUBJECTS, ...MODIFIERS, ...this.cast.nodes.keys()]);
    const hint =
      near === undefined
        ? `the words are ${[...SUBJECTS, ...MODIFIERS].join(', ')}`
        : `did you mean "${near}"?`;
    this.source.fail([...path, word], `"${word}" is neither a word here nor a node; ${hint}`);
  }

  private timed(spec: ExpectSpec, subject: string, path: Path): Timed {
    const ms = (d: Duration | undefined): number | undefined =>
      d === undefined ? undefined : milliseconds(d);
    if (spec.at !== undefined && spec.by !== undefined)
      this.source.fail([...path, 'by'], 'at: and by: do not go together');
    const text = Object.entries(spec)
      .sort(([a], [b]) => Number(b === subject) - Number(a === subject))
      .map(([key, value]) => `${key}: ${String(value)}`)
      .join(', ');
    return { text, atMs: ms(spec.at), byMs: ms(spec.by) };
  }

  private commandExpectation(
    spec: ExpectSpec,
    node: string,
    timed: Timed,
    path: Path,
  ): Expectation {
    const { status, output, fails } = spec;
    const argv = splitWords(String(spec[node]));
    if (argv.length === 0) this.source.fail([...path, node], `${node}: a command is missing`);
    this.command(argv, [...path, node]);
    if (fails !== undefined && fails !== false && status === 0)
      this.source.fail([...path, 'status'], 'a command that fails has no status 0');
    this.pattern(output, path);
    return {
      ...timed,
      kind: 'command',
      node,
      argv,
      status: status ?? 0,
      output,
      fails: fails ?? false,
    };
  }

  private otherExpectation(
    kind: Exclude<Kind, 'command'>,
    spec: ExpectSpec,
    timed: Timed,
    path: Path,
  ): Expectation {
    const value = String(spec[kind]);
    switch (kind) {
      case 'log':
        this.node(value, [...path, kind]);
        if (spec.output === undefined)
          return this.source.fail(path, `log: ${value} needs a text to look for: output: …`);
        this.pattern(spec.output, path);
        return { ...timed, kind, node: value, output: spec.output, count: this.count(spec, path) };
      case 'exit':
        if (
          this.node(value, [...path, kind]).spec.module === undefined &&
          this.node(value, [...path, kind]).spec.run === undefined
        )
          this.source.fail([...path, kind], `${value} has no program that could end`);
        return { ...timed, kind, node: value, status: spec.status ?? 0 };
      case 'packets':
        return {
          ...timed,
          kind,
          test: this.filter(value, [...path, kind]),
          on: this.place(spec.on, [...path, 'on']),
          count: this.count(spec, path),
        };
      default: {
        const hash = value.lastIndexOf('#');
        return { ...timed, kind, module: value.slice(0, hash), name: value.slice(hash + 1) };
      }
    }
  }

  private filter(text: string, path: Path): PacketTest {
    try {
      return packetFilter(text, (name) =>
        this.cast.nodes.get(name)?.interfaces.map((i) => formatIpv4(i.address)),
      );
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      return this.source.fail(path, `packets: ${error.message}`);
    }
  }

  private place(on: string | undefined, path: Path): string | undefined {
    if (on === undefined) return undefined;
    const names = [...this.cast.nodes.keys(), ...this.cast.wires.map((w) => w.name)];
    if (names.includes(on)) return on;
    const near = nearest(on, names);
    const hint = near === undefined ? `there are ${names.join(', ')}` : `did you mean "${near}"?`;
    return this.source.fail(path, `on: there is no node or network "${on}"; ${hint}`);
  }

  private pattern(output: string | undefined, path: Path): void {
    const inner = /^\/(.*)\/$/s.exec(output ?? '')?.[1];
    try {
      if (inner !== undefined) new RegExp(inner);
    } catch (error) {
      this.source.fail([...path, 'output'], `output: ${(error as Error).message}`);
    }
  }

  private count({ count, by }: ExpectSpec, path: Path): Count {
    const found = countOf(count ?? '>= 1');
    if (by !== undefined && found.allows(0))
      this.source.fail(
        [...path, 'by'],
        `by: waits until there are some, and count: ${found.text} holds from the start; use at:`,
      );
    return found;
  }
}

function endOf(step: PlannedStep): number {
  const lasts =
    step.fault.kind === 'crash' || step.fault.kind === 'pause' ? (step.fault.forMs ?? 0) : 0;
  return (Number.isFinite(step.untilMs) ? step.untilMs : step.atMs) + lasts;
}

/** `3`, `>= 1`, `1..3`; the schema has seen to it that it is one of these. */
function countOf(spec: number | string): Count {
  const text = String(spec).trim();
  const range = /^(\d+)\s*\.\.\s*(\d+)$/.exec(text);
  if (range !== null) {
    const [low, high] = [Number(range[1]), Number(range[2])];
    return { text, allows: (n) => n >= low && n <= high };
  }
  const m = /^(>=|<=|>|<|=)?\s*(\d+)$/.exec(text);
  const limit = Number(m?.[2]);
  switch (m?.[1]) {
    case '>=':
      return { text, allows: (n) => n >= limit };
    case '<=':
      return { text, allows: (n) => n <= limit };
    case '>':
      return { text, allows: (n) => n > limit };
    case '<':
      return { text, allows: (n) => n < limit };
    default:
      return { text, allows: (n) => n === limit };
  }
}

/** Does `text` have what `output:` asks for: a piece of text, or a regular expression between slashes? */
export function hasOutput(text: string, output: string): boolean {
  const inner = /^\/(.*)\/$/s.exec(output)?.[1];
  return inner === undefined ? text.includes(output) : new RegExp(inner, 'm').test(text);
}
