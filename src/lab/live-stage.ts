/**
 * The stage of a scenario in real time: a lab that is up, with processes of its own. What cannot be done to
 * them here is an error, never passed over.
 */
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { NetDevice, PacketTap } from '../core/link/net-device.ts';
import type { Packet } from '../core/packet.ts';
import { FaultError } from './fault-words.ts';
import { LabError } from './file.ts';
import { Lab } from './lab.ts';
import type { PacketTest } from './packet-filter.ts';
import type { LabPlan } from './plan.ts';
import { type CommandResult, ExpectationError, type ProgramEnd, play, type Stage } from './play.ts';
import type { PlannedNemesis, PlannedStep } from './scenario.ts';
import { runVerb } from './verbs.ts';

/** Between two looks at what must hold always, milliseconds. */
const LOOK_MS = 20;

/** What a lab's scenario came to in real time. */
export interface LiveOutcome {
  /** undefined: all holds. */
  readonly error: unknown;
  /** What happened when: milliseconds since all nodes were ready. */
  readonly timeline: readonly { readonly ms: number; readonly what: string }[];
  readonly seed: number;
  /** What `sometimes` asked for, and never was. */
  readonly never: readonly string[];
}

/** Brings the lab up, plays its scenario, and takes it down. */
export async function playLive(plan: LabPlan, file: string): Promise<LiveOutcome> {
  const lab = new Lab(plan, { dir: dirname(file) });
  const stage = new LiveStage(lab, dirname(file));
  let error: unknown;
  try {
    await lab.attach();
    await lab.start();
    stage.begin();
    await Promise.race([play(plan.scenario, stage), stage.failed]);
  } catch (e) {
    error = e;
  } finally {
    stage.end();
    await lab.down();
  }
  const { timeline, never } = stage;
  return { error, timeline, never, seed: lab.kernel.seed };
}

class LiveStage implements Stage {
  readonly timeline: { ms: number; what: string }[] = [];
  readonly failed: Promise<never>;
  private readonly lab: Lab;
  private readonly dir: string;
  private startedAt = performance.now();
  private readonly timers: Set<NodeJS.Timeout> = new Set();
  private readonly hoped: Map<string, boolean> = new Map();
  private fail: (error: unknown) => void = () => {};

  constructor(lab: Lab, dir: string) {
    this.lab = lab;
    this.dir = dir;
    this.failed = new Promise((_resolve, reject) => {
      this.fail = reject;
    });
    this.failed.catch(() => {});
  }

  begin(): void {
    this.startedAt = performance.now();
  }

  end(): void {
    for (const timer of this.timers) clearTimeout(timer);
  }

  get never(): readonly string[] {
    return [...this.hoped].filter(([, seen]) => !seen).map(([name]) => name);
  }

  now(): number {
    return performance.now() - this.startedAt;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((done) => this.later(ms, done));
  }

