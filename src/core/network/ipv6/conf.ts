/**
 * Writing net.ipv6.conf.*: what a value changes besides itself (Linux `addrconf_sysctl_forward`,
 * `addrconf_sysctl_disable`, `addrconf_sysctl_mtu`, `addrconf_sysctl_addr_gen_mode`).
 */
import { IFF_LOOPBACK } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import type { Ipv6Conf } from '../../sysctl6.ts';
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import { IPV6_MIN_MTU } from '../../wire/ipv6.ts';
import { purgeDefaultRouters } from '../route6/ra-route.ts';
import { addLinkLocal, disableChange } from './addrconf.ts';
import { inet6Device } from './address.ts';
import { forwardChange } from './anycast.ts';
import {
  IN6_ADDR_GEN_MODE_RANDOM,
  IN6_ADDR_GEN_MODE_STABLE_PRIVACY,
  type Ipv6Device,
} from './device.ts';

type Field = Exclude<keyof Ipv6Conf, 'with'>;

/** Writes a setting of `all`, of `default`, or of a device; false: the value makes no sense. */
export function writeConf6(
  net: NetNs,
  target: 'all' | 'default' | Ipv6Device,
  field: Field,
  value: number,
): boolean {
  const { ipv6 } = net;
  if (!isValid(target, field, value)) return false;
  // Devices that have nothing of their own yet have what `default` says now.
  if (target === 'default') makeAll(net);
  const was = readConf6(net, target, field);
  set(net, target, field, value);
  if (field === 'forwarding' && was !== value) forward(net, target, value);
  if (field === 'addrGenMode') generate(net, target, was, value);
  if (field === 'disableIpv6') disable(net, target, value);
  ipv6.changed();
  return true;
}

function set(
  net: NetNs,
  target: 'all' | 'default' | Ipv6Device,
  field: Field,
  value: number,
): void {
  const { ipv6 } = net;
  if (target === 'all') ipv6.confAll = ipv6.confAll.with(field, value);
  else if (target === 'default') ipv6.confDefault = ipv6.confDefault.with(field, value);
  else if (field === 'mtu') target.mtu = value;
  else target.conf = target.conf.with(field, value);
}

/** The value of a setting. */
export function readConf6(
  net: NetNs,
  target: 'all' | 'default' | Ipv6Device,
  field: Field,
): number {
  if (target === 'all') return net.ipv6.confAll[field];
  if (target === 'default') return net.ipv6.confDefault[field];
  return field === 'mtu' ? target.mtu : target.conf[field];
}

function isValid(target: 'all' | 'default' | Ipv6Device, field: Field, value: number): boolean {
  if (field === 'mtu' && typeof target === 'object')
    return value >= IPV6_MIN_MTU && value <= target.dev.mtu;
  if (field === 'hopLimit') return value >= 1 && value <= 255;
  if (field !== 'addrGenMode') return true;
  return typeof target === 'object'
    ? mayGenerate(target, value)
    : value >= 0 && value <= IN6_ADDR_GEN_MODE_RANDOM;
}

/** RFC 7217 needs a secret (`check_stable_privacy`). */
export function mayGenerate(ipv6: Ipv6Device, mode: number): boolean {
  if (mode < 0 || mode > IN6_ADDR_GEN_MODE_RANDOM) return false;
  if (mode !== IN6_ADDR_GEN_MODE_STABLE_PRIVACY) return true;
  const { ipv6: state } = ipv6.dev.net;
  return (stableSecret(ipv6.dev.net, ipv6) ?? state.extraMaybe?.stableSecret ?? null) !== null;
}

/** Linux `addrconf_fixup_forwarding`: a router is in the groups of routers, and has no default routers. */
function forward(net: NetNs, target: 'all' | 'default' | Ipv6Device, value: number): void {
  if (target === 'default') return;
  if (target === 'all') {
    set(net, 'default', 'forwarding', value);
    eachDevice(net, (d) => {
      const changes = (d.conf.forwarding === 0) !== (value === 0);
      set(net, d, 'forwarding', value);
      if (changes) forwardChange(d);
    });
  } else forwardChange(target);
  if (value !== 0) purgeDefaultRouters(net);
}

/** Linux `addrconf_sysctl_addr_gen_mode` */
function generate(
  net: NetNs,
  target: 'all' | 'default' | Ipv6Device,
  was: number,
  value: number,
): void {
  if (target === 'default') return;
  if (target !== 'all') {
    if (was !== value) autoAddresses(target);
    return;
  }
  set(net, 'default', 'addrGenMode', value);
  eachDevice(net, (d) => {
    const changes = d.conf.addrGenMode !== value;
    set(net, d, 'addrGenMode', value);
    if (changes) autoAddresses(d);
  });
}

/** Linux `addrconf_init_auto_addrs` */
function autoAddresses(ipv6: Ipv6Device): void {
  const { dev } = ipv6;
  const works = dev.up && ipv6.ready && ipv6.conf.disableIpv6 === 0;
  if (works && (dev.flags & IFF_LOOPBACK) === 0) addLinkLocal(ipv6);
}

/** net.ipv6.conf.*.stable_secret; null: it was never written. `all` has none. */
export function stableSecret(net: NetNs, target: 'default' | Ipv6Device): Ip6Addr | null {
  if (target === 'default') return net.ipv6.extraMaybe?.stableSecret ?? null;
  return target.auto?.stableSecret ?? null;
}

/** A secret makes addresses of it: of a device, or of all there are (`addrconf_sysctl_stable_secret`). */
export function setStableSecret(net: NetNs, target: 'default' | Ipv6Device, secret: Ip6Addr): void {
  if (target !== 'default') {
    target.ownAuto().stableSecret = secret;
    set(net, target, 'addrGenMode', IN6_ADDR_GEN_MODE_STABLE_PRIVACY);
    return;
  }
  net.ipv6.extra.stableSecret = secret;
  makeAll(net);
  eachDevice(net, (d) => set(net, d, 'addrGenMode', IN6_ADDR_GEN_MODE_STABLE_PRIVACY));
}

function disable(net: NetNs, target: 'all' | 'default' | Ipv6Device, value: number): void {
  if (target === 'default') return;
  if (target !== 'all') {
    disableChange(target.dev, target);
    return;
  }
  set(net, 'default', 'disableIpv6', value);
  eachDevice(net, (d) => {
    const changes = (d.conf.disableIpv6 === 0) !== (value === 0);
    set(net, d, 'disableIpv6', value);
    if (changes) disableChange(d.dev, d);
  });
}

function eachDevice(net: NetNs, visit: (ipv6: Ipv6Device) => void): void {
  for (const dev of net.devs) {
    const ipv6 = inet6Device(dev);
    if (ipv6 !== null) visit(ipv6);
  }
}

/** Gives every device its own settings, as Linux does when it is registered. */
export function makeAll(net: NetNs): void {
  for (const dev of net.devs) inet6Device(dev);
}
