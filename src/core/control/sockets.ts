/** The sockets of a namespace: what `ss` lists (Linux `net/ipv4/tcp_diag.c`, `udp_diag.c`, `raw_diag.c`). */
import type { NetNs } from '../net.ts';
import { fanoutWord } from '../transport/packet/fanout.ts';
import { SOCK_DGRAM, type Sock } from '../transport/sock.ts';
import { SIOCINQ, SIOCOUTQ } from '../transport/sockopt-names.ts';
import {
  ICSK_TIME_NONE,
  ICSK_TIME_PROBE0,
  TCP_CLOSE,
  TCP_LISTEN,
  TCP_NEW_SYN_RECV,
  TCP_SYN_RECV,
  TCP_TIME_WAIT,
} from '../transport/tcp/constants.ts';
import type { Tuple } from '../transport/tcp/family.ts';
import type { RequestSock } from '../transport/tcp/request.ts';
import type { TcpSock } from '../transport/tcp/sock.ts';
import type { TimeWaitSock } from '../transport/tcp/time-wait-sock.ts';
import { formatIpv4 } from '../util/address.ts';
import { formatIpv6, type Ip6Addr, isAny6, mappedAddr } from '../util/ip6-addr.ts';

/** States by number, as ss prints them; `TCP_NEW_SYN_RECV` is told as SYN-RECV. */
const STATES = [
  'UNKNOWN',
  'ESTAB',
  'SYN-SENT',
  'SYN-RECV',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'TIME-WAIT',
  'UNCONN',
  'CLOSE-WAIT',
  'LAST-ACK',
  'LISTEN',
  'CLOSING',
] as const;

export type SocketState = (typeof STATES)[number];

/** One end of a socket; of an AF_INET6 socket always an IPv6 address, perhaps a mapped one. */
export interface SocketEnd {
  readonly address: string;
  /** 0: none. */
  readonly port: number;
}

/** A timer that runs for a socket. */
export interface SocketTimer {
  readonly name: 'on' | 'keepalive' | 'timewait' | 'persist';
  readonly leftUs: number;
  readonly retransmits: number;
}

/** What `ss -i` tells of a connection (part of Linux `struct tcp_info`). */
export interface TcpDetails {
  readonly congestion: string;
  readonly timestamps: boolean;
  readonly sack: boolean;
  /** Shifts of the window we send into, and of ours; null without scaling. */
  readonly wscale: readonly [number, number] | null;
  readonly rtoUs: number;
  readonly rttUs: number;
  readonly rttvarUs: number;
  readonly minRttUs: number;
  readonly mss: number;
  readonly pmtu: number;
  readonly rcvMss: number;
  readonly advmss: number;
  readonly cwnd: number;
  /** 0: not set yet. */
  readonly ssthresh: number;
  readonly bytesSent: number;
  readonly bytesRetrans: number;
  readonly bytesAcked: number;
  readonly bytesReceived: number;
  readonly segsOut: number;
  readonly segsIn: number;
  readonly dataSegsOut: number;
  readonly dataSegsIn: number;
  readonly unacked: number;
  readonly retrans: number;
  readonly totalRetrans: number;
  readonly lost: number;
  readonly sacked: number;
  readonly backoff: number;
  readonly sndWnd: number;
}

/** One socket. */
export interface SocketInfo {
  readonly protocol: 'tcp' | 'udp' | 'raw' | 'icmp' | 'p_raw' | 'p_dgr';
  readonly family: 'inet' | 'inet6' | 'link';
  /** IPV6_V6ONLY, asked for or by its address. */
  readonly v6only: boolean;
  readonly state: SocketState;
  readonly recvQ: number;
  readonly sendQ: number;
  readonly local: SocketEnd;
  readonly peer: SocketEnd;
  /** SO_BINDTODEVICE; null: none. */
  readonly dev: string | null;
  readonly timer: SocketTimer | null;
  readonly tcp: TcpDetails | null;
  /** SO_RCVBUF and SO_SNDBUF as the kernel counts them, and bytes charged. */
  readonly memory: SocketMemory;
  readonly cookie: number;
  /** Of packet sockets. */
  readonly packet?: PacketDetails;
}

/** What a packet socket listens to. */
export interface PacketDetails {
  /** `ETH_P_*` */
  readonly proto: number;
  readonly running: boolean;
  /** Its group's number, type and flags, as PACKET_FANOUT tells them; null: none. */
  readonly fanout: number | null;
}

export interface SocketMemory {
  readonly receiveCharged: number;
  readonly receiveLimit: number;
  readonly sendQueued: number;
  readonly sendLimit: number;
}

const NO_MEMORY: SocketMemory = {
  receiveCharged: 0,
  receiveLimit: 0,
  sendQueued: 0,
  sendLimit: 0,
};

