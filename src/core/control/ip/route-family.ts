/** What `ip route` writes differently in the two families: prefixes, gateways. */
import { formatIpv4 } from '../../util/address.ts';
import { type Ip6Addr, mappedAddr, samePrefix } from '../../util/ip6-addr.ts';
import type { IpContext } from './ip.ts';
import {
  address6Word,
  CommandError,
  EXIT_PARSE,
  notImplemented,
  prefix6Of,
  prefix6Text,
  prefixOf,
  type Words,
  wrongArgument,
} from './words.ts';

/** A prefix of either family, in IPv6's space: two of one family can be compared. */
export interface AnyPrefix {
  readonly addr: Ip6Addr;
  readonly len: number;
  /** As it was written: `'default'`, `'10.0.0.0/8'`, `'fd00::1'`. */
  readonly text: string;
  /** A whole address. */
  readonly whole: boolean;
}

/** Of addresses that IPv4 is mapped into. */
const MAPPED_LEN = 96;

/** The prefix that a word writes; throws iproute2's sentence. */
export function anyPrefix(word: string, is6: boolean): AnyPrefix {
  if (is6) {
    const p = prefix6Of(word);
    return { addr: p.addr, len: p.len, text: prefix6Text(p), whole: p.len === 128 };
  }
  const { addr, len } = prefixOf(word);
  const dotted = formatIpv4(addr);
  const text = len === 0 && addr === 0 ? 'default' : len === 32 ? dotted : `${dotted}/${len}`;
  return { addr: mappedAddr(addr), len: len + MAPPED_LEN, text, whole: len === 32 };
}

/** True if the bits of `outer` are those of `inner`. */
export function coversPrefix(outer: AnyPrefix, inner: AnyPrefix): boolean {
  return samePrefix(outer.addr, inner.addr, outer.len);
}

/** An address of the family that is asked about. */
export function addressWord(words: Words, is6: boolean): string {
  return is6 ? address6Word(words.next()) : formatIpv4(words.address());
}

/** `via [ FAMILY ] ADDRESS` */
export function gatewayWord(words: Words, is6: boolean, already: boolean): string {
  if (already) throw wrongArgument('use nexthop syntax to specify multiple via\n', 'via');
  if (words.take('inet6') && !is6)
    throw notImplemented('via inet6', 'gateways of IPv4 routes are IPv4 addresses here');
  words.take('inet');
  return addressWord(words, is6);
}

/** The name of a device that is there. */
export function deviceWord(ctx: IpContext, name: string): string {
  if (!ctx.ns.link.has(name)) throw new CommandError(`Cannot find device "${name}"`, EXIT_PARSE);
  return name;
}
