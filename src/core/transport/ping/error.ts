/** ICMP errors about our echo requests, and about what raw ICMP sockets sent (Linux `ping_err`). */
import { learnPmtu } from '../../network/ipv4/icmp-error.ts';
import type { Packet } from '../../packet.ts';
import type { IcmpError } from '../../protocols.ts';
import { ICMP_ECHO, ICMP_HLEN } from '../../wire/icmp.ts';
import { IPPROTO_ICMP } from '../../wire/ipv4.ts';
import { queueIcmpError } from '../error-queue.ts';
import { HARD, icmpErrno, isFragNeeded } from '../icmp-errno.ts';
import { rawError } from '../raw/error.ts';
import { IP_PMTUDISC_DONT } from '../sockopt-names.ts';

export function pingError(pkt: Packet, error: IcmpError): void {
  const { dev } = pkt;
  if (dev === null) return;
  rawError(pkt, error, IPPROTO_ICMP);
  const { bytes } = error;
  if (bytes[0] !== ICMP_ECHO) return;
  const ident = ((bytes[4] ?? 0) << 8) | (bytes[5] ?? 0);
  const sk = dev.net.ping.lookup(ident, error.src, dev.ifindex);
  if (sk === null) return;
  if (isFragNeeded(error)) {
    learnPmtu(dev.net, error);
    sk.resetRoute();
    if (sk.pmtudisc === IP_PMTUDISC_DONT) return;
  }
  const errno = icmpErrno(error);
  if (errno === 0) return;
  if (sk.recverr) queueIcmpError(sk, pkt, error, 0, ICMP_HLEN);
  else if ((errno & HARD) === 0 || !sk.connected) return;
  sk.fail(errno & ~HARD);
}
