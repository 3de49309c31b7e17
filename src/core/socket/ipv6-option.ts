/** Options of level SOL_IPV6 (Linux `do_ipv6_setsockopt`, `do_ipv6_getsockopt`). */
import { EINVAL, ENODEV, ENOPROTOOPT, ENOTCONN, EPERM } from '../errno.ts';
import type { Inet6 } from '../transport/inet6-state.ts';
import { type OptionValue, SOCK_STREAM, type Sock } from '../transport/sock.ts';
import * as so from '../transport/sockopt-names.ts';
import type { Credentials } from './credentials.ts';
import { isGroup6Option, setGroup6Option } from './group6-option.ts';
import { toInt } from './option-value.ts';

/** 0 or `-errno`; -ENOPROTOOPT for what is not here. */
export function setIpv6Option(
  sk: Sock,
  v6: Inet6,
  cred: Credentials,
  name: number,
  value: OptionValue,
): number {
  if (isGroup6Option(name)) return setGroup6Option(sk, v6, name, value);
  const n = toInt(value);
  if (n === undefined) return -EINVAL;
  return setBounded(sk, v6, name, n) ?? setSwitch(sk, v6, cred, name, n);
}

/** Options that hold a number; undefined: another kind. */
function setBounded(sk: Sock, v6: Inet6, name: number, n: number): number | undefined {
  switch (name) {
    case so.IPV6_UNICAST_HOPS:
      if (n < -1 || n > 255) return -EINVAL;
      v6.hops = n;
      return 0;
    case so.IPV6_MULTICAST_HOPS:
      if (n < -1 || n > 255) return -EINVAL;
      v6.mcastHops = n === -1 ? 1 : n;
      return 0;
    case so.IPV6_TCLASS:
      if (n < -1 || n > 255) return -EINVAL;
      v6.tclass = Math.max(n, 0);
      // The ECN bits of a stream are TCP's (`INET_ECN_xmit`).
      if (sk.type === SOCK_STREAM) v6.tclass &= 0xfc;
      return 0;
    case so.IPV6_MINHOPCOUNT:
      if (n < 0 || n > 255) return -EINVAL;
      sk.ownRare().minHopCount = n;
      return 0;
    case so.IPV6_MTU_DISCOVER:
      if (n < so.IP_PMTUDISC_DONT || n > so.IP_PMTUDISC_OMIT) return -EINVAL;
      v6.pmtudisc = n;
      return 0;
    default:
      return undefined;
  }
}

function setSwitch(sk: Sock, v6: Inet6, cred: Credentials, name: number, n: number): number {
  const on = n !== 0;
  switch (name) {
    case so.IPV6_V6ONLY:
      if (sk.sport !== 0) return -EINVAL;
      v6.v6only = on;
      return 0;
    case so.IPV6_MULTICAST_LOOP:
      if (n !== 0 && n !== 1) return -EINVAL;
      v6.mcastLoop = on;
      return 0;
    case so.IPV6_MULTICAST_ALL:
      if (n !== 0 && n !== 1) return -EINVAL;
      v6.mcastAll = on;
      return 0;
    case so.IPV6_MULTICAST_IF:
      return setDevice(sk, n, () => {
        v6.mcastOif = n;
      });
    case so.IPV6_UNICAST_IF: {
      // In network byte order, as IP_UNICAST_IF.
      const ifindex = (n >>> 24) | ((n >>> 8) & 0xff00) | ((n << 8) & 0xff0000) | (n << 24) | 0;
      return setDevice(sk, ifindex, () => {
        v6.unicastOif = ifindex;
      });
    }
    case so.IPV6_RECVPKTINFO:
      v6.recvPktInfo = on;
      return 0;
    case so.IPV6_RECVHOPLIMIT:
      v6.recvHopLimit = on;
      return 0;
    case so.IPV6_RECVTCLASS:
      v6.recvTclass = on;
      return 0;
    case so.IPV6_DONTFRAG:
      v6.dontFrag = on;
      return 0;
    case so.IPV6_RECVERR:
      v6.recvErr = on;
      if (!on) sk.errorQueue = null;
      return 0;
    case so.IPV6_AUTOFLOWLABEL:
      v6.autoFlowLabel = on ? 1 : 0;
      return 0;
    case so.IPV6_FREEBIND:
      sk.freebind = on;
      return 0;
    case so.IPV6_TRANSPARENT:
      if (on && !cred.capNetAdmin && !cred.capNetRaw) return -EPERM;
      sk.transparent = on;
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

function setDevice(sk: Sock, ifindex: number, set: () => void): number {
  if (ifindex !== 0) {
    if (sk.net.devs.findIndex(ifindex) === undefined) return -ENODEV;
    if (sk.boundDevIf !== 0 && sk.boundDevIf !== ifindex) return -EINVAL;
  }
  set();
  return 0;
}

/** The value, or `-errno`. */
export function getIpv6Option(sk: Sock, v6: Inet6, name: number): OptionValue {
  const flag = (on: boolean): number => (on ? 1 : 0);
  switch (name) {
    case so.IPV6_UNICAST_HOPS:
      return v6.hops < 0 ? sk.net.ipv6.confAll.hopLimit : v6.hops;
    case so.IPV6_MULTICAST_HOPS:
      return v6.mcastHops;
    case so.IPV6_TCLASS:
      return v6.tclass;
    case so.IPV6_MTU_DISCOVER:
      return v6.pmtudisc;
    case so.IPV6_V6ONLY:
      return flag(v6.v6only);
    case so.IPV6_MULTICAST_LOOP:
      return flag(v6.mcastLoop);
    case so.IPV6_MULTICAST_ALL:
      return flag(v6.mcastAll);
    case so.IPV6_MULTICAST_IF:
      return v6.mcastOif;
    case so.IPV6_RECVPKTINFO:
      return flag(v6.recvPktInfo);
    case so.IPV6_RECVHOPLIMIT:
      return flag(v6.recvHopLimit);
    case so.IPV6_RECVTCLASS:
      return flag(v6.recvTclass);
    case so.IPV6_DONTFRAG:
      return flag(v6.dontFrag);
    case so.IPV6_RECVERR:
      return flag(v6.recvErr);
    case so.IPV6_MINHOPCOUNT:
      return sk.rare.minHopCount;
    case so.IPV6_AUTOFLOWLABEL:
      return flag(sk.net.ipv6.wantsFlowLabel(v6.autoFlowLabel));
    case so.IPV6_FREEBIND:
      return flag(sk.freebind);
    case so.IPV6_TRANSPARENT:
      return flag(sk.transparent);
    case so.IPV6_MTU: {
      const mtu = sk.pathMtu();
      return mtu < 0 ? -ENOTCONN : mtu;
    }
    default:
      return -ENOPROTOOPT;
  }
}
