/**
 * The error queue of a socket (Linux `sk_error_queue`, `net/ipv4/ip_sockglue.c`: `ip_icmp_error`,
 * `ip_local_error`, `ip_recv_error`): what MSG_ERRQUEUE reads when IP_RECVERR is set.
 */
import { EAGAIN } from '../errno.ts';
import { NO_PAYLOAD, type Packet } from '../packet.ts';
import type { Icmp6Error, IcmpError } from '../protocols.ts';
import { type Ip6Addr, mappedAddr } from '../util/ip6-addr.ts';
import { ICMPV6_PARAMPROB, ICMPV6_PKT_TOOBIG } from '../wire/icmpv6.ts';
import { HARD, icmpErrno, isFragNeeded } from './icmp-errno.ts';
import { icmp6Errno } from './icmp6-errno.ts';
import {
  AF_INET,
  AF_INET6,
  EPOLLERR,
  MSG_ERRQUEUE,
  MSG_TRUNC,
  type Received,
  type Sock,
  type SockAddrIn,
} from './sock.ts';
import {
  IP_RECVERR,
  IPV6_RECVERR,
  SO_TIMESTAMPING,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
} from './sockopt-names.ts';

/** `ee_origin` */
export const SO_EE_ORIGIN_LOCAL = 1;
export const SO_EE_ORIGIN_ICMP = 2;
export const SO_EE_ORIGIN_ICMP6 = 3;
export const SO_EE_ORIGIN_TIMESTAMPING = 4;
export const SO_EE_ORIGIN_ZEROCOPY = 5;

/** Entries kept; Linux's bound is the receive buffer, which the small ones fill at about this many. */
const LIMIT = 256;

/** `struct sock_extended_err`, the value of the control message IP_RECVERR. */
export interface ExtendedError {
  /** Positive errno. */
  readonly errno: number;
  /** `SO_EE_ORIGIN_*` */
  readonly origin: number;
  readonly type: number;
  readonly code: number;
  /** Next-hop MTU for EMSGSIZE. */
  readonly info: number;
  /** Who sent the ICMP error (SO_EE_OFFENDER); 0 for a local one. Signed 32-bit integer. */
  readonly offender: number;
  /** The same of an ICMPv6 error. */
  readonly offender6?: Ip6Addr;
  /** `ee_data`; absent: 0. */
  readonly data?: number;
}

export interface ErrorEntry {
  error: ExtendedError;
  /** Destination of the packet that failed. */
  readonly addr: number;
  /** The same of a packet over IPv6. */
  readonly addr6?: Ip6Addr;
  readonly port: number;
  /** What the failed packet carried, as far as it was quoted. */
  readonly data: Uint8Array | null;
  /** False: a note that no address belongs to. */
  readonly hasAddress?: boolean;
  /** SCM_TIMESTAMPING, µs since 1970; 0 or absent: none. */
  readonly timeUs?: number;
}

export class ErrorQueue {
  readonly entries: ErrorEntry[] = [];
}

function push(sk: Sock, entry: ErrorEntry): void {
  sk.errorQueue ??= new ErrorQueue();
  if (sk.errorQueue.entries.length >= LIMIT) return;
  sk.errorQueue.entries.push(entry);
}

/** A note that is no error: a time, or the end of a send without copying. */
export function queueError(sk: Sock, entry: ErrorEntry): void {
  push(sk, entry);
  sk.wake(EPOLLERR);
}

/** The note that came last, while it waits; null: none does. */
export function lastQueued(sk: Sock): ErrorEntry | null {
  return sk.errorQueue?.entries.at(-1) ?? null;
}

/**
 * Notes the ICMP error that `pkt` brought (`ip_icmp_error`).
 * @param port what the failed packet was for @param at where its payload begins in `error.bytes`
 */
