/**
 * Filters of sockets (SO_ATTACH_FILTER and its kin; Linux `sk_attach_filter`, `sk_filter_trim_cap`): what a socket
 * is given is shown to its program, which says how many bytes of it are kept; 0: none, and nobody is told.
 */
import { EINVAL, ENOENT, EPERM } from '../../errno.ts';
import { BAD_L4, ipLength, NO_PAYLOAD, type Packet } from '../../packet.ts';
import { ETH_HLEN, EthHeader } from '../../wire/ethernet.ts';
import { frameBytes } from '../../wire/frame.ts';
import { IP_MAX_MTU } from '../../wire/ipv4.ts';
import type { OptionValue, Sock } from '../sock.ts';
import {
  type BpfProgram,
  programOf,
  SKF_AD_HATYPE,
  SKF_AD_IFINDEX,
  SKF_AD_MARK,
  SKF_AD_NLATTR,
  SKF_AD_NLATTR_NEST,
  SKF_AD_PAY_OFFSET,
  SKF_AD_PKTTYPE,
  SKF_AD_PROTOCOL,
  SKF_AD_RANDOM,
  SKF_AD_VLAN_TAG,
  SKF_AD_VLAN_TAG_PRESENT,
  SKF_AD_VLAN_TPID,
} from './bpf.ts';
import { checkProgram } from './bpf-check.ts';
import { type BpfPacket, runProgram } from './bpf-run.ts';
import { findAttribute, findNested } from './netlink-attribute.ts';

/** SO_ATTACH_FILTER: instructions, or their bytes (`struct sock_fprog`). 0 or `-errno`. */
export function attachFilter(sk: Sock, value: OptionValue): number {
  if (programOfValue(value) === null) return -EINVAL;
  if (sk.rare.filterLocked) return -EPERM;
  const program = checkedProgram(value);
  if (typeof program === 'number') return program;
  sk.ownRare().filter = program;
  return 0;
}

/** A program that may run, of what an application gave; or -EINVAL. */
export function checkedProgram(value: OptionValue): BpfProgram | number {
  const given = programOfValue(value);
  if (given === null) return -EINVAL;
  const program = given.map(({ code, jt, jf, k }) => ({
    code: code & 0xffff,
    jt: jt & 0xff,
    jf: jf & 0xff,
    k: k >>> 0,
  }));
  const refused = checkProgram(program);
  return refused < 0 ? refused : program;
}

function programOfValue(value: OptionValue): BpfProgram | null {
  if (value instanceof Uint8Array) return programOf(value);
  return Array.isArray(value) ? (value as BpfProgram) : null;
}

/** SO_DETACH_FILTER */
export function detachFilter(sk: Sock): number {
  if (sk.rare.filterLocked) return -EPERM;
  if (sk.rare.filter === null) return -ENOENT;
  sk.ownRare().filter = null;
  return 0;
}

/** SO_LOCK_FILTER: for good. */
export function lockFilter(sk: Sock, on: boolean): number {
  if (sk.rare.filterLocked && !on) return -EPERM;
  if (on) sk.ownRare().filterLocked = true;
  return 0;
}

/** Where a socket's data begin. */
export const FROM_NETWORK = 0;
export const FROM_TRANSPORT = 1;

/**
 * Shows `pkt` to the program: false, and it is to be dropped. What the program does not want to keep is cut off,
 * but for `cap` bytes at the front, which the protocol needs itself.
 */
export function filterPasses(
  sk: Sock,
  program: BpfProgram,
  pkt: Packet,
  from: typeof FROM_NETWORK | typeof FROM_TRANSPORT,
  cap: number,
): boolean {
  const shown = showPacket(pkt);
  const headers = from === FROM_NETWORK ? 0 : networkHeaderLen(pkt);
  const start = shown.network + headers;
  const len = lengthOf(pkt) - headers;
  const kept = runProgram(program, new ShownPacket(sk, pkt, shown, start, len));
  if (kept === 0) return false;
  trim(pkt, len - Math.max(kept, cap));
  return true;
}

