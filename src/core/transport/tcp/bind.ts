/**
 * Local ports: which may be bound together, which one the kernel chooses (Linux `inet_csk_get_port`,
 * `inet_csk_bind_conflict`, `__inet_hash_connect`; RFC 6056).
 */

import { EADDRINUSE, EADDRNOTAVAIL } from '../../errno.ts';
import { l3OifOf } from '../../link/l3mdev.ts';
import { MIB } from '../../mib.ts';
import { sharesAddress } from '../inet6.ts';
import { isReservedPort, localPortRange } from '../port-range.ts';
import { domainsApart } from '../sock-domain.ts';
import type { BindBucket, BindOwner } from './bind-table.ts';
import { TCP_FIN_WAIT2, TCP_LISTEN, TCP_TIME_WAIT } from './constants.ts';
import { count } from './count.ts';
import type { TcpSock } from './sock.ts';
import { killTimeWait, timeWaitIsn, timeWaitReusable } from './time-wait.ts';
import type { TimeWaitSock } from './time-wait-sock.ts';

/** To which vrf a socket belongs that is bound to this device (`inet_sk_bound_l3mdev`). */
function domain(sk: TcpSock, bound: number): number {
  return sk.net.sysctl.tcpL3mdevAccept !== 0 ? 0 : l3OifOf(sk.net, bound);
}

/** Whether two sockets on one port are in each other's way (`inet_bind_conflict`). */
function conflicts(sk: TcpSock, other: BindOwner, relax: boolean, reuseportOk: boolean): boolean {
  if (sk === other) return false;
  const dev = other.boundDevIf;
  if (sk.boundDevIf !== 0 && dev !== 0 && sk.boundDevIf !== dev) return false;
  if (
    sk.net.l3mdevs !== 0 &&
    sk.boundDevIf !== dev &&
    domain(sk, sk.boundDevIf) !== domain(sk, dev)
  )
    return false;
  if (!sharesAddress(sk, other) || domainsApart(sk, other)) return false;
  const timeWait = other.state === TCP_TIME_WAIT || other.state === TCP_FIN_WAIT2;
  const sameUser = timeWait || sk.uid === (other as TcpSock).uid;
  const bothPort = sk.reusePort && other.reusePort && sameUser;
  if (sk.reuseAddr && other.reuseAddr && other.state !== TCP_LISTEN)
    return !relax || (!reuseportOk && bothPort);
  return !(reuseportOk && bothPort);
}

function bucketConflicts(
  sk: TcpSock,
  bucket: BindBucket,
  relax: boolean,
  reuseportOk: boolean,
): boolean {
  for (const other of bucket.owners) if (conflicts(sk, other, relax, reuseportOk)) return true;
  return false;
}

/** Takes `port` (0: chooses one) for `sk`; 0 or -EADDRINUSE. */
export function getPort(sk: TcpSock, wanted: number): number {
  const binds = sk.net.tcp.binds;
  let port = wanted;
  if (port === 0) {
    port = findOpenPort(sk);
    if (port === 0) return -EADDRINUSE;
  } else {
    const bucket = binds.get(port);
    // A connection that is restored may find its old socket on the port.
    const taken = !sk.repair && bucket !== undefined && bucketConflicts(sk, bucket, true, true);
    if (taken) return -EADDRINUSE;
  }
  const bucket = binds.obtain(port);
  bucket.explicit = true;
  sk.sport = port;
  binds.add(bucket, sk);
  return 0;
}

/** The search of bind(0): odd ports first, since connect() prefers even ones; 0: none is free. */
function findOpenPort(sk: TcpSock): number {
  const [low, last] = localPortRange(sk);
  // SO_REUSEADDR tries the lower half first, to leave the upper to others.
  const span = last + 1 - low;
  const half = sk.reuseAddr && span >= 4 ? low + ((span >> 2) << 1) : 0;
  if (half === 0) return searchOpen(sk, low, last + 1);
  const port = searchOpen(sk, low, half);
  return port !== 0 ? port : searchOpen(sk, half, last + 1);
}

