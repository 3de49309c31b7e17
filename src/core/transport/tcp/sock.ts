/**
 * The TCP socket (Linux `tcp_prot`): the variables are in `control-block.ts`, what is done with them in
 * the other files of this folder; here calls find their way there.
 */
import { EADDRINUSE, EINVAL, ENOTCONN } from '../../errno.ts';
import type { NetNs } from '../../net.ts';
import type { Timer } from '../../timer.ts';
import type { ControlMessage, OptionValue, Received, SockAddrIn } from '../sock.ts';
import { getPort } from './bind.ts';
import { closeSock, disconnectSock, shutdownSock } from './close.ts';
import { findCongestionControl } from './congestion-table.ts';
import { connectSock } from './connect.ts';
import {
  TCP_CA_OPEN,
  TCP_CLOSE,
  TCP_INFINITE_SSTHRESH,
  TCP_INIT_CWND,
  TCP_LISTEN,
  TCP_MSS_DEFAULT,
  TCP_TIMEOUT_INIT,
} from './constants.ts';
import { TcpControlBlock } from './control-block.ts';
import { cubic } from './cubic.ts';
import { compressedAckTimer, delackTimer } from './delack.ts';
import { destroySock } from './done.ts';
import { acceptSock, listenSock } from './listen.ts';
import { unlisten } from './listen-stop.ts';
import { pacingKick } from './pacing-timer.ts';
import { tcpIoctl, tcpPoll } from './poll.ts';
import { tcpRecvmsg } from './recv.ts';
import { routeOf } from './route-cache.ts';
import { tcpSendmsg } from './send.ts';
import { getTcpOption, setTcpOption } from './sockopt.ts';
import { deleteKeepaliveTimer, resetKeepaliveTimer } from './timer-arm.ts';
import { keepaliveTime, keepaliveTimer, writeTimer } from './timers.ts';

export class TcpSock extends TcpControlBlock {
  constructor(net: NetNs, family: number) {
    super(net, family, findCongestionControl(net.sysctl.tcpCongestionControl) ?? cubic);
    net.tcp.socks.add(this);
  }

  bind(addr: number, port: number): number {
    if (this.state !== TCP_CLOSE || this.sport !== 0) return -EINVAL;
    this.rcvSaddr = addr;
    this.saddr = addr;
    if (getPort(this, port) < 0) {
      this.rcvSaddr = 0;
      this.saddr = 0;
      return -EADDRINUSE;
    }
    this.bindAddrLocked = addr !== 0;
    this.bindPortLocked = port !== 0;
    this.daddr = 0;
    this.dport = 0;
    this.ends = null;
    return 0;
  }

  connect(addr: number, port: number): number {
    return connectSock(this, addr, port);
  }

  disconnect(): number {
    return disconnectSock(this);
  }

  override listen(backlog: number): number {
    return listenSock(this, backlog);
  }

  override accept(): TcpSock | number {
    return acceptSock(this);
  }

  sendmsg(
    data: Uint8Array,
    flags: number,
    to: SockAddrIn | null,
    _control?: readonly ControlMessage[],
  ): number {
    return tcpSendmsg(this, data, flags, to, false);
  }

  /** Like `sendmsg`, but `data` is never changed by its owner from now on, and so is not copied. */
  sendOwned(data: Uint8Array, flags: number): number {
    return tcpSendmsg(this, data, flags, null, true);
  }

  recvmsg(max: number, flags: number): Received | number {
    return tcpRecvmsg(this, max, flags);
  }

  shutdown(how: number): number {
    return shutdownSock(this, how);
  }

  close(): void {
    closeSock(this);
  }

  /** The namespace is gone: ends without a packet. */
  kill(): void {
    if (this.state === TCP_LISTEN) unlisten(this);
    this.state = TCP_CLOSE;
    destroySock(this);
  }

  poll(): number {
    return tcpPoll(this);
  }

  setOption(name: number, value: OptionValue): number {
    return setTcpOption(this, name, value);
  }

  getOption(name: number): OptionValue {
    return getTcpOption(this, name);
  }