function networkHeaderLen(pkt: Packet): number {
  if (pkt.ip !== null) return pkt.ip.headerLen();
  return pkt.ip6 === null ? 0 : pkt.ip6.headerLen();
}

function lengthOf(pkt: Packet): number {
  return pkt.ip === null && pkt.ip6 === null ? pkt.len : ipLength(pkt);
}

/** Takes `excess` bytes from the end of the payload. */
function trim(pkt: Packet, excess: number): void {
  if (excess <= 0) return;
  let left = Math.max(0, pkt.len - excess);
  pkt.len = left;
  const data: Uint8Array[] = [];
  for (const slice of pkt.data) {
    if (left === 0) break;
    const part = slice.length <= left ? slice : slice.subarray(0, left);
    data.push(part);
    left -= part.length;
  }
  pkt.data = data.length === 0 ? NO_PAYLOAD : data;
}

/** A frame as bytes, its outermost VLAN tag apart, with an Ethernet header made up if it has none. */
export interface ShownFrame {
  readonly bytes: Uint8Array;
  readonly network: number;
}

/** What is too long for an IP header is shown as far as that can say. */
export function showPacket(pkt: Packet): ShownFrame {
  const copy = pkt.clone();
  copy.eth ??= new EthHeader(0, 0, pkt.proto);
  // The outermost tag is told apart, those inside are bytes (`skb_vlan_untag`).
  copy.vlan = pkt.vlan === null ? null : pkt.vlan.inner;
  const excess = (pkt.ip === null && pkt.ip6 === null ? 0 : ipLength(pkt)) - IP_MAX_MTU;
  trim(copy, excess);
  return { bytes: frameBytes(copy), network: ETH_HLEN };
}

/** What a program can ask of a packet that a socket is given. */
export class ShownPacket implements BpfPacket {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly network: number;
  readonly mac: number;
  readonly len: number;
  readonly pkt: Packet;
  private readonly sk: Sock;

  constructor(sk: Sock, pkt: Packet, frame: ShownFrame, start: number, len: number) {
    this.sk = sk;
    this.pkt = pkt;
    this.bytes = frame.bytes;
    this.network = frame.network;
    this.mac = frame.network === ETH_HLEN ? 0 : -1;
    this.start = start;
    this.len = len;
  }

  /** LINUX: there is one processor, one queue, and no card that has worked out a hash. */
  ancillary(number: number, a: number, x: number): number | null {
    const { pkt } = this;
    switch (number) {
      case SKF_AD_PROTOCOL:
        return pkt.proto;
      case SKF_AD_PKTTYPE:
        return pkt.pktType & 7;
      case SKF_AD_IFINDEX:
        return pkt.dev === null ? null : pkt.dev.ifindex;
      case SKF_AD_HATYPE:
        return pkt.dev === null ? null : pkt.dev.type;
      case SKF_AD_MARK:
        return pkt.mark >>> 0;
      case SKF_AD_VLAN_TAG:
        return pkt.vlan === null ? 0 : pkt.vlan.tci;
      case SKF_AD_VLAN_TAG_PRESENT:
        return pkt.vlan === null ? 0 : 1;
      case SKF_AD_VLAN_TPID:
        return pkt.vlan === null ? 0 : pkt.vlan.proto;
      case SKF_AD_RANDOM:
        return this.sk.net.kernel.random('bpf').below(2 ** 32);
      case SKF_AD_NLATTR:
        return findAttribute(this.bytes.subarray(this.start), a, x);
      case SKF_AD_NLATTR_NEST:
        return findNested(this.bytes.subarray(this.start), a, x);
      case SKF_AD_PAY_OFFSET:
        return this.payloadOffset();
      default:
        return 0;
    }
  }

  /** Linux `skb_get_poff`: where the payload begins that the transport header stands before. */
  private payloadOffset(): number {
    const { pkt } = this;
    const ip = networkHeaderLen(pkt);
    if (ip === 0 || (pkt.flags & BAD_L4) !== 0) return 0;
    let len = 0;
    if (pkt.tcp !== null) len = pkt.tcp.headerLen();
    else if (pkt.udp !== null || pkt.icmp !== null) len = 8;
    return this.network + ip + len - this.start;
  }
}
