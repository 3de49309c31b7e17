/** What a listener holds: requests under way, and connections that nobody accepted yet. */
import type { RequestSock } from './request.ts';
import type { TcpSock } from './sock.ts';

export class AcceptQueue {
  /** Requests that wait for the third segment (`inet_csk_reqsk_queue_len`). */
  readonly requests: Set<RequestSock> = new Set();
  /** Of those, the ones whose SYN-ACK was sent once only. */
  young = 0;
  /** Established connections, in order (`sk_ack_backlog` is their number). */
  private children: TcpSock[] = [];
  private head = 0;
  /** When the request queue last overflowed, TCP clock: cookies are valid for a while after. */
  synqOverflowUs = 0;
  warned = false;
  /** Fast-open connections whose handshake is not over (`fastopenq.qlen`), and of resets until when. */
  fastOpenLen = 0;
  readonly fastOpenResets: number[] = [];

  get length(): number {
    return this.children.length - this.head;
  }

  push(child: TcpSock): void {
    this.children.push(child);
  }

  shift(): TcpSock | null {
    const child = this.children[this.head] ?? null;
    if (child === null) return null;
    this.head++;
    if (this.head === this.children.length) {
      this.children = [];
      this.head = 0;
    } else if (this.head >= 64 && this.head * 2 > this.children.length) {
      this.children = this.children.slice(this.head);
      this.head = 0;
    }
    return child;
  }

  /** Connections that wait, in order. */
  waiting(): readonly TcpSock[] {
    return this.children.slice(this.head);
  }
}

/** `sk_acceptq_is_full`: n + 1 connections wait. */
export function acceptQueueFull(sk: TcpSock): boolean {
  return sk.acceptQueue !== null && sk.acceptQueue.length > sk.maxAckBacklog;
}
