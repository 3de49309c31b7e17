/** Starts a Node program as a process of its own that enters the namespace of a node (`program.ts`). */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { CommandIo, Launch } from './command-io.ts';

/** Time between asking a program to end and ending it, milliseconds. */
const KILL_AFTER_MS = 2000;

/** Starts it. The folder, the environment and the standard streams are those of `options` and of this process. */
export function startProgram(launch: Launch, options: SpawnOptions): ChildProcess {
  const file = import.meta.url.endsWith('.ts') ? './program.ts' : './program.js';
  const preload = new URL(file, import.meta.url).href;
  return spawn(process.execPath, ['--import', preload, ...launch.argv], {
    ...options,
    env: {
      ...process.env,
      ...launch.env,
      WARREN_PROGRAM_SOCKET: launch.path,
      WARREN_PROGRAM_NODE: launch.node,
    },
  });
}

/** Runs it without a terminal: what it prints goes to `io`. Resolves with its exit code. */
export function runProgram(launch: Launch, cwd: string, io: CommandIo): Promise<number> {
  const child = startProgram(launch, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout?.setEncoding('utf8').on('data', (text: string) => io.out(text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => io.err(text));
  const stop = (): void => endProgram(child, 'SIGINT');
  if (io.signal.aborted) stop();
  io.signal.addEventListener('abort', stop, { once: true });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      io.signal.removeEventListener('abort', stop);
      resolve(exitCodeOf(code, signal));
    });
  });
}

/** Asks a program to end, and ends it when it does not. */
export function endProgram(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): void {
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
  child.once('exit', () => clearTimeout(timer));
}

/** As a shell tells it: 128 and the signal's number for a program that a signal ended. */
export function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  return signal === null ? (code ?? 1) : 128 + constants.signals[signal];
}
