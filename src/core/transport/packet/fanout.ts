/** Packet sockets that share what arrives (PACKET_FANOUT; Linux `fanout_add`, `packet_rcv_fanout`). */
import { EALREADY, EINVAL, ENOMEM, ENOSPC } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { Packet } from '../../packet.ts';
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import { ETH_HLEN } from '../../wire/ethernet.ts';
import type { BpfProgram } from '../filter/bpf.ts';
import { runProgram } from '../filter/bpf-run.ts';
import { checkedProgram, ShownPacket, showPacket } from '../filter/socket-filter.ts';
import type { OptionValue } from '../sock.ts';
import type { PacketSock } from './sock.ts';
import { type PacketHook, type PacketState, packetStateOf } from './state.ts';

export const PACKET_FANOUT_HASH = 0;
export const PACKET_FANOUT_LB = 1;
export const PACKET_FANOUT_CPU = 2;
export const PACKET_FANOUT_ROLLOVER = 3;
export const PACKET_FANOUT_RND = 4;
export const PACKET_FANOUT_QM = 5;
export const PACKET_FANOUT_CBPF = 6;

export const PACKET_FANOUT_FLAG_ROLLOVER = 0x1000;
export const PACKET_FANOUT_FLAG_UNIQUEID = 0x2000;
export const PACKET_FANOUT_FLAG_IGNORE_OUTGOING = 0x4000;
export const PACKET_FANOUT_FLAG_DEFRAG = 0x8000;

/** Sockets of a group unless `struct fanout_args` says otherwise, and the most that it may say. */
const DEFAULT_MEMBERS = 256;
const MAX_MEMBERS = 65_536;

export class FanoutGroup implements PacketHook {
  readonly id: number;
  readonly type: number;
  readonly flags: number;
  readonly maxMembers: number;
  readonly hookProto: number;
  readonly hookDev: NetDevice | null;
  /** Those that listen. */
  readonly running: PacketSock[] = [];
  /** All, those whose device is down too. */
  members = 0;
  program: BpfProgram | null = null;
  private turn = 0;

  constructor(first: PacketSock, args: FanoutArgs) {
    this.id = args.id;
    this.type = args.type;
    this.flags = args.flags;
    this.maxMembers = args.maxMembers === 0 ? DEFAULT_MEMBERS : args.maxMembers;
    this.hookProto = first.num;
    this.hookDev = first.device;
  }

  tap(pkt: Packet, dev: NetDevice, outgoing: boolean, bottom: NetDevice): void {
    if (outgoing) {
      if ((this.flags & PACKET_FANOUT_FLAG_IGNORE_OUTGOING) !== 0) return;
      const { sender } = pkt;
      if (sender !== null && (sender as PacketSock).fanout === this) return;
    }
    if (pkt.looped || this.running.length === 0) return;
    let i = this.choose(pkt);
    if ((this.flags & PACKET_FANOUT_FLAG_ROLLOVER) !== 0) i = this.rollover(i, true);
    this.running[i]?.take(pkt, dev, outgoing, bottom);
  }

  /** Index of the socket whose turn it is. */
  private choose(pkt: Packet): number {
    const n = this.running.length;
    switch (this.type) {
      case PACKET_FANOUT_HASH:
        return Math.floor((flowHash(pkt) * n) / 2 ** 32);
      case PACKET_FANOUT_LB:
        this.turn = (this.turn + 1) >>> 0;
        return this.turn % n;
      case PACKET_FANOUT_RND:
        return (this.running[0] as PacketSock).net.kernel.random('fanout').below(n);
      case PACKET_FANOUT_ROLLOVER:
        return this.rollover(0, false);
      case PACKET_FANOUT_CBPF:
        return this.byProgram(pkt) % n;
      default:
        // One processor, one queue.
        return 0;
    }
  }

  /** Linux `fanout_demux_bpf`: the program sees what comes behind the link-layer header. */
  private byProgram(pkt: Packet): number {
    if (this.program === null) return 0;
    const frame = showPacket(pkt);
    const len = frame.bytes.length - ETH_HLEN;
    const sk = this.running[0] as PacketSock;
    return runProgram(this.program, new ShownPacket(sk, pkt, frame, ETH_HLEN, len));
  }

  /** The next socket with room; `own`: the one chosen comes first (`fanout_demux_rollover`). */
  private rollover(index: number, own: boolean): number {
    const { running } = this;
    const chosen = running[index] as PacketSock;
    if (own && chosen.hasMuchRoom()) return index;
    const from = Math.min(chosen.rolloverNext, running.length - 1);
    let i = from;
    do {
      const next = running[i] as PacketSock;
      if ((!own || next !== chosen) && next.hasMuchRoom()) {
        if (i !== index) chosen.rolloverStats.all++;
        chosen.rolloverNext = i;
        return i;
      }
      i = i + 1 === running.length ? 0 : i + 1;
    } while (i !== from);
    chosen.rolloverStats.failed++;
    return index;
  }
}

