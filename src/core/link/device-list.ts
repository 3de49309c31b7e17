/** The devices of one namespace, by name and by index (Linux `dev_base_head`, `dev_index_head`; S1). */
import { IFNAMSIZ, type NetDevice } from './net-device.ts';

/** As many are searched one by one; more are found by maps. */
const FEW = 8;

interface Index {
  readonly byName: Map<string, NetDevice>;
  readonly byIndex: Map<number, NetDevice>;
}

export class DeviceList {
  /** In the order in which they came. */
  private devices: readonly NetDevice[] = [];
  private index: Index | null = null;
  private lastIndex = 0;

  /** In the order in which they came. What leaves during a walk may still be met; what comes is not. */
  [Symbol.iterator](): IterableIterator<NetDevice> {
    return (this.index === null ? this.devices : this.index.byIndex).values();
  }

  get size(): number {
    return this.index?.byIndex.size ?? this.devices.length;
  }

  find(name: string): NetDevice | undefined {
    if (this.index !== null) return this.index.byName.get(name);
    return this.devices.find((d) => d.name === name);
  }

  findIndex(ifindex: number): NetDevice | undefined {
    if (this.index !== null) return this.index.byIndex.get(ifindex);
    for (let i = 0; i < this.devices.length; i++) {
      const dev = this.devices[i] as NetDevice;
      if (dev.ifindex === ifindex) return dev;
    }
    return undefined;
  }

  /** The next free index; one that was used is not given again soon (`dev_index_reserve`). */
  nextIndex(): number {
    do this.lastIndex++;
    while (this.findIndex(this.lastIndex) !== undefined);
    return this.lastIndex;
  }

  /** The first free name of a pattern such as `veth%d` (Linux `dev_alloc_name`). */
  freeName(pattern: string): string {
    for (let n = 0; ; n++) {
      const name = pattern.replace('%d', String(n));
      if (this.find(name) === undefined) return name;
    }
  }

  add(dev: NetDevice): void {
    if (this.index === null && this.devices.length < FEW) {
      this.devices = this.devices.concat(dev);
      return;
    }
    this.index ??= makeIndex(this.devices);
    this.devices = [];
    this.index.byName.set(dev.name, dev);
    this.index.byIndex.set(dev.ifindex, dev);
  }

  remove(dev: NetDevice): void {
    this.devices = this.devices.filter((d) => d !== dev);
    this.index?.byName.delete(dev.name);
    this.index?.byIndex.delete(dev.ifindex);
  }

  rename(dev: NetDevice, name: string): void {
    this.index?.byName.delete(dev.name);
    dev.name = name;
    this.index?.byName.set(name, dev);
  }
}

function makeIndex(devices: readonly NetDevice[]): Index {
  return {
    byName: new Map(devices.map((d) => [d.name, d])),
    byIndex: new Map(devices.map((d) => [d.ifindex, d])),
  };
}

/** Linux `dev_valid_name`: 1 to 15 bytes, no slash, colon or white space, neither "." nor "..". */
export function isValidDeviceName(name: string): boolean {
  if (name.length === 0 || name.length >= IFNAMSIZ || name === '.' || name === '..') return false;
  return !/[/:\s]/.test(name);
}
