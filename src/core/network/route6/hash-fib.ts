/**
 * The routes of a large IPv6 table: a map for each prefix length in use, searched from the longest.
 */
import type { NetDevice } from '../../link/net-device.ts';
import { type Ip6Addr, prefixOf } from '../../util/ip6-addr.ts';
import { Ip6Map } from '../../util/ip6-map.ts';
import { DeviceIndex6 } from './device-index.ts';
import type { FibRoute6 } from './fib.ts';

export class HashFib6 {
  size = 0;
  private readonly byLength: Map<number, Ip6Map<FibRoute6[]>> = new Map();
  /** Lengths in use, longest first. */
  private lengths: readonly number[] = [];
  private readonly devices: DeviceIndex6 = new DeviceIndex6();

  /** Of the prefixes that hold `dst` and are shorter than `below`, the routes of the longest. */
  match(dst: Ip6Addr, below: number): readonly FibRoute6[] | null {
    for (const length of this.lengths) {
      if (length >= below) continue;
      const routes = this.byLength.get(length)?.get(prefixOf(dst, length));
      if (routes !== undefined) return routes;
    }
    return null;
  }

  /** Routes of one prefix, best first. */
  at(dst: Ip6Addr, prefixLen: number): readonly FibRoute6[] {
    return this.byLength.get(prefixLen)?.get(dst) ?? [];
  }

  /** Puts a route behind those of equal metric. */
  insert(route: FibRoute6): void {
    this.size++;
    this.devices.add(route);
    let map = this.byLength.get(route.prefixLen);
    if (map === undefined) {
      map = new Ip6Map();
      this.byLength.set(route.prefixLen, map);
      this.lengths = this.lengths.concat(route.prefixLen).sort((a, b) => b - a);
    }
    const list = map.get(route.dst);
    if (list === undefined) {
      map.set(route.dst, [route]);
      return;
    }
    // From the end: a prefix that every device has would be walked through for each of them.
    let i = list.length;
    while (i > 0 && (list[i - 1] as FibRoute6).metric > route.metric) i--;
    list.splice(i, 0, route);
  }

  /** Puts `route` in the place of `old`. */
  replace(old: FibRoute6, route: FibRoute6): void {
    const list = this.byLength.get(old.prefixLen)?.get(old.dst);
    const i = list?.indexOf(old) ?? -1;
    if (list === undefined || i < 0) return;
    list[i] = route;
    this.devices.remove(old);
    this.devices.add(route);
  }

  remove(route: FibRoute6): void {
    const map = this.byLength.get(route.prefixLen);
    const list = map?.get(route.dst);
    const i = list?.indexOf(route) ?? -1;
    if (map === undefined || list === undefined || i < 0) return;
    this.size--;
    this.devices.remove(route);
    list.splice(i, 1);
    if (list.length > 0) return;
    map.delete(route.dst);
    if (map.size > 0) return;
    this.byLength.delete(route.prefixLen);
    this.lengths = this.lengths.filter((n) => n !== route.prefixLen);
  }

  list(): readonly FibRoute6[] {
    const all: FibRoute6[] = [];
    for (const map of this.byLength.values()) for (const list of map.values()) all.push(...list);
    return all;
  }

  /** Routes that have a way through a device. */
  through(dev: NetDevice): readonly FibRoute6[] {
    return this.devices.through(dev);
  }

  /** The same of one prefix, best first. */
  of(dev: NetDevice, dst: Ip6Addr, prefixLen: number): readonly FibRoute6[] {
    return this.devices.of(dev, dst, prefixLen);
  }

  /** How many lengths the prefixes have: a look-up may ask for each. */
  get lengthCount(): number {
    return this.lengths.length;
  }
}
