/** What IPv6 keeps of a device (Linux `struct inet6_dev`); what happens to it is in `addrconf.ts`. */
import { IFF_LOOPBACK, IFF_MULTICAST, IFF_NOARP, type NetDevice } from '../../link/net-device.ts';
import type { NeighConf } from '../../sysctl.ts';
import {
  IPV6_CONF_DEFAULT,
  IPV6_CONF_LOOPBACK,
  IPV6_CONF_NOARP,
  type Ipv6Conf,
} from '../../sysctl6.ts';
import type { Timer } from '../../timer.ts';
import { IN6ADDR_LINKLOCAL_ALLROUTERS } from '../../util/ip6-addr.ts';
import { Ip6Map } from '../../util/ip6-map.ts';
import { ARPHRD_SIT, ARPHRD_TUNNEL } from '../../wire/arp.ts';
import type { Ipv6Address } from './address.ts';
import { AutoConf } from './auto-conf.ts';
import type { MldDevice } from './mld.ts';

/** A device without link-layer addresses: its interface identifiers are random (`addr_gen_mode` 3). */
const ARPHRD_NONE = 0xfffe;
export const IN6_ADDR_GEN_MODE_EUI64 = 0;
export const IN6_ADDR_GEN_MODE_NONE = 1;
export const IN6_ADDR_GEN_MODE_STABLE_PRIVACY = 2;
export const IN6_ADDR_GEN_MODE_RANDOM = 3;

export class Ipv6Device {
  readonly dev: NetDevice;
  /** By scope, the widest first; among equals the latest first. */
  addresses: readonly Ipv6Address[] = [];
  conf: Readonly<Ipv6Conf>;
  /** net.ipv6.conf.IF.mtu: follows the device's. */
  mtu: number;
  /** Settings of its neighbours. */
  neighConf: Readonly<NeighConf>;
  /** Multicast groups that are received here, with the number of those who want each. */
  readonly groups: Ip6Map<number> = new Ip6Map();
  /** The link was up once addresses could be configured (`IF_READY`). */
  ready = false;
  /** Fires when the next lifetime ends; null while none does. */
  lifetimeTimer: Timer | null = null;
  /** Reports about groups, and filters of sources; null: nothing is to be told or remembered. */
  mld: MldDevice | null = null;
  /** What routers told of this link, and what was asked of them; null: nothing. */
  auto: AutoConf | null = null;
  /** Anycast addresses, with the number of those who want each; null: none. */
  anycasts: Ip6Map<number> | null = null;

  constructor(dev: NetDevice) {
    this.dev = dev;
    const { ipv6 } = dev.net;
    this.conf = ipv6.confDefault;
    this.neighConf = ipv6.neighConfDefault;
    this.mtu = dev.mtu;
    this.conf = confOf(dev, this.conf);
    if (dev.type === ARPHRD_NONE && this.conf.addrGenMode === IN6_ADDR_GEN_MODE_EUI64)
      this.conf = this.conf.with('addrGenMode', IN6_ADDR_GEN_MODE_RANDOM);
    // Reported once the device is up.
    if (this.conf.forwarding !== 0 && (dev.flags & IFF_MULTICAST) !== 0)
      this.groups.set(IN6ADDR_LINKLOCAL_ALLROUTERS, 1);
  }

  ownAuto(): AutoConf {
    this.auto ??= new AutoConf();
    return this.auto;
  }
}

/** What differs from `default` in a device of its kind (`ipv6_add_dev`). */
function confOf(dev: NetDevice, conf: Readonly<Ipv6Conf>): Readonly<Ipv6Conf> {
  const noarp = (dev.flags & (IFF_NOARP | IFF_LOOPBACK)) !== 0;
  const isTunnel =
    dev.type === ARPHRD_TUNNEL || dev.type === ARPHRD_SIT || dev.type === ARPHRD_NONE;
  const neverTemporary = isTunnel || (dev.flags & IFF_LOOPBACK) !== 0;
  if (!noarp && !neverTemporary) return conf;
  if (conf === IPV6_CONF_DEFAULT && noarp)
    return neverTemporary ? IPV6_CONF_LOOPBACK : IPV6_CONF_NOARP;
  const own = noarp ? conf.with('acceptDad', -1) : conf;
  return neverTemporary ? own.with('useTempaddr', -1) : own;
}

/** Effective value of a setting: the larger of `all`'s and the device's. */
export function maxConf6(ipv6: Ipv6Device, key: Exclude<keyof Ipv6Conf, 'with'>): number {
  return Math.max(ipv6.conf[key], ipv6.dev.net.ipv6.confAll[key]);
}

/** Does the device heed router advertisements (`ipv6_accept_ra`)? */
export function acceptsRa({ conf }: Ipv6Device): boolean {
  return conf.forwarding !== 0 ? conf.acceptRa === 2 : conf.acceptRa !== 0;
}
