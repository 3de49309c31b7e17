/** The open socket handles of this process: what is closed when it ends. */
import type { NetNs } from '../core/net.ts';

/** A handle that can be closed. */
export interface OpenHandle {
  readonly net: NetNs;
  close(): void;
  /** Its program is gone: nothing is told any more, and the event loop is let go. */
  abandon?(): void;
  /** False: it keeps no program running. */
  hasRef?(): boolean;
}

const open: Set<OpenHandle> = new Set();
/** Whose programs are gone. */
const abandoned: WeakSet<NetNs> = new WeakSet();

export function addOpenHandle(handle: OpenHandle): void {
  open.add(handle);
}

export function removeOpenHandle(handle: OpenHandle): void {
  open.delete(handle);
}

export function hasOpenHandles(net: NetNs): boolean {
  for (const handle of open) if (handle.net === net) return true;
  return false;
}

/** Is there one that keeps a program of `net` running? */
export function isKept(net: NetNs): boolean {
  for (const handle of open) if (handle.net === net && handle.hasRef?.() !== false) return true;
  return false;
}

/** Closes what the process has open in `net`, as the kernel does when a process ends. */
export function closeAll(net: NetNs): void {
  for (const handle of [...open]) if (handle.net === net) handle.close();
}

/** What a crash does: the handles of `net` are gone without a word to anybody. */
export function abandonAll(net: NetNs): void {
  abandoned.add(net);
  for (const handle of [...open]) {
    if (handle.net !== net) continue;
    handle.abandon?.();
    open.delete(handle);
  }
}

/** The programs of `net` are gone: what code of theirs still does holds no event loop. */
export function isAbandoned(net: NetNs): boolean {
  return abandoned.has(net);
}
