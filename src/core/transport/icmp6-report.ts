/** What an ICMPv6 error does to the datagram socket whose packet it quotes (Linux `__udp6_lib_err`, `rawv6_err`, `ping_err`). */
import { learnPmtu6 } from '../network/ipv6/icmp-error.ts';
import type { Packet } from '../packet.ts';
import type { Icmp6Error } from '../protocols.ts';
import { ICMPV6_PKT_TOOBIG } from '../wire/icmpv6.ts';
import type { DatagramSock } from './datagram.ts';
import { queueIcmp6Error } from './error-queue.ts';
import { HARD } from './icmp-errno.ts';
import { icmp6Errno } from './icmp6-errno.ts';
import { IP_PMTUDISC_DONT } from './sockopt-names.ts';

/** @param port what the failed packet was for @param at where its payload begins in `error.bytes` */
export function reportIcmp6(
  sk: DatagramSock,
  pkt: Packet,
  error: Icmp6Error,
  port: number,
  at: number,
): void {
  const v6 = sk.inet6;
  if (v6 === null) return;
  let errno = icmp6Errno(error);
  if (error.type === ICMPV6_PKT_TOOBIG) {
    learnPmtu6(sk.net, error, sk.boundDevIf);
    sk.resetRoute();
    if (v6.pmtudisc !== IP_PMTUDISC_DONT) errno |= HARD;
  }
  if (v6.recvErr) queueIcmp6Error(sk, pkt, error, port, at);
  else if ((errno & HARD) === 0 || !sk.connected) return;
  sk.fail(errno & ~HARD);
}