export class SocketControl {
  private readonly net: NetNs;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** All sockets: packet, raw, ping, UDP, TCP; listeners before connections. */
  list(): SocketInfo[] {
    return [...this.packet(), ...this.raw(), ...this.ping(), ...this.udp(), ...this.tcp()];
  }

  private packet(): SocketInfo[] {
    return [...(this.net.packetSocks?.socks ?? [])].map((sk) => ({
      protocol: sk.type === SOCK_DGRAM ? 'p_dgr' : 'p_raw',
      family: 'link',
      v6only: false,
      state: 'UNCONN',
      recvQ: sk.rmemAlloc,
      sendQ: 0,
      local: { address: '', port: 0 },
      peer: { address: '', port: 0 },
      dev: sk.device?.name ?? null,
      timer: null,
      tcp: null,
      memory: {
        receiveCharged: sk.rmemAlloc,
        receiveLimit: sk.rcvbuf,
        sendQueued: 0,
        sendLimit: sk.sndbuf,
      },
      cookie: sk.cookie,
      packet: {
        proto: sk.num,
        running: sk.hooked,
        fanout: sk.fanout === null ? null : fanoutWord(sk),
      },
    }));
  }

  private raw(): SocketInfo[] {
    const socks = [...this.net.raw.socks.values()].flat();
    return socks.map((sk) => this.datagram(sk, 'raw', sk.protocol));
  }

  private ping(): SocketInfo[] {
    const socks = [...this.net.ping.socks.values()].flat();
    return socks.map((sk) => this.datagram(sk, 'icmp', sk.sport));
  }

  private udp(): SocketInfo[] {
    if (this.net.udp.idle) return [];
    return this.net.udp.table.values().map((sk) => this.datagram(sk, 'udp', sk.sport));
  }

  private datagram(sk: Sock, protocol: SocketInfo['protocol'], port: number): SocketInfo {
    const { inet6 } = sk;
    const connected = inet6 === null ? sk.daddr !== 0 : !isAny6(inet6.daddr);
    return {
      protocol,
      ...endsOf(sk, port, connected),
      state: connected ? 'ESTAB' : 'UNCONN',
      recvQ: queued(sk, SIOCINQ),
      sendQ: queued(sk, SIOCOUTQ),
      dev: this.deviceName(sk.boundDevIf),
      timer: null,
      tcp: null,
      memory: {
        receiveCharged: 0,
        receiveLimit: sk.rcvbuf,
        sendQueued: 0,
        sendLimit: sk.sndbuf,
      },
      cookie: sk.cookie,
    };
  }

  private tcp(): SocketInfo[] {
    const { tcp } = this.net;
    const listeners = [...tcp.listeners.values()].flat().map((sk) => this.tcpSock(sk));
    const connections = tcp.connections.values().map((c) => {
      if (c.state === TCP_TIME_WAIT) return this.timeWait(c as TimeWaitSock);
      if (c.state === TCP_NEW_SYN_RECV) return this.request(c as RequestSock);
      return this.tcpSock(c as TcpSock);
    });
    // A socket that is bound, but neither listens nor is connected, is in none of the tables.
    const bound = [...tcp.socks]
      .filter((sk) => sk.state === TCP_CLOSE && sk.sport !== 0 && !sk.orphan)
      .map((sk) => this.tcpSock(sk));
    return [...bound, ...listeners, ...connections.sort((a, b) => a.cookie - b.cookie)];
  }

  private tcpSock(sk: TcpSock): SocketInfo {
    const listens = sk.state === TCP_LISTEN;
    const state = sk.state === TCP_NEW_SYN_RECV ? TCP_SYN_RECV : sk.state;
    return {
      protocol: 'tcp',
      ...endsOf(sk, sk.sport, !listens),
      state: STATES[state] ?? 'UNKNOWN',
      recvQ: listens ? (sk.acceptQueue?.length ?? 0) : Math.max(0, (sk.rcvNxt - sk.copiedSeq) | 0),
      sendQ: listens ? sk.maxAckBacklog : Math.max(0, (sk.writeSeq - sk.sndUna) | 0),
      dev: this.deviceName(sk.boundDevIf),
      timer: listens ? null : this.tcpTimer(sk),
      tcp: tcpDetails(sk, this.net.kernel.nowUs),
      memory: {
        receiveCharged: sk.rmemAlloc,
        receiveLimit: sk.rcvbuf,
        sendQueued: sk.wmemQueued,
        sendLimit: sk.sndbuf,
      },
      cookie: sk.cookie,
    };
  }

  private tcpTimer(sk: TcpSock): SocketTimer | null {
    const { nowUs } = this.net.kernel;
    if (sk.pending !== ICSK_TIME_NONE && sk.retransmitTimer.pending)
      return {
        name: sk.pending === ICSK_TIME_PROBE0 ? 'persist' : 'on',
        leftUs: sk.retransmitTimer.atUs - nowUs,
        retransmits: sk.pending === ICSK_TIME_PROBE0 ? sk.probesOut : sk.retransmits,
      };
    const keepalive = sk.keepaliveTimerMaybe;
    if (keepalive?.pending !== true) return null;
    return { name: 'keepalive', leftUs: keepalive.atUs - nowUs, retransmits: sk.probesOut };
  }

