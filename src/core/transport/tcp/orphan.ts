/** Sockets that nobody owns any more are limited (net.ipv4.tcp_max_orphans; Linux `tcp_out_of_resources`). */
import { MIB } from '../../mib.ts';
import { tcpClockUs } from './clock.ts';
import { TCP_TIMEWAIT_LEN } from './constants.ts';
import { count } from './count.ts';
import { tcpDone } from './done.ts';
import { sendActiveReset } from './reset.ts';
import type { TcpSock } from './sock.ts';

/** @param shift a power of two that makes the limit stricter (`tcp_check_oom`) */
export function tooManyOrphans(sk: TcpSock, shift: number): boolean {
  return sk.net.tcp.orphanCount > sk.net.sysctl.tcpMaxOrphans >> shift;
}

/** An orphan's timer ran out: true: there are so many that it ends now. */
export function outOfResources(sk: TcpSock, mayReset: boolean): boolean {
  let reset = mayReset;
  let shift = 0;
  const idle = tcpClockUs(sk.net) - sk.lsndtime;
  // Silent for long, or the subject of an ICMP error: those go first.
  if (idle > 2 * sk.rtoMaxUs || !reset) shift++;
  if (sk.errSoft !== 0) shift++;
  if (!tooManyOrphans(sk, shift)) return false;
  if (idle <= TCP_TIMEWAIT_LEN || (sk.sndWnd === 0 && sk.packetsOut === 0)) reset = true;
  if (reset) sendActiveReset(sk);
  tcpDone(sk);
  count(sk.net, MIB.TcpExtTCPAbortOnMemory);
  return true;
}
