/**
 * What happens in the namespaces of a kernel, in one ordered stream (`ip monitor all-nsid`; S19): the
 * supervisor's view. Each event is a snapshot, taken when it happened.
 */
import type { LinkMove, NetEvent, NsidSubject } from '../event.ts';
import type { Neighbour } from '../link/neighbour.ts';
import type { NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import type { Ipv4Address } from '../network/ipv4/device.ts';
import type { Ipv6Address } from '../network/ipv6/address.ts';
import type { FibRoute } from '../network/route/fib-route.ts';
import { FibRoute6 } from '../network/route6/fib.ts';
import { addressInfo } from './addr.ts';
import { address6Info } from './addr6.ts';
import type { AddressInfo, LinkInfo, NeighbourInfo, RouteInfo } from './info.ts';
import type { Kernel } from './kernel.ts';
import { linkInfo } from './link-info.ts';
import type { Namespace } from './namespace.ts';
import { neighbourInfo } from './neigh.ts';
import { routeInfo } from './route-info.ts';
import { route6Info } from './route6.ts';

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
    case 'newneigh':
    case 'delneigh':
      return { kind, netns, neighbour: neighbourInfo(subject as Neighbour) };
    case 'newnsid':
    case 'delnsid': {
      const { net: peer, nsid } = subject as NsidSubject;
      return { kind, netns, nsid, peer: kernel.netns.faceOf(peer) };
    }
    default:
      return { kind, netns };
  }
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
