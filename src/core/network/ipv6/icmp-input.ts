/** ICMPv6 arrives (RFC 4443; Linux `icmpv6_rcv`): requests are answered, errors passed on. */
import { drop } from '../../drop.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB6 } from '../../mib6.ts';
import { BAD_L4_CSUM, type Packet } from '../../packet.ts';
import type { IcmpHeader } from '../../wire/icmp.ts';
import {
  ICMPV6_ECHO_REPLY,
  ICMPV6_ECHO_REQUEST,
  ICMPV6_INFOMSG_MASK,
  ICMPV6_MGM_QUERY,
  ICMPV6_MGM_REPORT,
  NDISC_REDIRECT,
  NDISC_ROUTER_SOLICITATION,
} from '../../wire/icmpv6.ts';
import { RTN_ANYCAST, RTN_MULTICAST } from '../route/route.ts';
import { icmp6EchoReply } from './icmp.ts';
import { icmp6ErrorInput } from './icmp-error.ts';
import { mldQueryInput, mldReportInput } from './mld-input.ts';
import { ndiscInput } from './ndisc.ts';

/** Takes an ICMPv6 message that is addressed to us. */
export function icmp6Input(pkt: Packet): void {
  const dev = pkt.dev as NetDevice;
  const { net } = dev;
  const { mib } = net.ipv6;
  const { icmp } = pkt;
  mib[MIB6.Icmp6InMsgs]++;
  if ((pkt.flags & BAD_L4_CSUM) !== 0) {
    mib[MIB6.Icmp6InCsumErrors]++;
    mib[MIB6.Icmp6InErrors]++;
    drop(net, pkt, 'ICMP_CSUM');
    return;
  }
  if (icmp === null) {
    mib[MIB6.Icmp6InErrors]++;
    drop(net, pkt, 'NOT_SPECIFIED', 'icmp header');
    return;
  }
  net.ipv6.icmpTypes.count(icmp.type, false);
  dispatch(pkt, dev, icmp);
}

function dispatch(pkt: Packet, dev: NetDevice, icmp: IcmpHeader): void {
  const { type } = icmp;
  if (type === ICMPV6_ECHO_REQUEST) echo(pkt, dev, icmp);
  else if (type === ICMPV6_ECHO_REPLY) {
    if (!dev.net.kernel.protocols.pingReply(pkt)) drop(dev.net, pkt, 'NO_SOCKET', 'ping');
  } else if (type >= NDISC_ROUTER_SOLICITATION && type <= NDISC_REDIRECT) ndiscInput(pkt, icmp);
  else if (type === ICMPV6_MGM_QUERY) mldQueryInput(pkt, icmp);
  else if (type === ICMPV6_MGM_REPORT) mldReportInput(pkt);
  // RFC 4443 §2.4(a): an error of an unknown type is passed on too; (b): other information is thrown away.
  else if ((type & ICMPV6_INFOMSG_MASK) === 0) icmp6ErrorInput(pkt, dev, icmp);
}

/** Ignored requests are no loss either. */
function echo(pkt: Packet, dev: NetDevice, icmp: IcmpHeader): void {
  const { sysctl } = dev.net.ipv6;
  if (sysctl.icmpEchoIgnoreAll !== 0) return;
  const kind = pkt.route6?.type;
  if (kind === RTN_MULTICAST && sysctl.icmpEchoIgnoreMulticast !== 0) return;
  if (kind === RTN_ANYCAST && sysctl.icmpEchoIgnoreAnycast !== 0) return;
  icmp6EchoReply(pkt, dev, icmp);
}
