/**
 * What is remembered of single IPv6 hosts, so that nobody gets too many ICMPv6 messages (RFC 4443 §2.4(f); Linux
 * `inet_peer_xrlim_allow`). Bounded, in two generations.
 */
import type { NetNs } from '../../net.ts';
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import { Ip6Map } from '../../util/ip6-map.ts';

/** Errors in a row that one destination may get (`XRLIM_BURST_FACTOR`). */
const BURST = 6;
/** Credit of a host that nothing is known of, microseconds. */
const FRESH_US = 60_000_000;
/** Hosts that are remembered in one generation; the older of two generations is forgotten whole. */
const MAX_PEERS = 512;

/** Linux `struct inet_peer` */
interface Peer {
  tokensUs: number;
  lastUs: number;
}

export class Peers6 {
  private readonly net: NetNs;
  private readonly key: number;
  private young: Ip6Map<Peer>;
  private old: Ip6Map<Peer>;

  constructor(net: NetNs, key: number) {
    this.net = net;
    this.key = key;
    this.young = new Ip6Map(key);
    this.old = new Ip6Map(key);
  }

  /** May a message go to `dst` now, at `costUs` of saved time? */
  allow(dst: Ip6Addr, costUs: number): boolean {
    if (costUs === 0) return true;
    const { nowUs } = this.net.kernel;
    const peer = this.peer(dst, nowUs);
    const saved = Math.min(peer.tokensUs + nowUs - peer.lastUs, BURST * costUs);
    peer.lastUs = nowUs;
    const enough = saved >= costUs;
    peer.tokensUs = enough ? saved - costUs : saved;
    return enough;
  }

  private peer(dst: Ip6Addr, nowUs: number): Peer {
    const known = this.young.get(dst);
    if (known !== undefined) return known;
    const peer = this.old.get(dst) ?? { tokensUs: 0, lastUs: nowUs - FRESH_US };
    if (this.young.size >= MAX_PEERS) {
      this.old = this.young;
      this.young = new Ip6Map(this.key);
    }
    this.young.set(dst, peer);
    return peer;
  }
}
