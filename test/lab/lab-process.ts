/** A lab that `warren up` keeps up in a process of its own, and commands in other terminals. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const MAIN = resolve('dist/cli/main.js');

/** What a command gave. */
export interface Done {
  readonly out: string;
  readonly err: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A command that runs. */
export interface Running {
  readonly child: ChildProcess;
  readonly done: Promise<Done>;
  /** Resolves with the first line that contains `text`; rejects when the command ends before. */
  line(text: string): Promise<string>;
}

export class LabProcess {
  readonly dir: string = mkdtempSync(join(tmpdir(), 'warren-lab-'));
  private up: Running | undefined;
  private readonly running: Set<ChildProcess> = new Set();

  constructor(files: Readonly<Record<string, string>>) {
    mkdirSync(join(this.dir, 'run', 'warren'), { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.dir, name), text);
  }

  /** Brings the lab up; resolves when all is ready. */
  async start(): Promise<void> {
    this.up = this.warren('up', '--no-tour');
    await this.up.line('Ctrl-C takes the lab down');
  }

  /** The process of `warren up`. */
  get process(): ChildProcess {
    if (this.up === undefined) throw new Error('the lab is not up');
    return this.up.child;
  }

  get done(): Promise<Done> {
    if (this.up === undefined) throw new Error('the lab is not up');
    return this.up.done;
  }

  /** Types a command. Nobody watches: its streams are pipes. */
  warren(...words: readonly string[]): Running {
    return this.typed('', words);
  }

  /** The same with something on standard input. */
  typed(input: string, words: readonly string[]): Running {
    const child = spawn(process.execPath, [MAIN, ...words], {
      cwd: this.dir,
      env: { ...process.env, XDG_RUNTIME_DIR: join(this.dir, 'run') },
    });
    this.running.add(child);
    const text = { out: '', err: '' };
    const waiting: { text: string; tell: (line: string) => void }[] = [];
    child.stdout?.setEncoding('utf8').on('data', (t: string) => {
      text.out += t;
      for (const w of waiting) {
        const found = text.out.split('\n').find((l) => l.includes(w.text));
        if (found !== undefined) w.tell(found);
      }
    });
    child.stderr?.setEncoding('utf8').on('data', (t: string) => {
      text.err += t;
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    const done = once(child, 'close').then(() => {
      this.running.delete(child);
      return { ...text, code: child.exitCode, signal: child.signalCode };
    });
    const line = (wanted: string): Promise<string> =>
      new Promise((found, fail) => {
        const there = text.out.split('\n').find((l) => l.includes(wanted));
        if (there !== undefined) found(there);
        waiting.push({ text: wanted, tell: found });
        done.then((d) => fail(new Error(`ended: ${d.code} ${d.signal} ${d.out} ${d.err}`)), fail);
      });
    return { child, done, line };
  }

  /** Files in the folder of sockets. */
  sockets(): string[] {
    return readdirSync(join(this.dir, 'run', 'warren')).sort();
  }

  async close(): Promise<void> {
    for (const child of this.running) child.kill('SIGTERM');
    await this.up?.done;
    for (const child of this.running) child.kill('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Whether a process is alive. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Waits until `condition` holds; throws after ten seconds. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`never: ${what}`);
    await new Promise((r) => setTimeout(r, 20));
  }
}
