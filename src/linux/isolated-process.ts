/**
 * The program of `isolate.ts`: for each job it enters a fresh network namespace, before any thread is
 * started that would stay in the old one, and runs the module that it is told.
 */
import { CLONE_NEWNET, PR_SET_PDEATHSIG } from './abi.ts';
import { LinuxTargetError } from './error.ts';
import { loadFfi } from './ffi.ts';
import type { IsolatedMessage, IsolatedRun } from './isolate.ts';

const SIGKILL = 9;
const EPERM = 1;

interface Order {
  readonly module: string;
  readonly data: never;
}

async function enterNamespace(): Promise<void> {
  const { syscall, nr } = await loadFfi();
  syscall(nr.prctl, PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have ended just before.
  if (process.ppid !== Number(process.argv[2])) process.exit(1);
  const value = syscall(nr.unshare, CLONE_NEWNET);
  if (value === -EPERM)
    throw new LinuxTargetError(
      'the Linux target needs root, or a kernel that gives users namespaces',
    );
  if (value < 0) throw new LinuxTargetError(`unshare(CLONE_NEWNET) failed (errno ${-value})`);
}

function send(message: IsolatedMessage): void {
  process.send?.(message);
}

async function run(order: Order): Promise<void> {
  try {
    await enterNamespace();
    const { run } = (await import(order.module)) as { readonly run: IsolatedRun };
    send({
      kind: 'result',
      value: await run(order.data, (value) => send({ kind: 'emit', value })),
    });
  } catch (error) {
    const lacking = error instanceof LinuxTargetError;
    const text = error instanceof Error ? (lacking ? error.message : error.stack) : String(error);
    send({ kind: 'error', lacking, text: text ?? 'no stack' });
  }
}

process.on('message', (order: Order | 'end') => {
  if (order === 'end') process.disconnect();
  else void run(order);
});
process.on('disconnect', () => process.exit());
