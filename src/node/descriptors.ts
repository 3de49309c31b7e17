/**
 * Numbers that stand for sockets of namespaces where Node's interfaces speak of file descriptors:
 * `handle.fd`, `listen({ fd })`, `bind({ fd })`. They are far above those that a system gives out.
 */
import type { NetNs } from '../core/net.ts';

/** Above what a system allows a process to have open (`fs.nr_open`). */
const FIRST: number = 1 << 30;

/** A handle that has a number. */
export interface Described {
  readonly net: NetNs;
}

const handles: Map<number, Described> = new Map();
const numbers: Map<Described, number> = new Map();
let next = FIRST;

/** The number of `handle`, given out when it is first asked for. */
export function descriptorOf(handle: Described): number {
  const known = numbers.get(handle);
  if (known !== undefined) return known;
  const fd = next++;
  numbers.set(handle, fd);
  handles.set(fd, handle);
  return fd;
}

/** The handle of a number; undefined: it is not one of ours. */
export function handleOf(fd: number): Described | undefined {
  return fd < FIRST ? undefined : handles.get(fd);
}

/** The handle was closed. */
export function forgetDescriptor(handle: Described): void {
  const fd = numbers.size === 0 ? undefined : numbers.get(handle);
  if (fd === undefined) return;
  numbers.delete(handle);
  handles.delete(fd);
}
