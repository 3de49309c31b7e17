/** Ping sockets of one namespace, by their identifier (Linux `struct ping_table`). */
import { isBoundTo } from '../../link/l3mdev.ts';
import type { NetNs } from '../../net.ts';
import { type Ip6Addr, isAny6 } from '../../util/ip6-addr.ts';
import { SmallMap } from '../../util/small-map.ts';
import type { PingSock } from './sock.ts';

export class PingState {
  readonly net: NetNs;
  /** Sockets that share an identifier have SO_REUSEADDR. */
  readonly socks: SmallMap<number, PingSock[]> = new SmallMap();
  /** The last identifier that was given out (`ping_port_rover`). */
  private rover = 0;

  constructor(net: NetNs) {
    this.net = net;
  }

  /** An identifier that nobody has, or 0. */
  freeIdent(): number {
    for (let i = 0; i < 0xffff; i++) {
      this.rover = (this.rover + 1) & 0xffff;
      if (this.rover !== 0 && !this.socks.has(this.rover)) return this.rover;
    }
    return 0;
  }

  add(sk: PingSock): void {
    const list = this.socks.get(sk.sport);
    if (list === undefined) this.socks.set(sk.sport, [sk]);
    else list.unshift(sk);
  }

  remove(sk: PingSock): void {
    const list = this.socks.get(sk.sport);
    const i = list === undefined ? -1 : list.indexOf(sk);
    if (list === undefined || i < 0) return;
    if (list.length === 1) this.socks.delete(sk.sport);
    else list.splice(i, 1);
  }

  /** Linux `ping_lookup` */
  lookup(ident: number, local: number, ifindex: number, sdif = 0): PingSock | null {
    const list = this.socks.get(ident);
    if (list === undefined) return null;
    for (const sk of list) {
      if (sk.inet6 !== null) continue;
      if (sk.rcvSaddr !== 0 && sk.rcvSaddr !== local) continue;
      if (!isBoundTo(sk.boundDevIf, ifindex, sdif)) continue;
      return sk;
    }
    return null;
  }

  /** The same of AF_INET6 sockets. */
  lookup6(ident: number, local: Ip6Addr, ifindex: number): PingSock | null {
    for (const sk of this.socks.get(ident) ?? []) {
      const bound = sk.inet6?.rcvSaddr;
      if (bound === undefined || (!isAny6(bound) && !bound.equals(local))) continue;
      if (sk.boundDevIf === 0 || sk.boundDevIf === ifindex) return sk;
    }
    return null;
  }

  /** Closes every socket: the namespace is gone. */
  destroy(): void {
    for (const list of [...this.socks.values()]) for (const sk of [...list]) sk.close();
    this.socks.clear();
  }
}
