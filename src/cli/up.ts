/** `warren up`: brings a lab up, shows it, and keeps it up until Ctrl-C. */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { splitWords } from '../core/control/split-words.ts';
import type { CommandIo } from '../lab/command-io.ts';
import { LabError, parseLab } from '../lab/file.ts';
import { Lab } from '../lab/lab.ts';
import { parseOptions } from '../lab/options.ts';
import { type LabPlan, planLab } from '../lab/plan.ts';
import { rehearse } from '../lab/rehearse.ts';
import { removeStale, socketPath } from '../lab/run-dir.ts';
import { serveCommands } from '../lab/server.ts';
import { listNodes, runVerb } from '../lab/verbs.ts';
import { runOutside } from '../node/index.ts';
import { labFile } from './lab-file.ts';
import { drawLab } from './picture.ts';

const BOLD = '\u001b[1m';
const DIM = '\u001b[2m';
const PLAIN = '\u001b[0m';

/** Resolves with the exit code once the lab is down again. */
export async function up(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions('up', {
    args: [...args],
    allowPositionals: true,
    options: {
      seed: { type: 'string' },
      quiet: { type: 'boolean', short: 'q' },
      'no-tour': { type: 'boolean' },
    },
  });
  const [target = '.', more] = positionals;
  if (more !== undefined)
    throw new LabError(`up takes one file or folder, and "${more}" is a second one`);
  const file = labFile(target);
  const source = parseLab(read(file), file);
  const plan = planLab(source);
  rehearse(plan, source, dirname(file));
  const seed = values.seed === undefined ? plan.seed : Number(values.seed);
  if (seed !== 'random' && !Number.isSafeInteger(seed))
    throw new LabError(`--seed takes a whole number, not "${values.seed}"`);
  const session = new Session({ ...plan, seed }, dirname(file), values.quiet === true);
  return session.run(values['no-tour'] !== true);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new LabError(
      `cannot read ${file}; warren up takes a lab file, or a folder with a warren.yaml`,
    );
  }
}

class Session {
  private readonly plan: LabPlan;
  private readonly lab: Lab;
  private readonly quiet: boolean;
  private readonly colour: boolean = process.stdout.isTTY === true;
  /** Lines of the nodes are shown from the end of the tour on, so that it can be read. */
  private showLogs = false;
  private readonly ended = new AbortController();

  constructor(plan: LabPlan, dir: string, quiet: boolean) {
    this.plan = plan;
    this.quiet = quiet;
    this.lab = new Lab(plan, {
      dir,
      onProgress: (text) => this.progress(text),
      onLog: (node, line) => {
        if (this.showLogs)
          this.say(`${this.paint(DIM, `${node.padEnd(this.nameWidth())} │`)} ${line}`);
      },
    });
  }

  async run(tour: boolean): Promise<number> {
    const end = (): void => this.ended.abort();
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
    for (const signal of signals) process.on(signal, end);
    removeStale();
    let stop: (() => Promise<void>) | undefined;
    try {
      stop = await serveCommands(socketPath(this.plan.name), (argv, io, at) =>
        runVerb(this.lab, argv, io, { cwd: at.cwd, down: end }),
      );
      return await this.live(tour);
    } finally {
      await this.lab.down();
      await stop?.();
      for (const signal of signals) process.off(signal, end);
      if (stop !== undefined) this.say(`${this.plan.name} is down`);
    }
  }

  private async live(tour: boolean): Promise<number> {
    await this.lab.attach();
    this.say(`${this.title()}\n\n${drawLab(this.plan)}\n`);
    const started = this.lab.start();
    started.catch(() => {});
    if (tour) await this.firstPing();
    await Promise.race([started, this.interrupted()]);
    if (this.ended.signal.aborted) return 0;
    this.say(`\n${listNodes(this.lab)}`);
    const failed = tour ? await this.tour() : 0;
    if (tour && process.stdout.isTTY !== true && this.plan.tour.length > 0)
      return failed === 0 ? 0 : 1;
    this.say(`\n${this.hints()}`);
    this.showLogs = true;
    await this.interrupted();
    return 0;
  }

  /** The first packets: before any program has started, the network is there. */
  private async firstPing(): Promise<void> {
    const [a] = this.plan.nodes;
    const b = this.plan.nodes
      .filter((n) => n.spec.run === undefined && n.interfaces.length > 0)
      .at(-1);
    if (a === undefined || b === undefined || a === b || a.spec.run !== undefined) return;
    await this.command(`ping ${a.name} ${b.name} -c 1`);
  }

  private async tour(): Promise<number> {
    let failed = 0;
    for (const words of this.plan.tour) {
      if (this.ended.signal.aborted) return failed;
      const expected = !words.endsWith('# fails');
      const code = await this.command(words.replace(/\s+# fails$/, ''));
      if ((code === 0) !== expected) failed++;
    }
    return failed;
  }

  private async command(words: string): Promise<number> {
    this.say(`\n${this.paint(BOLD, `$ warren ${words}`)}`);
    const io: CommandIo = {
      // A command runs inside a namespace, where what is printed belongs to the node's log.
      out: (text) => void runOutside(() => process.stdout.write(text)),
      err: (text) => void runOutside(() => process.stdout.write(text)),
      signal: this.ended.signal,
    };
    try {
      return await runVerb(this.lab, splitWords(words), io, {
        cwd: process.cwd(),
        down: () => this.ended.abort(),
      });
    } catch (error) {
      this.say(`warren: ${(error as Error).message}`);
      return 2;
    }
  }

  private interrupted(): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.ended;
      if (signal.aborted) resolve();
      else {
        // A lab whose programs are all quiet stays up all the same.
        const alive = setInterval(() => {}, 1 << 30);
        signal.addEventListener(
          'abort',
          () => {
            clearInterval(alive);
            resolve();
          },
          { once: true },
        );
      }
    });
  }

  private title(): string {
    const seed = `seed ${this.lab.kernel.seed}`;
    const counts = `${this.plan.nodes.length} nodes, ${this.plan.wires.length} wires`;
    return `${this.paint(BOLD, this.plan.name)} is up: ${counts}, clock ${this.plan.clock}, ${seed}`;
  }

  private hints(): string {
    const programs = this.plan.nodes.filter((n) => n.spec.run ?? n.spec.module);
    const node = programs.at(-1)?.name ?? this.plan.nodes[0]?.name ?? 'NODE';
    const [wire] = this.plan.wires;
    const end = wire?.ends.at(-1);
    const cut =
      wire === undefined || end === undefined
        ? []
        : [wire.direct ? `cut ${wire.ends[0]?.node} ${end.node}` : `cut ${end.node} ${wire.name}`];
    const lines = [
      'ps',
      `ip -n ${node} route`,
      `ss -n ${node} -tan`,
      ...cut,
      `capture -w ${this.plan.name}.pcapng`,
    ];
    return [
      'In another terminal, for example:',
      ...lines.map((l) => `  ${this.paint(BOLD, `warren ${l}`)}`),
      'Ctrl-C takes the lab down.',
      '',
    ].join('\n');
  }

  private progress(text: string): void {
    this.say(this.paint(DIM, `  ${text}`));
  }

  private say(text: string): void {
    if (!this.quiet) runOutside(() => process.stdout.write(`${text}\n`));
  }

  private paint(style: string, text: string): string {
    return this.colour ? `${style}${text}${PLAIN}` : text;
  }

  private nameWidth(): number {
    return Math.max(...this.plan.nodes.map((n) => n.name.length));
  }
}
