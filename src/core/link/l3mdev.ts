/**
 * Layer-3 masters (Linux `net/l3mdev`): devices that give those that belong to them, and who is bound to them, a
 * routing table of their own. A namespace without any pays one comparison (`NetNs.l3mdevs`).
 */
import type { NetNs } from '../net.ts';
import type { Packet } from '../packet.ts';
import type { NetDevice } from './net-device.ts';

/** The master of a device, or itself when it is one; null: neither (`l3mdev_master_dev_rcu`). */
export function l3Master(dev: NetDevice): NetDevice | null {
  if (dev.net.l3mdevs === 0) return null;
  if (dev.ops.l3Table !== undefined) return dev;
  const { master } = dev;
  return master !== null && master.ops.l3Table !== undefined ? master : null;
}

/** Table of the device's routes; 0: those of all (`l3mdev_fib_table`). */
export function l3Table(dev: NetDevice): number {
  const master = l3Master(dev);
  return master === null ? 0 : (master.ops.l3Table?.(master) ?? 0);
}

/** The same by index. */
export function l3TableOf(net: NetNs, ifindex: number): number {
  if (net.l3mdevs === 0 || ifindex === 0) return 0;
  const dev = net.devs.findIndex(ifindex);
  return dev === undefined ? 0 : l3Table(dev);
}

/** Is it a master (`netif_is_l3_master`)? */
export function isL3Master(dev: NetDevice): boolean {
  return dev.ops.l3Table !== undefined;
}

/** Index of the master by which an answer leaves; 0: by whatever the routes say (`l3mdev_master_ifindex`). */
export function l3Oif(dev: NetDevice): number {
  return l3Master(dev)?.ifindex ?? 0;
}

/** The same by index; `ifindex` itself may be the master's. */
export function l3OifOf(net: NetNs, ifindex: number): number {
  if (net.l3mdevs === 0 || ifindex === 0) return 0;
  const dev = net.devs.findIndex(ifindex);
  return dev === undefined ? 0 : l3Oif(dev);
}

/**
 * By which port of a master a packet came, for `isBoundTo`: 0: there was no master; negative: sockets that are
 * bound to no device are not to hear it (`inet_sdif`, net.ipv4.*_l3mdev_accept).
 */
export function sdifOf(pkt: Packet, accept: number): number {
  const { slave } = pkt;
  if (slave === null) return 0;
  return accept !== 0 ? slave.ifindex : -slave.ifindex;
}

/**
 * May a socket that is bound to device `bound` hear what came by `dif` (`inet_bound_dev_eq`)? A negative `dif`: only
 * if it is bound.
 */
export function isBoundTo(bound: number, dif: number, sdif = 0): boolean {
  if (bound === 0) return dif >= 0 && sdif >= 0;
  if (bound === dif || bound === -dif) return true;
  return sdif !== 0 && (bound === sdif || bound === -sdif);
}

/**
 * Looks for a socket for what came by a layer-3 master: one that is bound to the master, or, with `accept`, to
 * nothing; else one that is bound to the port of the master. `find` gets a `dif` for `isBoundTo`.
 */
export function lookupL3<T>(
  pkt: Packet,
  accept: number,
  find: (dif: number) => T | null,
): T | null {
  const { dev, slave } = pkt;
  if (dev === null || slave === null) return null;
  return find(accept !== 0 ? dev.ifindex : -dev.ifindex) ?? find(-slave.ifindex);
}
