/**
 * Timers: one binary heap per kernel, ordered by due time and then by the order of arming, so that
 * equal inputs fire in equal order. Re-arming a timer to a later time, which is what TCP does with
 * each ACK, touches no heap: the old entry is moved when it surfaces.
 */

/** A timer that can be armed, re-armed and cleared any number of times (Linux `struct timer_list`). */
export class Timer {
  /** Due time in microseconds; meaningful while `pending`. */
  atUs = 0;
  pending = false;
  /** Order of arming, breaks ties. */
  order = 0;
  /** Where the heap holds this timer; -1 when it does not. */
  heapIndex = -1;
  /** The key under which the heap holds it: never later than `atUs` while pending. */
  heapAtUs = 0;
  readonly fire: () => void;
  private readonly queue: TimerQueue;

  constructor(queue: TimerQueue, fire: () => void) {
    this.queue = queue;
    this.fire = fire;
  }

  /** Arms the timer for `atUs`, replacing an earlier arming (Linux `mod_timer`). */
  set(atUs: number): void {
    this.queue.arm(this, atUs);
  }

  /** Disarms (Linux `timer_delete`). */
  clear(): void {
    this.queue.disarm(this);
  }
}

/** All timers of a kernel. */
export class TimerQueue {
  /** Number of armed timers: what a leak test counts. */
  count = 0;
  private readonly heap: Timer[] = [];
  private nextOrder = 1;
  private readonly onEarlier: (atUs: number) => void;

  /** @param onEarlier told whenever the next due time may have become earlier */
  constructor(onEarlier: (atUs: number) => void) {
    this.onEarlier = onEarlier;
  }

  arm(timer: Timer, atUs: number): void {
    if (!timer.pending) {
      timer.pending = true;
      this.count++;
    }
    timer.atUs = atUs;
    timer.order = this.nextOrder++;
    if (timer.heapIndex < 0) {
      timer.heapAtUs = atUs;
      timer.heapIndex = this.heap.length;
      this.heap.push(timer);
      this.up(timer.heapIndex);
    } else if (atUs < timer.heapAtUs) {
      timer.heapAtUs = atUs;
      this.up(timer.heapIndex);
    }
    if (timer.heapIndex === 0) this.onEarlier(atUs);
  }

  disarm(timer: Timer): void {
    if (!timer.pending) return;
    timer.pending = false;
    this.count--;
    // A far entry of a dead timer would pin its owner until it is due: take it out now.
    this.remove(timer);
  }

  /** When the next timer is due; Infinity if none is armed. */
  nextAtUs(): number {
    this.settle();
    const top = this.heap[0];
    return top === undefined ? Number.POSITIVE_INFINITY : top.atUs;
  }

  /** Fires the earliest timer that is due at `nowUs`; false if none is. */
  fireNext(nowUs: number): boolean {
    const top = this.heap[0];
    if (top === undefined || top.heapAtUs > nowUs) return false;
    this.settle();
    const due = this.heap[0];
    if (due === undefined || due.atUs > nowUs) return false;
    this.remove(due);
    due.pending = false;
    this.count--;
    due.fire();
    return true;
  }

  /** Moves re-armed entries down until the top one is where it belongs. */
  private settle(): void {
    let top = this.heap[0];
    while (top !== undefined && top.heapAtUs !== top.atUs) {
      top.heapAtUs = top.atUs;
      this.down(0);
      top = this.heap[0];
    }
  }

  private remove(timer: Timer): void {
    const i = timer.heapIndex;
    timer.heapIndex = -1;
    const last = this.heap.pop() as Timer;
    if (last === timer) return;
    this.heap[i] = last;
    last.heapIndex = i;
    this.up(i);
    this.down(last.heapIndex);
  }

  private up(start: number): void {
    const heap = this.heap;
    const timer = heap[start] as Timer;
    let i = start;
    while (i > 0) {
      const parentIndex = (i - 1) >> 1;
      const parent = heap[parentIndex] as Timer;
      if (!isBefore(timer, parent)) break;
      heap[i] = parent;
      parent.heapIndex = i;
      i = parentIndex;
    }
    heap[i] = timer;
    timer.heapIndex = i;
  }

  private down(start: number): void {
    const heap = this.heap;
    const timer = heap[start] as Timer;
    let i = start;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Timer, heap[child] as Timer))
        child++;
      const below = heap[child] as Timer;
      if (!isBefore(below, timer)) break;
      heap[i] = below;
      below.heapIndex = i;
      i = child;
    }
    heap[i] = timer;
    timer.heapIndex = i;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.heapAtUs < b.heapAtUs || (a.heapAtUs === b.heapAtUs && a.order < b.order);
}