/** The same for both directions of a flow (`__skb_get_hash_symmetric`): the smaller end comes first. */
function flowHash(pkt: Packet): number {
  const { ip, ip6 } = pkt;
  let h = 0;
  if (ip !== null) h = mixBoth(ip.protocol, ip.src, ip.dst);
  else if (ip6 !== null) {
    const { src, dst } = ip6;
    h = mixBoth(ip6.protocol, fold6(src), fold6(dst));
  } else return 0;
  const ports = pkt.tcp ?? pkt.udp;
  if (ports !== null) h = mixBoth(h, ports.sport, ports.dport);
  return mix(h, 0x9e3779b9) >>> 0;
}

function fold6(addr: Ip6Addr): number {
  return mix(mix(mix(addr.a, addr.b), addr.c), addr.d);
}

function mixBoth(h: number, x: number, y: number): number {
  return x < y ? mix(mix(h, x), y) : mix(mix(h, y), x);
}

function mix(a: number, b: number): number {
  let h = Math.imul(a ^ b, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

interface FanoutArgs {
  readonly id: number;
  readonly type: number;
  readonly flags: number;
  readonly maxMembers: number;
}

/** A number, or `struct fanout_args`. */
function argsOf(value: OptionValue): FanoutArgs | null {
  let word = 0;
  let maxMembers = 0;
  if (typeof value === 'number') word = value;
  else if (value instanceof Uint8Array && value.length >= 4) {
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    word = view.getInt32(0, true);
    if (value.length >= 8) maxMembers = view.getUint32(4, true);
  } else return null;
  const typeFlags = word >>> 16;
  return { id: word & 0xffff, type: typeFlags & 0xff, flags: typeFlags & 0xff00, maxMembers };
}

/** PACKET_FANOUT, set (`fanout_add`). */
// DEVIATION: PACKET_FANOUT_FLAG_DEFRAG is refused: nothing puts fragments together for packet sockets.
export function joinFanout(sk: PacketSock, value: OptionValue): number {
  const args = argsOf(value);
  if (args === null) return -EINVAL;
  const { type, flags } = args;
  if (type > PACKET_FANOUT_CBPF) return -EINVAL;
  if (type === PACKET_FANOUT_ROLLOVER && (flags & PACKET_FANOUT_FLAG_ROLLOVER) !== 0)
    return -EINVAL;
  if ((flags & PACKET_FANOUT_FLAG_DEFRAG) !== 0) return -EINVAL;
  if (sk.fanout !== null) return -EALREADY;
  const state = packetStateOf(sk.net);
  let { id } = args;
  if ((flags & PACKET_FANOUT_FLAG_UNIQUEID) !== 0) {
    if (id !== 0) return -EINVAL;
    id = freeId(state);
    if (id < 0) return -ENOMEM;
  }
  const kept = flags & ~PACKET_FANOUT_FLAG_UNIQUEID;
  let group = state.fanouts.get(id);
  if (group !== undefined) {
    if (group.flags !== kept) return -EINVAL;
    if (args.maxMembers !== 0 && args.maxMembers !== group.maxMembers) return -EINVAL;
  } else if (args.maxMembers > MAX_MEMBERS) return -EINVAL;
  const isNew = group === undefined;
  group ??= new FanoutGroup(sk, { id, type, flags: kept, maxMembers: args.maxMembers });
  const fits = group.type === type && group.hookProto === sk.num && group.hookDev === sk.device;
  if (!sk.hooked || !fits) return -EINVAL;
  if (group.members >= group.maxMembers) return -ENOSPC;
  state.removeHook(sk);
  if (isNew) state.fanouts.set(id, group);
  group.members++;
  sk.fanout = group;
  linkFanout(state, group, sk);
  return 0;
}

function freeId(state: PacketState): number {
  for (let id = 0; id < 0x10000; id++) if (!state.fanouts.has(id)) return id;
  return -1;
}

/** The socket takes part (`__fanout_link`). */
export function linkFanout(state: PacketState, group: FanoutGroup, sk: PacketSock): void {
  group.running.push(sk);
  if (group.running.length === 1) state.addHook(group);
}

export function unlinkFanout(state: PacketState, group: FanoutGroup, sk: PacketSock): void {
  const i = group.running.indexOf(sk);
  if (i < 0) return;
  group.running[i] = group.running[group.running.length - 1] as PacketSock;
  group.running.pop();
  if (group.running.length === 0) state.removeHook(group);
}

/** The socket closes (`fanout_release`). */
export function leaveFanout(sk: PacketSock): void {
  const { fanout } = sk;
  if (fanout === null) return;
  sk.fanout = null;
  if (--fanout.members === 0) packetStateOf(sk.net).fanouts.delete(fanout.id);
}

/** PACKET_FANOUT, got. */
export function fanoutWord(sk: PacketSock): number {
  const { fanout } = sk;
  if (fanout === null) return 0;
  return fanout.id | (fanout.type << 16) | (fanout.flags << 16);
}

/** PACKET_FANOUT_DATA: the program of a group of type CBPF. */
export function setFanoutData(sk: PacketSock, value: OptionValue): number {
  if (sk.fanout === null || sk.fanout.type !== PACKET_FANOUT_CBPF) return -EINVAL;
  const program = checkedProgram(value);
  if (typeof program === 'number') return program;
  sk.fanout.program = program;
  return 0;
}
