/** ICMP arrives (RFC 792, RFC 1122 §3.2.2; Linux `icmp_rcv`): requests are answered, errors passed on. */
import { drop } from '../../drop.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB } from '../../mib.ts';
import type { NetNs } from '../../net.ts';
import { BAD_L4_CSUM, type Packet } from '../../packet.ts';
import { flatten } from '../../wire/frame.ts';
import {
  ICMP_ADDRESS,
  ICMP_ADDRESSREPLY,
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  ICMP_TIME_EXCEEDED,
  ICMP_TIMESTAMP,
  ICMP_TIMESTAMPREPLY,
  IcmpHeader,
} from '../../wire/icmp.ts';
import { RTN_BROADCAST, RTN_MULTICAST } from '../route/route.ts';
import { icmpReply } from './icmp.ts';
import { icmpErrorInput } from './icmp-error.ts';
import { NR_ICMP_TYPES } from './icmp-limit.ts';
import { timestampMs } from './options.ts';

/** RFC 8335: not answered unless net.ipv4.icmp_echo_enable_probe says so, and not an error either. */
const ICMP_EXT_ECHO = 42;
const ICMP_EXT_ECHOREPLY = 43;

/** Takes an ICMP message that is addressed to us. */
export function icmpInput(pkt: Packet): void {
  const dev = pkt.dev as NetDevice;
  const { net } = dev;
  const { mib } = net;
  const { icmp } = pkt;
  mib[MIB.IcmpInMsgs]++;
  if ((pkt.flags & BAD_L4_CSUM) !== 0) {
    mib[MIB.IcmpInCsumErrors]++;
    mib[MIB.IcmpInErrors]++;
    drop(net, pkt, 'ICMP_CSUM');
    return;
  }
  if (icmp === null) {
    mib[MIB.IcmpInErrors]++;
    drop(net, pkt, 'NOT_SPECIFIED', 'icmp header');
    return;
  }
  count(net, icmp.type);
  if (icmp.type === ICMP_EXT_ECHO || icmp.type === ICMP_EXT_ECHOREPLY) return;
  if (icmp.type > NR_ICMP_TYPES) {
    mib[MIB.IcmpInErrors]++;
    drop(net, pkt, 'UNHANDLED_PROTO', `icmp type ${icmp.type}`);
    return;
  }
  const group = pkt.route?.type === RTN_BROADCAST || pkt.route?.type === RTN_MULTICAST;
  if (group && !allowedToGroup(net, icmp.type)) {
    mib[MIB.IcmpInErrors]++;
    drop(net, pkt, 'INVALID_PROTO', `icmp type ${icmp.type}`);
    return;
  }
  dispatch(pkt, dev, icmp);
}

function dispatch(pkt: Packet, dev: NetDevice, icmp: IcmpHeader): void {
  switch (icmp.type) {
    case ICMP_ECHO:
      // Ignored echo requests are no loss either (`icmp_echo`).
      if (dev.net.sysctl.icmpEchoIgnoreAll === 0)
        icmpReply(pkt, dev, new IcmpHeader(ICMP_ECHOREPLY, icmp.code, icmp.rest));
      return;
    case ICMP_ECHOREPLY:
      if (!dev.net.kernel.protocols.pingReply(pkt)) drop(dev.net, pkt, 'NO_SOCKET', 'ping');
      return;
    case ICMP_TIMESTAMP:
      timestamp(pkt, dev, icmp);
      return;
    case ICMP_DEST_UNREACH:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETERPROB:
    case ICMP_SOURCE_QUENCH:
    case ICMP_REDIRECT:
      icmpErrorInput(pkt, dev, icmp);
      return;
    default:
      // Known and of no interest to a host: taken without a word (`icmp_discard`).
      return;
  }
}

/** RFC 1122 §3.2.2.6, §3.2.2.8: what may be answered although many were asked. */
function allowedToGroup(net: NetNs, type: number): boolean {
  if (type === ICMP_ECHO || type === ICMP_TIMESTAMP)
    return net.sysctl.icmpEchoIgnoreBroadcasts === 0;
  return type === ICMP_ADDRESS || type === ICMP_ADDRESSREPLY;
}

/** RFC 792: the times of reception and of sending are those of the answer. */
function timestamp(pkt: Packet, dev: NetDevice, icmp: IcmpHeader): void {
  const { net } = dev;
  if (pkt.len < 4) {
    net.mib[MIB.IpInHdrErrors]++;
    drop(net, pkt, 'PKT_TOO_SMALL');
    return;
  }
  const data = new Uint8Array(12);
  data.set(flatten(pkt.data, pkt.len).subarray(0, 4));
  const view = new DataView(data.buffer);
  const now = timestampMs(net);
  view.setInt32(4, now);
  view.setInt32(8, now);
  pkt.data = [data];
  pkt.len = data.length;
  icmpReply(pkt, dev, new IcmpHeader(ICMP_TIMESTAMPREPLY, 0, icmp.rest));
}

function count(net: NetNs, type: number): void {
  const { mib } = net;
  switch (type) {
    case ICMP_ECHO:
      mib[MIB.IcmpInEchos]++;
      break;
    case ICMP_ECHOREPLY:
      mib[MIB.IcmpInEchoReps]++;
      break;
    case ICMP_DEST_UNREACH:
      mib[MIB.IcmpInDestUnreachs]++;
      break;
    case ICMP_SOURCE_QUENCH:
      mib[MIB.IcmpInSrcQuenchs]++;
      break;
    case ICMP_REDIRECT:
      mib[MIB.IcmpInRedirects]++;
      break;
    case ICMP_TIME_EXCEEDED:
      mib[MIB.IcmpInTimeExcds]++;
      break;
    case ICMP_PARAMETERPROB:
      mib[MIB.IcmpInParmProbs]++;
      break;
    case ICMP_TIMESTAMP:
      mib[MIB.IcmpInTimestamps]++;
      break;
    case ICMP_TIMESTAMPREPLY:
      mib[MIB.IcmpInTimestampReps]++;
      break;
    case ICMP_ADDRESS:
      mib[MIB.IcmpInAddrMasks]++;
      break;
    case ICMP_ADDRESSREPLY:
      mib[MIB.IcmpInAddrMaskReps]++;
      break;
    default:
      break;
  }
}
