/** The stack's clock stands still between two runs; a call from outside finds it late. */
import type { NetNs } from '../core/net.ts';
import { isDispatching } from './loop.ts';

/** Brings the clock of the stack up to date before a system call. During a turn it is fresh. */
export function touchClock(net: NetNs): void {
  if (!isDispatching()) net.kernel.nowUs = net.kernel.env.nowUs();
}