  ioctl(request: number): number {
    return tcpIoctl(this, request);
  }

  override resetRoute(): void {
    this.route = null;
  }

  override setKeepAlive(on: boolean): void {
    const was = this.keepAlive;
    this.keepAlive = on;
    if (this.state === TCP_CLOSE || this.state === TCP_LISTEN) return;
    if (on && !was) resetKeepaliveTimer(this, keepaliveTime(this));
    else if (!on) deleteKeepaliveTimer(this);
  }

  override pathMtu(): number {
    const route = routeOf(this);
    return route === null ? -ENOTCONN : route.mtu(this.net.kernel.nowUs);
  }

  /** A socket for a connection that this one accepts: inherits what the listener was told. */
  newChild(): TcpSock {
    const child = new TcpSock(this.net, this.family);
    child.reuseAddr = this.reuseAddr;
    child.reusePort = this.reusePort;
    child.domain = this.domain;
    child.broadcast = this.broadcast;
    child.keepAlive = this.keepAlive;
    child.oobInline = this.oobInline;
    child.lingerUs = this.lingerUs;
    child.rcvbuf = this.rcvbuf;
    child.sndbuf = this.sndbuf;
    child.rcvbufLocked = this.rcvbufLocked;
    child.sndbufLocked = this.sndbufLocked;
    child.rcvlowat = this.rcvlowat;
    child.rcvTimeoutUs = this.rcvTimeoutUs;
    child.sndTimeoutUs = this.sndTimeoutUs;
    child.mark = this.mark;
    child.priority = this.priority;
    child.tos = this.tos;
    child.ttl = this.ttl;
    child.pmtudisc = this.pmtudisc;
    child.recverr = this.recverr;
    child.freebind = this.freebind;
    child.transparent = this.transparent;
    child.uid = this.uid;
    child.cmsgFlags = this.cmsgFlags;
    if (this.inet6 !== null) child.inet6?.inherit(this.inet6);
    if (this.rareMaybe !== null && this.rareMaybe.filter !== null) {
      child.ownRare().filter = this.rareMaybe.filter;
      child.ownRare().filterLocked = this.rareMaybe.filterLocked;
    }
    if (this.rareMaybe !== null && (this.rareMaybe.zeroCopy || this.rareMaybe.tsFlags !== 0)) {
      child.ownRare().zeroCopy = this.rareMaybe.zeroCopy;
      child.ownRare().tsFlags = this.rareMaybe.tsFlags;
    }
    this.copyTcpOptions(child);
    return child;
  }

  private copyTcpOptions(child: TcpSock): void {
    if (this.caSetsockopt) {
      child.ca = this.ca;
      child.caSetsockopt = true;
    }
    child.maxPacingRate = this.maxPacingRate;
    child.pacingNeeded = this.pacingNeeded;
    child.userMss = this.userMss;
    child.nonagle = this.nonagle;
    child.notsentLowat = this.notsentLowat;
    child.userTimeoutUs = this.userTimeoutUs;
    child.keepaliveTimeUs = this.keepaliveTimeUs;
    child.keepaliveIntvlUs = this.keepaliveIntvlUs;
    child.keepaliveProbes = this.keepaliveProbes;
    child.synRetries = this.synRetries;
    child.linger2Us = this.linger2Us;
    child.rtoMaxUs = this.rtoMaxUs;
    child.rtoMinUs = this.rtoMinUs;
    child.delackMaxUs = this.delackMaxUs;
    child.thinLto = this.thinLto;
    child.txDelay = this.txDelay;
    child.saveSyn = this.saveSyn;
    child.recvmsgInq = this.recvmsgInq;
    child.pingpong = this.pingpong;
  }

