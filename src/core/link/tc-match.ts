/**
 * Which packets a filter is for: all (`matchall`), those whose headers have certain values (`flower`), those with a
 * mark (`fw`), or what a function says (`bpf`, direct-action). Linux `net/sched/cls_*.c`.
 */
import type { Packet } from '../packet.ts';
import { type Ip6Addr, samePrefix } from '../util/ip6-addr.ts';

export interface TcMatch {
  readonly kind: 'matchall' | 'flower' | 'fw' | 'bpf';
  matches(pkt: Packet): boolean;
}

export const MATCH_ALL: TcMatch = { kind: 'matchall', matches: () => true };

/** `fw`: the handle of the filter is the mark. */
export class FwMatch implements TcMatch {
  readonly kind = 'fw';
  readonly mark: number;

  constructor(mark: number) {
    this.mark = mark;
  }

  matches(pkt: Packet): boolean {
    return pkt.mark === this.mark;
  }
}

/** An address and how many of its bits count. */
export type AddrKey =
  | { readonly v6: false; readonly addr: number; readonly len: number }
  | { readonly v6: true; readonly addr: Ip6Addr; readonly len: number };

/** From and to, both included. */
export interface PortKey {
  readonly min: number;
  readonly max: number;
}

/** What `flower` compares; absent: anything. */
export interface FlowerKeys {
  readonly srcMac?: number;
  readonly dstMac?: number;
  readonly vlanId?: number;
  readonly ipProto?: number;
  readonly src?: AddrKey;
  readonly dst?: AddrKey;
  readonly sport?: PortKey;
  readonly dport?: PortKey;
}

/** Low 12 bits of a tag. */
const VLAN_VID = 0xfff;

export class FlowerMatch implements TcMatch {
  readonly kind = 'flower';
  readonly keys: FlowerKeys;

  constructor(keys: FlowerKeys) {
    this.keys = keys;
  }

  matches(pkt: Packet): boolean {
    return linkMatches(this.keys, pkt) && networkMatches(this.keys, pkt);
  }
}

function linkMatches(keys: FlowerKeys, pkt: Packet): boolean {
  const { srcMac, dstMac, vlanId } = keys;
  if (vlanId !== undefined && (pkt.vlan === null || (pkt.vlan.tci & VLAN_VID) !== vlanId))
    return false;
  if (srcMac === undefined && dstMac === undefined) return true;
  const { eth } = pkt;
  if (eth === null) return false;
  return (
    (srcMac === undefined || eth.src === srcMac) && (dstMac === undefined || eth.dst === dstMac)
  );
}

function networkMatches(keys: FlowerKeys, pkt: Packet): boolean {
  const { ipProto, src, dst, sport, dport } = keys;
  const { ip, ip6 } = pkt;
  if (ipProto !== undefined && (ip?.protocol ?? ip6?.protocol) !== ipProto) return false;
  if (src !== undefined && !addrMatches(src, ip?.src, ip6?.src)) return false;
  if (dst !== undefined && !addrMatches(dst, ip?.dst, ip6?.dst)) return false;
  if (sport === undefined && dport === undefined) return true;
  const l4 = pkt.tcp ?? pkt.udp;
  if (l4 === null) return false;
  if (sport !== undefined && (l4.sport < sport.min || l4.sport > sport.max)) return false;
  return dport === undefined || (l4.dport >= dport.min && l4.dport <= dport.max);
}

function addrMatches(key: AddrKey, v4: number | undefined, v6: Ip6Addr | undefined): boolean {
  if (!key.v6)
    return v4 !== undefined && (key.len === 0 || (v4 ^ key.addr) >>> (32 - key.len) === 0);
  return v6 !== undefined && samePrefix(v6, key.addr, key.len);
}
