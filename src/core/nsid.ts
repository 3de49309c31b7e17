/**
 * The small numbers by which a namespace knows others (Linux `net->netns_ids`, `net/core/net_namespace.c`):
 * each viewer has its own, given when a message first needs one, or by `ip netns set`.
 */
import { EEXIST, ENOSPC } from './errno.ts';
import type { NetNs } from './net.ts';

export class NetnsIds {
  private readonly net: NetNs;
  /** Both null while nobody is known, and nobody knows us. */
  private ids: Map<NetNs, number> | null = null;
  /** Namespaces that have an id for this one: what must forget it when it dies. */
  private viewers: Set<NetNs> | null = null;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** The id of `peer` here; -1: it has none (NETNSA_NSID_NOT_ASSIGNED). */
  find(peer: NetNs): number {
    return this.ids?.get(peer) ?? -1;
  }

  /** The namespace of an id. */
  lookup(nsid: number): NetNs | undefined {
    for (const [net, id] of this.list()) if (id === nsid) return net;
    return undefined;
  }

  /** In the order in which they were given. */
  list(): Iterable<readonly [net: NetNs, nsid: number]> {
    return this.ids ?? [];
  }

  /** The id of `peer`, given now if it has none (`peernet2id_alloc`); -1 when one of both is dead. */
  alloc(peer: NetNs): number {
    const known = this.find(peer);
    if (known >= 0 || peer.dead || this.net.dead) return known;
    return this.give(peer, this.firstFree());
  }

  /**
   * `ip netns set`: -EEXIST, as `peer` has an id; -ENOSPC, as another has this one. `nsid` -1: whichever
   * is free.
   */
  assign(peer: NetNs, nsid: number): number {
    if (this.find(peer) >= 0) return -EEXIST;
    if (nsid < 0) return this.give(peer, this.firstFree());
    return this.lookup(nsid) === undefined ? this.give(peer, nsid) : -ENOSPC;
  }

  /** The namespace dies: nobody has an id for it any more, and it has none for others (`unhash_nsid`). */
  destroy(): void {
    for (const viewer of this.viewers ?? []) viewer.nsids.forget(this.net);
    for (const [peer] of this.list()) peer.nsids.viewers?.delete(this.net);
    this.viewers = null;
    this.ids = null;
  }

  private give(peer: NetNs, nsid: number): number {
    this.ids ??= new Map();
    this.ids.set(peer, nsid);
    peer.nsids.viewers ??= new Set();
    peer.nsids.viewers.add(this.net);
    this.net.events.emit('newnsid', { net: peer, nsid });
    return nsid;
  }

  private forget(peer: NetNs): void {
    const nsid = this.find(peer);
    if (nsid < 0) return;
    this.ids?.delete(peer);
    this.net.events.emit('delnsid', { net: peer, nsid });
  }

  private firstFree(): number {
    const taken = new Set(this.ids?.values());
    let id = 0;
    while (taken.has(id)) id++;
    return id;
  }
}
