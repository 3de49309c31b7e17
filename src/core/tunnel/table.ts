/**
 * The tunnels whose outer packets pass through a namespace, and which of them a packet is for (Linux
 * `struct ip_tunnel_net`, `ip_tunnel_lookup`). Made with the first tunnel.
 */
import { unregisterDevices } from '../link/device-state.ts';
import { IFF_UP, type NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import { isMulticast } from '../util/address.ts';
import { GRE_KEY } from '../wire/gre.ts';

export type TunnelKind = 'ipip' | 'sit' | 'gre' | 'gretap';

/** What a tunnel is told (Linux `struct ip_tunnel_parm_kern`); addresses 0: any. */
export interface TunnelParams {
  readonly local: number;
  readonly remote: number;
  /** 0: that of the inner packet. */
  readonly ttl: number;
  /** Bit 0: that of the inner packet. */
  readonly tos: number;
  /** Outer packets have DF. */
  readonly pmtudisc: boolean;
  /** The device by which outer packets leave; null: by whatever the routes say. */
  readonly link: NetDevice | null;
  /** `GRE_*` of what comes and of what is sent. */
  readonly iflags: number;
  readonly oflags: number;
  readonly ikey: number;
  readonly okey: number;
  /** The DF of inner packets does not matter. */
  readonly ignoreDf: boolean;
}

/** The driver's own state: `NetDevice.priv`. */
export class Tunnel {
  readonly dev: NetDevice;
  readonly kind: TunnelKind;
  /** Where outer packets are sent and received. */
  readonly net: NetNs;
  params: TunnelParams;
  /** Next sequence numbers. */
  iseq = 0;
  oseq = 0;
  /** ICMP errors that came back for outer packets, and when the last one did (`err_count`, `err_time`). */
  errCount = 0;
  errTimeUs = 0;

  constructor(dev: NetDevice, kind: TunnelKind, net: NetNs, params: TunnelParams) {
    this.dev = dev;
    this.kind = kind;
    this.net = net;
    this.params = params;
  }
}

/** What a packet that arrived has to say. */
export interface TunnelQuery {
  readonly kind: TunnelKind;
  /** Outer source and destination. */
  readonly remote: number;
  readonly local: number;
  /** `GRE_*`; `key` without GRE_KEY is 0. */
  readonly flags: number;
  readonly key: number;
  /** Index of the device by which it came. */
  readonly link: number;
}

export class TunnelTable {
  /** Outer packets that are being made, one inside the other: where tunnels lead into each other. */
  depth = 0;
  /** By kind and remote address; groups are under 0, as in Linux. */
  private readonly byRemote: Map<string, Tunnel[]> = new Map();

  add(t: Tunnel): void {
    const key = bucket(t.kind, t.params.remote);
    this.byRemote.set(key, [...(this.byRemote.get(key) ?? []), t]);
  }

  remove(t: Tunnel): void {
    const key = bucket(t.kind, t.params.remote);
    const rest = (this.byRemote.get(key) ?? []).filter((x) => x !== t);
    if (rest.length > 0) this.byRemote.set(key, rest);
    else this.byRemote.delete(key);
  }

  /** Has the same ends and key (`ip_tunnel_find`)? */
  find(kind: TunnelKind, p: TunnelParams): Tunnel | undefined {
    return this.byRemote
      .get(bucket(kind, p.remote))
      ?.find(
        (t) =>
          t.params.local === p.local &&
          t.params.remote === p.remote &&
          t.params.link === p.link &&
          t.params.ikey === p.ikey &&
          (t.params.iflags & GRE_KEY) === (p.iflags & GRE_KEY),
      );
  }

  /** Both ends, then the far one, then the near one, then the key alone; among equals the one on this device. */
  lookup(q: TunnelQuery): Tunnel | null {
    const far = this.byRemote.get(bucket(q.kind, q.remote)) ?? [];
    const any = this.byRemote.get(bucket(q.kind, 0)) ?? [];
    return (
      best(far, q, (p) => p.local === q.local && p.remote === q.remote && keyFits(p, q)) ??
      best(far, q, (p) => p.local === 0 && p.remote === q.remote && keyFits(p, q)) ??
      best(any, q, (p) => isNear(p, q) && keyFits(p, q)) ??
      // Without keys, who names no end at all would take everything: that is the fallback device's part.
      (q.kind === 'ipip' || q.kind === 'sit' ? null : best(any, q, (p) => isByKey(p, q)))
    );
  }

  get isEmpty(): boolean {
    return this.byRemote.size === 0;
  }

  /** The namespace ends: tunnels elsewhere that need it end too (`ip_tunnel_delete_net`). */
  destroy(): void {
    unregisterDevices([...this.byRemote.values()].flat().map((t) => t.dev));
  }
}

function bucket(kind: TunnelKind, remote: number): string {
  return `${kind} ${isMulticast(remote) ? 0 : remote}`;
}

/** The first that fits and is up, but rather one that is bound to this device. */
function best(
  list: readonly Tunnel[],
  q: TunnelQuery,
  fits: (p: TunnelParams) => boolean,
): Tunnel | null {
  let found: Tunnel | null = null;
  for (const t of list) {
    if ((t.dev.flags & IFF_UP) === 0 || !fits(t.params)) continue;
    if ((t.params.link?.ifindex ?? 0) === q.link) return t;
    found ??= t;
  }
  return found;
}

function isNear(p: TunnelParams, q: TunnelQuery): boolean {
  return (p.local === q.local && p.remote === 0) || (p.remote === q.local && isMulticast(q.local));
}

function isByKey(p: TunnelParams, q: TunnelQuery): boolean {
  return p.local === 0 && p.remote === 0 && p.ikey === q.key;
}

/** Linux `ip_tunnel_key_match` */
function keyFits(p: TunnelParams, q: TunnelQuery): boolean {
  const wanted = (p.iflags & GRE_KEY) !== 0;
  const there = (q.flags & GRE_KEY) !== 0;
  return wanted === there && (!wanted || p.ikey === q.key);
}
