/**
 * Filters of socket calls, in the shape of Linux's cgroup hooks (BPF_CGROUP_INET_SOCK_CREATE, INET4_BIND,
 * INET4_CONNECT, UDP4_SENDMSG and their kin of IPv6): they belong to those who make the socket, and see a call
 * before the stack does. `context.ts` is one of them; another stack there is not (E16).
 */
import type { Sock } from '../transport/sock.ts';
import type { Ip6Addr } from '../util/ip6-addr.ts';

/** An address as a call was given it. */
export interface HookAddr {
  /** Signed 32-bit integer; of an address of IPv6 `addr6` counts. */
  readonly addr: number;
  readonly addr6: Ip6Addr | null;
  readonly port: number;
}

/** Each returns 0, or `-errno`: the call ends with it. What is absent allows all. */
export interface SocketHooks {
  /** A socket was made, and nobody has it yet. */
  readonly create?: (sk: Sock) => number;
  readonly bind?: (sk: Sock, to: HookAddr) => number;
  readonly connect?: (sk: Sock, to: HookAddr) => number;
  /** A datagram to an address that the call names. */
  readonly sendmsg?: (sk: Sock, to: HookAddr) => number;
}
