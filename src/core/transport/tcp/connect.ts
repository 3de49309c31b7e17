/** Active open (RFC 9293 §3.10.1; Linux `tcp_v4_connect`, `tcp_connect`; IPv6's part is in `connect6.ts`). */
import { ECONNREFUSED, EINPROGRESS, ENETUNREACH } from '../../errno.ts';
import { MIB } from '../../mib.ts';
import { routeOutput } from '../../network/route/output.ts';
import { RTN_BROADCAST, RTN_MULTICAST } from '../../network/route/route.ts';
import { flowTo } from '../../network/rule/flow.ts';
import { TCP_SYN } from '../../wire/tcp.ts';
import { showMapped } from '../inet6.ts';
import { hashConnect } from './bind.ts';
import { mstampRefresh, tcpClockUs } from './clock.ts';
import { ICSK_TIME_RETRANS, TCP_CLOSE, TCP_SYN_SENT, TCP_TIMEOUT_INIT } from './constants.ts';
import { count } from './count.ts';
import { setState } from './done.ts';
import { ecnSendSyn } from './ecn.ts';
import type { TcpRoute } from './family.ts';
import { FAMILY4 } from './family4.ts';
import { deferConnect, sendSynData } from './fast-open-client.ts';
import { initialSeq, timestampOffset } from './isn.ts';
import { md5KeyFor } from './md5-keys.ts';
import { TCPOLEN_MD5SIG_ALIGNED } from './md5sig.ts';
import { tcpAdvertiseMss, tcpSyncMss } from './mss.ts';
import { TCPOLEN_TSTAMP_ALIGNED } from './options.ts';
import { routeWindow, takeRouteCongestion } from './route-metrics.ts';
import { TxSegment } from './segment.ts';
import { chargeSend } from './send-queue.ts';
import type { TcpSock } from './sock.ts';
import { resetXmitTimer } from './timer-arm.ts';
import { finishConnect } from './transfer.ts';
import { tcpTransmitSegment } from './transmit.ts';
import { forgetPeer } from './unbind.ts';
import { tcpFullSpace, tcpSelectInitialWindow } from './window.ts';

/**
 * Connects over IPv4: `-EINPROGRESS` when the SYN is on its way, 0 when it waits for data to take along, or another
 * `-errno`.
 */
export function connectSock(sk: TcpSock, addr: number, port: number): number {
  const net = sk.net;
  sk.af = FAMILY4;
  sk.ends = null;
  const flow = flowTo(sk, port);
  const route = routeOutput(net, addr, sk.saddr, sk.boundDevIf, sk.tos & 0x1c, flow);
  if (typeof route === 'number') {
    if (route === -ENETUNREACH) count(net, MIB.IpOutNoRoutes);
    return route;
  }
  if (route.type === RTN_BROADCAST || route.type === RTN_MULTICAST) return -ENETUNREACH;
  if (sk.saddr === 0) {
    sk.saddr = route.src;
    sk.rcvSaddr = route.src;
  }
  // 0.0.0.0 is this host; the route chose the loopback or the bound address.
  sk.daddr = addr === 0 ? sk.saddr : addr;
  if (sk.inet6 !== null) showMapped(sk, sk.inet6);
  return beginConnection(sk, route, port);
}

/** The addresses are known: a port, a sequence number, the SYN. Whoever fails is as before. */
export function beginConnection(sk: TcpSock, route: TcpRoute, port: number): number {
  const { net } = sk;
  sk.dport = port;
  if (sk.tsRecentStamp !== 0) {
    // A socket that is used again forgets its last peer.
    sk.tsRecent = 0;
    sk.tsRecentStamp = 0;
    if (!sk.repair) sk.writeSeq = 0;
  }
  sk.mssClamp = sk.af.defaultMss;
  setState(sk, TCP_SYN_SENT);
  const err = hashConnect(sk);
  if (err < 0) {
    setState(sk, TCP_CLOSE);
    sk.dport = 0;
    forgetPeer(sk);
    return err;
  }
  sk.route = route;
  if (!sk.repair) {
    if (sk.writeSeq === 0) sk.writeSeq = initialSeq(net, sk.saddr, sk.daddr, sk.sport, sk.dport);
    sk.tsOffset = timestampOffset(net, sk.saddr, sk.daddr);
  }
  if (sk.ends === null) sk.ipId = net.tcp.secrets.random.below(65535) + 1;
  else sk.af.rehash(sk);
  if (deferConnect(sk)) return 0;
  return sendSyn(sk);
}

