/** Waits until a node serves, as its `ready:` tells. */
import { LabError } from './file.ts';
import type { NodeLog } from './node-log.ts';

/** How long a program may take until it is ready, milliseconds. */
export const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 20;

/** Resolves once a line of the log contains `text`; rejects after the time-out or when `failed` tells why. */
export async function waitForLog(
  log: NodeLog,
  text: string,
  failed: () => string | undefined,
): Promise<void> {
  await waitFor(() => log.lines.some((line) => line.includes(text)), `log ${text}`, failed);
}

/** Polls `condition`; `what` names it in the complaint. */
export async function waitFor(
  condition: () => boolean | Promise<boolean>,
  what: string,
  failed: () => string | undefined,
): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!(await condition())) {
    const why = failed();
    if (why !== undefined) throw new LabError(why);
    if (performance.now() > deadline)
      throw new LabError(`not ready after ${READY_TIMEOUT_MS / 1000} s (ready: ${what})`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
