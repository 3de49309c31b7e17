/**
 * `testEnvironment: 'warren/jest-environment'`: jest's own environment for Node, and in it the clocks, timers
 * and modules that hosts have, and `netTest`. Jest loads it outside the contexts that it runs test files in:
 * so Warren is there once for all files, and before a file takes what Node's modules export.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { makeNetTest, prepare, type RunnerTest, runnerTest } from './adapter.ts';

interface Environment {
  readonly global: Record<string, unknown>;
  setup(): Promise<void>;
}
type EnvironmentClass = new (...args: unknown[]) => Environment;

/** Jest's, wherever the project has it. */
function nodeEnvironment(): EnvironmentClass {
  const require = createRequire(join(process.cwd(), 'package.json'));
  const jest = createRequire(require.resolve('jest/package.json'));
  const cli = createRequire(jest.resolve('jest-cli'));
  const config = createRequire(cli.resolve('jest-config'));
  const found = config('jest-environment-node') as { TestEnvironment: EnvironmentClass };
  return found.TestEnvironment;
}

/** What of the globals belongs to the host that runs. */
const HOSTS_GLOBALS = [
  'setTimeout',
  'setInterval',
  'setImmediate',
  'clearTimeout',
  'clearInterval',
  'clearImmediate',
  'Date',
  'performance',
  'fetch',
  'AbortSignal',
] as const;

prepare();

const NodeEnvironment: EnvironmentClass = nodeEnvironment();

// biome-ignore lint/style/noDefaultExport: jest takes an environment from there.
export default class WarrenEnvironment extends NodeEnvironment {
  override async setup(): Promise<void> {
    await super.setup();
    const outer = globalThis as unknown as Record<string, unknown>;
    for (const name of HOSTS_GLOBALS)
      Object.defineProperty(this.global, name, {
        value: outer[name],
        configurable: true,
        writable: true,
      });
    (this.global['Math'] as Math).random = Math.random;
    // Jest puts `test` there later.
    this.global['netTest'] = makeNetTest((...test) =>
      runnerTest(this.global['test'] as RunnerTest)(...test),
    );
  }
}
