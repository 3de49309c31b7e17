/** The egress queue of a device (Linux `struct Qdisc`). */
import type { Packet } from '../packet.ts';

/** Takes packets and gives each, sooner or later, to the device's `ops.xmit`, or drops it. */
export interface Qdisc {
  /** `'netem'`, `'pfifo'` … */
  readonly kind: string;
  /** Packets leave at their `departUs`: senders need no timer of their own. */
  readonly paces: boolean;
  /** Takes ownership. `pkt.dev` is the device; `pkt.eth` is set. */
  enqueue(pkt: Packet): void;
  /** Drops what is queued and disarms timers. */
  reset(): void;
}
