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
];

const GRACE_MS = 3000;

const running = new Set<ChildProcess>();

/** Runs a job in a process with a fresh network namespace; gives what its `run` returned. */
export async function runIsolated(job: IsolatedJob): Promise<unknown> {
  if (process.platform !== 'linux')
    throw new LinuxTargetError(`the Linux target needs Linux; this is ${process.platform}`);
  const child = start();
  const output: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => output.push(chunk));
  let answer: IsolatedMessage | undefined;
  child.on('message', (message: IsolatedMessage) => {
    if (message.kind === 'emit') job.onEmit?.(message.value);
    else {
      answer = message;
      // It ends by itself, unless something is stuck.
      setTimeout(() => killGroup(child), GRACE_MS).unref();
    }
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killGroup(child);
  }, job.timeoutMs);
  const ended = end(child);
  child.send({ module: job.module, data: job.data }, () => {});
  const how = await ended;
  clearTimeout(timer);
  if (answer === undefined && late)
    throw new LinuxTargetError(`took longer than ${job.timeoutMs / 1000} s and was killed`);
  if (answer?.kind === 'result') return answer.value;
  if (answer?.kind === 'error') {
    if (answer.lacking) throw new LinuxTargetError(answer.text);
    throw new Error(answer.text);
  }
  throw new Error(`the process ended with ${how}\n${Buffer.concat(output).toString()}`);
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
