/** Router advertisements as bytes (RFC 4861 §4.2, RFC 4191 §2.3, RFC 8106 §5). */
import { type Ip6Addr, parseIpv6 } from '../core/index.ts';
import { type Preference, RadvdConfigError, type RadvdInterface } from './radvd-config.ts';

const ROUTER_ADVERTISEMENT = 134;
const PREFERENCES: Readonly<Record<Preference, number>> = { medium: 0, high: 1, low: 3 };

/** What the interface has that the configuration does not say. */
export interface LinkFacts {
  /** Bytes of its link-layer address; empty: none. */
  readonly mac: readonly number[];
}

/** The message; `last`: the router stops, and says that it is none any more (§6.2.5). */
export function advertisement(i: RadvdInterface, link: LinkFacts, last: boolean): Uint8Array {
  const flags =
    (i.AdvManagedFlag ? 0x80 : 0) |
    (i.AdvOtherConfigFlag ? 0x40 : 0) |
    (PREFERENCES[i.AdvDefaultPreference] << 3);
  const usual = i.AdvDefaultLifetime < 0 ? 3 * i.MaxRtrAdvInterval : i.AdvDefaultLifetime;
  const lifetime = last ? 0 : Math.min(Math.ceil(usual), 9000);
  return Uint8Array.from([
    ...[ROUTER_ADVERTISEMENT, 0, 0, 0, i.AdvCurHopLimit, flags],
    ...be16(lifetime),
    ...be32(i.AdvReachableTime),
    ...be32(i.AdvRetransTimer),
    ...i.prefixes.flatMap((p) => [
      ...[3, 4, p.length],
      (p.AdvOnLink ? 0x80 : 0) | (p.AdvAutonomous ? 0x40 : 0) | (p.AdvRouterAddr ? 0x20 : 0),
      ...be32(p.AdvValidLifetime),
      ...be32(p.AdvPreferredLifetime),
      ...be32(0),
      ...bytes6(p.prefix),
    ]),
    ...i.routes.flatMap((r) => routeOption(i, r, last)),
    ...i.rdnss.flatMap((d) => dnsOption(25, i, d, last, d.values.flatMap(bytes6))),
    ...i.dnssl.flatMap((d) => dnsOption(31, i, d, last, d.values.flatMap(domain))),
    ...(i.AdvLinkMTU === 0 ? [] : [5, 1, 0, 0, ...be32(i.AdvLinkMTU)]),
    ...(i.AdvSourceLLAddress && link.mac.length === 6 ? [1, 1, ...link.mac] : []),
  ]);
}

function routeOption(
  i: RadvdInterface,
  r: RadvdInterface['routes'][number],
  last: boolean,
): number[] {
  const units = r.length === 0 ? 1 : r.length <= 64 ? 2 : 3;
  const usual = r.AdvRouteLifetime < 0 ? 3 * i.MaxRtrAdvInterval : r.AdvRouteLifetime;
  const lifetime = last && r.RemoveRoute ? 0 : usual;
  return [
    ...[24, units, r.length, PREFERENCES[r.AdvRoutePreference] << 3],
    ...be32(Math.ceil(lifetime)),
    ...bytes6(r.prefix).slice(0, 8 * (units - 1)),
  ];
}

function dnsOption(
  type: number,
  i: RadvdInterface,
  d: RadvdInterface['rdnss'][number],
  last: boolean,
  data: readonly number[],
): number[] {
  const usual = d.lifetime < 0 ? 2 * i.MaxRtrAdvInterval : d.lifetime;
  const lifetime = last && d.flush ? 0 : usual;
  const padded = [...data, ...new Array<number>((8 - (data.length % 8)) % 8).fill(0)];
  return [type, 1 + padded.length / 8, 0, 0, ...be32(Math.ceil(lifetime)), ...padded];
}

/** A name as RFC 1035 §3.1 writes it. */
function domain(name: string): number[] {
  const labels = name.replace(/\.$/, '').split('.');
  return [...labels.flatMap((l) => [l.length, ...[...l].map((c) => c.charCodeAt(0) & 0x7f)]), 0];
}

function bytes6(text: string): number[] {
  const addr: Ip6Addr | undefined = parseIpv6(text);
  if (addr === undefined) throw new RadvdConfigError(`"${text}" is no IPv6 address`);
  return [addr.a, addr.b, addr.c, addr.d].flatMap((n) => be32(n));
}

function be16(n: number): number[] {
  return [(n >>> 8) & 255, n & 255];
}

function be32(n: number): number[] {
  return [(n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
}
