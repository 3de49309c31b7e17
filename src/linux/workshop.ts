/**
 * What the targets of one process use one after the other: the threads that make blocking calls, and native
 * memory. Each target has a network namespace of its own; the threads follow it there.
 */
import { AT_FDCWD, CLONE_NEWNET, O_CLOEXEC, O_NONBLOCK } from './abi.ts';
import { CallLane } from './call-lane.ts';
import { LinuxTargetError } from './error.ts';
import type { Ffi } from './ffi.ts';
import { handleInterrupt } from './interrupt.ts';
import type { Arena } from './memory.ts';

export class Workshop {
  /** Its arenas belong to the target of the moment, and to the next one after it. */
  readonly ffi: Ffi;
  readonly doneFd: number;
  readonly lanes: CallLane[] = [];
  /** A target was here: what it did for the first time is done. */
  isWarm = false;
  private readonly base: Ffi;
  private readonly realtime: boolean;
  private readonly arenas: Arena[] = [];
  private used = 0;

  constructor(base: Ffi, realtime: boolean) {
    this.base = base;
    this.realtime = realtime;
    this.ffi = { ...base, newArena: () => this.nextArena() };
    this.doneFd = base.syscall(base.nr.eventfd2, 0, O_NONBLOCK | O_CLOEXEC);
    handleInterrupt(base, base.newArena());
  }

  private nextArena(): Arena {
    const known = this.arenas[this.used];
    const arena = known ?? this.base.newArena();
    if (known === undefined) this.arenas.push(arena);
    this.used++;
    return arena;
  }

  /** Another target begins, in the namespace that this thread is in. */
  begin(): void {
    for (const arena of this.arenas) arena.reset();
    this.used = 0;
    if (this.lanes.length === 0) return;
    const { syscall, nr } = this.base;
    const path = this.ffi.newArena().copy(Buffer.from('/proc/self/ns/net\0'));
    const fd = syscall(nr.openat, AT_FDCWD, path.address, O_CLOEXEC);
    if (fd < 0) throw new LinuxTargetError(`cannot open the network namespace (errno ${-fd})`);
    for (const lane of this.lanes) {
      lane.run({ nr: nr.setns, args: [fd, CLONE_NEWNET] });
      const { value } = lane.take();
      if (value < 0) throw new LinuxTargetError(`setns failed (errno ${-value})`);
    }
    syscall(nr.close, fd);
  }

  addLane(): CallLane {
    const lane = new CallLane(this.base, this.doneFd, this.realtime);
    this.lanes.push(lane);
    return lane;
  }

  /** The target is over: calls under way are interrupted, threads that do not come back are given up. */
  async finish(): Promise<void> {
    this.isWarm = true;
    for (const lane of [...this.lanes]) {
      if (lane.release()) continue;
      this.lanes.splice(this.lanes.indexOf(lane), 1);
      await lane.quit();
    }
  }

  async close(): Promise<void> {
    for (const lane of this.lanes) await lane.quit();
    this.lanes.length = 0;
    this.base.syscall(this.base.nr.close, this.doneFd);
  }
}