  /** Back to the state of a socket that never was connected (the middle of `tcp_disconnect`). */
  resetConnection(): void {
    this.shutdownMask = 0;
    this.doneReceiving = false;
    this.srttUs = 0;
    this.mdevUs = TCP_TIMEOUT_INIT;
    this.rttMin.clear();
    this.rcvRttUs = 0;
    this.rcvRttLastTsecr = 0;
    this.rcvRttTime = 0;
    const seq = (this.writeSeq + this.maxWindow + 2) | 0;
    this.writeSeq = seq === 0 ? 1 : seq;
    this.backoff = 0;
    this.probesOut = 0;
    this.probesTstamp = 0;
    this.rtoUs = TCP_TIMEOUT_INIT;
    this.sndSsthresh = TCP_INFINITE_SSTHRESH;
    this.sndCwnd = TCP_INIT_CWND;
    this.sndCwndCnt = 0;
    this.isCwndLimited = false;
    this.maxPacketsOut = 0;
    this.windowClamp = 0;
    this.delivered = 0;
    this.deliveredCe = 0;
    this.ca.release(this);
    this.caPriv = null;
    this.caState = TCP_CA_OPEN;
    this.isSackReneg = false;
    this.retransStamp = 0;
    this.undoMarker = 0;
    this.undoRetrans = -1;
    this.retransOut = 0;
    this.sackedOut = 0;
    this.lostOut = 0;
    this.retransmits = 0;
    this.totalRetrans = 0;
    this.totalRto = 0;
    this.totalRtoRecoveries = 0;
    this.totalRtoTimeUs = 0;
    this.timeoutRehash = 0;
    this.wstampUs = 0;
    this.tsqThrottled = false;
    this.mtupProbeSize = 0;
    this.tlpHighSeq = 0;
    this.lastOowAckUs = 0;
    this.atoUs = 0;
    this.ackQuick = 0;
    this.rcvMss = TCP_MSS_DEFAULT;
    this.mssCache = TCP_MSS_DEFAULT;
    this.route = null;
    this.fastOpenReq = null;
    this.deferConnect = false;
    this.fastOpenClientFail = 0;
    this.synFastOpen = false;
    this.synFastOpenCh = false;
    this.synData = false;
    this.synDataAcked = false;
    this.resetOptions();
    this.resetStatistics();
  }

  private resetOptions(): void {
    this.tstampOk = false;
    this.sackOk = 0;
    this.wscaleOk = false;
    this.sndWscale = 0;
    this.rcvWscale = 0;
    this.sawTstamp = false;
    this.tsRecent = 0;
    this.tsRecentStamp = 0;
    this.sackBlocks.length = 0;
    this.dsackPending = false;
    this.sackCache = [];
    this.urgData = 0;
    this.ecnFlags = 0;
    this.frto = false;
    this.scalingRatio = 128;
  }

  private resetStatistics(): void {
    this.segsIn = 0;
    this.segsOut = 0;
    this.dataSegsIn = 0;
    this.dataSegsOut = 0;
    this.bytesSent = 0;
    this.bytesAcked = 0;
    this.bytesReceived = 0;
    this.bytesRetrans = 0;
    this.dsackDups = 0;
    this.reordSeen = 0;
    this.rackReoWndSteps = 1;
    this.rackReoWndPersist = 0;
    this.rackDsackSeen = false;
    this.rackAdvanced = false;
    this.rackMstamp = 0;
    this.rcvOooPack = 0;
    this.retransmitHint = null;
    this.rateDelivered = 0;
    this.rateIntervalUs = 0;
    this.chronoType = 0;
    this.chrono.fill(0);
  }

  protected onRetransmitTimer(): void {
    writeTimer(this);
  }

  get delackTimer(): Timer {
    this.delackTimerMaybe ??= this.net.kernel.timer(() => delackTimer(this));
    return this.delackTimerMaybe;
  }

  get keepaliveTimer(): Timer {
    this.keepaliveTimerMaybe ??= this.net.kernel.timer(() => keepaliveTimer(this));
    return this.keepaliveTimerMaybe;
  }

  get compressedAckTimer(): Timer {
    this.compressedAckTimerMaybe ??= this.net.kernel.timer(() => compressedAckTimer(this));
    return this.compressedAckTimerMaybe;
  }

  get pacingTimer(): Timer {
    this.pacingTimerMaybe ??= this.net.kernel.timer(() => pacingKick(this));
    return this.pacingTimerMaybe;
  }
}
