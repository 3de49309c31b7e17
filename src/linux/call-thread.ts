/**
 * A thread that makes system calls which may block: it sleeps on an eventfd until the engine's thread
 * has put a call into shared memory, makes it, notes when it returned, and wakes the engine.
 */
import { workerData } from 'node:worker_threads';
import {
  ARGS,
  type CallThreadData,
  DONE,
  END_US,
  FAILED,
  IDLE,
  NR,
  QUIT,
  RUNNING,
  STATE,
  TID,
  VALUE,
  WORDS_OFFSET,
} from './call-slot.ts';
import { loadFfi, monotonicUs } from './ffi.ts';
import { beRealtime } from './realtime.ts';

async function serve({ slot, postedFd, doneFd, realtime }: CallThreadData): Promise<void> {
  const state = new Int32Array(slot, 0, 2);
  const words = new Float64Array(slot, WORDS_OFFSET);
  const ffi = await loadFfi();
  const { nr, syscall } = ffi;
  const arena = ffi.newArena();
  const room = arena.alloc(8);
  const one = arena.alloc(8);
  one.view.setBigUint64(0, 1n, true);
  const word = (i: number): number => words[i] ?? 0;
  if (realtime) beRealtime(ffi, arena);
  state[TID] = syscall(nr.gettid);
  Atomics.store(state, STATE, IDLE);
  Atomics.notify(state, STATE);
  for (;;) {
    if (syscall(nr.read, postedFd, room.address, 8) !== 8) continue;
    const call = word(NR);
    if (call === QUIT) return;
    const [a, b, c] = [word(ARGS), word(ARGS + 1), word(ARGS + 2)];
    const [d, e, f] = [word(ARGS + 3), word(ARGS + 4), word(ARGS + 5)];
    Atomics.store(state, STATE, RUNNING);
    const value = syscall(call, a, b, c, d, e, f);
    words[END_US] = monotonicUs();
    words[VALUE] = value;
    Atomics.store(state, STATE, DONE);
    Atomics.notify(state, STATE);
    syscall(nr.write, doneFd, one.address, 8);
  }
}

const data = workerData as CallThreadData;
try {
  await serve(data);
} catch (error) {
  Atomics.store(new Int32Array(data.slot, 0, 1), STATE, FAILED);
  throw error;
}
