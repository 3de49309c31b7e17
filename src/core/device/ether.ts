/** What drivers of Ethernet-like devices have in common: the checks and the fields of a new one (`ether_setup`). */
import { EADDRNOTAVAIL, EBUSY, EINVAL } from '../errno.ts';
import { allocDeviceName, isValidEtherAddr, mtuRefusal } from '../link/device-state.ts';
import { type DeviceOps, IFF_BROADCAST, IFF_MULTICAST, NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import { MAC_BROADCAST } from '../util/address.ts';
import { ARPHRD_ETHER } from '../wire/arp.ts';

/** A device that is to be made. */
export interface EtherSpec {
  readonly net: NetNs;
  /** A name, or a pattern such as `dummy%d`. */
  readonly name: string;
  /** 48-bit integer; chosen by the driver when absent. */
  readonly mac?: number;
  /** Bytes; chosen by the driver when absent. */
  readonly mtu?: number;
  /** Wanted index; the next free one when absent. */
  readonly ifindex?: number;
}

/**
 * A device that is not registered yet. `-EINVAL` (name, index, MTU), `-EEXIST`, `-EBUSY` (index),
 * `-EADDRNOTAVAIL` (MAC).
 */
export function makeEther(spec: EtherSpec, ops: DeviceOps, mtu: number): NetDevice | number {
  const dev = makeDevice(spec, ops, mtu, ARPHRD_ETHER);
  if (typeof dev === 'number') return dev;
  dev.flags = IFF_BROADCAST | IFF_MULTICAST;
  dev.mac = spec.mac ?? 0;
  dev.macSet = spec.mac !== undefined;
  dev.broadcast = MAC_BROADCAST;
  return dev;
}

/** The same of any type of link (`ARPHRD_*`), without addresses and flags. */
export function makeDevice(
  spec: EtherSpec,
  ops: DeviceOps,
  mtu: number,
  type: number,
): NetDevice | number {
  const { net, ifindex } = spec;
  const name = allocDeviceName(net, spec.name);
  if (typeof name === 'number') return name;
  if (spec.mac !== undefined && !isValidEtherAddr(spec.mac)) return -EADDRNOTAVAIL;
  if (ifindex !== undefined && ifindex <= 0) return -EINVAL;
  if (ifindex !== undefined && net.devs.findIndex(ifindex) !== undefined) return -EBUSY;
  const dev = new NetDevice(net, ops, name, ifindex ?? net.devs.nextIndex(), type);
  if (spec.mtu !== undefined && mtuRefusal(dev, spec.mtu) !== '') return -EINVAL;
  dev.mtu = spec.mtu ?? mtu;
  if (type !== ARPHRD_ETHER) dev.hardHeaderLen = 0;
  return dev;
}

/** `netif_stacked_transfer_operstate`, `netdev_upper_dev_link`: a new device stands on another. */
export function linkUpper(lower: NetDevice, upper: NetDevice): void {
  lower.uppers ??= [];
  lower.uppers.push(upper);
}

export function unlinkUpper(lower: NetDevice, upper: NetDevice): void {
  const rest = lower.uppers?.filter((d) => d !== upper) ?? [];
  lower.uppers = rest.length === 0 ? null : rest;
}
