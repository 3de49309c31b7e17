/** What options of level SOL_TCP need beside the protocol itself: capabilities. */
import { EPERM } from '../errno.ts';
import type { OptionValue } from '../transport/sock.ts';
import { TCP_CONGESTION, TCP_REPAIR } from '../transport/sockopt-names.ts';
import { isNonRestricted } from '../transport/tcp/congestion-table.ts';
import type { TcpSock } from '../transport/tcp/sock.ts';
import type { Credentials } from './credentials.ts';

/** 0 or `-errno`. */
export function setTcpOption(
  sk: TcpSock,
  cred: Credentials,
  name: number,
  value: OptionValue,
): number {
  if (!cred.capNetAdmin) {
    if (name === TCP_REPAIR) return -EPERM;
    if (name === TCP_CONGESTION && isRestricted(sk, value)) return -EPERM;
  }
  return sk.setOption(name, value);
}

/** Everybody may have reno, bbr and the namespace's default (net.ipv4.tcp_allowed_congestion_control). */
function isRestricted(sk: TcpSock, value: OptionValue): boolean {
  const name = value instanceof Uint8Array ? textOf(value) : value;
  return typeof name !== 'string' || !isNonRestricted(name, sk.net.sysctl.tcpCongestionControl);
}

/** Text of bytes up to the first NUL. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? 16 : end));
}
