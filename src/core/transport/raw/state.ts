/** Raw sockets of one namespace, by protocol (Linux `struct raw_hashinfo`). */
import type { NetNs } from '../../net.ts';
import { SmallMap } from '../../util/small-map.ts';
import type { RawSock } from './sock.ts';

export class RawState {
  readonly net: NetNs;
  readonly socks: SmallMap<number, RawSock[]> = new SmallMap();

  /** Those that want packets with a router alert which are on their way to others (IP_ROUTER_ALERT). */
  readonly routerAlert: RawSock[] = [];

  constructor(net: NetNs) {
    this.net = net;
  }

  add(sk: RawSock): void {
    const list = this.socks.get(sk.protocol);
    if (list === undefined) this.socks.set(sk.protocol, [sk]);
    else list.push(sk);
  }

  remove(sk: RawSock): void {
    const alerted = this.routerAlert.indexOf(sk);
    if (alerted >= 0) this.routerAlert.splice(alerted, 1);
    const list = this.socks.get(sk.protocol);
    const i = list === undefined ? -1 : list.indexOf(sk);
    if (list === undefined || i < 0) return;
    if (list.length === 1) this.socks.delete(sk.protocol);
    else list.splice(i, 1);
  }

  /** Closes every socket: the namespace is gone. */
  destroy(): void {
    for (const list of [...this.socks.values()]) for (const sk of [...list]) sk.close();
    this.socks.clear();
  }
}
