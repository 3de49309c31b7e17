/**
 * /proc/net/tcp, udp, raw, icmp and their IPv6 fellows (Linux `tcp4_seq_show`, `udp4_format_sock`, `raw_sock_seq_show`,
 * `ping_v4_format_sock`, `__ip6_dgram_sock_seq_show`, `get_tcp6_sock`). Bound sockets of TCP that neither listen nor are
 * connected are in none of these files. The inode is the socket's cookie, the pointer another spelling of it.
 */
import type { NetNs } from '../../net.ts';
import type { DatagramSock } from '../../transport/datagram.ts';
import type { Connection } from '../../transport/tcp/connection-table.ts';
import {
  ICSK_TIME_NONE,
  ICSK_TIME_PROBE0,
  TCP_CLOSE,
  TCP_ESTABLISHED,
  TCP_INFINITE_SSTHRESH,
  TCP_LISTEN,
  TCP_NEW_SYN_RECV,
  TCP_SYN_RECV,
  TCP_TIME_WAIT,
} from '../../transport/tcp/constants.ts';
import { inPingpongMode } from '../../transport/tcp/pingpong.ts';
import type { RequestSock } from '../../transport/tcp/request.ts';
import type { TcpSock } from '../../transport/tcp/sock.ts';
import type { TimeWaitSock } from '../../transport/tcp/time-wait-sock.ts';
import { IN6ADDR_ANY, mappedAddr } from '../../util/ip6-addr.ts';
import { clockTicks, hex, hexIpv4, hexIpv6Words, padded } from './hex.ts';

const TAIL = 'st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const HEAD4 = `  sl  local_address rem_address   ${TAIL}`;
const HEAD6 = `  sl  local_address                         remote_address                        ${TAIL}`;
const MORE = ' ref pointer drops';
/** TMPSZ of `tcp_ipv4.c`, and the width of datagram sockets' lines. */
const TCP_WIDTH = 149;
const DATAGRAM_WIDTH = 127;

/** Is it in tcp6? Sockets by their family, requests by their addresses. */
function isInet6(c: Connection): boolean {
  return c.state === TCP_NEW_SYN_RECV
    ? c.ends !== null
    : (c as TcpSock | TimeWaitSock).inet6 !== null;
}

function port(n: number): string {
  return hex(n, 4);
}

/** `%pK` */
function pointer(cookie: number): string {
  return cookie.toString(16).padStart(16, '0');
}

/** TCP of one family: listeners, then what has two ends. */
export function* tcpLines(net: NetNs, v6: boolean): Generator<string> {
  yield v6 ? `${HEAD6}\n` : padded(HEAD4, TCP_WIDTH);
  const end = (line: string): string => (v6 ? `${line}\n` : padded(line, TCP_WIDTH));
  let slot = 0;
  for (const list of net.tcp.listeners.values())
    for (const sk of list) if ((sk.inet6 !== null) === v6) yield end(tcpSock(sk, slot++));
  for (const c of net.tcp.connections.values()) {
    if (isInet6(c) !== v6) continue;
    if (c.state === TCP_TIME_WAIT) yield end(timeWait(net, c as TimeWaitSock, slot++));
    else if (c.state === TCP_NEW_SYN_RECV) yield end(request(net, c as RequestSock, slot++));
    else yield end(tcpSock(c as TcpSock, slot++));
  }
}

/** `   0: 0100000A:0050 00000000:0000` */
function tcpEnds(c: Connection, slot: number, listens: boolean): string {
  const sl = String(slot).padStart(4);
  if (isInet6(c)) {
    const own = listens ? (c as TcpSock).inet6?.rcvSaddr : c.ends?.local;
    const peer = listens ? IN6ADDR_ANY : (c.ends?.remote ?? mappedAddr(c.daddr));
    const local = hexIpv6Words(own ?? mappedAddr(c.saddr));
    return `${sl}: ${local}:${port(c.sport)} ${hexIpv6Words(peer)}:${port(c.dport)}`;
  }
  const local = listens ? (c as TcpSock).rcvSaddr : c.saddr;
  return `${sl}: ${hexIpv4(local)}:${port(c.sport)} ${hexIpv4(c.daddr)}:${port(c.dport)}`;
}

