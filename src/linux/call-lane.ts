/**
 * A call thread seen from the engine: hands it a prepared system call, and finds out whether it has
 * returned or is asleep in the kernel.
 */
import { Worker } from 'node:worker_threads';
import { AT_FDCWD, O_CLOEXEC } from './abi.ts';
import {
  ARGS,
  type CallThreadData,
  DONE,
  END_US,
  FAILED,
  IDLE,
  NR,
  POSTED,
  QUIT,
  RUNNING,
  SLOT_BYTES,
  STARTING,
  STATE,
  TID,
  VALUE,
  WORDS_OFFSET,
} from './call-slot.ts';
import { LinuxTargetError } from './error.ts';
import { type Ffi, monotonicUs } from './ffi.ts';
import { INTERRUPT } from './interrupt.ts';
import type { Prepared } from './marshal.ts';
import type { Arena, Block } from './memory.ts';

const START_US = 10e6;
/** A call that neither returns nor sleeps for so long is taken as one that blocks. */
const BUSY_US = 20_000;
/** How long it is waited for awake. */
const SHORT_US = 30;
/** The thread tells when it is done; that it sleeps has to be asked for. */
const PAUSE_MS = 0.1;
const QUIT_US = 2e6;
const SYSCALL_TEXT_BYTES = 256;

export class CallLane {
  /** What the thread's calls read and write. */
  readonly arena: Arena;
  private readonly ffi: Ffi;
  private readonly state: Int32Array;
  private readonly words: Float64Array;
  private readonly postedFd: number;
  private readonly one: Block;
  private readonly text: Block;
  private procFd = -1;
  private calling = 0;
  private readonly worker: Worker;

  constructor(ffi: Ffi, doneFd: number, realtime: boolean) {
    this.ffi = ffi;
    this.arena = ffi.newArena();
    const own = ffi.newArena();
    this.one = own.alloc(8);
    this.one.view.setBigUint64(0, 1n, true);
    this.text = own.alloc(SYSCALL_TEXT_BYTES);
    const slot = new SharedArrayBuffer(SLOT_BYTES);
    this.state = new Int32Array(slot, 0, 2);
    this.words = new Float64Array(slot, WORDS_OFFSET);
    this.postedFd = ffi.syscall(ffi.nr.eventfd2, 0, O_CLOEXEC);
    const workerData: CallThreadData = { slot, postedFd: this.postedFd, doneFd, realtime };
    const file = import.meta.url.endsWith('.ts') ? './call-thread.ts' : './call-thread.js';
    this.worker = new Worker(new URL(file, import.meta.url), { workerData });
    this.worker.unref();
  }

  /** Waits until the thread is there: asleep, since this thread may be the one of higher priority. */
  ready(): void {
    const until = monotonicUs() + START_US;
    while (this.current() === STARTING && monotonicUs() < until)
      Atomics.wait(this.state, STATE, STARTING, 100);
    if (this.current() === STARTING || this.current() === FAILED)
      throw new LinuxTargetError('the thread for blocking calls did not start');
  }

  get starting(): boolean {
    return this.current() === STARTING;
  }

  get idle(): boolean {
    return this.current() === IDLE;
  }

  get done(): boolean {
    return this.current() === DONE;
  }

  /** What the call returned, and when. Frees the lane. */
  take(): { readonly value: number; readonly endUs: number } {
    const result = { value: this.words[VALUE] ?? 0, endUs: this.words[END_US] ?? 0 };
    Atomics.store(this.state, STATE, IDLE);
    return result;
  }

  /** Lets the thread make a call; returns when it has returned, or sleeps. */
  run(call: Prepared): void {
    this.post(call.nr, call.args);
    this.calling = call.nr;
    this.settle();
  }

  /** Waits until the call under way has returned, or sleeps again: it may just have been woken. */
  settle(): void {
    const began = monotonicUs();
    for (;;) {
      if (this.done) return;
      const us = monotonicUs() - began;
      if (us > BUSY_US || this.asleep(this.calling)) return;
      if (us > SHORT_US) Atomics.wait(this.state, STATE, this.current(), PAUSE_MS);
    }
  }

  /** Ends the call under way; false: it does not end. The lane is as new then. */
  release(): boolean {
    if (this.starting) this.ready();
    this.interrupt();
    if (this.done) this.take();
    this.arena.reset();
    return this.idle;
  }

  /** Ends the thread, whatever it waits for: a signal makes the call return. */
  async quit(): Promise<void> {
    const { nr, syscall } = this.ffi;
    if (this.starting) this.ready();
    this.worker.ref();
    const gone = new Promise<void>((resolve) => this.worker.once('exit', () => resolve()));
    this.interrupt();
    this.post(QUIT, []);
    await gone;
    syscall(nr.close, this.postedFd);
    if (this.procFd >= 0) syscall(nr.close, this.procFd);
  }

  private interrupt(): void {
    const { nr, syscall } = this.ffi;
    const until = monotonicUs() + QUIT_US;
    while ((this.current() === RUNNING || this.current() === POSTED) && monotonicUs() < until) {
      syscall(nr.tgkill, process.pid, this.state[TID] ?? 0, INTERRUPT);
      // Every signal is delivered: no more of them than needed.
      Atomics.wait(this.state, STATE, this.current(), 1);
    }
  }

  private current(): number {
    return Atomics.load(this.state, STATE);
  }

  private post(nr: number, args: readonly number[]): void {
    this.words[NR] = nr;
    for (let i = 0; i < 6; i++) this.words[ARGS + i] = args[i] ?? 0;
    Atomics.store(this.state, STATE, POSTED);
    this.ffi.syscall(this.ffi.nr.write, this.postedFd, this.one.address, 8);
  }

  /** Whether the thread sleeps inside the system call: proc_pid_syscall(5) tells its number then. */
  private asleep(nr: number): boolean {
    if (this.current() !== RUNNING) return false;
    const { syscall, nr: numbers } = this.ffi;
    if (this.procFd < 0) {
      const path = Buffer.from(`/proc/self/task/${this.state[TID]}/syscall\0`);
      this.text.bytes.set(path);
      this.procFd = syscall(numbers.openat, AT_FDCWD, this.text.address, O_CLOEXEC);
      if (this.procFd < 0)
        throw new LinuxTargetError('cannot read /proc/self/task: is /proc mounted?');
    }
    const length = syscall(numbers.pread64, this.procFd, this.text.address, SYSCALL_TEXT_BYTES);
    const text = Buffer.from(this.text.bytes.subarray(0, Math.max(0, length))).toString('latin1');
    return text.startsWith(`${nr} `);
  }
}