/** Linux `tcp_connect_init`: what the SYN will say. */
function connectInit(sk: TcpSock): void {
  const net = sk.net;
  const s = net.sysctl;
  const route = sk.route;
  sk.tcpHeaderLen = 20 + (s.tcpTimestamps !== 0 ? TCPOLEN_TSTAMP_ALIGNED : 0);
  if (md5KeyFor(sk, sk) !== null) sk.tcpHeaderLen += TCPOLEN_MD5SIG_ALIGNED;
  if (sk.userMss !== 0) sk.mssClamp = sk.userMss;
  sk.maxWindow = 0;
  // Before the peer's answer its MSS is unknown: the clamp would only mislead.
  if (sk.userMss === 0) sk.mssClamp = 0;
  tcpSyncMss(sk, route === null ? 1500 : route.mtu(net.kernel.nowUs));
  sk.advmss = 0;
  tcpAdvertiseMss(sk);
  if (sk.userMss !== 0 && sk.userMss < sk.advmss) sk.advmss = sk.userMss;
  if (sk.mssClamp === 0) sk.mssClamp = sk.af.defaultMss;
  const full = tcpFullSpace(sk);
  takeRouteCongestion(sk, route);
  if (sk.windowClamp === 0) sk.windowClamp = routeWindow(route);
  if (sk.rcvbufLocked && (sk.windowClamp > full || sk.windowClamp === 0)) sk.windowClamp = full;
  const w = tcpSelectInitialWindow(
    sk,
    full,
    sk.advmss - (sk.tsRecentStamp !== 0 ? sk.tcpHeaderLen - 20 : 0),
    sk.windowClamp,
    { wscaleOk: s.tcpWindowScaling !== 0, initRcvWnd: route === null ? 0 : route.initrwnd },
  );
  sk.rcvWnd = w.rcvWnd;
  sk.windowClamp = w.windowClamp;
  sk.rcvWscale = w.rcvWscale;
  sk.rcvSsthresh = sk.rcvWnd;
  sk.err = 0;
  sk.shutdownMask = 0;
  sk.doneReceiving = false;
  sk.sndWnd = 0;
  sk.sndWl1 = 0;
  sk.sndUna = sk.writeSeq;
  sk.sndSml = sk.writeSeq;
  sk.sndUp = sk.writeSeq;
  sk.sndNxt = sk.writeSeq;
  sk.iss = sk.writeSeq;
  if (!sk.repair) sk.rcvNxt = 0;
  sk.rcvWup = sk.rcvNxt;
  sk.copiedSeq = sk.rcvNxt;
  sk.rcvTstamp = tcpClockUs(net);
  sk.rtoUs = TCP_TIMEOUT_INIT;
  sk.retransmits = 0;
  sk.totalRto = 0;
}

/** Linux `tcp_connect` */
export function sendSyn(sk: TcpSock): number {
  const net = sk.net;
  connectInit(sk);
  if (sk.repair) {
    // Restored: both sides are connected already.
    finishConnect(sk);
    return -EINPROGRESS;
  }
  const seg = new TxSegment(sk.writeSeq, TCP_SYN);
  seg.pcount = 1;
  sk.writeSeq = (sk.writeSeq + 1) | 0;
  mstampRefresh(sk);
  sk.retransStamp = sk.mstamp;
  ecnSendSyn(sk, seg);
  chargeSend(sk, seg.truesize);
  sk.packetsOut++;
  sk.rtxQueue.push(seg);
  const fo = sk.fastOpenReq;
  const err = fo === null ? tcpTransmitSegment(sk, seg) : sendSynData(sk, seg, fo);
  if (err === -ECONNREFUSED) return err;
  // Data that a fast open could not send waits in the queue.
  sk.sndNxt = sk.writeQueue.first()?.seq ?? sk.writeSeq;
  sk.pushedSeq = sk.sndNxt;
  count(net, MIB.TcpActiveOpens);
  resetXmitTimer(sk, ICSK_TIME_RETRANS, sk.rtoUs);
  return -EINPROGRESS;
}
