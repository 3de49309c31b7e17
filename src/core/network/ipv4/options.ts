/**
 * IPv4 options (RFC 791 §3.1; Linux `net/ipv4/ip_options.c`): checked on arrival and filled in (record route,
 * timestamp), given back by who answers. Option objects are replaced, never changed: headers share them.
 */
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import { IPV4_HLEN, type Ipv4Header } from '../../wire/ipv4.ts';
import { inetAddrType } from '../route/addr-type.ts';
import { RTN_UNICAST } from '../route/route.ts';
import { inetSelectAddr } from './select-addr.ts';

export const IPOPT_END = 0;
export const IPOPT_NOOP = 1;
export const IPOPT_RR = 7;
export const IPOPT_TIMESTAMP = 68;
export const IPOPT_LSRR = 131;
export const IPOPT_SSRR = 137;
export const IPOPT_RA = 148;
/** Kinds of timestamp: alone; with the address; for addresses that the sender gave. */
const TS_ONLY = 0;
const TS_AND_ADDR = 1;
const TS_PRESPEC = 3;

/** One compilation: what was met, and what is written into the options. */
class Compiler {
  readonly o: Uint8Array;
  readonly net: NetNs;
  /** Our address for this packet. */
  readonly spec: number;
  rr = false;
  ts = false;
  srr = false;

  constructor(o: Uint8Array, net: NetNs, spec: number) {
    this.o = o;
    this.net = net;
    this.spec = spec;
  }

  /** Offset of what is wrong, or -1 (`__ip_options_compile`). */
  run(): number {
    const { o } = this;
    for (let i = 0; i < o.length; ) {
      if (o[i] === IPOPT_END) {
        o.fill(IPOPT_END, i);
        return -1;
      }
      if (o[i] === IPOPT_NOOP) {
        i++;
        continue;
      }
      const len = o[i + 1] ?? 0;
      if (len < 2 || len > o.length - i) return i;
      const bad = this.one(i, len);
      if (bad >= 0) return bad;
      i += len;
    }
    return -1;
  }

  private one(i: number, len: number): number {
    switch (this.o[i]) {
      case IPOPT_LSRR:
      case IPOPT_SSRR:
        return this.sourceRoute(i, len);
      case IPOPT_RR:
        return this.recordRoute(i, len);
      case IPOPT_TIMESTAMP:
        return this.timestamp(i, len);
      case IPOPT_RA:
        return len < 4 ? i + 1 : -1;
      default:
        return -1;
    }
  }

  private sourceRoute(i: number, len: number): number {
    if (len < 3) return i + 1;
    if ((this.o[i + 2] ?? 0) < 4) return i + 2;
    if (this.srr) return i;
    this.srr = true;
    return -1;
  }

  private recordRoute(i: number, len: number): number {
    const { o } = this;
    if (this.rr) return i;
    this.rr = true;
    if (len < 3) return i + 1;
    const pointer = o[i + 2] ?? 0;
    if (pointer < 4) return i + 2;
    if (pointer > len) return -1;
    if (pointer + 3 > len) return i + 2;
    putInt(o, i + pointer - 1, this.spec);
    o[i + 2] = pointer + 4;
    return -1;
  }

  private timestamp(i: number, len: number): number {
    const { o } = this;
    if (this.ts) return i;
    this.ts = true;
    if (len < 4) return i + 1;
    const pointer = o[i + 2] ?? 0;
    if (pointer < 5) return i + 2;
    const kind = (o[i + 3] ?? 0) & 0xf;
    if (pointer > len) return kind === TS_PRESPEC ? -1 : this.overflow(i);
    const need = kind === TS_AND_ADDR || kind === TS_PRESPEC ? 7 : 3;
    if (pointer + need > len) return i + 2;
    this.stamp(i, pointer, kind);
    return -1;
  }

  /** No room: the counter tells how many could not write. */
  private overflow(i: number): number {
    const field = this.o[i + 3] ?? 0;
    if (field >> 4 === 15) return i + 3;
    this.o[i + 3] = field + 0x10;
    return -1;
  }

  private stamp(i: number, pointer: number, kind: number): void {
    const { o, net } = this;
    const at = i + pointer - 1;
    if (kind === TS_ONLY) {
      putInt(o, at, timestampMs(net));
      o[i + 2] = pointer + 4;
    } else if (kind === TS_AND_ADDR) {
      putInt(o, at, this.spec);
      putInt(o, at + 4, timestampMs(net));
      o[i + 2] = pointer + 8;
    } else if (kind === TS_PRESPEC && inetAddrType(net, getInt(o, at)) !== RTN_UNICAST) {
      putInt(o, at + 4, timestampMs(net));
      o[i + 2] = pointer + 8;
    }
  }
}

/**
 * Checks the options of a received packet, and records `spec` and the time where they ask for it. Returns the
 * offset in the IP header of what is wrong, or -1 (`ip_options_compile`).
 */
export function compileOptions(ip: Ipv4Header, net: NetNs, spec: number): number {
  const options = (ip.options as Uint8Array).slice();
  ip.options = options;
  const bad = new Compiler(options, net, spec).run();
  return bad < 0 ? -1 : IPV4_HLEN + bad;
}

