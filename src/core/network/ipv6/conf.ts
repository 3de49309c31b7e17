/**
 * Writing net.ipv6.conf.*: what a value changes besides itself (Linux `addrconf_sysctl_forward`,
 * `addrconf_sysctl_disable`, `addrconf_sysctl_mtu`, `addrconf_sysctl_addr_gen_mode`).
 */
import type { NetNs } from '../../net.ts';
import type { Ipv6Conf } from '../../sysctl.ts';
import { IPV6_MIN_MTU } from '../../wire/ipv6.ts';
import { disableChange } from './addrconf.ts';
import { inet6Device } from './address.ts';
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
  set(net, target, field, value);
  if (field === 'forwarding' && target === 'all') {
    set(net, 'default', field, value);
    eachDevice(net, (d) => set(net, d, field, value));
  }
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
  // RFC 7217 needs a secret, which cannot be given here.
  return (
    value >= 0 && value <= IN6_ADDR_GEN_MODE_RANDOM && value !== IN6_ADDR_GEN_MODE_STABLE_PRIVACY
  );
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
