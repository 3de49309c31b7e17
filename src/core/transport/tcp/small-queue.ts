/**
 * Where the queue of the device paces, a connection keeps little in it (TCP small queues; Linux
 * `tcp_small_queue_check`, `tcp_wfree`, `tcp_tsq_write`), and sends nothing again that still waits there
 * (`skb_still_in_host_queue`).
 */
import { MIB } from '../../mib.ts';
import type { PacketOwner } from '../../packet.ts';
import { count } from './count.ts';
import type { TxSegment } from './segment.ts';
import type { TcpSock } from './sock.ts';

/** What Linux charges for an ACK without data, which nothing waits for. */
const PURE_ACK = 2;

/** A packet of ours in the device's queue. */
export class QueuedSegment implements PacketOwner {
  readonly flow: number;
  private readonly sk: TcpSock;
  private readonly seg: TxSegment | null;
  private readonly size: number;

  constructor(sk: TcpSock, seg: TxSegment | null) {
    this.flow = sk.cookie;
    this.sk = sk;
    this.seg = seg;
    this.size = seg === null ? PURE_ACK : seg.truesize;
    sk.wmemInQueue += this.size;
    if (seg !== null) seg.inQueue++;
  }

  released(): void {
    const { sk } = this;
    sk.wmemInQueue -= this.size;
    if (this.seg !== null) this.seg.inQueue--;
    if (!sk.tsqThrottled) return;
    sk.tsqThrottled = false;
    // Not from here: the queue is at work.
    sk.pacingTimer.set(sk.net.kernel.nowUs);
  }
}

/** True: enough waits in the queue; what leaves it will wake the connection. */
export function smallQueueCheck(sk: TcpSock, seg: TxSegment, factor: number): boolean {
  if (sk.wmemInQueue === 0) return false;
  const limit = Math.max(2 * seg.truesize, sk.pacingRate / (1 << sk.pacingShift)) * (1 << factor);
  if (sk.wmemInQueue < limit || sk.rtxQueue.length <= 1) return false;
  sk.tsqThrottled = true;
  return true;
}

/** The segment did not leave yet: to send it again would be for nothing. */
export function stillInQueue(sk: TcpSock, seg: TxSegment): boolean {
  if (seg.inQueue === 0) return false;
  sk.tsqThrottled = true;
  count(sk.net, MIB.TcpExtTCPSpuriousRtxHostQueues);
  return true;
}
