/**
 * Packet sockets (AF_PACKET; Linux `net/packet/af_packet.c`): frames as devices have them, with their link-layer
 * header (SOCK_RAW) or without (SOCK_DGRAM). Rings, which need shared memory, there are none.
 */
import { EAGAIN, EINVAL, ENETDOWN, ENODEV, ENOTTY, EOPNOTSUPP } from '../../errno.ts';
import { segment } from '../../link/gso.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import {
  BAD_L4,
  BAD_L4_CSUM,
  ipLength,
  NO_PAYLOAD,
  PACKET_OUTGOING,
  type Packet,
} from '../../packet.ts';
import { ETH_ALEN } from '../../wire/ethernet.ts';
import { IP_MAX_MTU } from '../../wire/ipv4.ts';
import { receiveTimes, wantsReceiveTime } from '../ancillary.ts';
import { runProgram } from '../filter/bpf-run.ts';
import { ShownPacket, showPacket } from '../filter/socket-filter.ts';
import {
  AF_PACKET,
  type ControlMessage,
  EPOLLERR,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDNORM,
  EPOLLWRBAND,
  EPOLLWRNORM,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_PEEK,
  MSG_TRUNC,
  type OptionValue,
  type Received,
  SOCK_DGRAM,
  Sock,
  type SockAddr,
  type SockAddrIn,
  type SockAddrLl,
} from '../sock.ts';
import { PACKET_AUXDATA, SIOCINQ, SIOCOUTQ, SOL_PACKET } from '../sockopt-names.ts';
import { datagramTruesize } from '../truesize.ts';
import { type FanoutGroup, leaveFanout, linkFanout, unlinkFanout } from './fanout.ts';
import { dropAllMemberships, type PacketMembership } from './membership.ts';
import { packetSend } from './send.ts';
import { getPacketOption, setPacketOption } from './sockopt.ts';
import { type PacketHook, type PacketState, packetStateOf } from './state.ts';

/** `TP_STATUS_*` */
const TP_STATUS_USER = 1;
const TP_STATUS_VLAN_VALID = 1 << 4;
const TP_STATUS_VLAN_TPID_VALID = 1 << 6;
const TP_STATUS_CSUM_VALID = 1 << 7;

/** What receive takes of flags. */
const RECEIVE_FLAGS: number = MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_ERRQUEUE;

/** `struct tpacket_auxdata`, the value of PACKET_AUXDATA. */
export interface PacketAuxData {
  readonly status: number;
  /** Bytes of the frame, and of what was kept of it. */
  readonly len: number;
  readonly snaplen: number;
  readonly mac: number;
  /** Where the network header is in what was kept. */
  readonly net: number;
  readonly vlanTci: number;
  readonly vlanTpid: number;
}

/** A frame that waits for its reader. */
interface Waiting {
  readonly bytes: Uint8Array;
  readonly link: SockAddrLl;
  readonly aux: PacketAuxData;
  readonly timeUs: number;
  readonly charged: number;
}

export class PacketSock extends Sock implements PacketHook {
  /** What it listens to, `ETH_P_*`; 0: nothing. */
  num: number;
  /** The device it is bound to; null: all. */
  device: NetDevice | null = null;
  /** The device it was bound to is gone. */
  detached = false;
  /** It is told of frames (PACKET_SOCK_RUNNING). */
  hooked = false;
  fanout: FanoutGroup | null = null;
  /** Where a full socket of its group looks for another one first; and how often it did. */
  rolloverNext = 0;
  readonly rolloverStats = { all: 0, failed: 0 };
  readonly memberships: PacketMembership[] = [];
  auxData = false;
  origDev = false;
  ignoreOutgoing = false;
  qdiscBypass = false;
  /** Options that rings would mind, told back. */
  readonly told: Map<number, number> = new Map();
  /** PACKET_STATISTICS: since they were last read. */
  packets = 0;
  drops = 0;
  rmemAlloc = 0;
  private readonly state: PacketState;
  private queue: Waiting[] = [];

  constructor(net: NetNs, type: number, proto: number) {
    super(net, AF_PACKET, type, proto);
    this.num = proto;
    this.state = packetStateOf(net);
    this.state.socks.add(this);
    if (proto !== 0) this.hook();
  }

  get hookProto(): number {
    return this.num;
  }

