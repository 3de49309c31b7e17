/** What `flower` compares, in the words of users and in those of the data path. */
import { EINVAL, NetError } from '../errno.ts';
import type { AddrKey, FlowerKeys, PortKey } from '../link/tc-match.ts';
import { formatIpv4, formatMac, parseIpv4, parseMac } from '../util/address.ts';
import { parseIpv6 } from '../util/ip6-addr.ts';

export interface FilterMatch {
  readonly srcMac?: string;
  readonly dstMac?: string;
  readonly vlanId?: number;
  /** Number of the protocol: 6, 17 … */
  readonly ipProto?: number;
  /** Addresses, with or without a prefix length. */
  readonly srcIp?: string;
  readonly dstIp?: string;
  /** A port, or `'1000-2000'`. */
  readonly srcPort?: number | string;
  readonly dstPort?: number | string;
}

/** EINVAL: no address, no port. */
export function keysOf(m: FilterMatch): FlowerKeys {
  return {
    ...(m.srcMac === undefined ? {} : { srcMac: macOf(m.srcMac) }),
    ...(m.dstMac === undefined ? {} : { dstMac: macOf(m.dstMac) }),
    ...(m.vlanId === undefined ? {} : { vlanId: m.vlanId }),
    ...(m.ipProto === undefined ? {} : { ipProto: m.ipProto }),
    ...(m.srcIp === undefined ? {} : { src: addrOf(m.srcIp) }),
    ...(m.dstIp === undefined ? {} : { dst: addrOf(m.dstIp) }),
    ...(m.srcPort === undefined ? {} : { sport: portOf(m.srcPort) }),
    ...(m.dstPort === undefined ? {} : { dport: portOf(m.dstPort) }),
  };
}

/** Are its addresses and ports some? */
export function isMatch(m: FilterMatch): boolean {
  try {
    keysOf(m);
    return true;
  } catch {
    return false;
  }
}

/** The reverse: the words of `tc filter show`, without those that are absent. */
export function matchWords(k: FlowerKeys): [string, string | number][] {
  const out: [string, string | number][] = [];
  const add = (key: string, value: string | number | undefined): void => {
    if (value !== undefined) out.push([key, value]);
  };
  add('vlan_id', k.vlanId);
  add('dst_mac', k.dstMac === undefined ? undefined : formatMac(k.dstMac));
  add('src_mac', k.srcMac === undefined ? undefined : formatMac(k.srcMac));
  add('ip_proto', k.ipProto === undefined ? undefined : protoName(k.ipProto));
  add('dst_ip', k.dst === undefined ? undefined : addrText(k.dst));
  add('src_ip', k.src === undefined ? undefined : addrText(k.src));
  add('dst_port', k.dport === undefined ? undefined : portText(k.dport));
  add('src_port', k.sport === undefined ? undefined : portText(k.sport));
  return out;
}

const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ['icmp', 1],
  ['tcp', 6],
  ['udp', 17],
  ['icmpv6', 58],
  ['sctp', 132],
]);

function protoName(proto: number): string | number {
  for (const [name, number] of PROTOCOLS) if (number === proto) return name;
  return proto.toString(16);
}

/** `tcp`, `udp` …, or a number in hexadecimal, as tc(8) reads it. */
export function parseIpProto(word: string): number | undefined {
  const known = PROTOCOLS.get(word);
  if (known !== undefined) return known;
  const value = /^(0x)?[0-9a-f]{1,2}$/i.test(word) ? Number.parseInt(word, 16) : Number.NaN;
  return Number.isNaN(value) ? undefined : value;
}

function macOf(text: string): number {
  const mac = parseMac(text);
  if (mac === undefined) throw new NetError(EINVAL, 'tc', `"${text}" is no MAC address`);
  return mac;
}

function addrOf(text: string): AddrKey {
  const [addr = '', length] = text.split('/');
  const v4 = parseIpv4(addr);
  const v6 = v4 === undefined ? parseIpv6(addr) : undefined;
  const most = v4 === undefined ? 128 : 32;
  const len = length === undefined ? most : Number(length);
  if ((v4 === undefined && v6 === undefined) || !(Number.isInteger(len) && len >= 0 && len <= most))
    throw new NetError(EINVAL, 'tc', `"${text}" is no address and no prefix`);
  if (v4 !== undefined) return { v6: false, addr: v4, len };
  return { v6: true, addr: v6 as NonNullable<typeof v6>, len };
}

function addrText(key: AddrKey): string {
  const addr = key.v6 ? String(key.addr) : formatIpv4(key.addr);
  return key.len === (key.v6 ? 128 : 32) ? addr : `${addr}/${key.len}`;
}

const MAX_PORT = 65535;

function portOf(text: number | string): PortKey {
  const [from, to] = String(text).split('-');
  const min = Number(from);
  const max = to === undefined ? min : Number(to);
  if (
    !(Number.isInteger(min) && Number.isInteger(max) && min >= 0 && min <= max && max <= MAX_PORT)
  )
    throw new NetError(EINVAL, 'tc', `"${text}" is no port and no range of ports`);
  return { min, max };
}

function portText(key: PortKey): string | number {
  return key.min === key.max ? key.min : `${key.min}-${key.max}`;
}
