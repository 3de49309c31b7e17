/** ICMP errors about datagrams that we sent (RFC 1122 §4.1.3.3; Linux `__udp4_lib_err`). */
import { MIB } from '../../mib.ts';
import { learnPmtu } from '../../network/ipv4/icmp-error.ts';
import type { Packet } from '../../packet.ts';
import type { IcmpError } from '../../protocols.ts';
import { UDP_HLEN } from '../../wire/udp.ts';
import { queueIcmpError } from '../error-queue.ts';
import { HARD, icmpErrno, isFragNeeded } from '../icmp-errno.ts';
import { IP_PMTUDISC_DONT } from '../sockopt-names.ts';

export function udpError(pkt: Packet, error: IcmpError): void {
  const { dev } = pkt;
  if (dev === null) return;
  const { net } = dev;
  const { bytes } = error;
  const sport = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  const dport = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
  const sk = net.udp.idle
    ? null
    : net.udp.table.lookup(error.dst, dport, error.src, sport, dev.ifindex);
  if (sk === null) {
    net.mib[MIB.IcmpInErrors]++;
    return;
  }
  if (isFragNeeded(error)) {
    learnPmtu(net, error);
    sk.resetRoute();
    if (sk.pmtudisc === IP_PMTUDISC_DONT) return;
  }
  const errno = icmpErrno(error);
  if (errno === 0) return;
  if (sk.recverr) queueIcmpError(sk, pkt, error, dport, UDP_HLEN);
  else if ((errno & HARD) === 0 || !sk.connected) return;
  sk.fail(errno & ~HARD);
}