export function queueIcmpError(
  sk: Sock,
  pkt: Packet,
  error: IcmpError,
  port: number,
  at: number,
): void {
  const { type, code, bytes } = error;
  push(sk, {
    error: {
      errno: icmpErrno(error) & ~HARD,
      origin: SO_EE_ORIGIN_ICMP,
      type,
      code,
      info: isFragNeeded(error) ? error.info : 0,
      offender: pkt.ip === null ? 0 : pkt.ip.src,
    },
    addr: error.dst,
    port,
    data: bytes.length > at ? bytes.subarray(at) : null,
  });
}

/** The same of an ICMPv6 error (`ipv6_icmp_error`). */
export function queueIcmp6Error(
  sk: Sock,
  pkt: Packet,
  error: Icmp6Error,
  port: number,
  at: number,
): void {
  const { type, code, bytes, dst } = error;
  const from = pkt.ip6 === null ? {} : { offender6: pkt.ip6.src };
  const info = type === ICMPV6_PKT_TOOBIG || type === ICMPV6_PARAMPROB ? error.info : 0;
  const errno = icmp6Errno(error) & ~HARD;
  push(sk, {
    error: { errno, origin: SO_EE_ORIGIN_ICMP6, type, code, info, offender: 0, ...from },
    addr: 0,
    addr6: dst,
    port,
    data: bytes.length > at ? bytes.subarray(at) : null,
  });
}

/** Notes that a packet could not even be sent (`ip_local_error`); nothing without IP_RECVERR. */
export function queueLocalError(
  sk: Sock,
  errno: number,
  addr: number,
  port: number,
  info: number,
): void {
  if (!sk.recverr) return;
  const error = { errno, origin: SO_EE_ORIGIN_LOCAL, type: 0, code: 0, info, offender: 0 };
  push(sk, { error, addr, port, data: null });
  sk.wake(EPOLLERR);
}

/** MSG_ERRQUEUE (`ip_recv_error`): the oldest error, -EAGAIN when there is none. */
export function receiveError(sk: Sock, max: number): Received | number {
  const queue = sk.errorQueue;
  const entry = queue?.entries.shift();
  if (queue === null || entry === undefined) return -EAGAIN;
  const next = queue.entries[0];
  // SO_ERROR follows the queue (`sock_dequeue_err_skb`).
  if (next !== undefined && isIcmp(next)) sk.err = next.error.errno;
  else if (isIcmp(entry)) sk.err = 0;
  if (next !== undefined) sk.wake(EPOLLERR);
  const { data, timeUs = 0 } = entry;
  const note =
    sk.inet6 === null
      ? { level: SOL_IP, type: IP_RECVERR, value: entry.error }
      : { level: SOL_IPV6, type: IPV6_RECVERR, value: entry.error };
  const fullLen = data === null ? 0 : data.length;
  const len = Math.min(max, fullLen);
  return {
    data: data === null || len === 0 ? NO_PAYLOAD : [data.subarray(0, len)],
    len,
    fullLen,
    from: entry.hasAddress === false ? null : addressOf(sk, entry),
    flags: MSG_ERRQUEUE | (len < fullLen ? MSG_TRUNC : 0),
    control:
      timeUs === 0 ? [note] : [{ level: SOL_SOCKET, type: SO_TIMESTAMPING, value: timeUs }, note],
  };
}

function isIcmp({ error }: ErrorEntry): boolean {
  return error.origin === SO_EE_ORIGIN_ICMP || error.origin === SO_EE_ORIGIN_ICMP6;
}

/** Where the packet that failed was to go, as the socket's family writes it. */
function addressOf(sk: Sock, { addr, addr6, port }: ErrorEntry): SockAddrIn {
  if (sk.inet6 === null) return { family: AF_INET, addr, port };
  return { family: AF_INET6, addr: 0, port, addr6: addr6 ?? mappedAddr(addr), scopeId: 0 };
}

export function hasQueuedErrors(sk: Sock): boolean {
  return sk.errorQueue !== null && sk.errorQueue.entries.length > 0;
}
