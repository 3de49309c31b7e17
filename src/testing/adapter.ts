/** What the adapters for test runners share. */
import { createNet } from './net.ts';
import { type NetBody, type RunOptions, runNetTest } from './run.ts';

type Mode = 'run' | 'only' | 'skip';

interface NetTestCall {
  (name: string, body: NetBody): void;
  (name: string, options: RunOptions, body: NetBody): void;
}

export type NetTest = NetTestCall & { readonly only: NetTestCall; readonly skip: NetTestCall };

/** Registers a test with the runner. */
export type Register = (
  name: string,
  mode: Mode,
  run: () => Promise<void>,
  options: RunOptions,
) => void;

/** `netTest` for a runner. */
export function makeNetTest(register: Register): NetTest {
  const call =
    (mode: Mode): NetTestCall =>
    (name: string, first: RunOptions | NetBody, second?: NetBody): void => {
      const options = typeof first === 'function' ? {} : first;
      const body = typeof first === 'function' ? first : second;
      if (body === undefined) throw new TypeError('netTest takes a name, options and a function');
      register(name, mode, () => runNetTest(name, body, options), options);
    };
  return Object.assign(call('run'), { only: call('only'), skip: call('skip') });
}

export type RunnerTest = ((name: string, run: () => Promise<void>, timeoutMs?: number) => unknown) &
  Readonly<
    Record<'only' | 'skip', (name: string, run: () => Promise<void>, timeoutMs?: number) => unknown>
  >;

/** Real milliseconds for one test: a sweep takes long, and vitest's and jest's 5 s are for others. */
const TIMEOUT_MS = 120_000;

/** For runners that have `test(name, fn, timeout)`. */
export function runnerTest(test: RunnerTest): Register {
  return (name, mode, run) => {
    void (mode === 'run' ? test(name, run, TIMEOUT_MS) : test[mode](name, run, TIMEOUT_MS));
  };
}

/** Puts in place all that a network of hosts replaces in Node. */
export function prepare(): void {
  const net = createNet();
  net.observer.run(() => undefined);
  net.close();
}
