/** The devices of one namespace, by name and by index (Linux `dev_base_head`, `dev_index_head`; S1). */

import { SmallMap } from '../util/small-map.ts';
import { IFNAMSIZ, type NetDevice } from './net-device.ts';

export class DeviceList {
  private readonly byName: SmallMap<string, NetDevice> = new SmallMap();
  private readonly byIndex: SmallMap<number, NetDevice> = new SmallMap();
  private lastIndex = 0;

  /** In order of ifindex of creation. */
  [Symbol.iterator](): IterableIterator<NetDevice> {
    return this.byIndex.values();
  }

  get size(): number {
    return this.byIndex.size;
  }

  find(name: string): NetDevice | undefined {
    return this.byName.get(name);
  }

  findIndex(ifindex: number): NetDevice | undefined {
    return this.byIndex.get(ifindex);
  }

  /** The next free index; one that was used is not given again soon (`dev_index_reserve`). */
  nextIndex(): number {
    do this.lastIndex++;
    while (this.byIndex.has(this.lastIndex));
    return this.lastIndex;
  }

  /** The first free name of a pattern such as `veth%d` (Linux `dev_alloc_name`). */
  freeName(pattern: string): string {
    for (let n = 0; ; n++) {
      const name = pattern.replace('%d', String(n));
      if (!this.byName.has(name)) return name;
    }
  }

  add(dev: NetDevice): void {
    this.byName.set(dev.name, dev);
    this.byIndex.set(dev.ifindex, dev);
  }

  remove(dev: NetDevice): void {
    this.byName.delete(dev.name);
    this.byIndex.delete(dev.ifindex);
  }

  rename(dev: NetDevice, name: string): void {
    this.byName.delete(dev.name);
    dev.name = name;
    this.byName.set(name, dev);
  }
}

/** Linux `dev_valid_name`: 1 to 15 bytes, no slash, colon or white space, neither "." nor "..". */
export function isValidDeviceName(name: string): boolean {
  if (name.length === 0 || name.length >= IFNAMSIZ || name === '.' || name === '..') return false;
  return !/[/:\s]/.test(name);
}
