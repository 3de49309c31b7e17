/**
 * Punctuality: a thread that the kernel runs as soon as it is woken, as packetdrill's is. What the
 * thread starts (shells, Node's helpers) does not inherit it.
 */
import { PR_SET_TIMERSLACK, SCHED_FIFO, SCHED_RESET_ON_FORK } from './abi.ts';
import type { Ffi } from './ffi.ts';
import type { Arena } from './memory.ts';

/** Lowest of the real-time priorities: above all ordinary threads is enough. */
const PRIORITY = 1;
const TIMER_SLACK_NS = 1000;

/** Makes the calling thread punctual; false if it may not be real-time (then only its timers are). */
export function beRealtime({ syscall, nr }: Ffi, arena: Arena): boolean {
  syscall(nr.prctl, PR_SET_TIMERSLACK, TIMER_SLACK_NS);
  const param = arena.alloc(4);
  param.view.setInt32(0, PRIORITY, true);
  return syscall(nr.sched_setscheduler, 0, SCHED_FIFO | SCHED_RESET_ON_FORK, param.address) === 0;
}
