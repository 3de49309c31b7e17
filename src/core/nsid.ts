/**
 * The small numbers by which a namespace knows others (Linux `net->netns_ids`, `net/core/net_namespace.c`):
 * each viewer has its own, given when a message first needs one, or by `ip netns set`.
 */
import { EEXIST, ENOSPC } from './errno.ts';
import type { NetNs } from './net.ts';
import { SmallMap, SmallSet } from './util/small-map.ts';

export class NetnsIds {
  private readonly net: NetNs;
  /** All null while nobody is known, and nobody knows us. */
  private ids: SmallMap<NetNs, number> | null = null;
  private byId: SmallMap<number, NetNs> | null = null;
  /** Namespaces that have an id for this one: what must forget it when it dies. */
  private viewers: SmallSet<NetNs> | null = null;
  /** The smallest id that nobody has. */
  private firstFree = 0;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** The id of `peer` here; -1: it has none (NETNSA_NSID_NOT_ASSIGNED). */
  find(peer: NetNs): number {
    return this.ids?.get(peer) ?? -1;
  }

  /** The namespace of an id. */
  lookup(nsid: number): NetNs | undefined {
    return this.byId?.get(nsid);
  }

  /** In the order in which they were given. */
  list(): Iterable<readonly [net: NetNs, nsid: number]> {
    return this.ids?.entries() ?? [];
  }

  /** The id of `peer`, given now if it has none (`peernet2id_alloc`); -1 when one of both is dead. */
  alloc(peer: NetNs): number {
    const known = this.find(peer);
    if (known >= 0 || peer.dead || this.net.dead) return known;
    return this.give(peer, this.firstFree);
  }

  /**
   * `ip netns set`: -EEXIST, as `peer` has an id; -ENOSPC, as another has this one. `nsid` -1: whichever
   * is free.
   */
  assign(peer: NetNs, nsid: number): number {
    if (this.find(peer) >= 0) return -EEXIST;
    if (nsid < 0) return this.give(peer, this.firstFree);
    return this.lookup(nsid) === undefined ? this.give(peer, nsid) : -ENOSPC;
  }

  /** The namespace dies: nobody has an id for it any more, and it has none for others (`unhash_nsid`). */
  destroy(): void {
    for (const viewer of this.viewers ?? []) viewer.nsids.forget(this.net);
    for (const [peer] of this.list()) peer.nsids.viewers?.delete(this.net);
    this.viewers = null;
    this.ids = null;
    this.byId = null;
  }

  private give(peer: NetNs, nsid: number): number {
    this.ids ??= new SmallMap();
    this.byId ??= new SmallMap();
    this.ids.set(peer, nsid);
    this.byId.set(nsid, peer);
    while (this.byId.has(this.firstFree)) this.firstFree++;
    peer.nsids.viewers ??= new SmallSet();
    peer.nsids.viewers.add(this.net);
    this.net.events.emit('newnsid', { net: peer, nsid });
    return nsid;
  }

  private forget(peer: NetNs): void {
    const nsid = this.find(peer);
    if (nsid < 0) return;
    this.ids?.delete(peer);
    this.byId?.delete(nsid);
    this.firstFree = Math.min(this.firstFree, nsid);
    this.net.events.emit('delnsid', { net: peer, nsid });
  }
}
