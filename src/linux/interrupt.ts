/** A signal that does nothing but make a system call of the thread that gets it return with EINTR. */
import type { Ffi } from './ffi.ts';
import type { Arena } from './memory.ts';

/** SIGRTMIN + 6: neither Node nor libc uses it. */
export const INTERRUPT = 40;

const SIGACTION_BYTES = 152;

/** Gives the signal a handler: libc's `abs`, which takes one number and touches nothing. */
export function handleInterrupt(ffi: Ffi, arena: Arena): void {
  const action = arena.alloc(SIGACTION_BYTES);
  action.view.setBigUint64(0, BigInt(ffi.addressOf('abs')), true);
  ffi.sigaction(INTERRUPT, action.address);
}
