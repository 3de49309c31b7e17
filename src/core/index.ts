/** The core's face: `warren/core`. What is not here may change without notice. */

export type { AddrControl, AddressFilter, AddressSpec } from './control/addr.ts';
export type { Addr6Control, AddressFilter6, AddressSpec6 } from './control/addr6.ts';
export type { BridgeControl, BridgePortInfo, FdbInfo } from './control/bridge.ts';
export type {
  FilterAction,
  FilterActionInfo,
  FilterControl,
  FilterInfo,
  FilterProgram,
  FilterSpec,
  HandoverTarget,
  ProgramVerdict,
} from './control/filter.ts';
export { type FilterMatch, isMatch, parseIpProto } from './control/filter-match.ts';
export type { FileStat, NetFs } from './control/fs/net-fs.ts';
export type * from './control/info.ts';
export type { ToolContext, ToolResult } from './control/ip/ip.ts';
export {
  type BridgeOptions,
  Kernel,
  type KernelOptions,
  type NetnsControl,
  type NetnsLink,
  type Runner,
  type VethEnd,
} from './control/kernel.ts';
export type { BondInfo, BondOptions, BondSlaveInfo } from './control/kinds/bond.ts';
export type { KindInfo, KindOptions, OtherKind, SlaveInfo } from './control/kinds/index.ts';
export type { IpvlanInfo, IpvlanOptions } from './control/kinds/ipvlan.ts';
export type { NetkitInfo, NetkitOptions } from './control/kinds/netkit.ts';
export type { TunnelInfo, TunnelOptions } from './control/kinds/tunnel.ts';
export type { VenetInfo, VenetOptions } from './control/kinds/venet.ts';
export type { VrfInfo, VrfOptions } from './control/kinds/vrf.ts';
export type { VxlanInfo, VxlanOptions } from './control/kinds/vxlan.ts';
export type { LinkControl } from './control/link.ts';
export type { LinkAdd, LinkKind, PeerSpec, VlanOptions } from './control/link-add.ts';
export type { LinkSet, MacvlanOptions } from './control/link-set.ts';
export { Namespace, type NamespaceStats } from './control/namespace.ts';
export type { NeighbourSpec, NeighControl } from './control/neigh.ts';
export { formatNetem, parseNetem } from './control/netem-words.ts';
export type {
  BucketInfo,
  NexthopControl,
  NexthopGroupEntry,
  NexthopObjectInfo,
  NexthopObjectSpec,
} from './control/nexthop.ts';
export type { QdiscControl, QdiscInfo } from './control/qdisc.ts';
export type { NexthopSpec, RouteControl, RouteQuery, RouteSpec } from './control/route.ts';
export type { Route6Control, RouteDecision6, RouteSpec6 } from './control/route6.ts';
export type { PortRangeSpec, RuleAction, RuleControl, RuleInfo, RuleSpec } from './control/rule.ts';
export type { SocketControl, SocketInfo } from './control/sockets.ts';
export type { SysctlControl } from './control/sysctl.ts';
export type { LinkDestination, WatchEvent, WatchListener } from './control/watch.ts';
export type { DropReason } from './drop.ts';
export type { Env } from './env.ts';
export * from './errno.ts';
export type { LinkMove, NetEvent, NetEventKind, NsidSubject } from './event.ts';
export { Capture, type CaptureOptions, type CaptureSink } from './link/capture.ts';
export type { NetemOptions } from './link/netem-options.ts';
export { type ContextSpec, contextCredentials } from './socket/context.ts';
export {
  type Capability,
  type Credentials,
  ROOT,
  SUPERVISOR,
  unprivileged,
} from './socket/credentials.ts';
export { Socket } from './socket/socket.ts';
export type { Tracer } from './trace.ts';
export * from './transport/sock.ts';
export { formatIpv4, formatMac, parseIpv4, parseMac } from './util/address.ts';
export { formatIpv6, Ip6Addr, parseIpv6, samePrefix } from './util/ip6-addr.ts';
