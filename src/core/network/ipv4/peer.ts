/**
 * What is remembered of single hosts, so that nobody gets too many ICMP messages (RFC 1812 §4.3.2.8; Linux
 * `net/ipv4/inetpeer.c`, `inet_peer_xrlim_allow`, `ip_error`, `ip_rt_send_redirect`). Bounded.
 */
import type { NetNs } from '../../net.ts';

/** Errors in a row that one destination may get (`XRLIM_BURST_FACTOR`). */
const BURST = 6;
/** Credit of a host that nothing is known of, microseconds. */
const FRESH_US = 60_000_000;
/** Packets without a route: one answer a second, five at once (`ip_rt_error_cost`, `ip_rt_error_burst`). */
const REFUSED_COST_US = 1_000_000;
const REFUSED_BURST_US = 5_000_000;
/** net.ipv4.route.redirect_load, redirect_number, redirect_silence */
const REDIRECT_LOAD_US = 20_000;
const REDIRECT_NUMBER = 9;
const REDIRECT_SILENCE_US = REDIRECT_LOAD_US << 10;
/** Hosts that are remembered; the one that was asked for longest ago goes first. */
const MAX_PEERS = 1024;

/** Linux `struct inet_peer` */
class Peer {
  /** Credit in microseconds, and when it was last counted. */
  tokensUs = 0;
  lastUs: number;
  /** Redirects that it was sent and did not heed. */
  redirects = 0;

  constructor(nowUs: number) {
    this.lastUs = nowUs - FRESH_US;
  }

  /** Pays `costUs` out of what was saved up, `burstUs` at most. */
  pay(nowUs: number, costUs: number, burstUs: number): boolean {
    const saved = Math.min(this.tokensUs + nowUs - this.lastUs, burstUs);
    this.lastUs = nowUs;
    const enough = saved >= costUs;
    this.tokensUs = enough ? saved - costUs : saved;
    return enough;
  }
}

export class Peers {
  private readonly net: NetNs;
  private readonly peers: Map<number, Peer> = new Map();

  constructor(net: NetNs) {
    this.net = net;
  }

  /** May an ICMP message go to `dst` now (net.ipv4.icmp_ratelimit)? */
  allowIcmp(dst: number): boolean {
    const costUs = this.net.sysctl.icmpRatelimit * 1000;
    if (costUs === 0) return true;
    return this.peer(dst).pay(this.net.kernel.nowUs, costUs, BURST * costUs);
  }

  /** May `src` be told that its packet has no route? */
  allowRefused(src: number): boolean {
    return this.peer(src).pay(this.net.kernel.nowUs, REFUSED_COST_US, REFUSED_BURST_US);
  }

  /** May `src` be sent another redirect? Ever more rarely, then not at all until it falls silent. */
  allowRedirect(src: number): boolean {
    const { nowUs } = this.net.kernel;
    const peer = this.peer(src);
    if (nowUs > peer.lastUs + REDIRECT_SILENCE_US) {
      peer.tokensUs = 0;
      peer.redirects = 0;
    }
    if (peer.redirects >= REDIRECT_NUMBER) {
      peer.lastUs = nowUs;
      return false;
    }
    const waitUs = REDIRECT_LOAD_US << peer.redirects;
    return peer.redirects === 0 || nowUs > peer.lastUs + waitUs;
  }

  /** It was sent one. */
  sentRedirect(src: number): void {
    const peer = this.peer(src);
    peer.lastUs = this.net.kernel.nowUs;
    peer.redirects++;
  }

  clear(): void {
    this.peers.clear();
  }

  private peer(addr: number): Peer {
    let peer = this.peers.get(addr);
    if (peer === undefined) {
      peer = new Peer(this.net.kernel.nowUs);
      if (this.peers.size >= MAX_PEERS) this.forgetOldest();
    } else this.peers.delete(addr);
    this.peers.set(addr, peer);
    return peer;
  }

  private forgetOldest(): void {
    for (const addr of this.peers.keys()) {
      this.peers.delete(addr);
      return;
    }
  }
}
