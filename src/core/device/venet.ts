/**
 * venet: the device of OpenVZ, which Savochkin had in mind (S18): "a simple netdevice doing netif_rx in hard_xmit".
 * The parent has one, the hub; each child has one that stands on it. What a child sends the parent receives, and
 * routes; what the parent sends by its hub the child receives that has the destination. No ARP, no MACs: the parent
 * has a host route for each child. Linux never had it.
 *
 * RX 1/4. To: `link/input.ts`
 * TX 5/5. From: `link/output.ts`
 */
import { drop } from '../drop.ts';
import { EINVAL } from '../errno.ts';
import { fireLinkWatch, registerDevice, setCarrier } from '../link/device-state.ts';
import {
  type DeviceOps,
  IFF_BROADCAST,
  IFF_NOARP,
  IFF_POINTOPOINT,
  IFF_UP,
  type NetDevice,
} from '../link/net-device.ts';
import { type Packet, scrubPacket } from '../packet.ts';
import type { NetdevEvent } from '../protocols.ts';
import type { Ip6Addr } from '../util/ip6-addr.ts';
import { ARPHRD_VOID } from '../wire/arp.ts';
import { frameLength } from '../wire/frame.ts';
import { type EtherSpec, linkUpper, makeDevice, unlinkUpper } from './ether.ts';

const DEFAULT_MTU = 1500;

export interface VenetSpec extends EtherSpec {
  /** The parent's hub; absent: this becomes one. */
  readonly hub?: NetDevice;
  /**
   * IPv4 addresses that the parent gives to the child: it gets nothing for others, and sends from no others
   * (V5). Empty: those that it gives itself, unless another has them.
   */
  readonly addresses?: readonly number[];
}

/** A hub's state: `NetDevice.priv`. */
class Hub {
  readonly children: Child[] = [];
}

/** A child's. */
class Child {
  readonly dev: NetDevice;
  readonly hub: NetDevice;
  readonly given: readonly number[];

  constructor(dev: NetDevice, hub: NetDevice, given: readonly number[]) {
    this.dev = dev;
    this.hub = hub;
    this.given = given;
  }

  /** Is it the child's? Packets of IPv6 are where the parent gave nothing. */
  has(addr: number | Ip6Addr): boolean {
    if (this.given.length > 0) return typeof addr === 'number' && this.given.includes(addr);
    if (typeof addr === 'number')
      return this.dev.ipv4?.addresses.some((a) => a.local === addr) === true;
    return this.dev.ipv6?.addresses.some((a) => a.addr.equals(addr)) === true;
  }
}

const HUB_OPS: DeviceOps = {
  kind: 'venet',
  movable: false,
  xmit: hubXmit,
};

const CHILD_OPS: DeviceOps = {
  kind: 'venet',
  movable: true,
  xmit: childXmit,
  uninit: childUninit,
  iflink: (dev) => (dev.priv as Child).hub,
  addrRefusal: (dev, addr) =>
    isTaken(dev.priv as Child, addr) ? 'Address already assigned to another venet device' : '',
};

/** Makes one, down. `-EINVAL`: `hub` is none, or an address is another child's; and the errors of `makeEther`. */
export function venetAdd(spec: VenetSpec): NetDevice | number {
  const { hub, addresses = [] } = spec;
  if (hub !== undefined && !(hub.priv instanceof Hub)) return -EINVAL;
  if (hub !== undefined && addresses.some((a) => ownerOf(hub, a) !== null)) return -EINVAL;
  const dev = makeDevice(spec, hub === undefined ? HUB_OPS : CHILD_OPS, DEFAULT_MTU, ARPHRD_VOID);
  if (typeof dev === 'number') return dev;
  dev.flags = IFF_BROADCAST | IFF_POINTOPOINT | IFF_NOARP;
  dev.txQueueLen = 0;
  if (hub === undefined) dev.priv = new Hub();
  else {
    const child = new Child(dev, hub, addresses);
    dev.priv = child;
    dev.carrier = hub.up;
    (hub.priv as Hub).children.push(child);
    linkUpper(hub, dev);
  }
  registerDevice(dev);
  fireLinkWatch(dev);
  return dev;
}

/** What a venet device is; null: it is none. */
export function venetOf(
  dev: NetDevice,
): { readonly hub: boolean; readonly given: readonly number[] } | null {
  if (dev.priv instanceof Hub) return { hub: true, given: [] };
  return dev.priv instanceof Child ? { hub: false, given: dev.priv.given } : null;
}

function ownerOf(hub: NetDevice, addr: number | Ip6Addr): Child | null {
  return (hub.priv as Hub).children.find((c) => c.has(addr)) ?? null;
}

/** A child may give itself what the parent gave it, or, if it gave nothing, what no other child has. */
function isTaken(child: Child, addr: number | Ip6Addr): boolean {
  if (child.given.length > 0) return false;
  const owner = ownerOf(child.hub, addr);
  return owner !== null && owner !== child;
}

function hubXmit(pkt: Packet, hub: NetDevice): void {
  const dst = pkt.ip?.dst ?? pkt.ip6?.dst;
  const child = dst === undefined ? null : ownerOf(hub, dst);
  if (child === null) {
    hub.stats.txDropped++;
    drop(hub.net, pkt, 'NO_TX_TARGET', hub.name);
    return;
  }
  pass(pkt, hub, child.dev);
}

function childXmit(pkt: Packet, dev: NetDevice): void {
  const child = dev.priv as Child;
  const src = pkt.ip?.src ?? pkt.ip6?.src;
  if (child.given.length > 0 && (src === undefined || !child.has(src))) {
    dev.stats.txDropped++;
    drop(dev.net, pkt, 'IP_INVALID_SOURCE', dev.name);
    return;
  }
  pass(pkt, dev, child.hub);
}

/** What one sends the other receives. */
function pass(pkt: Packet, from: NetDevice, to: NetDevice): void {
  const len = frameLength(pkt);
  if ((to.flags & IFF_UP) === 0 || (len > to.mtu && pkt.gsoSize === 0)) {
    from.stats.txDropped++;
    to.stats.rxDropped++;
    drop(from.net, pkt, len > to.mtu ? 'PKT_TOO_BIG' : 'DEV_READY', from.name);
    return;
  }
  if (from.net !== to.net) scrubPacket(pkt);
  pkt.route = null;
  pkt.route6 = null;
  pkt.priority = 0;
  if (!from.net.kernel.enqueue(pkt, to)) {
    from.stats.txDropped++;
    return;
  }
  from.stats.txPackets++;
  from.stats.txBytes += len;
  to.stats.rxPackets++;
  to.stats.rxBytes += len;
}

function childUninit(dev: NetDevice): void {
  const child = dev.priv as Child;
  const { children } = child.hub.priv as Hub;
  children.splice(children.indexOf(child), 1);
  unlinkUpper(child.hub, dev);
}

/** Children have carrier while their hub is up. */
export function venetEvent(event: NetdevEvent, dev: NetDevice): void {
  if (!(dev.priv instanceof Hub) || (event !== 'up' && event !== 'down')) return;
  for (const child of dev.priv.children) setCarrier(child.dev, dev.up);
}