  get hookDev(): NetDevice | null {
    return this.device;
  }

  /** Begins to listen (`register_prot_hook`). */
  hook(): void {
    if (this.hooked || this.num === 0) return;
    this.hooked = true;
    if (this.fanout === null) this.state.addHook(this);
    else linkFanout(this.state, this.fanout, this);
  }

  private unhook(): void {
    if (!this.hooked) return;
    this.hooked = false;
    if (this.fanout === null) this.state.removeHook(this);
    else unlinkFanout(this.state, this.fanout, this);
  }

  /** Its device is down, or gone for good. */
  deviceGone(forGood: boolean): void {
    if (this.hooked) {
      this.unhook();
      this.fail(ENETDOWN);
    }
    if (!forGood) return;
    this.device = null;
    this.detached = true;
  }

  private fail(errno: number): void {
    this.err = errno;
    this.wake(EPOLLERR);
  }

  /** Linux `packet_bind`, `packet_do_bind` */
  bindTo(to: SockAddr): number {
    if (to.family !== AF_PACKET) return -EINVAL;
    const { ifindex = 0, protocol = 0 } = to as Partial<SockAddrLl>;
    if (this.fanout !== null) return -EINVAL;
    const dev = ifindex === 0 ? null : (this.net.devs.findIndex(ifindex) ?? null);
    if (ifindex !== 0 && dev === null) return -ENODEV;
    const proto = protocol === 0 ? this.num : protocol;
    if (proto !== this.num || dev !== this.device || this.detached) {
      this.unhook();
      this.num = proto;
      this.device = dev;
      this.detached = false;
    }
    if (proto === 0 || this.hooked) return 0;
    if (dev === null || dev.up) this.hook();
    else this.fail(ENETDOWN);
    return 0;
  }

  /** Linux `packet_getname` */
  linkName(): SockAddrLl {
    const { device } = this;
    return {
      family: AF_PACKET,
      protocol: this.num,
      ifindex: device === null ? (this.detached ? -1 : 0) : device.ifindex,
      hatype: device === null ? 0 : device.type,
      pkttype: 0,
      halen: device !== null && device.hardHeaderLen > 0 ? ETH_ALEN : 0,
      addr: device === null ? 0 : device.mac,
    };
  }

  /** A frame passes (`packet_rcv`). */
  tap(pkt: Packet, dev: NetDevice, outgoing: boolean, bottom: NetDevice): void {
    if (pkt.looped || (outgoing && (this.ignoreOutgoing || pkt.sender === this))) return;
    this.take(pkt, dev, outgoing, bottom);
  }

  /** Queues a copy, if the filter and the buffer allow. What no IP header can tell the length of comes in segments. */
  take(pkt: Packet, dev: NetDevice, outgoing: boolean, bottom: NetDevice): void {
    const tooLong = (pkt.ip !== null || pkt.ip6 !== null) && ipLength(pkt) > IP_MAX_MTU;
    if (!tooLong) this.takeOne(pkt, dev, outgoing, bottom);
    else for (const part of segment(pkt.clone())) this.takeOne(part, dev, outgoing, bottom);
  }

  private takeOne(pkt: Packet, dev: NetDevice, outgoing: boolean, bottom: NetDevice): void {
    const frame = showPacket(pkt);
    const whole = this.type !== SOCK_DGRAM && dev.hardHeaderLen > 0;
    const start = whole ? 0 : frame.network;
    const fullLen = frame.bytes.length - start;
    let snaplen = fullLen;
    const filter = this.rareMaybe === null ? null : this.rareMaybe.filter;
    if (filter !== null) {
      const kept = runProgram(filter, new ShownPacket(this, pkt, frame, start, fullLen));
      if (kept === 0) return;
      snaplen = Math.min(snaplen, kept);
    }
    if (this.rmemAlloc >= this.rcvbuf) {
      this.drops++;
      return;
    }
    const charged = datagramTruesize(fullLen);
    this.packets++;
    this.rmemAlloc += charged;
    this.queue.push({
      bytes: frame.bytes.subarray(start, start + snaplen),
      link: linkOf(pkt, this.origDev ? bottom : dev, outgoing),
      aux: auxOf(pkt, outgoing, fullLen, snaplen, frame.network - start),
      timeUs: pkt.timeUs === 0 ? this.net.kernel.nowUs : pkt.timeUs,
      charged,
    });
    this.wake(EPOLLIN | EPOLLRDNORM);
  }

