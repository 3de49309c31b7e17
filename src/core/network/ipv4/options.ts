/**
 * IPv4 options (RFC 791 §3.1; Linux `net/ipv4/ip_options.c`): checked on arrival, filled in on the way through
 * (record route, timestamp). Source routes are refused unless accept_source_route allows them, and then still
 * are not followed.
 */
import { drop } from '../../drop.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { MIB } from '../../mib.ts';
import type { Packet } from '../../packet.ts';
import { ICMP_DEST_UNREACH, ICMP_PARAMETERPROB, ICMP_SR_FAILED } from '../../wire/icmp.ts';
import { type Ipv4Header, IPV4_HLEN } from '../../wire/ipv4.ts';
import { inetAddrType } from '../route/addr-type.ts';
import { RTN_LOCAL } from '../route/route.ts';
import { icmpSend } from './icmp.ts';
import { inetSelectAddr } from './select-addr.ts';

const IPOPT_END = 0;
const IPOPT_NOOP = 1;
const IPOPT_RR = 7;
const IPOPT_TIMESTAMP = 68;
const IPOPT_LSRR = 131;
const IPOPT_SSRR = 137;
const IPOPT_RA = 148;
const IPOPT_CIPSO = 134;
const IPOPT_SID = 136;
/** Timestamp only; with addresses; with addresses given by the sender. */
const TS_ONLY = 0;
const TS_AND_ADDR = 1;
const TS_PRESPEC = 3;

/**
 * Checks the options of a received packet and records our address and time where asked to. False: the packet
 * is gone, and its sender told.
 */
export function checkOptions(pkt: Packet, dev: NetDevice, ip: Ipv4Header): boolean {
  const options = (ip.options as Uint8Array).slice();
  ip.options = options;
  const bad = walk(options, dev, ip, false);
  if (bad >= 0) {
    dev.net.mib[MIB.IpInHdrErrors]++;
    icmpSend(pkt, ICMP_PARAMETERPROB, 0, (IPV4_HLEN + bad) << 24);
    drop(dev.net, pkt, 'IP_INHDR', 'options');
    return false;
  }
  if (!hasSourceRoute(options)) return true;
  const all = dev.net.ipv4ConfAll.acceptSourceRoute;
  const own = dev.ipv4?.conf.acceptSourceRoute ?? 0;
  if (all === 0 || own === 0) {
    drop(dev.net, pkt, 'IP_INHDR', 'source route');
    return false;
  }
  // DEVIATION: a source route that the settings would accept is answered, not followed.
  icmpSend(pkt, ICMP_DEST_UNREACH, ICMP_SR_FAILED, 0);
  drop(dev.net, pkt, 'IP_INHDR', 'source route');
  return false;
}

/** On the way out of a router: the outgoing device's address is what is recorded (`ip_forward_options`). */
export function forwardOptions(_pkt: Packet, ip: Ipv4Header, out: NetDevice): void {
  const options = (ip.options as Uint8Array).slice();
  ip.options = options;
  walk(options, out, ip, true);
}

/**
 * Walks the options. `recording`: fills in what a forwarded packet asks for; otherwise checks, and fills in
 * what our own host's receipt asks for. Returns the offset of what is wrong, or -1.
 */
function walk(o: Uint8Array, dev: NetDevice, ip: Ipv4Header, recording: boolean): number {
  for (let i = 0; i < o.length; ) {
    const type = o[i] as number;
    if (type === IPOPT_END) return -1;
    if (type === IPOPT_NOOP) {
      i++;
      continue;
    }
    if (i + 1 >= o.length) return i;
    const len = o[i + 1] as number;
    if (len < 2 || i + len > o.length) return i;
    const bad = checkOne(o, i, len, type);
    if (bad >= 0) return bad;
    const forUs = inetAddrType(dev.net, ip.dst) === RTN_LOCAL;
    if (recording || forUs) fill(o, i, len, type, dev);
    i += len;
  }
  return -1;
}

function checkOne(o: Uint8Array, i: number, len: number, type: number): number {
  switch (type) {
    case IPOPT_RR:
    case IPOPT_LSRR:
    case IPOPT_SSRR: {
      if (len < 3) return i + 1;
      const pointer = o[i + 2] as number;
      if (pointer < 4) return i + 2;
      return pointer <= len && pointer + 3 > len ? i + 2 : -1;
    }
    case IPOPT_TIMESTAMP: {
      if (len < 4) return i + 1;
      const pointer = o[i + 2] as number;
      if (pointer < 5) return i + 2;
      const kind = (o[i + 3] as number) & 0xf;
      const need = kind === TS_ONLY ? 3 : 7;
      if (pointer <= len && pointer + need > len) return i + 2;
      if (pointer > len && (o[i + 3] as number) >> 4 === 15) return i + 3;
      return -1;
    }
    case IPOPT_RA:
      return len < 4 ? i + 1 : -1;
    case IPOPT_CIPSO:
    case IPOPT_SID:
      return i;
    default:
      // Unknown options are passed over by who is root, and everybody is on receipt.
      return -1;
  }
}

/** Writes our address or time where the option's pointer stands, and moves it on. */
function fill(o: Uint8Array, i: number, len: number, type: number, dev: NetDevice): void {
  const pointer = o[i + 2] as number;
  if (type === IPOPT_RR) {
    if (pointer > len) return;
    putInt(o, i + pointer - 1, inetSelectAddr(dev, 0, 0));
    o[i + 2] = pointer + 4;
    return;
  }
  if (type !== IPOPT_TIMESTAMP) return;
  if (pointer > len) {
    // No room: the overflow counter tells how many could not write.
    o[i + 3] = ((o[i + 3] as number) + 0x10) & 0xff;
    return;
  }
  const kind = (o[i + 3] as number) & 0xf;
  const now = timestampMs(dev);
  if (kind === TS_ONLY) {
    putInt(o, i + pointer - 1, now);
    o[i + 2] = pointer + 4;
    return;
  }
  if (kind === TS_AND_ADDR) putInt(o, i + pointer - 1, inetSelectAddr(dev, 0, 0));
  else if (kind !== TS_PRESPEC || inetAddrType(dev.net, getInt(o, i + pointer - 1)) !== RTN_LOCAL) return;
  putInt(o, i + pointer + 3, now);
  o[i + 2] = pointer + 8;
}

/** Milliseconds since midnight UTC (RFC 791 §3.1; Linux `inet_current_timestamp`). */
export function timestampMs(dev: NetDevice): number {
  const { env, nowUs } = dev.net.kernel;
  return Math.floor((env.epochUs + nowUs) / 1000) % 86_400_000;
}

function hasSourceRoute(o: Uint8Array): boolean {
  for (let i = 0; i < o.length; ) {
    const type = o[i] as number;
    if (type === IPOPT_END) return false;
    if (type === IPOPT_LSRR || type === IPOPT_SSRR) return true;
    i += type === IPOPT_NOOP ? 1 : Math.max(2, o[i + 1] ?? 2);
  }
  return false;
}

function putInt(o: Uint8Array, at: number, value: number): void {
  o[at] = value >>> 24;
  o[at + 1] = value >>> 16;
  o[at + 2] = value >>> 8;
  o[at + 3] = value;
}

function getInt(o: Uint8Array, at: number): number {
  return ((o[at] ?? 0) << 24) | ((o[at + 1] ?? 0) << 16) | ((o[at + 2] ?? 0) << 8) | (o[at + 3] ?? 0);
}
