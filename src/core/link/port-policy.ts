/**
 * What a guest may send, looked at on the host's side of its wire, where nothing inside can reach (V5; RFC
 * 7039 SAVI, RFC 6105 RA guard, RFC 7610 DHCPv6 shield, RFC 2827). A device without a policy pays one
 * comparison with null for each frame. What it finds in a frame is in `port-policy-frame.ts`.
 */
import { drop } from '../drop.ts';
import type { Packet } from '../packet.ts';
import { isGroupMac } from '../util/address.ts';
import type { Ip6Addr } from '../util/ip6-addr.ts';
import { frameLength } from '../wire/frame.ts';
import type { NetDevice } from './net-device.ts';
import { judgeAddresses } from './port-policy-frame.ts';

/** Why a frame was refused. */
export const REFUSALS = [
  'mac',
  'macs',
  'vlan',
  'proto',
  'arp',
  'ip',
  'nd',
  'dhcp',
  'router',
  'broken',
  'mtu',
  'storm',
  'rate',
] as const;

export type Refusal = (typeof REFUSALS)[number];

/** Addresses with the same first bits; of one version. */
export type PolicyPrefix =
  | { readonly v6: false; readonly addr: number; readonly len: number }
  | { readonly v6: true; readonly addr: Ip6Addr; readonly len: number };

/** What is allowed; absent: it is not looked at. */
export interface PortPolicySpec {
  /** Source MACs; `'first'`: the first that is seen is the only one. */
  readonly macs?: readonly number[] | 'first';
  /** How many source MACs there may be, where `macs` does not name them. */
  readonly maxMacs?: number;
  /** Source addresses, of IPv4 and IPv6; ARP and ND must say the same. */
  readonly addrs?: readonly PolicyPrefix[];
  /** It may answer DHCP. */
  readonly dhcpServer: boolean;
  /** It may say that it is a router: RAs, redirects, queries of IGMP and MLD. */
  readonly router: boolean;
  /** Tags of VLANs may be there. */
  readonly vlan: boolean;
  /** Longest packet, bytes without Ethernet header; 0: any. */
  readonly mtu: number;
  /** Bytes per second; 0: any. */
  readonly rate: number;
  /** Frames to all and to groups per second; 0: any. */
  readonly storm: number;
}

/** Tokens come in at a rate, and frames take them; a burst is a tenth of a second's worth, or one frame. */
class TokenBucket {
  private readonly perUs: number;
  private readonly burst: number;
  private tokens: number;
  private atUs: number;

  constructor(perSecond: number, least: number, nowUs: number) {
    this.perUs = perSecond / 1e6;
    this.burst = Math.max(least, perSecond / 10);
    this.tokens = this.burst;
    this.atUs = nowUs;
  }

  take(count: number, nowUs: number): boolean {
    this.tokens = Math.min(this.burst, this.tokens + (nowUs - this.atUs) * this.perUs);
    this.atUs = nowUs;
    if (this.tokens < count) return false;
    this.tokens -= count;
    return true;
  }
}

/** Bytes that always pass at once: one GSO packet of the largest kind. */
const LEAST_BURST = 65_549;

/** A policy at work: `NetDevice.policy`. */
export class PortPolicy {
  readonly spec: PortPolicySpec;
  /** How often each was the reason. */
  readonly refused: Map<Refusal, number> = new Map();
  passed = 0;
  /** Source MACs that were seen, as far as they count. */
  readonly seen: Set<number> = new Set();
  private readonly storm: TokenBucket | null;
  private readonly rate: TokenBucket | null;

  constructor(spec: PortPolicySpec, nowUs: number) {
    this.spec = spec;
    this.storm = spec.storm === 0 ? null : new TokenBucket(spec.storm, 1, nowUs);
    this.rate = spec.rate === 0 ? null : new TokenBucket(spec.rate, LEAST_BURST, nowUs);
  }

  /** Null: it passes. */
  judge(pkt: Packet, nowUs: number): Refusal | null {
    return this.judgeSource(pkt) ?? judgeAddresses(pkt, this.spec) ?? this.judgeAmount(pkt, nowUs);
  }

  private judgeSource(pkt: Packet): Refusal | null {
    const { spec, seen } = this;
    const { eth } = pkt;
    if (eth === null || isGroupMac(eth.src) || eth.src === 0) return 'broken';
    if (pkt.vlan !== null && !spec.vlan) return 'vlan';
    const { macs } = spec;
    if (macs === 'first') {
      if (seen.size === 0) seen.add(eth.src);
      return seen.has(eth.src) ? null : 'mac';
    }
    if (macs !== undefined) return macs.includes(eth.src) ? null : 'mac';
    if (spec.maxMacs === undefined || seen.has(eth.src)) return null;
    if (seen.size >= spec.maxMacs) return 'macs';
    seen.add(eth.src);
    return null;
  }

  private judgeAmount(pkt: Packet, nowUs: number): Refusal | null {
    const { spec } = this;
    const len = frameLength(pkt) - 14;
    // A GSO packet stands for several that fit.
    const one = pkt.gsoSize === 0 ? len : len - pkt.len + Math.min(pkt.len, pkt.gsoSize);
    if (spec.mtu !== 0 && one > spec.mtu) return 'mtu';
    if (this.storm !== null && isGroupMac(pkt.eth?.dst ?? 0) && !this.storm.take(1, nowUs))
      return 'storm';
    return this.rate !== null && !this.rate.take(len + 14, nowUs) ? 'rate' : null;
  }
}

/** A frame came in by a device that has a policy. False: it is dead. */
export function policyAllows(pkt: Packet, dev: NetDevice, policy: PortPolicy): boolean {
  const refusal = policy.judge(pkt, dev.net.kernel.nowUs);
  if (refusal === null) {
    policy.passed++;
    return true;
  }
  policy.refused.set(refusal, (policy.refused.get(refusal) ?? 0) + 1);
  dev.stats.rxDropped++;
  drop(dev.net, pkt, 'TC_INGRESS', `${dev.name} policy ${refusal}`);
  return false;
}
