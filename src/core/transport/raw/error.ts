/** ICMP errors about what raw sockets sent (Linux `raw_icmp_error`, `raw_err`). */
import { learnPmtu } from '../../network/ipv4/icmp-error.ts';
import type { Packet } from '../../packet.ts';
import type { IcmpError } from '../../protocols.ts';
import { queueIcmpError } from '../error-queue.ts';
import { HARD, icmpErrno, isFragNeeded } from '../icmp-errno.ts';
import { IP_PMTUDISC_DONT } from '../sockopt-names.ts';
import { matches } from './input.ts';

export function rawError(pkt: Packet, error: IcmpError, protocol: number): void {
  const { dev } = pkt;
  if (dev === null) return;
  for (const sk of dev.net.raw.socks.get(protocol) ?? []) {
    if (!matches(sk, error.dst, error.src, dev.ifindex)) continue;
    if (isFragNeeded(error)) {
      learnPmtu(dev.net, error);
      sk.resetRoute();
    }
    let errno = icmpErrno(error);
    if (isFragNeeded(error) && sk.pmtudisc === IP_PMTUDISC_DONT) errno &= ~HARD;
    if (errno === 0 || (!sk.recverr && !sk.connected)) continue;
    if (sk.recverr) queueIcmpError(sk, pkt, error, 0, 0);
    if (sk.recverr || (errno & HARD) !== 0) sk.fail(errno & ~HARD);
  }
}
