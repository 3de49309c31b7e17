/** The devices of a namespace: `ip link` (Linux `net/core/rtnetlink.c`, `do_setlink`). */
import { bridgeAdd, bridgeAddPort, bridgeDelPort } from '../device/bridge.ts';
import { isBridge } from '../device/bridge-port.ts';
import { vethAdd, vethPeer } from '../device/veth.ts';
import { EEXIST, EINVAL, ELOOP, ENODEV, EOPNOTSUPP, NetError } from '../errno.ts';
import { isValidDeviceName } from '../link/device-list.ts';
import {
  allocDeviceName,
  devChangeFlags,
  devClose,
  devOpen,
  devRename,
  devSetMac,
  devSetMtu,
  macRefusal,
  mtuRefusal,
  unregisterDevice,
} from '../link/device-state.ts';
import { devMove, moveRefusal } from '../link/move.ts';
import {
  IFF_ALLMULTI,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_PROMISC,
  type NetDevice,
} from '../link/net-device.ts';
import { parseMac } from '../util/address.ts';
import type { LinkInfo } from './info.ts';
import { linkInfo } from './link-info.ts';
import type { Namespace } from './namespace.ts';

/** What `ip link set` may change. */
export interface LinkSet {
  /** The namespace to which the device moves; `name` and `master` are those that it gets there. */
  readonly netns?: Namespace;
  /** Index that it gets there; its own if that is free, when absent. */
  readonly newIfindex?: number;
  readonly up?: boolean;
  /** New name. */
  readonly name?: string;
  readonly mtu?: number;
  /** MAC address, `'02:00:00:00:00:01'`. */
  readonly address?: string;
  readonly broadcast?: string;
  /** Name of the bridge that the device becomes a port of; null: of none. */
  readonly master?: string | null;
  /** Packets. */
  readonly txQueueLen?: number;
  readonly alias?: string;
  /** Number of the group of devices that it belongs to. */
  readonly group?: number;
  readonly promisc?: boolean;
  readonly allmulticast?: boolean;
  /** ARP is spoken on it. */
  readonly arp?: boolean;
  readonly multicast?: boolean;
}

/** The other end of a veth pair. */
export interface PeerSpec {
  readonly name?: string;
  /** The namespace where it lives; the same one when absent. */
  readonly netns?: Namespace;
  readonly ifindex?: number;
  readonly mtu?: number;
  readonly address?: string;
  readonly txQueueLen?: number;
  readonly up?: boolean;
}

/** What `ip link add` takes. A veth or bridge without a name is called `veth0`, `bridge0` … */
export interface LinkAdd extends Omit<LinkSet, 'name' | 'master' | 'netns' | 'newIfindex'> {
  readonly kind: 'veth' | 'bridge';
  readonly name?: string;
  /** The namespace in which it is made; the one that is asked when absent. */
  readonly netns?: Namespace;
  /** The next free one when absent. */
  readonly ifindex?: number;
  readonly peer?: PeerSpec;
  readonly bridge?: { readonly ageingTime?: number };
}

const NEEDS_NETNS = 'newIfindex can be used only when moving a device to another namespace';

/** What undoes a change. */
type Undo = () => void;

export class LinkControl {
  private readonly ns: Namespace;

  constructor(ns: Namespace) {
    this.ns = ns;
  }

  has(name: string): boolean {
    return this.ns.net.devs.find(name) !== undefined;
  }

  /**
   * Makes a device, for veth a pair; returns it. EEXIST, EINVAL (name), ERANGE (MTU), EBUSY (index). A
   * device made in another namespace has its peer here, unless told otherwise.
   */
  add(spec: LinkAdd): LinkInfo {
    const { kind, name, peer, bridge, netns = this.ns, ifindex, ...set } = spec;
    if (ifindex !== undefined && netns.net.devs.findIndex(ifindex) !== undefined)
      throw new NetError(EEXIST, 'rtnetlink');
    const dev = kind === 'veth' ? this.addVeth(spec, netns) : addBridge(spec, netns);
    const other = kind === 'veth' ? vethPeer(dev) : null;
    try {
      applySet(netns, dev, set);
      if (other !== null) applySet(peer?.netns ?? this.ns, other, peerSet(peer));
    } catch (e) {
      unregisterDevice(dev);
      throw e;
    }
    return linkInfo(dev);
  }

  private addVeth(spec: LinkAdd, netns: Namespace): NetDevice {
    const peer = spec.peer ?? {};
    const peerNs = peer.netns ?? this.ns;
    const same = peerNs === netns;
    // LINUX: the peer gets its name first (`veth_newlink`).
    const peerName = freeName(peerNs, peer.name, 'veth%d', same ? spec.name : undefined);
    const name = freeName(netns, spec.name, 'veth%d', same ? peerName : undefined);
    if (same && name === peerName) throw new NetError(EEXIST, 'rtnetlink');
    const pair = vethAdd(
      { net: netns.net, name, ...addOptions(spec), ...mtuOf(spec.mtu) },
      { net: peerNs.net, name: peerName, ...addOptions(peer), ...mtuOf(peer.mtu) },
    );
    if (typeof pair === 'number') throw new NetError(pair, 'rtnetlink');
    return pair[0];
  }

