/** Received packets that wait for their reader, first in first out (Linux `struct sk_buff_head`). */
import type { Packet } from '../packet.ts';

export class PacketQueue {
  private items: Packet[] = [];
  private head = 0;

  get length(): number {
    return this.items.length - this.head;
  }

  push(pkt: Packet): void {
    this.items.push(pkt);
  }

  /** The packet at the front, or the one `skip` places behind it. */
  peek(skip = 0): Packet | undefined {
    return this.items[this.head + skip];
  }

  shift(): Packet | undefined {
    const { items } = this;
    const pkt = items[this.head];
    if (pkt === undefined) return undefined;
    this.head++;
    if (this.head === items.length) {
      this.items = [];
      this.head = 0;
    } else if (this.head >= 512) {
      items.splice(0, this.head);
      this.head = 0;
    }
    return pkt;
  }

  clear(): void {
    this.items = [];
    this.head = 0;
  }
}
