/**
 * Interface identifiers: the last 64 bits of an address that is made from a prefix (RFC 4291 appendix A, RFC 7217,
 * RFC 8981 §3.3; Linux `ipv6_generate_eui64`, `ipv6_generate_stable_address`, `ipv6_gen_rnd_iid`).
 */
import type { NetDevice } from '../../link/net-device.ts';
import { Ip6Addr } from '../../util/ip6-addr.ts';
import { sha1Block } from '../../util/sha1.ts';
import { ARPHRD_ETHER, ARPHRD_IPGRE, ARPHRD_SIT } from '../../wire/arp.ts';
import { RT_SCOPE_LINK } from '../route/fib.ts';
import { IFA_F_STABLE_PRIVACY, IFA_F_TENTATIVE } from './address.ts';
import {
  IN6_ADDR_GEN_MODE_RANDOM,
  IN6_ADDR_GEN_MODE_STABLE_PRIVACY,
  type Ipv6Device,
} from './device.ts';

/** An address that was made, and what it has in its flags for that. */
export interface MadeAddress {
  readonly addr: Ip6Addr;
  readonly flags: number;
}

/** The address of this device in the prefix of 64 bits; null: it has none. LINUX: mode `none` is about fe80::/64 alone. */
export function makeAddress(ipv6: Ipv6Device, prefix: Ip6Addr): MadeAddress | null {
  const { addrGenMode } = ipv6.conf;
  if (
    addrGenMode === IN6_ADDR_GEN_MODE_STABLE_PRIVACY ||
    addrGenMode === IN6_ADDR_GEN_MODE_RANDOM
  ) {
    const addr = stableAddress(ipv6, prefix, 0);
    if (addr !== null) return { addr, flags: IFA_F_STABLE_PRIVACY };
  }
  return eui64Address(ipv6, prefix);
}

/** From the MAC, or as the link-local address has it (`ipv6_inherit_eui64`). */
export function eui64Address(ipv6: Ipv6Device, prefix: Ip6Addr): MadeAddress | null {
  const own = eui64(ipv6.dev);
  if (own !== null) return { addr: new Ip6Addr(prefix.a, prefix.b, own[0], own[1]), flags: 0 };
  for (const a of ipv6.addresses)
    if (a.scope === RT_SCOPE_LINK && (a.flags & IFA_F_TENTATIVE) === 0)
      return { addr: new Ip6Addr(prefix.a, prefix.b, a.addr.c, a.addr.d), flags: 0 };
  return null;
}

/** The two words of a modified EUI-64; null: the device has none. */
export function eui64(dev: NetDevice): readonly [number, number] | null {
  if (dev.type === ARPHRD_SIT || dev.type === ARPHRD_IPGRE) return tunnelId(dev);
  if (dev.type !== ARPHRD_ETHER) return null;
  const high = Math.floor(dev.mac / 2 ** 24);
  const low = dev.mac % 2 ** 24;
  // Several devices have this MAC: their number stands in the middle, where ff:fe would.
  const id = dev.ops.devId?.(dev) ?? 0;
  if (id !== 0) return [(high << 8) | (id >>> 8), ((id & 255) << 24) | low];
  return [((high ^ 0x020000) << 8) | 0xff, 0xfe000000 | low];
}

/** From the IPv4 address of its near end (RFC 4213 §3.7; RFC 5214 §6.1 for GRE); null: it has none. */
function tunnelId(dev: NetDevice): readonly [number, number] | null {
  const local = dev.ops.tunnelEnds?.(dev).local ?? 0;
  if (local === 0) return null;
  const isatap = isPrivate(local) ? 0x5efe : 0x02005efe;
  return [dev.type === ARPHRD_SIT ? 0 : isatap, local];
}

/** Addresses that are not unique (`__ipv6_isatap_ifid`). */
function isPrivate(addr: number): boolean {
  const [a, b] = [addr >>> 24, (addr >>> 16) & 255];
  return (
    a === 0 ||
    a === 10 ||
    a === 127 ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168) ||
    (a === 169 && b === 254)
  );
}

/**
 * RFC 7217 §5, with SHA-1 over the secret, the prefix, the permanent MAC and the count of duplicates; null: there is no
 * secret, or no identifier is left. LINUX: a device that is not of hardware has no permanent MAC, and the words of the
 * digest stand in the byte order of the machine, which is taken to be little endian.
 */
export function stableAddress(ipv6: Ipv6Device, prefix: Ip6Addr, retry: number): Ip6Addr | null {
  const secret = secretOf(ipv6);
  if (secret === null) return null;
  const { idgenRetries } = ipv6.dev.net.ipv6.sysctl;
  const block = new Int32Array(16);
  block.set([secret.a, secret.b, secret.c, secret.d, prefix.a, prefix.b]);
  for (let count = retry; ; count++) {
    if (count > retry && count > idgenRetries) return null;
    block[14] = count << 24;
    const digest = sha1Block(block);
    const [c, d] = [swap(digest[0] as number), swap(digest[1] as number)];
    if (!isReserved(c, d)) return new Ip6Addr(prefix.a, prefix.b, c, d);
  }
}

/** The device's secret, or `default`'s; a device of mode `random` makes itself one (`ipv6_gen_mode_random_init`). */
function secretOf(ipv6: Ipv6Device): Ip6Addr | null {
  const { net } = ipv6.dev;
  if (ipv6.conf.addrGenMode === IN6_ADDR_GEN_MODE_RANDOM && ipv6.auto?.stableSecret == null) {
    const random = net.kernel.random(`ipv6-stable:${net.id}:${ipv6.dev.name}`);
    ipv6.ownAuto().stableSecret = new Ip6Addr(
      random.i32(),
      random.i32(),
      random.i32(),
      random.i32(),
    );
  }
  return ipv6.auto?.stableSecret ?? net.ipv6.extraMaybe?.stableSecret ?? null;
}

/** A random identifier behind the prefix (RFC 8981 §3.3.1). */
export function randomAddress(ipv6: Ipv6Device, prefix: Ip6Addr): Ip6Addr {
  const random = ipv6.dev.net.kernel.random('ipv6-temporary');
  for (;;) {
    const [c, d] = [random.i32(), random.i32()];
    if (!isReserved(c, d)) return new Ip6Addr(prefix.a, prefix.b, c, d);
  }
}

/** RFC 5453, RFC 2526: identifiers that are somebody's already (`ipv6_reserved_interfaceid`). */
function isReserved(c: number, d: number): boolean {
  if ((c | d) === 0) return true;
  if (c === 0x02005eff && (d & 0xfe000000) === (0xfe000000 | 0)) return true;
  return c === (0xfdffffff | 0) && (d & 0xffffff80) === (0xffffff80 | 0);
}

function swap(x: number): number {
  return (x << 24) | ((x << 8) & 0xff0000) | ((x >>> 8) & 0xff00) | (x >>> 24);
}