  /** Changes a device; all or nothing. EINVAL: it cannot move; EEXIST, EBUSY: its name or index is taken there. */
  set(name: string, set: LinkSet): void {
    const dev = this.find(name);
    const { netns } = set;
    if (netns === undefined) {
      if (set.newIfindex !== undefined) throw new NetError(EINVAL, 'rtnetlink', NEEDS_NETNS);
      applySet(this.ns, dev, set);
      return;
    }
    move(dev, netns, set);
    applySet(netns, dev, set);
  }

  /** Deletes a device, for veth both ends. EOPNOTSUPP: lo. */
  del(name: string): void {
    const dev = this.find(name);
    if (dev === this.ns.net.loopback) throw new NetError(EOPNOTSUPP, 'rtnetlink');
    unregisterDevice(dev);
  }

  /** All devices, in the order of their index. */
  list(): LinkInfo[] {
    return [...this.ns.net.devs].sort((a, b) => a.ifindex - b.ifindex).map((dev) => linkInfo(dev));
  }

  show(name: string): LinkInfo {
    return linkInfo(this.find(name));
  }

  private find(name: string): NetDevice {
    return findDevice(this.ns.net, name);
  }
}

/** The device of that name; ENODEV. */
export function findDevice(net: Namespace['net'], name: string): NetDevice {
  const dev = net.devs.find(name);
  if (dev === undefined) throw new NetError(ENODEV, 'rtnetlink', `Cannot find device "${name}"`);
  return dev;
}

/** A name that is free, checked as `dev_get_valid_name` does. */
function freeName(
  ns: Namespace,
  name: string | undefined,
  pattern: string,
  reserved: string | undefined,
): string {
  const { devs } = ns.net;
  const wanted = name ?? pattern;
  if (!isValidDeviceName(wanted)) throw new NetError(EINVAL, 'rtnetlink');
  if (wanted.includes('%')) {
    const first = devs.freeName(wanted);
    if (first !== reserved) return first;
    for (let n = 0; ; n++) {
      const next = wanted.replace('%d', String(n));
      if (next !== reserved && devs.find(next) === undefined) return next;
    }
  }
  if (devs.find(wanted) !== undefined) throw new NetError(EEXIST, 'rtnetlink');
  return wanted;
}

function addBridge(spec: LinkAdd, netns: Namespace): NetDevice {
  const name = freeName(netns, spec.name, 'bridge%d', undefined);
  const { ageingTime } = spec.bridge ?? {};
  const br = bridgeAdd(netns.net, name, {
    ...addOptions(spec),
    ...(ageingTime === undefined ? {} : { ageingUs: ageingTime * 10_000 }),
  });
  if (typeof br === 'number') throw new NetError(br, 'rtnetlink');
  return br;
}

/** MAC and index that a new device is to have. */
function addOptions(spec: { readonly address?: string; readonly ifindex?: number }): {
  mac?: number;
  ifindex?: number;
} {
  const { address, ifindex } = spec;
  return {
    ...(address === undefined ? {} : { mac: macNumber(address) }),
    ...(ifindex === undefined ? {} : { ifindex }),
  };
}

function macNumber(text: string): number {
  const mac = parseMac(text);
  if (mac === undefined) throw new NetError(EINVAL, 'rtnetlink', `"${text}" is invalid lladdr`);
  return mac;
}

function mtuOf(mtu: number | undefined): { mtu?: number } {
  return mtu === undefined ? {} : { mtu };
}

function peerSet(peer: PeerSpec | undefined): LinkSet {
  return {
    ...(peer?.txQueueLen === undefined ? {} : { txQueueLen: peer.txQueueLen }),
    ...(peer?.up === undefined ? {} : { up: peer.up }),
  };
}

/** In the order of `do_setlink`; what was done is undone when a later part is refused. */
function applySet(ns: Namespace, dev: NetDevice, set: LinkSet): void {
  const undos: Undo[] = [];
  try {
    if (set.address !== undefined) undos.push(setMac(dev, macNumber(set.address)));
    if (set.mtu !== undefined) undos.push(setMtu(dev, set.mtu));
    if (set.name !== undefined) undos.push(setName(dev, set.name));
    if (set.group !== undefined) undos.push(setField(dev, 'group', set.group));
    if (set.alias !== undefined) undos.push(setField(dev, 'alias', set.alias));
    if (set.broadcast !== undefined)
      undos.push(setField(dev, 'broadcast', macNumber(set.broadcast)));
    if (set.master !== undefined) undos.push(setMaster(ns, dev, set.master));
    setFlags(dev, set, undos);
    if (set.txQueueLen !== undefined) {
      undos.push(setField(dev, 'txQueueLen', set.txQueueLen));
      dev.net.events.emit('newlink', dev);
    }
    const told = set.group ?? set.alias ?? set.broadcast;
    // LINUX: of a device that is down nobody is told (`netdev_state_change`).
    if (told !== undefined && dev.up) changed(dev);
  } catch (e) {
    for (const undo of undos.reverse()) undo();
    throw e;
  }
}

