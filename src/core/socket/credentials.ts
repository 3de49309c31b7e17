/**
 * Who acts, and what they may do (Linux `struct cred`, capabilities(7)). A namespace can take capabilities
 * from all who are inside (E14); who manages it from outside keeps theirs.
 */
import type { NetNs } from '../net.ts';
import type { SocketHooks } from './socket-hooks.ts';

/** The capabilities of networking, by their names in Linux. */
export type Capability = 'CAP_NET_ADMIN' | 'CAP_NET_RAW' | 'CAP_NET_BIND_SERVICE';

export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  readonly capNetAdmin: boolean;
  readonly capNetRaw: boolean;
  readonly capNetBindService: boolean;
  /** Of the host: what a namespace takes from those inside it does not take from them. */
  readonly outside?: boolean;
  /** Filters of what their sockets are told to do. */
  readonly hooks?: SocketHooks;
}

/** Everything is allowed: the default. */
export const ROOT: Credentials = {
  uid: 0,
  gid: 0,
  capNetAdmin: true,
  capNetRaw: true,
  capNetBindService: true,
};

/** The host's administrator, whatever is sealed. */
export const SUPERVISOR: Credentials = { ...ROOT, outside: true };

/** What `cred` amounts to in a namespace (`ns_capable`). */
export function effective(net: NetNs, cred: Credentials): Credentials {
  const { taken } = net;
  if (taken === null || cred.outside === true) return cred;
  return {
    uid: cred.uid,
    gid: cred.gid,
    capNetAdmin: cred.capNetAdmin && !taken.has('CAP_NET_ADMIN'),
    capNetRaw: cred.capNetRaw && !taken.has('CAP_NET_RAW'),
    capNetBindService: cred.capNetBindService && !taken.has('CAP_NET_BIND_SERVICE'),
    ...(cred.hooks === undefined ? {} : { hooks: cred.hooks }),
  };
}

/** An ordinary user without capabilities. */
export function unprivileged(uid: number): Credentials {
  return { uid, gid: uid, capNetAdmin: false, capNetRaw: false, capNetBindService: false };
}