interface Figures {
  readonly state: number;
  readonly uid: number;
  readonly tx?: number;
  readonly rx?: number;
  /** Which timer runs, and when it is due, in clock ticks. */
  readonly timer?: number;
  readonly ticks?: number;
  readonly retransmits?: number;
  readonly timeout?: number;
}

/** ` 01 00000000:00000000 00:00000000 00000000     0        0` */
function figures(f: Figures): string {
  const queues = `${hex(f.tx ?? 0, 8)}:${hex(f.rx ?? 0, 8)}`;
  const timer = `${hex(f.timer ?? 0, 2)}:${hex(f.ticks ?? 0, 8)}`;
  const uid = String(f.uid).padStart(5);
  const timeout = String(f.timeout ?? 0).padStart(8);
  return ` ${hex(f.state, 2)} ${queues} ${timer} ${hex(f.retransmits ?? 0, 8)} ${uid} ${timeout}`;
}

/** Linux `get_tcp4_sock`: which timer runs, and what for. */
function tcpTimer(sk: TcpSock): readonly [active: number, leftUs: number] {
  const { nowUs } = sk.net.kernel;
  if (sk.pending !== ICSK_TIME_NONE && sk.retransmitTimer.pending)
    return [sk.pending === ICSK_TIME_PROBE0 ? 4 : 1, sk.retransmitTimer.atUs - nowUs];
  const keepalive = sk.keepaliveTimerMaybe;
  return keepalive?.pending === true ? [2, keepalive.atUs - nowUs] : [0, 0];
}

function tcpSock(sk: TcpSock, slot: number): string {
  const listens = sk.state === TCP_LISTEN;
  const [active, leftUs] = listens ? [0, 0] : tcpTimer(sk);
  const tx = listens ? 0 : Math.max(0, (sk.writeSeq - sk.sndUna) | 0);
  const rx = listens ? (sk.acceptQueue?.length ?? 0) : Math.max(0, (sk.rcvNxt - sk.copiedSeq) | 0);
  const state = sk.state === TCP_NEW_SYN_RECV ? TCP_SYN_RECV : sk.state;
  const unowned = sk.orphan || sk.listener !== null;
  const running = [sk.retransmitTimer, sk.delackTimerMaybe, sk.keepaliveTimerMaybe];
  // Connections and requests that a listener holds, and timers, keep a socket.
  const held = listens
    ? (sk.acceptQueue?.length ?? 0) + (sk.acceptQueue?.requests.size ?? 0)
    : running.filter((t) => t?.pending === true).length;
  const refs = 1 + held;
  // LINUX: a connection in its first slow start has no threshold yet, and tells -1.
  const inFirstSlowStart = sk.sndSsthresh >= TCP_INFINITE_SSTHRESH;
  const last = listens ? sk.fastOpenQueue : inFirstSlowStart ? -1 : sk.sndSsthresh;
  const quick = (sk.ackQuick << 1) | (inPingpongMode(sk) ? 1 : 0);
  return (
    tcpEnds(sk, slot, listens) +
    figures({
      state,
      uid: sk.uid,
      tx,
      rx,
      timer: active,
      ticks: clockTicks(leftUs),
      retransmits: sk.retransmits,
      timeout: sk.probesOut,
    }) +
    ` ${unowned ? 0 : sk.cookie} ${refs} ${pointer(sk.cookie)} ${clockTicks(sk.rtoUs)}` +
    ` ${clockTicks(sk.atoUs)} ${quick} ${sk.sndCwnd} ${last}`
  );
}

function timeWait(net: NetNs, tw: TimeWaitSock, slot: number): string {
  const leftUs = tw.timer?.pending === true ? tw.timer.atUs - net.kernel.nowUs : 0;
  return (
    tcpEnds(tw, slot, false) +
    figures({ state: tw.substate, uid: 0, timer: 3, ticks: clockTicks(leftUs) }) +
    ` 0 3 ${pointer(tw.cookie)}`
  );
}

