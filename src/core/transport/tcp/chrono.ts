/** What a sender spent its time on: busy, held up by the peer's window, by its own buffer (Linux `tcp_chrono_start`; TCP_INFO). */
import { tcpClockUs } from './clock.ts';
import { tcpQueuesEmpty } from './flight.ts';
import type { TcpSock } from './sock.ts';

const CHRONO_UNSPEC = 0;
export const CHRONO_BUSY = 1;
export const CHRONO_RWND_LIMITED = 2;
export const CHRONO_SNDBUF_LIMITED = 3;

function set(sk: TcpSock, type: number): void {
  const now = tcpClockUs(sk.net);
  const old = sk.chronoType;
  if (old !== CHRONO_UNSPEC)
    sk.chrono[old - 1] = (sk.chrono[old - 1] as number) + now - sk.chronoStart;
  sk.chronoStart = now;
  sk.chronoType = type;
}

/** The more telling reason counts. */
export function chronoStart(sk: TcpSock, type: number): void {
  if (type > sk.chronoType) set(sk, type);
}

export function chronoStop(sk: TcpSock, type: number): void {
  if (sk.chronoType === CHRONO_UNSPEC) return;
  if (tcpQueuesEmpty(sk)) set(sk, CHRONO_UNSPEC);
  else if (type === sk.chronoType) set(sk, CHRONO_BUSY);
}

/** Microseconds for `type` until now; busy includes the others. */
export function chronoTime(sk: TcpSock, type: number): number {
  const running = sk.chronoType === type ? tcpClockUs(sk.net) - sk.chronoStart : 0;
  return (sk.chrono[type - 1] as number) + running;
}