/** A move cannot be undone: everything that could be refused afterwards is looked at first. */
function move(dev: NetDevice, netns: Namespace, set: LinkSet): void {
  const { net } = netns;
  const { name, newIfindex } = set;
  const to = {
    net,
    ...(name === undefined ? {} : { name }),
    ...(newIfindex === undefined ? {} : { ifindex: newIfindex }),
  };
  const refusal = moveRefusal(dev, to);
  if (refusal !== null) throw new NetError(refusal.errno, 'rtnetlink', refusal.detail);
  if (set.address !== undefined) refuse(macRefusal(dev, macNumber(set.address)));
  if (set.mtu !== undefined && mtuRefusal(dev, set.mtu) !== '')
    throw new NetError(EINVAL, 'rtnetlink', mtuRefusal(dev, set.mtu));
  if (name !== undefined && !(net === dev.net && name === dev.name)) {
    const free = allocDeviceName(net, name);
    if (typeof free === 'number' && name !== dev.name) refuse(free);
  }
  if (set.broadcast !== undefined) macNumber(set.broadcast);
  if (typeof set.master === 'string') findDevice(net, set.master);
  refuse(devMove(dev, to));
}

function refuse(errno: number, detail = ''): void {
  if (errno < 0) throw new NetError(errno, 'rtnetlink', detail);
}

function setMac(dev: NetDevice, mac: number): Undo {
  const old = dev.mac;
  refuse(devSetMac(dev, mac));
  return () => {
    devSetMac(dev, old);
  };
}

/** Linux `dev_validate_mtu`. */
function setMtu(dev: NetDevice, mtu: number): Undo {
  const old = dev.mtu;
  refuse(devSetMtu(dev, mtu), mtuRefusal(dev, mtu));
  return () => {
    devSetMtu(dev, old);
  };
}

function setName(dev: NetDevice, name: string): Undo {
  const old = dev.name;
  if (name === old) return () => {};
  if (!isValidDeviceName(name)) throw new NetError(EINVAL, 'rtnetlink');
  const given = name.includes('%') ? dev.net.devs.freeName(name) : name;
  refuse(devRename(dev, given));
  return () => {
    devRename(dev, old);
  };
}

function setField<K extends 'alias' | 'broadcast' | 'group' | 'txQueueLen'>(
  dev: NetDevice,
  key: K,
  value: NetDevice[K],
): Undo {
  const old = dev[key];
  dev[key] = value;
  return () => {
    dev[key] = old;
  };
}

/** Linux `do_set_master`. */
function setMaster(ns: Namespace, dev: NetDevice, name: string | null): Undo {
  const old = dev.master;
  const master = name === null ? null : findDevice(ns.net, name);
  if (old === master) return () => {};
  if (master !== null && !isBridge(master)) throw new NetError(EOPNOTSUPP, 'rtnetlink');
  if (master !== null && isBridge(dev))
    throw new NetError(ELOOP, 'rtnetlink', 'Can not enslave a bridge to a bridge');
  if (old !== null) refuse(bridgeDelPort(dev));
  if (master !== null) {
    const errno = bridgeAddPort(master, dev);
    if (errno < 0 && old !== null) bridgeAddPort(old, dev);
    refuse(errno);
  }
  return () => {
    if (master !== null) bridgeDelPort(dev);
    if (old !== null) bridgeAddPort(old, dev);
  };
}

/** Linux `__dev_change_flags`. */
function setFlags(dev: NetDevice, set: LinkSet, undos: Undo[]): void {
  if (set.arp !== undefined) undos.push(setFlag(dev, IFF_NOARP, !set.arp));
  if (set.multicast !== undefined) undos.push(setFlag(dev, IFF_MULTICAST, set.multicast));
  if (set.promisc !== undefined) undos.push(setFlag(dev, IFF_PROMISC, set.promisc));
  if (set.allmulticast !== undefined) undos.push(setFlag(dev, IFF_ALLMULTI, set.allmulticast));
  if (set.up === undefined || set.up === dev.up) return;
  if (set.up) {
    refuse(devOpen(dev));
    undos.push(() => devClose(dev));
  } else {
    devClose(dev);
    undos.push(() => {
      devOpen(dev);
    });
  }
}

function setFlag(dev: NetDevice, flag: number, on: boolean): Undo {
  const old = dev.flags;
  refuse(devChangeFlags(dev, on ? flag : 0, flag));
  return () => {
    devChangeFlags(dev, old, flag);
  };
}

/** NETDEV_CHANGE, and the message to whoever listens. */
function changed(dev: NetDevice): void {
  for (const notify of dev.net.kernel.protocols.netdev) notify('change', dev);
  dev.net.events.emit('newlink', dev);
}