function request(net: NetNs, req: RequestSock, slot: number): string {
  const leftUs = req.timer?.pending === true ? req.timer.atUs - net.kernel.nowUs : 0;
  const { uid, cookie } = req.listener;
  return (
    tcpEnds(req, slot, false) +
    figures({
      state: TCP_SYN_RECV,
      uid,
      timer: 1,
      ticks: clockTicks(leftUs),
      retransmits: req.numTimeout,
    }) +
    ` 0 0 ${pointer(cookie)}`
  );
}

/** One socket that sends packets. `bucket`: where Linux keeps it. `number`: what stands for the local port. */
function datagram(sk: DatagramSock, bucket: number, width: number, number: number): string {
  const v6 = sk.inet6;
  const state = sk.connected ? TCP_ESTABLISHED : TCP_CLOSE;
  const ends =
    v6 === null
      ? `${hexIpv4(sk.rcvSaddr)}:${port(number)} ${hexIpv4(sk.daddr)}:${port(sk.dport)}`
      : `${hexIpv6Words(v6.rcvSaddr)}:${port(number)} ${hexIpv6Words(v6.daddr)}:${port(sk.dport)}`;
  return (
    `${String(bucket).padStart(width)}: ${ends}` +
    figures({ state, uid: sk.uid, rx: sk.rmemAlloc }) +
    ` ${sk.cookie} 2 ${pointer(sk.cookie)} ${sk.drops}`
  );
}

/** Sockets of one family in the order of their hash bucket. */
function bucketed<S extends DatagramSock>(
  socks: readonly S[],
  v6: boolean,
  bucketOf: (sk: S) => number,
): readonly (readonly [bucket: number, sk: S])[] {
  return socks
    .filter((sk) => (sk.inet6 !== null) === v6)
    .map((sk) => [bucketOf(sk), sk] as const)
    .sort((a, b) => a[0] - b[0]);
}

/** Hash buckets of UDP, ping and raw sockets on Linux; which port is in which is secret there. */
const UDP_BUCKETS = 16_384;
const PING_BUCKETS = 64;
const RAW_BUCKETS = 256;

export function* udpLines(net: NetNs, v6: boolean): Generator<string> {
  yield v6 ? `${HEAD6}${MORE}\n` : padded(` ${HEAD4}${MORE}`, DATAGRAM_WIDTH);
  const socks = net.udp.idle ? [] : net.udp.table.values();
  for (const [bucket, sk] of bucketed(socks, v6, (s) => s.sport % UDP_BUCKETS)) {
    const line = datagram(sk, bucket, 5, sk.sport);
    yield v6 ? `${line}\n` : padded(line, DATAGRAM_WIDTH);
  }
}

/** UDP-Lite, of which there are no sockets here. */
export function* udpLiteLines(v6: boolean): Generator<string> {
  yield v6 ? `${HEAD6}${MORE}\n` : padded(` ${HEAD4}${MORE}`, DATAGRAM_WIDTH);
}

export function* pingLines(net: NetNs, v6: boolean): Generator<string> {
  yield v6 ? `${HEAD6}${MORE}\n` : padded(`${HEAD4}${MORE}`, DATAGRAM_WIDTH);
  const socks = [...net.ping.socks.values()].flat();
  for (const [bucket, sk] of bucketed(socks, v6, (s) => s.sport % PING_BUCKETS)) {
    const line = datagram(sk, bucket, 5, sk.sport);
    yield v6 ? `${line}\n` : padded(line, DATAGRAM_WIDTH);
  }
}

export function* rawLines(net: NetNs, v6: boolean): Generator<string> {
  yield v6 ? `${HEAD6}${MORE}\n` : `${HEAD4}${MORE}\n`;
  const socks = [...net.raw.socks.values()].flat();
  for (const [bucket, sk] of bucketed(socks, v6, (s) => s.protocol % RAW_BUCKETS)) {
    const line = datagram(sk, bucket, v6 ? 5 : 4, sk.protocol);
    yield `${line}\n`;
  }
}
