/**
 * What the modules of a lab print: they share one process, so each line goes to the log of the node in
 * whose namespace it was printed. What is printed outside any node goes where it always went.
 */
import type { NetNs } from '../core/net.ts';
import { currentNet } from '../node/index.ts';
import type { NodeLog } from './node-log.ts';

type Write = typeof process.stdout.write;

const logs: Map<NetNs, NodeLog> = new Map();
/** Whose programs are dead and may still run a line. */
const muted: WeakSet<NetNs> = new WeakSet();
let restore: (() => void) | undefined;

/** Sends what is printed inside `net` to `log` until `releaseOutput`. */
export function captureOutput(net: NetNs, log: NodeLog): void {
  logs.set(net, log);
  restore ??= patch();
}

export function releaseOutput(net: NetNs): void {
  logs.delete(net);
  if (logs.size > 0) return;
  restore?.();
  restore = undefined;
}

/** From now on what is printed inside `net` is lost: its programs have died, and do not know it yet. */
export function muteOutput(net: NetNs): void {
  logs.delete(net);
  muted.add(net);
}

function patch(): () => void {
  const undo = (['stdout', 'stderr'] as const).map((name) => {
    const stream = process[name];
    const write = stream.write;
    const kind = name === 'stdout' ? 'out' : 'err';
    const redirect = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
      const net = currentNet();
      const log = net === undefined ? undefined : logs.get(net);
      if (log === undefined && net !== undefined && muted.has(net)) return true;
      if (log === undefined) return Reflect.apply(write, stream, [chunk, ...rest]) as boolean;
      log.write(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString(), kind);
      const callback = rest.find((r) => typeof r === 'function') as (() => void) | undefined;
      if (callback !== undefined) queueMicrotask(callback);
      return true;
    };
    stream.write = redirect as Write;
    return () => {
      stream.write = write;
    };
  });
  return () => {
    for (const u of undo) u();
  };
}
