/**
 * What happens in the namespaces of a kernel, in one ordered stream (`ip monitor all-nsid`; S19): the
 * supervisor's view. Each event is a snapshot, taken when it happened.
 */
import type { FdbEntry } from '../device/bridge-fdb.ts';
import type { McastGroup, Membership } from '../device/bridge-mdb.ts';
import type { Bridge, BridgePort } from '../device/bridge-port.ts';
import type { LinkMove, NdUserOption, NetEvent, NsidSubject } from '../event.ts';
import type { Neighbour } from '../link/neighbour.ts';
import type { NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import type { Ipv4Address } from '../network/ipv4/device.ts';
import type { Ipv6Address } from '../network/ipv6/address.ts';
import type { Nexthop } from '../network/nexthop/nexthop.ts';
import type { FibRoute } from '../network/route/fib-route.ts';
import { FibRoute6 } from '../network/route6/fib.ts';
import type { RuleSubject } from '../network/rule/event.ts';
import { addressInfo } from './addr.ts';
import { address6Info } from './addr6.ts';
import {
  type BridgePortInfo,
  type BridgeVlanInfo,
  bridgeVlanInfo,
  type FdbInfo,
  fdbInfo,
  type MdbInfo,
  mdbInfo,
  portInfo,
} from './bridge-info.ts';
import type { AddressInfo, LinkInfo, NeighbourInfo, RouteInfo } from './info.ts';
import type { Kernel } from './kernel.ts';
import { linkInfo } from './link-info.ts';
import type { Namespace } from './namespace.ts';
import { neighbourInfo } from './neigh.ts';
import { type NexthopObjectInfo, nexthopObjectInfo } from './nexthop.ts';
import { routeInfo } from './route-info.ts';
import { route6Info } from './route6.ts';
import { type RuleInfo, ruleInfo } from './rule.ts';

/** Where a device went that left its namespace. */
export interface LinkDestination {
  readonly netns: Namespace;
  readonly ifindex: number;
}

/** What happened, by rtnetlink's names, and in which namespace. */
export type WatchEvent =
  | {
      readonly kind: 'newlink' | 'dellink';
      readonly netns: Namespace;
      readonly link: LinkInfo;
      /** Where the device is now, if it was moved away; null otherwise. */
      readonly movedTo: LinkDestination | null;
    }
  | {
      readonly kind: 'newaddr' | 'deladdr';
      readonly netns: Namespace;
      readonly address: AddressInfo;
    }
  | { readonly kind: 'newroute' | 'delroute'; readonly netns: Namespace; readonly route: RouteInfo }
  | { readonly kind: 'newrule' | 'delrule'; readonly netns: Namespace; readonly rule: RuleInfo }
  | {
      readonly kind: 'newnexthop' | 'delnexthop';
      readonly netns: Namespace;
      readonly nexthop: NexthopObjectInfo;
    }
  | {
      readonly kind: 'newneigh' | 'delneigh';
      readonly netns: Namespace;
      readonly neighbour: NeighbourInfo;
    }
  | {
      readonly kind: 'newnsid' | 'delnsid';
      readonly netns: Namespace;
      readonly nsid: number;
      /** Whose id it is. */
      readonly peer: Namespace;
    }
  /** Of bridges: a port, an address, a group, the VLANs of a device (`bridge monitor`). */
  | { readonly kind: 'newbrport'; readonly netns: Namespace; readonly port: BridgePortInfo }
  | { readonly kind: 'newfdb' | 'delfdb'; readonly netns: Namespace; readonly fdb: FdbInfo }
  | { readonly kind: 'newmdb' | 'delmdb'; readonly netns: Namespace; readonly mdb: MdbInfo }
  | { readonly kind: 'newvlan'; readonly netns: Namespace; readonly vlans: BridgeVlanInfo }
  /** A router's advertisement had an option that programs read: name servers, search domains (`RTM_NEWNDUSEROPT`). */
  | {
      readonly kind: 'nduseropt';
      readonly netns: Namespace;
      readonly dev: string;
      readonly ifindex: number;
      /** The router. */
      readonly from: string;
      /** The whole option: type, length in units of eight bytes, and what follows (RFC 4861 §4.6). */
      readonly option: Uint8Array;
    }
  /** A namespace came into being, or is no more. */
  | { readonly kind: 'newnetns' | 'delnetns'; readonly netns: Namespace };

export type WatchListener = (event: WatchEvent) => void;

/** Makes snapshots of what the stack tells. */
export function watchEvent(kernel: Kernel, net: NetNs, event: NetEvent): WatchEvent {
  const netns = kernel.netns.faceOf(net);
  const { kind, subject, move } = event;
  switch (kind) {
    case 'newlink':
    case 'dellink': {
      const link = linkInfo(subject as NetDevice);
      return { kind, netns, link, movedTo: destination(kernel, move) };
    }
    case 'newaddr':
    case 'deladdr': {
      const { dev, address } = subject as AddressSubject;
      const info = 'addr' in address ? address6Info(dev, address) : addressInfo(dev, address);
      return { kind, netns, address: info };
    }
    case 'newroute':
    case 'delroute':
      return { kind, netns, route: anyRouteInfo(net, subject as FibRoute | FibRoute6) };
    case 'newrule':
    case 'delrule': {
      const { rules, rule } = subject as RuleSubject<unknown>;
      return { kind, netns, rule: ruleInfo(rules, rule) };
    }
    case 'newnexthop':
    case 'delnexthop':
      return { kind, netns, nexthop: nexthopObjectInfo(subject as Nexthop) };
    case 'newneigh':
    case 'delneigh':
      return { kind, netns, neighbour: neighbourInfo(subject as Neighbour) };
    case 'newnsid':
    case 'delnsid': {
      const { net: peer, nsid } = subject as NsidSubject;
      return { kind, netns, nsid, peer: kernel.netns.faceOf(peer) };
    }
    case 'newnetns':
    case 'delnetns':
      return { kind, netns };
    case 'nduseropt': {
      const { dev, from, data } = subject as NdUserOption;
      const { name, ifindex } = dev;
      return { kind, netns, dev: name, ifindex, from: String(from), option: data };
    }
    default:
      return bridgeEvent(kind, netns, subject);
  }
}

function bridgeEvent(
  kind: 'newbrport' | 'newfdb' | 'delfdb' | 'newmdb' | 'delmdb' | 'newvlan',
  netns: Namespace,
  subject: unknown,
): WatchEvent {
  switch (kind) {
    case 'newbrport':
      return { kind, netns, port: portInfo(subject as BridgePort) };
    case 'newfdb':
    case 'delfdb':
      return { kind, netns, fdb: fdbInfo(subject as FdbEntry) };
    case 'newvlan': {
      const dev = subject as NetDevice;
      return { kind, netns, vlans: bridgeVlanInfo(dev) ?? { dev: dev.name, vlans: [] } };
    }
    default: {
      const { bridge, group, member } = subject as MdbSubject;
      return { kind, netns, mdb: mdbInfo(bridge, group, member) };
    }
  }
}

interface MdbSubject {
  readonly bridge: Bridge;
  readonly group: McastGroup;
  readonly member: Membership;
}

interface AddressSubject {
  readonly dev: NetDevice;
  readonly address: Ipv4Address | Ipv6Address;
}

function anyRouteInfo(net: NetNs, route: FibRoute | FibRoute6): RouteInfo {
  return route instanceof FibRoute6 ? route6Info(route, net.kernel.nowUs) : routeInfo(route);
}

function destination(kernel: Kernel, move: LinkMove | null): LinkDestination | null {
  return move === null ? null : { netns: kernel.netns.faceOf(move.net), ifindex: move.ifindex };
}
