/**
 * The minimum or maximum over a sliding window, from three samples: the best, and the best of what came
 * after each (Linux `lib/win_minmax.c`; Kathleen Nichols' algorithm). Times are in any unit.
 */

class Filter {
  protected t0 = 0;
  protected v0 = 0;
  private t1 = 0;
  private v1 = 0;
  private t2 = 0;
  private v2 = 0;

  /** Forgets all, and starts with this (`minmax_reset`). */
  reset(t: number, v: number): void {
    this.t0 = t;
    this.t1 = t;
    this.t2 = t;
    this.v0 = v;
    this.v1 = v;
    this.v2 = v;
  }

  /** Not older than the window? If the last sample is, all are. */
  protected stale(window: number, t: number): boolean {
    return t - this.t2 > window;
  }

  /** Keeps the sample for when the better ones are too old; `sign` 1 looks for a minimum, -1 for a maximum. */
  protected keep(t: number, v: number, sign: number): void {
    if (sign * v <= sign * this.v1) {
      this.t1 = t;
      this.v1 = v;
      this.t2 = t;
      this.v2 = v;
    } else if (sign * v <= sign * this.v2) {
      this.t2 = t;
      this.v2 = v;
    }
  }

  /** As time passes the second and third best move up (`minmax_subwin_update`). */
  protected age(window: number, t: number, v: number): number {
    const dt = t - this.t0;
    if (dt > window) {
      this.shift(t, v);
      if (t - this.t0 > window) this.shift(t, v);
    } else if (this.t1 === this.t0 && dt > window / 4) {
      // A quarter of the window passed without a second choice: take one.
      this.t1 = t;
      this.v1 = v;
      this.t2 = t;
      this.v2 = v;
    } else if (this.t2 === this.t1 && dt > window / 2) {
      this.t2 = t;
      this.v2 = v;
    }
    return this.v0;
  }

  private shift(t: number, v: number): void {
    this.t0 = this.t1;
    this.v0 = this.v1;
    this.t1 = this.t2;
    this.v1 = this.v2;
    this.t2 = t;
    this.v2 = v;
  }
}

export class MinFilter extends Filter {
  private empty = true;

  /** Infinity: there was no sample. */
  get value(): number {
    return this.empty ? Number.POSITIVE_INFINITY : this.v0;
  }

  clear(): void {
    this.empty = true;
  }

  /** Linux `minmax_running_min` */
  update(window: number, t: number, v: number): void {
    if (this.empty || v <= this.v0 || this.stale(window, t)) {
      this.empty = false;
      this.reset(t, v);
      return;
    }
    this.keep(t, v, 1);
    this.age(window, t, v);
  }
}

export class MaxFilter extends Filter {
  get value(): number {
    return this.v0;
  }

  /** Linux `minmax_running_max` */
  update(window: number, t: number, v: number): void {
    if (v >= this.v0 || this.stale(window, t)) {
      this.reset(t, v);
      return;
    }
    this.keep(t, v, -1);
    this.age(window, t, v);
  }
}
