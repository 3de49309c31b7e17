/**
 * What the listings of the control calls give: plain objects with Linux's words, addresses as text.
 * They are snapshots; nothing in them changes when the namespace does.
 */
import type { BridgeInfo, BridgePortInfo } from './bridge-info.ts';
import type { KindInfo, SlaveInfo } from './kinds/index.ts';
import type { AddrGenMode } from './link-set.ts';
import type { RouteType } from './names.ts';
import type { PolicyInfo } from './policy.ts';

/** The other end of a device: a veth peer, a device below. */
export interface LinkPeer {
  readonly ifindex: number;
  /** Null when it is in another namespace. */
  readonly name: string | null;
  /** Name of the other namespace; null when it is the same one, or has no name. */
  readonly netns: string | null;
  /** Id of the other namespace in this one (`IFLA_LINK_NETNSID`); null in the same namespace. */
  readonly netnsId: number | null;
  /** The other end is administratively up; false across namespaces. */
  readonly up: boolean;
}

/** Counters of `ip -s link` (Linux `struct rtnl_link_stats64`). */
export interface LinkCounters {
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly rxOverErrors: number;
  readonly multicast: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
  readonly txCarrierErrors: number;
  readonly collisions: number;
}

/** One device, as `ip link show` tells it. */
export interface LinkInfo {
  readonly ifindex: number;
  readonly name: string;
  /** `'veth'`, `'bridge'`, `'tun'`; `''` for lo. */
  readonly kind: string;
  /** `IFF_*` without their prefix, in iproute2's order, `NO-CARRIER` and `M-DOWN` included. */
  readonly flags: readonly string[];
  readonly up: boolean;
  readonly carrier: boolean;
  readonly mtu: number;
  readonly minMtu: number;
  readonly maxMtu: number;
  /** `'noqueue'`, `'noop'`, `'netem'` … */
  readonly qdisc: string;
  /** RFC 2863 operational status. */
  readonly operState: 'UP' | 'DOWN' | 'UNKNOWN' | 'LOWERLAYERDOWN';
  readonly txQueueLen: number;
  readonly linkType: 'ether' | 'loopback' | 'ipip' | 'sit' | 'gre' | 'void' | 'none';
  /** MAC address; `''` on a device without one. */
  readonly address: string;
  readonly broadcast: string;
  readonly master: string | null;
  readonly link: LinkPeer | null;
  /** Group of devices (`ip link set group`); 0: default. */
  readonly group: number;
  readonly alias: string;
  readonly promiscuity: number;
  readonly allmulti: number;
  readonly carrierChanges: number;
  /** How its IPv6 addresses are made: `'eui64'`, `'none'`, `'stable_secret'`, `'random'`; null: it can have none. */
  readonly addrGenMode: AddrGenMode | null;
  readonly gsoMaxSize: number;
  readonly counters: LinkCounters;
  /** Of a vlan; null of other kinds. */
  readonly vlan: VlanInfo | null;
  /** Of a macvlan; null of other kinds. */
  readonly macvlan: MacvlanInfo | null;
  /** Of a bridge: settings and state by the names of `ip -d -j link`; null of other kinds. */
  readonly bridge: BridgeInfo | null;
  /** Of a port of a bridge; null: it is none. */
  readonly bridgePort: BridgePortInfo | null;
  /** What may come in by it; null: everything. */
  readonly policy: PolicyInfo | null;
  /** What other kinds have of their own; null of kinds that have nothing. */
  readonly options: KindInfo | null;
  /** What it is to its bond or vrf; null of a device that has none. */
  readonly slave: SlaveInfo | null;
}

export interface VlanInfo {
  readonly id: number;
  readonly protocol: '802.1Q' | '802.1ad';
  readonly looseBinding: boolean;
}

export interface MacvlanInfo {
  readonly mode: 'private' | 'vepa' | 'bridge' | 'passthru' | 'source';
  /** Mode source: the MACs whose frames it gets. */
  readonly sources: readonly string[];
}