  private timeWait(tw: TimeWaitSock): SocketInfo {
    const leftUs = tw.timer === null ? 0 : tw.timer.atUs - this.net.kernel.nowUs;
    return {
      ...this.bare(tw, STATES[tw.substate] ?? 'TIME-WAIT', tw.inet6 !== null),
      timer: { name: 'timewait', leftUs, retransmits: 0 },
      cookie: tw.cookie,
    };
  }

  private request(req: RequestSock): SocketInfo {
    const { timer } = req;
    const leftUs = timer?.pending === true ? timer.atUs - this.net.kernel.nowUs : 0;
    return {
      ...this.bare(req, 'SYN-RECV', req.ends !== null),
      timer: { name: 'on', leftUs, retransmits: req.numTimeout },
      cookie: 0,
    };
  }

  private bare(
    c: Tuple & { readonly boundDevIf: number },
    state: SocketState,
    isInet6: boolean,
  ): SocketInfo {
    const { ends } = c;
    const text = (addr: number, addr6: Ip6Addr | undefined): string =>
      isInet6 ? formatIpv6(addr6 ?? mappedAddr(addr)) : formatIpv4(addr);
    return {
      protocol: 'tcp',
      family: isInet6 ? 'inet6' : 'inet',
      v6only: false,
      state,
      recvQ: 0,
      sendQ: 0,
      local: { address: text(c.saddr, ends?.local), port: c.sport },
      peer: { address: text(c.daddr, ends?.remote), port: c.dport },
      dev: this.deviceName(c.boundDevIf),
      timer: null,
      tcp: null,
      memory: NO_MEMORY,
      cookie: 0,
    };
  }

  private deviceName(ifindex: number): string | null {
    return ifindex === 0 ? null : (this.net.devs.findIndex(ifindex)?.name ?? `if${ifindex}`);
  }
}

type Ends = Pick<SocketInfo, 'family' | 'v6only' | 'local' | 'peer'>;

/** @param connected it has a source address of its own */
function endsOf(sk: Sock, port: number, connected: boolean): Ends {
  const v6 = sk.inet6;
  if (v6 === null) {
    const local = formatIpv4(connected ? sk.saddr : sk.rcvSaddr);
    return {
      family: 'inet',
      v6only: false,
      local: { address: local, port },
      peer: { address: formatIpv4(sk.daddr), port: sk.dport },
    };
  }
  const local = connected && !isAny6(v6.saddr) ? v6.saddr : v6.rcvSaddr;
  return {
    family: 'inet6',
    v6only: v6.v6only,
    local: { address: formatIpv6(local), port },
    peer: { address: formatIpv6(v6.daddr), port: sk.dport },
  };
}

/** Bytes that wait, by SIOCINQ or SIOCOUTQ. */
function queued(sk: Sock, request: number): number {
  return Math.max(0, sk.ioctl(request));
}

/** Linux `tcp_get_info`; RTT figures are kept times 8 and times 4 (RFC 6298). */
function tcpDetails(sk: TcpSock, nowUs: number): TcpDetails {
  const isListener = sk.state === TCP_LISTEN;
  return {
    congestion: sk.ca.name,
    timestamps: sk.tstampOk,
    sack: sk.sackOk !== 0,
    wscale: sk.wscaleOk ? [sk.sndWscale, sk.rcvWscale] : null,
    rtoUs: isListener ? 0 : sk.rtoUs,
    rttUs: sk.srttUs / 8,
    rttvarUs: sk.mdevUs / 4,
    minRttUs: sk.rttMin.value === Number.POSITIVE_INFINITY ? 0 : sk.rttMin.value,
    mss: isListener ? 0 : sk.mssCache,
    pmtu: sk.route?.mtu(nowUs) ?? 0,
    rcvMss: isListener ? 0 : sk.rcvMss,
    advmss: sk.advmss,
    cwnd: sk.sndCwnd,
    ssthresh: sk.sndSsthresh >= 0x7fffffff ? 0 : sk.sndSsthresh,
    bytesSent: sk.bytesSent,
    bytesRetrans: sk.bytesRetrans,
    bytesAcked: sk.bytesAcked,
    bytesReceived: sk.bytesReceived,
    segsOut: sk.segsOut,
    segsIn: sk.segsIn,
    dataSegsOut: sk.dataSegsOut,
    dataSegsIn: sk.dataSegsIn,
    unacked: sk.packetsOut,
    retrans: sk.retransOut,
    totalRetrans: sk.totalRetrans,
    lost: sk.lostOut,
    sacked: sk.sackedOut,
    backoff: sk.backoff,
    sndWnd: sk.sndWnd,
  };
}
