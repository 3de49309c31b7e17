/**
 * SO_TIMESTAMPING: when what was sent was queued, left and was acknowledged, told on the error queue (Linux
 * `sock_set_timestamping`, `__skb_tstamp_tx`, `tcp_tx_timestamp`, `tcp_ack_tstamp`).
 */
import { EINVAL, ENOMSG, EOPNOTSUPP } from '../errno.ts';
import { ipLength, type Packet, type Payload, type TxStamp } from '../packet.ts';
import { seqLt } from '../util/seq.ts';
import { flatten, ipBytes } from '../wire/frame.ts';
import { queueError, SO_EE_ORIGIN_TIMESTAMPING } from './error-queue.ts';
import { type ControlMessage, SOCK_STREAM, type Sock } from './sock.ts';
import { SO_TIMESTAMPING, SOL_SOCKET } from './sockopt-names.ts';

/** `SOF_TIMESTAMPING_*` (`include/uapi/linux/net_tstamp.h`) */
export const SOF_TX_SOFTWARE: number = 1 << 1;
export const SOF_RX_SOFTWARE: number = 1 << 3;
export const SOF_SOFTWARE: number = 1 << 4;
export const SOF_OPT_ID: number = 1 << 7;
export const SOF_TX_SCHED: number = 1 << 8;
export const SOF_TX_ACK: number = 1 << 9;
export const SOF_OPT_TSONLY: number = 1 << 11;
export const SOF_OPT_STATS: number = 1 << 12;
export const SOF_OPT_ID_TCP: number = 1 << 16;
/** Largest IP packet. */
const IP_MAX = 65535;
const SOF_MASK = (1 << 19) - 1;
/** `SOF_TIMESTAMPING_TX_RECORD_MASK`; no device here has a clock of its own (TX_HARDWARE). */
export const SOF_TX_RECORD: number = SOF_TX_SOFTWARE | SOF_TX_SCHED | SOF_TX_ACK;

/** `ee_info`: what a time is of. */
export const SCM_TSTAMP_SND = 0;
export const SCM_TSTAMP_SCHED = 1;
export const SCM_TSTAMP_ACK = 2;

/** 0 or `-errno`. @param origin the byte that OPT_ID counts from, null: a stream without connection */
export function setTimestamping(
  sk: Sock,
  flags: number,
  origin: { readonly una: number; readonly write: number } | null,
): number {
  if ((flags & ~SOF_MASK) !== 0) return -EINVAL;
  if ((flags & SOF_OPT_ID_TCP) !== 0 && (flags & SOF_OPT_ID) === 0) return -EINVAL;
  if ((flags & SOF_OPT_STATS) !== 0) return (flags & SOF_OPT_TSONLY) === 0 ? -EINVAL : -EOPNOTSUPP;
  const rare = sk.ownRare();
  if ((flags & SOF_OPT_ID) !== 0 && (rare.tsFlags & SOF_OPT_ID) === 0) {
    if (sk.type === SOCK_STREAM) {
      if (origin === null) return -EINVAL;
      rare.tsKey = (flags & SOF_OPT_ID_TCP) !== 0 ? origin.write : origin.una;
    } else rare.tsKey = 0;
  }
  rare.tsFlags = flags;
  return 0;
}

/** The control message of a time, µs since 1970. */
export function timestampingControl(timeUs: number): ControlMessage {
  return { level: SOL_SOCKET, type: SO_TIMESTAMPING, value: timeUs };
}

/** One message that a socket wants to know the times of. */
export class SentStamp implements TxStamp {
  private readonly sk: Sock;
  private readonly flags: number;
  /** Its last byte's sequence number, or the number of the datagram. */
  readonly key: number;

  constructor(sk: Sock, flags: number, key: number) {
    this.sk = sk;
    this.flags = flags;
    this.key = key;
  }

  queued(pkt: Packet): void {
    if ((this.flags & SOF_TX_SCHED) !== 0) this.tell(SCM_TSTAMP_SCHED, pkt);
  }

  /** Of the segments that one packet was cut into, that with the last byte counts. */
  left(pkt: Packet): void {
    if ((this.flags & SOF_TX_SOFTWARE) === 0) return;
    const { tcp } = pkt;
    if (tcp !== null) {
      const end = (tcp.seq + pkt.len) | 0;
      if (seqLt(this.key, tcp.seq) || !seqLt(this.key, end)) return;
    }
    this.tell(SCM_TSTAMP_SND, pkt);
  }

  acked(data: Payload, len: number): void {
    if ((this.flags & SOF_TX_ACK) !== 0) this.note(SCM_TSTAMP_ACK, flatten(data, len));
  }

  private tell(what: number, pkt: Packet): void {
    const isWanted = (this.sk.rare.tsFlags & SOF_OPT_TSONLY) === 0 && pkt.ip !== null;
    // What stands for several segments may be longer than the length field of a header can say.
    const bytes = isWanted && ipLength(pkt) <= IP_MAX ? ipBytes(pkt) : null;
    this.note(what, bytes);
  }

  private note(what: number, bytes: Uint8Array | null): void {
    const { sk } = this;
    if (sk.orphan) return;
    const { tsFlags, tsKey } = sk.rare;
    let data = 0;
    if ((tsFlags & SOF_OPT_ID) !== 0)
      data = sk.type === SOCK_STREAM ? (this.key - tsKey) >>> 0 : this.key;
    const { kernel } = sk.net;
    queueError(sk, {
      error: {
        errno: ENOMSG,
        origin: SO_EE_ORIGIN_TIMESTAMPING,
        type: 0,
        code: 0,
        info: what,
        offender: 0,
        data,
      },
      addr: 0,
      port: 0,
      hasAddress: false,
      data: (tsFlags & SOF_OPT_TSONLY) !== 0 ? null : bytes,
      timeUs: (tsFlags & SOF_SOFTWARE) !== 0 ? kernel.env.epochUs + kernel.nowUs : 0,
    });
  }
}
