/** TCP's clock: microseconds, never 0, and the timestamps option's milliseconds (RFC 7323 §5.4). */
import type { NetNs } from '../../net.ts';
import type { TcpSock } from './sock.ts';

/** Added to the kernel's clock, so that 0 can mean "never". */
const BOOT_US = 300_000_000;

/** Linux `tcp_clock_us` */
export function tcpClockUs(net: NetNs): number {
  return net.kernel.nowUs + BOOT_US;
}

/** Linux `tcp_clock_ms`: the tick of TSval, a signed 32-bit integer. */
export function tcpClockMs(net: NetNs): number {
  return Math.floor((net.kernel.nowUs + BOOT_US) / 1000) | 0;
}

/** Whole seconds, for the age of TS.Recent. */
export function tcpClockSec(net: NetNs): number {
  return Math.floor((net.kernel.nowUs + BOOT_US) / 1_000_000);
}

/** TSval ticks of a moment of the TCP clock. */
export function ticksOf(us: number): number {
  return Math.floor(us / 1000) | 0;
}

/** Notes the time of what is being handled (Linux `tcp_mstamp_refresh`). */
export function mstampRefresh(sk: TcpSock): void {
  sk.mstamp = tcpClockUs(sk.net);
}