  /** Linux `__packet_rcv_has_room`: a quarter of the buffer is free. */
  hasMuchRoom(): boolean {
    return this.rcvbuf - this.rmemAlloc > this.rcvbuf >> 2;
  }

  /** Linux `packet_recvmsg` */
  override recvmsg(max: number, flags: number): Received | number {
    if ((flags & ~RECEIVE_FLAGS) !== 0) return -EINVAL;
    if (this.err !== 0) return -this.takeError();
    const [next] = this.queue;
    if (next === undefined) return -EAGAIN;
    if ((flags & MSG_PEEK) === 0) {
      this.queue.shift();
      this.rmemAlloc -= next.charged;
    }
    const { bytes } = next;
    const len = Math.min(max, bytes.length);
    return {
      data: len === 0 ? NO_PAYLOAD : [bytes.subarray(0, len)],
      len,
      fullLen: bytes.length,
      from: null,
      link: next.link,
      flags: len < bytes.length ? MSG_TRUNC : 0,
      control: this.controlOf(next),
    };
  }

  private controlOf(next: Waiting): ControlMessage[] {
    const out: ControlMessage[] = wantsReceiveTime(this) ? receiveTimes(this, next.timeUs) : [];
    if (this.auxData) out.push({ level: SOL_PACKET, type: PACKET_AUXDATA, value: next.aux });
    return out;
  }

  /** To a device that `to` names, or to the one it is bound to. */
  sendTo(data: Uint8Array, flags: number, to: SockAddr | null): number {
    return packetSend(this, data, flags, to);
  }

  override sendmsg(data: Uint8Array, flags: number, _to: SockAddrIn | null): number {
    return packetSend(this, data, flags, null);
  }

  override bind(): number {
    return -EINVAL;
  }

  override connect(): number {
    return -EOPNOTSUPP;
  }

  override disconnect(): number {
    return -EOPNOTSUPP;
  }

  override shutdown(): number {
    return -EOPNOTSUPP;
  }

  override close(): void {
    this.orphan = true;
    this.onEvent = null;
    this.unhook();
    leaveFanout(this);
    dropAllMemberships(this);
    this.state.socks.delete(this);
    this.queue = [];
    this.rmemAlloc = 0;
  }

  override poll(): number {
    let mask = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
    if (this.err !== 0) mask |= EPOLLERR;
    if (this.queue.length > 0) mask |= EPOLLIN | EPOLLRDNORM;
    return mask;
  }

  /** Level SOL_PACKET. */
  override setOption(name: number, value: OptionValue): number {
    return setPacketOption(this, name, value);
  }

  override getOption(name: number): OptionValue {
    return getPacketOption(this, name);
  }

  override ioctl(request: number): number {
    if (request === SIOCINQ) return this.queue[0]?.bytes.length ?? 0;
    return request === SIOCOUTQ ? 0 : -ENOTTY;
  }
}

function linkOf(pkt: Packet, dev: NetDevice, outgoing: boolean): SockAddrLl {
  const { eth, vlan } = pkt;
  return {
    family: AF_PACKET,
    protocol: vlan !== null && vlan.inner !== null ? vlan.inner.proto : pkt.proto,
    ifindex: dev.ifindex,
    hatype: dev.type,
    pkttype: outgoing ? PACKET_OUTGOING : pkt.pktType,
    halen: dev.hardHeaderLen > 0 ? ETH_ALEN : 0,
    addr: eth === null ? 0 : eth.src,
  };
}

function auxOf(
  pkt: Packet,
  outgoing: boolean,
  len: number,
  snaplen: number,
  net: number,
): PacketAuxData {
  const { vlan } = pkt;
  const hasSum = pkt.tcp !== null || pkt.udp !== null;
  let status = TP_STATUS_USER;
  if (!outgoing && hasSum && (pkt.flags & (BAD_L4 | BAD_L4_CSUM)) === 0)
    status |= TP_STATUS_CSUM_VALID;
  if (vlan !== null) status |= TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
  return {
    status,
    len,
    snaplen,
    mac: 0,
    net,
    vlanTci: vlan === null ? 0 : vlan.tci,
    vlanTpid: vlan === null ? 0 : vlan.proto,
  };
}
