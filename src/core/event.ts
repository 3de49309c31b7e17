/**
 * Notifications of a namespace: what rtnetlink multicasts (`ip monitor`). Synchronous, in order: when a
 * listener is called, the subject is still what the message says. Who watches the whole kernel is told
 * of every namespace, in one stream (`NETLINK_LISTEN_ALL_NSID`; S19).
 */
import type { NetDevice } from './link/net-device.ts';
import type { NetNs } from './net.ts';
import type { Ip6Addr } from './util/ip6-addr.ts';

export type NetEventKind =
  | 'newlink'
  | 'dellink'
  | 'newaddr'
  | 'deladdr'
  | 'newroute'
  | 'delroute'
  | 'newneigh'
  | 'delneigh'
  | 'newrule'
  | 'delrule'
  | 'newnexthop'
  | 'delnexthop'
  | 'newnsid'
  | 'delnsid'
  | 'newnetns'
  | 'delnetns'
  // Of bridges: a port, an address, a group, the VLANs of a device.
  | 'newbrport'
  | 'newfdb'
  | 'delfdb'
  | 'newmdb'
  | 'delmdb'
  | 'newvlan'
  // An option of a router's advertisement that user space reads (`RTM_NEWNDUSEROPT`).
  | 'nduseropt';

/** Where a device that leaves its namespace goes (`IFLA_NEW_NETNSID`, `IFLA_NEW_IFINDEX`). */
export interface LinkMove {
  readonly net: NetNs;
  readonly ifindex: number;
}

/** The id of a namespace in another (`RTM_NEWNSID`). */
export interface NsidSubject {
  readonly net: NetNs;
  readonly nsid: number;
}

/** An option that a router sent, whole. */
export interface NdUserOption {
  readonly dev: NetDevice;
  readonly from: Ip6Addr;
  readonly data: Uint8Array;
}

/**
 * `subject` is the state object that changed: a NetDevice, an address, a route, a `RuleSubject`, a neighbour, a
 * `NsidSubject`; of `newnetns` and `delnetns` the namespace.
 */
export interface NetEvent {
  readonly kind: NetEventKind;
  readonly subject: unknown;
  /** Of a `dellink` because the device moves; null otherwise. */
  readonly move: LinkMove | null;
}

/** Told of what happens in `net`. */
export type NetWatcher = (net: NetNs, event: NetEvent) => void;

const NOBODY: readonly ((event: NetEvent) => void)[] = Object.freeze([]);

/** A list of listeners, called in the order of their subscription, then those of the kernel. */
export class EventSource {
  private readonly net: NetNs;
  private listeners: readonly ((event: NetEvent) => void)[] = NOBODY;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** Returns the function that ends the subscription. */
  subscribe(listener: (event: NetEvent) => void): () => void {
    this.listeners = [...this.listeners, listener];
    return () => {
      this.listeners = this.listeners.filter((l) => l !== listener);
    };
  }

  emit(kind: NetEventKind, subject: unknown, move: LinkMove | null = null): void {
    const { listeners, net } = this;
    const { watchers } = net.kernel;
    if (listeners.length === 0 && watchers.length === 0) return;
    const event: NetEvent = { kind, subject, move };
    for (let i = 0; i < listeners.length; i++) listeners[i]?.(event);
    for (let i = 0; i < watchers.length; i++) watchers[i]?.(net, event);
  }
}
