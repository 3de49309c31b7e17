/**
 * What programs in virtual time have under way outside the simulation: files, name look-ups, zlib,
 * crypto, WebAssembly, child processes. While there is any, the clock stands still: it costs no virtual
 * time. Some of it Node lists (requests), the rest is counted at its public functions.
 */

/** Requests of Node's that end by themselves, as `process.getActiveResourcesInfo` calls them. */
const REQUESTS: ReadonlySet<string> = new Set([
  'FSReqCallback',
  'FSReqPromise',
  'FSReqWrap',
  'CloseReq',
  'GetAddrInfoReqWrap',
  'GetNameInfoReqWrap',
  'Immediate',
]);

const counts: Map<string, number> = new Map();
let total = 0;
let turns = 0;

/** Counts one piece of work until the function that it returns is called. */
export function beginWork(kind: string): () => void {
  counts.set(kind, (counts.get(kind) ?? 0) + 1);
  total++;
  let open = true;
  return () => {
    if (!open) return;
    open = false;
    total--;
    const left = (counts.get(kind) ?? 1) - 1;
    if (left === 0) counts.delete(kind);
    else counts.set(kind, left);
  };
}

/** A message was posted within this process: it arrives within so many turns of the event loop. */
export function needTurns(n: number): void {
  if (turns < n) turns = n;
}

/** True if the event loop must have a turn before time may move. */
export function takeTurns(): boolean {
  if (turns === 0) return false;
  turns--;
  return true;
}

/** What is under way; undefined: nothing. Asked inside an immediate of our own, which is not listed. */
export function pendingWork(): string | undefined {
  if (total > 0) return [...counts.keys()].join(', ');
  for (const kind of process.getActiveResourcesInfo()) if (REQUESTS.has(kind)) return kind;
  return undefined;
}

/** The same, asked by a callback, where an immediate of our own is among what Node lists. */
export function hasWork(): boolean {
  if (total > 0) return true;
  return process
    .getActiveResourcesInfo()
    .some((kind) => kind !== 'Immediate' && REQUESTS.has(kind));
}