  private later(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      action();
    }, ms);
    this.timers.add(timer);
  }

  step(step: PlannedStep): void {
    const { words, atMs, everyMs, untilMs } = step;
    const act = (): void => {
      if (this.now() > untilMs + LOOK_MS && everyMs !== undefined) return;
      this.timeline.push({ ms: this.now(), what: words });
      this.apply(step).catch(this.fail);
      if (everyMs !== undefined) this.later(everyMs, act);
    };
    this.later(Math.max(0, atMs - this.now()), act);
  }

  private async apply({ fault, words }: PlannedStep): Promise<void> {
    switch (fault.kind) {
      case 'cut':
        return this.attempt(() => this.lab.cut(fault.a, fault.b));
      case 'heal':
        if (fault.a === undefined || fault.b === undefined) return this.lab.healAll();
        return this.attempt(() => this.lab.heal(fault.a ?? '', fault.b ?? ''));
      case 'netem': {
        const way = fault.to === undefined ? [] : [fault.to];
        const { code, output } = await this.run((io) =>
          runVerb(this.lab, ['netem', fault.host, ...way, fault.words], io, {
            cwd: this.dir,
            down: () => {},
          }),
        );
        if (code !== 0) throw new FaultError(`${words}: ${output.trim()}`);
        return;
      }
      case 'exec': {
        const { code } = await this.command(fault.host, fault.argv);
        this.timeline.push({ ms: this.now(), what: `${words}: exit code ${code}` });
        return;
      }
      default:
        throw new FaultError(
          `"${words}" cannot be done in real time; with clock: virtual it can, and here there are cut, heal, netem and exec`,
        );
    }
  }

  private attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      throw error instanceof LabError ? new FaultError(error.message) : error;
    }
  }

  nemesis(_nemesis: PlannedNemesis): void {
    this.fail(new FaultError('nemesis: needs clock: virtual'));
  }

  private async run(
    action: (io: {
      out(text: string): void;
      err(text: string): void;
      signal: AbortSignal;
    }) => Promise<number>,
  ): Promise<CommandResult> {
    let output = '';
    const add = (text: string): void => {
      output += text;
    };
    try {
      const { signal } = new AbortController();
      const code = await action({ out: add, err: add, signal });
      return { code, output, drops: [] };
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      return { code: 2, output: `${output}${error.message}`, drops: [] };
    }
  }

  command(node: string, argv: readonly string[]): Promise<CommandResult> {
    return this.run((io) => this.lab.exec(node, argv, io, this.dir));
  }

  log(node: string): readonly string[] {
    return this.lab.node(node).log.lines;
  }

  ended(node: string): ProgramEnd | undefined {
    const { exit } = this.lab.node(node);
    const code = /^code (\d+)$/.exec(exit ?? '')?.[1];
    return code === undefined ? exit : Number(code);
  }

  watch(test: PacketTest, on: string | undefined): { readonly count: number } {
    const watched = { count: 0 };
    for (const wire of this.lab.switches.values())
      for (const end of wire.wire.ends) {
        if (on !== undefined && on !== end.node && on !== wire.wire.name) continue;
        const tap: PacketTap = {
          tap: (pkt: Packet, dev: NetDevice, outgoing: boolean): void => {
            if ((on === end.node || !outgoing) && test(pkt, dev, !outgoing)) watched.count++;
          },
        };
        const port = wire.port(end.node);
        if (port !== undefined) port.taps = [...(port.taps ?? []), tap];
      }
    return watched;
  }

  async check(module: string, name: string): Promise<() => unknown> {
    const url = pathToFileURL(resolve(this.dir, module)).href;
    const found = (await import(url)) as Readonly<Record<string, unknown>>;
    const check = found[name];
    if (typeof check !== 'function')
      throw new LabError(
        `${module} has no function "${name}"; it exports ${Object.keys(found).join(', ') || 'nothing'}`,
      );
    const nodes = new Map(
      [...this.lab.nodes].map(([node, { log }]) => {
        const ended = (): ProgramEnd | undefined => this.ended(node);
        return [
          node,
          {
            name: node,
            up: true,
            log: log.lines,
            module: undefined,
            get ended() {
              return ended();
            },
          },
        ];
      }),
    );
    return () => check({ nodes, now: this.now() }) as unknown;
  }

  always(name: string, check: () => unknown): void {
    const look = (): void => {
      const problem = problemOf(check);
      if (problem === undefined) this.later(LOOK_MS, look);
      else this.fail(new ExpectationError(`always "${name}": ${problem}`));
    };
    look();
  }

  sometimes(name: string, check: () => unknown): void {
    this.hoped.set(name, false);
    const look = (): void => {
      if (check()) this.hoped.set(name, true);
      else this.later(LOOK_MS, look);
    };
    look();
  }
}

function problemOf(check: () => unknown): string | undefined {
  try {
    return check() === false ? 'it does not hold' : undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
