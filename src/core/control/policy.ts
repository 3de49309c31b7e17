/** Policies of ports as users write them: on the host's side of a guest's wire (V5). */
import { EINVAL, NetError } from '../errno.ts';
import type { NetDevice } from '../link/net-device.ts';
import {
  type PolicyPrefix,
  PortPolicy,
  type PortPolicySpec,
  REFUSALS,
  type Refusal,
} from '../link/port-policy.ts';
import { formatIpv4, formatMac, parseIpv4, parseMac } from '../util/address.ts';
import { parseIpv6 } from '../util/ip6-addr.ts';

/** What may come in by a device; what is absent is not looked at. */
export interface PolicySet {
  /** Source MACs, `'first'` for the first that is seen. */
  readonly mac?: string | readonly string[];
  /** Source addresses of both versions, with or without a prefix length; ARP and ND must say the same. */
  readonly ip?: string | readonly string[];
  /** How many source MACs there may be. */
  readonly macs?: number;
  /** It may answer DHCP. False when absent. */
  readonly dhcpServer?: boolean;
  /** It may advertise itself as a router, redirect, and ask for groups. False when absent. */
  readonly router?: boolean;
  /** Tags of VLANs pass. False when absent. */
  readonly vlan?: boolean;
  /** Longest packet, bytes. */
  readonly mtu?: number;
  /** Bits per second. */
  readonly rate?: number;
  /** Broadcasts and multicasts per second. */
  readonly storm?: number;
}

/** A policy and what it did. */
export interface PolicyInfo extends PolicySet {
  readonly passed: number;
  /** How often each was the reason to refuse. */
  readonly refused: Readonly<Partial<Record<Refusal, number>>>;
}

/** Gives a device a policy; null takes it away. EINVAL: no address, no number. */
export function setPolicy(dev: NetDevice, set: PolicySet | null): void {
  dev.policy = set === null ? null : new PortPolicy(policySpec(set), dev.net.kernel.nowUs);
}

export function policySpec(set: PolicySet): PortPolicySpec {
  const { mac, ip, macs } = set;
  const many = (list: string | readonly string[]): readonly string[] =>
    typeof list === 'string' ? [list] : list;
  return {
    ...(mac === undefined ? {} : { macs: mac === 'first' ? 'first' : many(mac).map(macOf) }),
    ...(ip === undefined ? {} : { addrs: many(ip).map(prefixOf) }),
    ...(macs === undefined ? {} : { maxMacs: amount(macs, 'macs') }),
    dhcpServer: set.dhcpServer === true,
    router: set.router === true,
    vlan: set.vlan === true,
    mtu: amount(set.mtu ?? 0, 'mtu'),
    rate: amount(set.rate ?? 0, 'rate') / 8,
    storm: amount(set.storm ?? 0, 'storm'),
  };
}

function amount(value: number, what: string): number {
  if (!Number.isFinite(value) || value < 0)
    throw new NetError(EINVAL, 'policy', `${what} is a number, 0 or more`);
  return value;
}

function macOf(text: string): number {
  const mac = parseMac(text);
  if (mac === undefined) throw new NetError(EINVAL, 'policy', `"${text}" is no MAC address`);
  return mac;
}

function prefixOf(text: string): PolicyPrefix {
  const [addr = '', length] = text.split('/');
  const v4 = parseIpv4(addr);
  const v6 = v4 === undefined ? parseIpv6(addr) : undefined;
  const most = v4 === undefined ? 128 : 32;
  const len = length === undefined ? most : Number(length);
  const fits = Number.isInteger(len) && len >= 0 && len <= most;
  if ((v4 === undefined && v6 === undefined) || !fits)
    throw new NetError(EINVAL, 'policy', `"${text}" is no address and no prefix`);
  return v4 === undefined
    ? { v6: true, addr: v6 as NonNullable<typeof v6>, len }
    : { v6: false, addr: v4, len };
}

/** Null: the device has none. */
export function policyInfo(dev: NetDevice): PolicyInfo | null {
  const { policy } = dev;
  if (policy === null) return null;
  const { spec } = policy;
  const refused: Partial<Record<Refusal, number>> = {};
  for (const kind of REFUSALS) {
    const count = policy.refused.get(kind);
    if (count !== undefined) refused[kind] = count;
  }
  return {
    ...(spec.macs === undefined
      ? {}
      : { mac: spec.macs === 'first' ? 'first' : spec.macs.map(formatMac) }),
    ...(spec.addrs === undefined ? {} : { ip: spec.addrs.map(prefixText) }),
    ...(spec.maxMacs === undefined ? {} : { macs: spec.maxMacs }),
    dhcpServer: spec.dhcpServer,
    router: spec.router,
    vlan: spec.vlan,
    ...(spec.mtu === 0 ? {} : { mtu: spec.mtu }),
    ...(spec.rate === 0 ? {} : { rate: spec.rate * 8 }),
    ...(spec.storm === 0 ? {} : { storm: spec.storm }),
    passed: policy.passed,
    refused,
  };
}

function prefixText(p: PolicyPrefix): string {
  const addr = p.v6 ? String(p.addr) : formatIpv4(p.addr);
  return p.len === (p.v6 ? 128 : 32) ? addr : `${addr}/${p.len}`;
}
