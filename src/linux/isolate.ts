/**
 * Processes in network namespaces of their own. A namespace lives as long as its process and needs no
 * name, so whatever happens (a crash, Ctrl-C, the end of the parent) nothing is left of it.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { LinuxTargetError } from './error.ts';
import { nstatHistoryOf } from './shell.ts';

export interface IsolatedJob {
  /** The module whose `run(data, emit)` the process calls. */
  readonly module: string;
  /** Anything that structured clone copies. */
  readonly data: unknown;
  /** After this long the process is killed. */
  readonly timeoutMs: number;
  /** Gets what `run` emits. */
  readonly onEmit?: (value: unknown) => void;
}

/** What such a module exports. */
export type IsolatedRun = (data: never, emit: (value: unknown) => void) => unknown;

/** From the process to its parent. */
export type IsolatedMessage =
  | { readonly kind: 'emit'; readonly value: unknown }
  | { readonly kind: 'result'; readonly value: unknown }
  | { readonly kind: 'error'; readonly lacking: boolean; readonly text: string };

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
/** A young generation that a script does not fill, and no thread of lower priority to wait for: no pauses. */
const NODE_FLAGS = [
  '--disable-warning=ExperimentalWarning',
  '--single-threaded-gc',
  '--min-semi-space-size=64',
  '--max-semi-space-size=64',
  '--expose-gc',
];

const GRACE_MS = 3000;

const running = new Set<ChildProcess>();

/** Runs a job in a process with a fresh network namespace; gives what its `run` returned. */
export async function runIsolated(job: IsolatedJob): Promise<unknown> {
  const worker = new IsolatedWorker();
  try {
    return await worker.run(job);
  } finally {
    await worker.end();
  }
}

/** A process that does one job after the other, each in a fresh network namespace. */
export class IsolatedWorker {
  private readonly child: ChildProcess;
  private readonly over: Promise<string>;
  private output: Buffer[] = [];

  constructor() {
    if (process.platform !== 'linux')
      throw new LinuxTargetError(`the Linux target needs Linux; this is ${process.platform}`);
    this.child = start();
    this.child.stdout?.on('data', (chunk: Buffer) => this.output.push(chunk));
    this.child.stderr?.on('data', (chunk: Buffer) => this.output.push(chunk));
    this.over = end(this.child);
  }

  /** After a job that failed the process may be gone, and takes no other. */
  async run(job: IsolatedJob): Promise<unknown> {
    const { child } = this;
    this.output = [];
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      killGroup(child);
    }, job.timeoutMs);
    const answer = this.answer(job);
    child.send({ module: job.module, data: job.data }, () => {});
    const told = await Promise.race([answer, this.over]);
    clearTimeout(timer);
    if (typeof told === 'string') {
      if (late)
        throw new LinuxTargetError(`took longer than ${job.timeoutMs / 1000} s and was killed`);
      throw new Error(`the process ended with ${told}\n${Buffer.concat(this.output).toString()}`);
    }
    if (told.kind === 'result') return told.value;
    if (told.kind === 'error' && told.lacking) throw new LinuxTargetError(told.text);
    throw new Error(told.kind === 'error' ? told.text : 'an answer of no kind');
  }

  private answer(job: IsolatedJob): Promise<IsolatedMessage> {
    return new Promise((resolve) => {
      const hear = (message: IsolatedMessage): void => {
        if (message.kind === 'emit') job.onEmit?.(message.value);
        else {
          this.child.off('message', hear);
          resolve(message);
        }
      };
      this.child.on('message', hear);
    });
  }

  /** It ends by itself, unless something is stuck. */
  async end(): Promise<void> {
    const timer = setTimeout(() => killGroup(this.child), GRACE_MS);
    // It goes first: a channel that this side closes leaves the 'close' event waiting.
    if (this.child.connected) this.child.send('end', () => {});
    await this.over;
    clearTimeout(timer);
  }
}

function start(): ChildProcess {
  const file = import.meta.url.endsWith('.ts') ? './isolated-process.ts' : './isolated-process.js';
  const node = [...NODE_FLAGS];
  // Who is not root is root in a namespace of users, where that is allowed.
  const asRoot = process.getuid?.() === 0;
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), [String(process.pid)], {
    execPath: asRoot ? process.execPath : 'unshare',
    execArgv: asRoot ? node : ['--user', '--map-root-user', process.execPath, ...node],
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // A process group: the shells that it starts end with it.
    detached: true,
  });
  if (running.size === 0) for (const signal of SIGNALS) process.on(signal, onSignal);
  running.add(child);
  return child;
}

/** Waits for the end, and lets no process of the group outlive it. */
function end(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    const over = (how: string): void => {
      killGroup(child);
      running.delete(child);
      if (running.size === 0) for (const signal of SIGNALS) process.off(signal, onSignal);
      if (child.pid !== undefined) rmSync(nstatHistoryOf(child.pid), { force: true });
      resolve(how);
    };
    child.once('error', (error) => {
      if (child.pid === undefined) over(error.message);
    });
    child.once('close', (code, signal) => over(signal ?? `code ${code}`));
    // Something that a script left running may hold the pipes open.
    child.once('exit', () => killGroup(child));
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nobody is left in it.
  }
}

/** Ends the children, then this process in the way the signal asks for, unless somebody else handles it. */
function onSignal(signal: NodeJS.Signals): void {
  for (const child of running) killGroup(child);
  for (const s of SIGNALS) process.off(s, onSignal);
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}
