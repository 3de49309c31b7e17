/**
 * Runs a program of a node in this terminal: with its standard streams, its signals and its exit code. The
 * connection to the lab lasts as long as the program: when either ends, so does the other.
 */
import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { isatty } from 'node:tty';
import type { Launch } from '../lab/command-io.ts';
import { endProgram, exitCodeOf, startProgram } from '../lab/launch.ts';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const;

/** Resolves with the program's exit code; a signal that ends it ends this process too. */
export function runHere(launch: Launch, lab: Socket): Promise<number> {
  const child = startProgram(launch, { stdio: 'inherit' });
  const stop = forwardSignals(child);
  const down = (): void => endProgram(child);
  lab.once('close', down);
  return new Promise((resolve) => {
    const end = (code: number, signal: NodeJS.Signals | null): void => {
      stop();
      lab.off('close', down);
      lab.destroy();
      // A shell that runs a script must see that Ctrl-C ended its command.
      if (signal === 'SIGINT') process.kill(process.pid, 'SIGINT');
      resolve(code);
    };
    child.once('error', (error) => {
      process.stderr.write(`warren: cannot start node: ${error.message}\n`);
      end(1, null);
    });
    child.once('exit', (code, signal) => end(exitCodeOf(code, signal), signal));
  });
}

/**
 * Passes on what is sent to this process alone. What a terminal sends, it sends to the program as well.
 * Returns the function that ends it.
 */
function forwardSignals(child: ChildProcess): () => void {
  const terminal = [0, 1, 2].some((fd) => isatty(fd));
  const handlers = FORWARDED.map((signal) => {
    const fromTerminal = signal === 'SIGINT' || signal === 'SIGQUIT';
    const handler = (): void => {
      if (!terminal || !fromTerminal) child.kill(signal);
    };
    process.on(signal, handler);
    return [signal, handler] as const;
  });
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}
