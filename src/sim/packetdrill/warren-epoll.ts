/** epoll (Linux `fs/eventpoll.c`): level and edge triggered, one-shot. */
import { EEXIST, EINVAL, ENOENT } from '../../core/errno.ts';
import { EPOLLERR, EPOLLHUP } from '../../core/transport/sock.ts';
import type { EpollEvent } from './target.ts';
import type { OpenFile } from './warren-process.ts';

const CTL_ADD = 1;
const CTL_DEL = 2;
const CTL_MOD = 3;
const EPOLLONESHOT = 1 << 30;
const EPOLLET = 1 << 31;

interface Interest {
  events: number;
  data: number;
  /** On the ready list. */
  isReady: boolean;
}

export class Epoll {
  private readonly interests: Map<OpenFile, Interest> = new Map();

  /** 0 or `-errno`. */
  control(op: number, file: OpenFile, event: EpollEvent | null): number {
    const known = this.interests.get(file);
    switch (op) {
      case CTL_ADD:
        if (known !== undefined) return -EEXIST;
        this.set(file, event);
        return 0;
      case CTL_MOD:
        if (known === undefined) return -ENOENT;
        this.set(file, event);
        return 0;
      case CTL_DEL:
        return this.interests.delete(file) ? 0 : -ENOENT;
      default:
        return -EINVAL;
    }
  }

  private set(file: OpenFile, event: EpollEvent | null): void {
    const events = (event?.events ?? 0) | EPOLLERR | EPOLLHUP;
    const interest = { events, data: event?.data ?? 0, isReady: false };
    interest.isReady = this.poll(file, interest) !== 0;
    this.interests.delete(file);
    this.interests.set(file, interest);
  }

  private poll(file: OpenFile, i: Interest): number {
    return (file.socket?.poll() ?? 0) & i.events;
  }

  /** Something may have become true (`ep_poll_callback`). */
  signal(file: OpenFile, events: number): void {
    const i = this.interests.get(file);
    if (i !== undefined && (events & i.events) !== 0) i.isReady = true;
  }

  forget(file: OpenFile): void {
    this.interests.delete(file);
  }

  isReady(): boolean {
    for (const [file, i] of this.interests) if (i.isReady && this.poll(file, i) !== 0) return true;
    return false;
  }

  /** Linux `ep_send_events` */
  take(max: number): EpollEvent[] {
    const out: EpollEvent[] = [];
    for (const [file, i] of this.interests) {
      if (!i.isReady || out.length >= max) continue;
      const events = this.poll(file, i);
      if (events === 0) {
        i.isReady = false;
        continue;
      }
      out.push({ events, data: i.data });
      if ((i.events & EPOLLONESHOT) !== 0) {
        i.events &= EPOLLONESHOT | EPOLLET;
        i.isReady = false;
      } else if ((i.events & EPOLLET) !== 0) i.isReady = false;
    }
    return out;
  }
}
