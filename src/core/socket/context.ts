/**
 * Contexts: guests inside one namespace who own some of its addresses (V1; the rules are those of
 * Linux-VServer: INADDR_ANY means "all of mine", an address that is not mine is not there, and who binds what
 * another has gets EADDRINUSE), and tags, whose packets the host's policy marks (V2).
 */
import { EADDRNOTAVAIL, EPERM } from '../errno.ts';
import { PacketSock } from '../transport/packet/sock.ts';
import { RawSock } from '../transport/raw/sock.ts';
import type { Sock } from '../transport/sock.ts';
import { SockDomain } from '../transport/sock-domain.ts';
import { isMulticast } from '../util/address.ts';
import { type Ip6Addr, isAny6, isMulticast6 } from '../util/ip6-addr.ts';
import { type Credentials, ROOT } from './credentials.ts';
import type { HookAddr, SocketHooks } from './socket-hooks.ts';

/** 127.0.0.0/8 */
const LOOPBACK_NET = 127;

/** What a guest owns; absent: everything, as the host. */
export interface ContextSpec {
  readonly addrs4?: readonly number[];
  readonly addrs6?: readonly Ip6Addr[];
  /** Its packets, in and out, have this mark. */
  readonly mark?: number;
}

/** Credentials of those in the context: for `Socket.create`. They may not leave it. */
export function contextCredentials(spec: ContextSpec, cred: Credentials = ROOT): Credentials {
  return { ...cred, capNetAdmin: false, capNetRaw: false, hooks: contextHooks(spec) };
}

export function contextHooks(spec: ContextSpec): SocketHooks {
  const owns = spec.addrs4 !== undefined || spec.addrs6 !== undefined;
  const addrs4 = spec.addrs4 ?? [];
  const addrs6 = spec.addrs6 ?? [];
  const domain = new SockDomain(
    owns ? new Set(addrs4) : null,
    owns ? addrs6 : null,
    spec.mark ?? null,
  );
  const create = (sk: Sock): number => {
    // Nobody but the host sees the packets of others.
    if (sk instanceof RawSock || sk instanceof PacketSock) return -EPERM;
    sk.domain = domain;
    sk.mark = spec.mark ?? 0;
    return 0;
  };
  if (!owns) return { create };
  const source = (sk: Sock, to: HookAddr): number => chooseSource(sk, to, addrs4, addrs6);
  return {
    create,
    bind: (_sk, to) => (mayBind(domain, to) ? 0 : -EADDRNOTAVAIL),
    connect: source,
    sendmsg: source,
  };
}

function mayBind(domain: SockDomain, to: HookAddr): boolean {
  if (to.addr6 === null) return to.addr === 0 || isMulticast(to.addr) || domain.has4(to.addr);
  return isAny6(to.addr6) || isMulticast6(to.addr6) || domain.has6(to.addr6);
}

/** Who has not bound speaks from the first of its addresses, not from one of somebody else. */
function chooseSource(
  sk: Sock,
  to: HookAddr,
  addrs4: readonly number[],
  addrs6: readonly Ip6Addr[],
): number {
  if (to.addr6 !== null && sk.inet6 !== null) {
    const first = addrs6[0];
    if (!isAny6(sk.inet6.saddr)) return 0;
    if (first === undefined) return -EADDRNOTAVAIL;
    sk.inet6.saddr = first;
    return 0;
  }
  if (sk.saddr !== 0) return 0;
  // What stays on the host is reached from any address that it has.
  const first =
    addrs4.find((a) => a >>> 24 === LOOPBACK_NET && to.addr >>> 24 === LOOPBACK_NET) ?? addrs4[0];
  if (first === undefined) return -EADDRNOTAVAIL;
  sk.saddr = first;
  return 0;
}
