/**
 * Answers in another's name: the addresses of `ip neigh add proxy`, and the requests that are answered
 * after a random pause, so that the owner comes first (Linux `struct pneigh_entry`, `pneigh_enqueue`).
 */
import { drop } from '../drop.ts';
import { ENOENT } from '../errno.ts';
import type { Packet } from '../packet.ts';
import type { Timer } from '../timer.ts';
import { SmallMap } from '../util/small-map.ts';
import type { NeighbourMap, NeighbourTable } from './neighbour-table.ts';
import type { NetDevice } from './net-device.ts';

/** Microseconds in 1/100 s. */
const TICK_US = 10_000;

/** A request that waits. */
interface Delayed {
  readonly pkt: Packet;
  readonly atUs: number;
}

export class NeighbourProxy<A = number> {
  private readonly table: NeighbourTable<A>;
  /** Addresses by device; null: any device. */
  private readonly addresses: SmallMap<NetDevice | null, NeighbourMap<A, A>> = new SmallMap();
  private queue: Delayed[] = [];
  private timer: Timer | null = null;

  constructor(table: NeighbourTable<A>) {
    this.table = table;
  }

  add(dev: NetDevice | null, addr: A): void {
    let known = this.addresses.get(dev);
    if (known === undefined) {
      known = this.table.protocol.newMap<A>();
      this.addresses.set(dev, known);
    }
    known.set(addr, addr);
  }

  /** `-ENOENT`: it is not there. */
  delete(dev: NetDevice | null, addr: A): number {
    const known = this.addresses.get(dev);
    if (known?.delete(addr) !== true) return -ENOENT;
    if (known.size === 0) this.addresses.delete(dev);
    return 0;
  }

  has(dev: NetDevice, addr: A): boolean {
    const { addresses } = this;
    return (
      addresses.get(dev)?.get(addr) !== undefined || addresses.get(null)?.get(addr) !== undefined
    );
  }

  /** All entries; device null: any. */
  *[Symbol.iterator](): IterableIterator<readonly [dev: NetDevice | null, addr: A]> {
    for (const [dev, known] of this.addresses.entries())
      for (const addr of known.values()) yield [dev, addr];
  }

  /** Puts a request off; the protocol's `redo` gets it. Takes ownership. */
  delay(pkt: Packet): void {
    const kernel = this.table.kernel;
    const { proxyDelay, proxyQlen } = this.table.conf(pkt.dev as NetDevice);
    if (this.queue.length >= proxyQlen) {
      drop(this.table.net, pkt, 'NEIGH_QUEUEFULL', 'proxy_qlen');
      return;
    }
    const atUs = kernel.nowUs + kernel.random('neighbour-proxy').below(proxyDelay * TICK_US);
    this.queue.push({ pkt, atUs });
    this.timer ??= kernel.timer(() => this.onTimer());
    if (!this.timer.pending || atUs < this.timer.atUs) this.timer.set(atUs);
  }

  /** What came in by this device is not answered any more; `addressesToo`: nor what will. */
  deviceDown(dev: NetDevice, addressesToo: boolean): void {
    if (addressesToo) this.addresses.delete(dev);
    if (this.queue.length === 0) return;
    const gone = this.queue.filter((d) => d.pkt.dev === dev);
    this.queue = this.queue.filter((d) => d.pkt.dev !== dev);
    for (const d of gone) drop(this.table.net, d.pkt, 'QUEUE_PURGE', dev.name);
    this.rearm();
  }

  destroy(): void {
    this.addresses.clear();
    for (const d of this.queue) drop(this.table.net, d.pkt, 'QUEUE_PURGE');
    this.queue = [];
    this.timer?.clear();
  }

  private onTimer(): void {
    const nowUs = this.table.kernel.nowUs;
    const due = this.queue.filter((d) => d.atUs <= nowUs);
    this.queue = this.queue.filter((d) => d.atUs > nowUs);
    this.rearm();
    for (const d of due) this.table.protocol.redo(d.pkt);
  }

  private rearm(): void {
    let nextUs = Number.POSITIVE_INFINITY;
    for (const d of this.queue) nextUs = Math.min(nextUs, d.atUs);
    if (nextUs === Number.POSITIVE_INFINITY) this.timer?.clear();
    else this.timer?.set(nextUs);
  }
}