/** One address, as `ip addr show` tells it. */
export interface AddressInfo {
  readonly family: 'inet' | 'inet6';
  readonly ifindex: number;
  readonly dev: string;
  readonly local: string;
  /** The other end of a point-to-point address; null otherwise. */
  readonly peer: string | null;
  readonly prefixLen: number;
  readonly broadcast: string | null;
  /** `'global'`, `'link'`, `'host'` … */
  readonly scope: string;
  /** Empty for IPv6, as are `broadcast` and `secondary`. */
  readonly label: string;
  readonly secondary: boolean;
  readonly noprefixroute: boolean;
  readonly deprecated: boolean;
  /** Of IPv6: `'tentative'`, `'dadfailed'`, `'nodad'` … in iproute2's order. */
  readonly flags: readonly string[];
  readonly metric: number;
  /** Seconds left; Infinity: for ever. */
  readonly validLft: number;
  readonly preferredLft: number;
}

/** Next hop of a route. */
export interface NexthopInfo {
  readonly gateway: string | null;
  readonly dev: string | null;
  readonly weight: number;
  /** `'dead'`, `'onlink'`, `'linkdown'` … */
  readonly flags: readonly string[];
}

/** Metrics of a route, by iproute2's names. Absent: not set. */
export interface RouteMetrics {
  readonly mtu?: number;
  readonly window?: number;
  readonly advmss?: number;
  readonly hoplimit?: number;
  readonly initcwnd?: number;
  /** Milliseconds. */
  readonly rto_min?: number;
  readonly initrwnd?: number;
  readonly quickack?: number;
  /** Milliseconds. */
  readonly rtt?: number;
  readonly rttvar?: number;
  readonly ssthresh?: number;
  readonly cwnd?: number;
  readonly reordering?: number;
  /** ECN is asked for. */
  readonly ecn?: boolean;
  readonly fastopen_no_cookie?: number;
  /** Congestion control of connections by this route. */
  readonly congestion?: string;
}

/** One route, as `ip route show` tells it. */
export interface RouteInfo {
  readonly family: 'inet' | 'inet6';
  readonly type: RouteType;
  /** `'default'`, `'10.0.0.0/24'`, `'10.0.0.1'`. */
  readonly dst: string;
  readonly tos: number;
  readonly table: number;
  /** `'kernel'`, `'boot'`, `'static'` … */
  readonly protocol: string;
  readonly scope: string;
  readonly src: string | null;
  readonly metric: number;
  /** One, or several of a multipath route; none for a route that only refuses. */
  readonly nexthops: readonly NexthopInfo[];
  readonly metrics: RouteMetrics;
  readonly lockedMtu: boolean;
  /** Metrics that were given with `lock`. */
  readonly locked: readonly string[];
  /** Number of the nexthop object whose ways these are; 0: none. */
  readonly nhid: number;
  /** Its ways are listed even where there is one: IPv6, by a group. */
  readonly isGroup: boolean;
  /** Seconds until the route goes by itself; Infinity: never. */
  readonly expires: number;
  /** Preference of a router (RFC 4191): `'low'`, `'medium'`, `'high'`; null of IPv4. */
  readonly pref: 'low' | 'medium' | 'high' | null;
}

/** What `ip route get` tells: the decision for one destination. */
export interface RouteDecision {
  readonly type: RouteType;
  readonly dst: string;
  /** The source that was asked for; null when none was. */
  readonly from: string | null;
  readonly gateway: string | null;
  readonly dev: string;
  /** Source address that was chosen; null when `from` was given. */
  readonly src: string | null;
  /** Input device that was asked for. */
  readonly iif: string | null;
  /** `'local'`, `'brd'`, `'mc'` … */
  readonly cache: readonly string[];
  /** Seconds until a learnt path MTU expires; 0: none. */
  readonly expires: number;
  readonly metrics: RouteMetrics;
  readonly lockedMtu: boolean;
  readonly locked: readonly string[];
  /** Where it was found. */
  readonly table: number;
  /** TOS of the route that was found. */
  readonly tos: number;
  readonly mark: number;
}

/** One neighbour, as `ip neigh show` tells it. */
export interface NeighbourInfo {
  readonly family: 'inet' | 'inet6';
  readonly dst: string;
  readonly dev: string;
  /** MAC address; null when it is not known. */
  readonly lladdr: string | null;
  /** `'REACHABLE'`, `'STALE'`, `'FAILED'` …; `'NONE'`. */
  readonly state: string;
  /** Seconds since it was used, confirmed and updated last. */
  readonly used: number;
  readonly confirmed: number;
  readonly updated: number;
  readonly probes: number;
  /** It said that it is a router (IPv6). */
  readonly router: boolean;
}
