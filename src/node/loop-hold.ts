/**
 * What of one handle keeps Node's event loop alive, counted as libuv does: an active handle with a
 * reference, or any request under way whatever `unref` said.
 */
import type { NetNs } from '../core/net.ts';
import { hold, release } from './loop.ts';
import { isAbandoned } from './open-handles.ts';

export class LoopHold {
  private readonly net: NetNs;
  private referenced = true;
  private active = false;
  private requests = 0;
  private holding = false;

  constructor(net: NetNs) {
    this.net = net;
  }

  get hasRef(): boolean {
    return this.referenced;
  }

  ref(): void {
    this.referenced = true;
    this.update();
  }

  unref(): void {
    this.referenced = false;
    this.update();
  }

  /** Active: it listens or reads. */
  setActive(active: boolean): void {
    this.active = active;
    this.update();
  }

  /** A request begins. */
  begin(): void {
    this.requests++;
    this.update();
  }

  /** A request has ended. */
  end(): void {
    this.requests--;
    this.update();
  }

  /** Nobody waits for anything any more. */
  abandon(): void {
    this.active = false;
    this.requests = 0;
    this.update();
  }

  private update(): void {
    const want = this.requests > 0 || (this.referenced && this.active);
    if (want === this.holding || (want && isAbandoned(this.net))) return;
    this.holding = want;
    if (want) hold();
    else release();
  }
}