/** Options for our own packets are right: the header's offset of what is wrong, or -1 (`ip_options_get`). */
export function checkOptions(o: Uint8Array, net: NetNs): number {
  return new Compiler(o.slice(), net, 0).run();
}

/** Our address and the time go into the options of a packet that begins here (`ip_options_build`). */
export function buildOptions(o: Uint8Array, net: NetNs, src: number): Uint8Array {
  const options = o.slice();
  new Compiler(options, net, src).run();
  return options;
}

/** Where an option of this type begins; -1: there is none. */
export function findOption(o: Uint8Array, type: number): number {
  for (let i = 0; i < o.length; ) {
    if (o[i] === type) return i;
    if (o[i] === IPOPT_END) return -1;
    i += o[i] === IPOPT_NOOP ? 1 : Math.max(2, o[i + 1] ?? 2);
  }
  return -1;
}

export function hasSourceRoute(o: Uint8Array): boolean {
  return findOption(o, IPOPT_LSRR) >= 0 || findOption(o, IPOPT_SSRR) >= 0;
}

/**
 * On the way through a router: what arrival has recorded becomes the address of the outgoing device
 * (`ip_forward_options`).
 */
export function forwardOptions(ip: Ipv4Header, out: NetDevice, spec: number): void {
  const o = (ip.options as Uint8Array).slice();
  ip.options = o;
  const ours = inetSelectAddr(out, ip.dst, 0);
  const rr = findOption(o, IPOPT_RR);
  if (rr >= 0) exchange(o, rr + (o[rr + 2] ?? 0) - 5, rr + 3, spec, ours);
  const ts = findOption(o, IPOPT_TIMESTAMP);
  const withAddress = ts >= 0 && ((o[ts + 3] ?? 0) & 0xf) === TS_AND_ADDR;
  if (withAddress) exchange(o, ts + (o[ts + 2] ?? 0) - 9, ts + 4, spec, ours);
}

/** The last entry, if it is the one that arrival wrote: a full option has none of ours. */
function exchange(o: Uint8Array, at: number, first: number, spec: number, ours: number): void {
  if (at >= first && getInt(o, at) === spec) putInt(o, at, ours);
}

/**
 * The options of an answer to a packet with these, sent from `src`: its record of the route and timestamps,
 * continued on the way back (`__ip_options_echo`, `ip_options_build`). Null: none.
 */
export function echoOptions(o: Uint8Array, net: NetNs, src: number): Uint8Array | null {
  const out: number[] = [];
  for (const type of [IPOPT_RR, IPOPT_TIMESTAMP]) {
    const at = findOption(o, type);
    if (at < 0) continue;
    const option = o.slice(at, at + (o[at + 1] ?? 0));
    if (type === IPOPT_RR) echoRoute(option, src);
    else echoTimestamp(option, net, src);
    out.push(...option);
  }
  if (out.length === 0) return null;
  while (out.length % 4 !== 0) out.push(IPOPT_END);
  return Uint8Array.from(out);
}

/** What may be sent back with an answer: a record of the route and timestamps, as they came (`ip_cmsg_recv_retopts`). */
export function returnOptions(o: Uint8Array): Uint8Array {
  const out: number[] = [];
  for (const type of [IPOPT_RR, IPOPT_TIMESTAMP]) {
    const at = findOption(o, type);
    if (at >= 0) out.push(...o.subarray(at, at + (o[at + 1] ?? 0)));
  }
  while (out.length % 4 !== 0) out.push(IPOPT_END);
  return Uint8Array.from(out);
}

function echoRoute(option: Uint8Array, src: number): void {
  const pointer = option[2] ?? 0;
  if (pointer + 3 > option.length) return;
  putInt(option, pointer - 1, src);
  option[2] = pointer + 4;
}

function echoTimestamp(option: Uint8Array, net: NetNs, src: number): void {
  const kind = (option[3] ?? 0) & 0xf;
  let pointer = option[2] ?? 0;
  const need = kind === TS_AND_ADDR ? 7 : 3;
  if (kind === TS_PRESPEC || pointer + need > option.length) return;
  if (kind === TS_AND_ADDR) {
    putInt(option, pointer - 1, src);
    pointer += 4;
  }
  putInt(option, pointer - 1, timestampMs(net));
  option[2] = pointer + 4;
}

/** Milliseconds since midnight UTC (RFC 791 §3.1; Linux `inet_current_timestamp`). */
export function timestampMs(net: NetNs): number {
  const { env, nowUs } = net.kernel;
  return Math.floor((env.epochUs + nowUs) / 1000) % 86_400_000;
}

function putInt(o: Uint8Array, at: number, value: number): void {
  o[at] = value >>> 24;
  o[at + 1] = value >>> 16;
  o[at + 2] = value >>> 8;
  o[at + 3] = value;
}

function getInt(o: Uint8Array, at: number): number {
  return (
    ((o[at] ?? 0) << 24) | ((o[at + 1] ?? 0) << 16) | ((o[at + 2] ?? 0) << 8) | (o[at + 3] ?? 0)
  );
}