function searchOpen(sk: TcpSock, low: number, high: number): number {
  const net = sk.net;
  let remaining = high - low;
  if (remaining > 1) remaining &= ~1;
  if (remaining <= 0) return 0;
  const start = net.tcp.secrets.random.below(remaining) | 1;
  for (let parity = 0; parity < 2; parity++) {
    let port = low + ((start - parity) % remaining);
    for (let i = 0; i < remaining; i += 2, port += 2) {
      if (port >= high) port -= remaining;
      if (isReservedPort(net, port)) continue;
      const bucket = net.tcp.binds.get(port);
      if (bucket === undefined || !bucketConflicts(sk, bucket, false, false)) return port;
    }
  }
  return 0;
}

/** The four-tuple of `sk` with `port` is free, or a TIME-WAIT gives it up (`__inet_check_established`). */
function tupleFree(sk: TcpSock, port: number, explicitPort: boolean): boolean {
  const { net } = sk;
  const other = net.tcp.connections.lookup(
    sk.saddr,
    port,
    sk.daddr,
    sk.dport,
    sk.boundDevIf,
    sk.ends,
  );
  if (other === null) return true;
  if (other.state !== TCP_TIME_WAIT) return false;
  const tw = other as TimeWaitSock;
  if (!timeWaitReusable(net, tw, explicitPort)) return false;
  if (!sk.repair) {
    sk.writeSeq = timeWaitIsn(tw);
    sk.tsRecent = tw.tsRecent;
    sk.tsRecentStamp = tw.tsRecentStamp;
  }
  killTimeWait(net, tw);
  count(net, MIB.TcpExtTWRecycled);
  return true;
}

/** Chooses the port of a connection and enters its four-tuple; 0 or -EADDRNOTAVAIL. */
export function hashConnect(sk: TcpSock): number {
  const tcp = sk.net.tcp;
  if (sk.sport !== 0) {
    const alone = sk.bindBucket !== null && sk.bindBucket.owners.size === 1;
    if (!alone && !tupleFree(sk, sk.sport, true)) return -EADDRNOTAVAIL;
    // A TIME-WAIT of the same tuple belongs to the bucket too, so `alone` means a free tuple.
    tcp.connections.add(sk);
    return 0;
  }
  const port = searchConnect(sk);
  if (port === 0) return -EADDRNOTAVAIL;
  sk.sport = port;
  if (sk.bindBucket === null) tcp.binds.add(tcp.binds.obtain(port), sk);
  tcp.connections.add(sk);
  return 0;
}

/** RFC 6056 §3.3.4 as Linux has it: a keyed offset per destination, even ports first. */
function searchConnect(sk: TcpSock): number {
  const net = sk.net;
  const { secrets, binds } = net.tcp;
  const [low, last] = localPortRange(sk);
  const high = last + 1;
  let remaining = high - low;
  if (remaining > 1) remaining &= ~1;
  const index = secrets.portIndex(sk.saddr, sk.daddr, sk.dport);
  const bias = secrets.perturb[index] as number;
  const hashed = secrets.portOffset(sk.saddr, sk.daddr, sk.dport);
  const start = ((bias + hashed) % remaining) & ~1;
  for (let parity = 0; parity < 2; parity++) {
    let port = low + start + parity;
    for (let i = 0; i < remaining; i += 2, port += 2) {
      if (port >= high) port -= remaining;
      if (isReservedPort(net, port)) continue;
      const bucket = binds.get(port);
      if (bucket !== undefined && (bucket.explicit || !tupleFree(sk, port, false))) continue;
      // How far the next search for this destination starts is not to be guessed.
      const step = Math.max(i, secrets.random.below(8) * 2);
      secrets.perturb[index] = bias + step + 2;
      return port;
    }
  }
  return 0;
}
