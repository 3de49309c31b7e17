/** Routes of a large table by the devices of their ways: an event of one of many devices concerns few routes. */
import type { NetDevice } from '../../link/net-device.ts';
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import type { FibRoute6 } from './fib.ts';

export class DeviceIndex6 {
  private readonly byDevice: Map<NetDevice, Set<FibRoute6>> = new Map();

  add(route: FibRoute6): void {
    for (const { dev } of route.nexthops) {
      const routes = this.byDevice.get(dev);
      if (routes === undefined) this.byDevice.set(dev, new Set([route]));
      else routes.add(route);
    }
  }

  remove(route: FibRoute6): void {
    for (const { dev } of route.nexthops) {
      const routes = this.byDevice.get(dev);
      if (routes?.delete(route) === true && routes.size === 0) this.byDevice.delete(dev);
    }
  }

  /** Routes that have a way through a device. */
  through(dev: NetDevice): readonly FibRoute6[] {
    return [...(this.byDevice.get(dev) ?? [])];
  }

  /** The same of one prefix, best first. */
  of(dev: NetDevice, dst: Ip6Addr, prefixLen: number): FibRoute6[] {
    const out: FibRoute6[] = [];
    for (const r of this.byDevice.get(dev) ?? [])
      if (r.prefixLen === prefixLen && dst.equals(r.dst)) out.push(r);
    return out.length < 2 ? out : out.sort((a, b) => a.metric - b.metric);
  }
}
