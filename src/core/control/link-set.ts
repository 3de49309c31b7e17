/** Changes of a device: `ip link set` (Linux `do_setlink`). What was done is undone when a later part is refused. */
import { bridgeAddPort, bridgeDelPort } from '../device/bridge.ts';
import { isBridge } from '../device/bridge-port.ts';
import { macvlanSetMode, macvlanSetSources } from '../device/macvlan.ts';
import { type MacvlanMode, macvlanOf, modeName } from '../device/macvlan-port.ts';
import { EAFNOSUPPORT, EEXIST, EINVAL, ELOOP, EOPNOTSUPP, NetError } from '../errno.ts';
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
} from '../link/device-state.ts';
import { devMove, moveRefusal } from '../link/move.ts';
import {
  IFF_ALLMULTI,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_PROMISC,
  type NetDevice,
} from '../link/net-device.ts';
import { inet6Device } from '../network/ipv6/address.ts';
import { mayGenerate } from '../network/ipv6/conf.ts';
import { parseMac } from '../util/address.ts';
import { findDevice } from './find-device.ts';
import { changeKind, type KindOptions, slaveRefusal } from './kinds/index.ts';
import type { Namespace } from './namespace.ts';
import { type PolicySet, policySpec, setPolicy } from './policy.ts';

/** What `ip link set` may change. */
export interface LinkSet extends KindOptions {
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
  readonly macvlan?: MacvlanOptions;
  /** How its IPv6 addresses are made (`ip link set addrgenmode`). */
  readonly addrGenMode?: AddrGenMode;
  /** What may come in by it (V5); null: everything. */
  readonly policy?: PolicySet | null;
}

/** By number (`IN6_ADDR_GEN_MODE_*`), with iproute2's names. */
export const ADDR_GEN_MODES = ['eui64', 'none', 'stable_secret', 'random'] as const;
export type AddrGenMode = (typeof ADDR_GEN_MODES)[number];

/** What a macvlan is told. */
export interface MacvlanOptions {
  /** `'vepa'` when absent. */
  readonly mode?: MacvlanMode;
  /** Mode source: the MACs whose frames it gets. */
  readonly sources?: readonly string[];
}

/** What undoes a change. */
type Undo = () => void;

/** A MAC address as a number; EINVAL. */
export function macNumber(text: string): number {
  const mac = parseMac(text);
  if (mac === undefined) throw new NetError(EINVAL, 'rtnetlink', `"${text}" is invalid lladdr`);
  return mac;
}

/** In the order of `do_setlink`, but that a master goes first, who may refuse; what was done is undone when a later part is refused. */
export function applySet(ns: Namespace, dev: NetDevice, set: LinkSet): void {
  lookFirst(dev, set);
  const undos: Undo[] = [];
  try {
    if (set.master !== undefined) undos.push(setMaster(ns, dev, set.master));
    if (set.address !== undefined) undos.push(setMac(dev, macNumber(set.address)));
    if (set.mtu !== undefined) undos.push(setMtu(dev, set.mtu));
    if (set.name !== undefined) undos.push(setName(dev, set.name));
    if (set.group !== undefined) undos.push(setField(dev, 'group', set.group));
    if (set.alias !== undefined) undos.push(setField(dev, 'alias', set.alias));
    if (set.broadcast !== undefined)
      undos.push(setField(dev, 'broadcast', macNumber(set.broadcast)));
    setFlags(dev, set, undos);
    if (set.macvlan !== undefined) setMacvlan(dev, set.macvlan, undos);
    if (set.policy !== undefined) {
      const { policy } = dev;
      setPolicy(dev, set.policy);
      undos.push(() => {
        dev.policy = policy;
      });
    }
    if (set.addrGenMode !== undefined) undos.push(setAddrGenMode(dev, set.addrGenMode));
    changeKind(dev, set);
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

/**
 * What a change of the MAC or the MTU does to addresses cannot be undone: what will be refused is refused before, as far
 * as can be seen.
 */
function lookFirst(dev: NetDevice, set: LinkSet): void {
  const { address, mtu, name, broadcast, master, policy } = set;
  if (address !== undefined) refuse(macRefusal(dev, macNumber(address)));
  if (mtu !== undefined && mtuRefusal(dev, mtu) !== '')
    throw new NetError(EINVAL, 'rtnetlink', mtuRefusal(dev, mtu));
  if (name !== undefined && name !== dev.name) {
    if (!isValidDeviceName(name)) throw new NetError(EINVAL, 'rtnetlink');
    if (!name.includes('%') && dev.net.devs.find(name) !== undefined) refuse(-EEXIST);
  }
  if (broadcast !== undefined) macNumber(broadcast);
  if (typeof master === 'string') findDevice(dev.net, master);
  if (policy !== undefined && policy !== null) policySpec(policy);
}

/** A move cannot be undone: everything that could be refused afterwards is looked at first. */
export function moveDevice(dev: NetDevice, netns: Namespace, set: LinkSet): void {
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

/** Throws if `errno` is one. */
export function refuse(errno: number, detail = ''): void {
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

/** Linux `inet6_set_link_af`: addresses that are there stay. */
function setAddrGenMode(dev: NetDevice, name: AddrGenMode): Undo {
  const ipv6 = inet6Device(dev);
  const mode = ADDR_GEN_MODES.indexOf(name);
  if (ipv6 === null) throw new NetError(EAFNOSUPPORT, 'rtnetlink');
  if (!mayGenerate(ipv6, mode)) throw new NetError(EINVAL, 'rtnetlink');
  const old = ipv6.conf;
  ipv6.conf = old.with('addrGenMode', mode);
  return () => {
    ipv6.conf = old;
  };
}

/** Linux `do_set_master`. */
function setMaster(ns: Namespace, dev: NetDevice, name: string | null): Undo {
  const old = dev.master;
  const master = name === null ? null : findDevice(ns.net, name);
  if (old === master) return () => {};
  if (master !== null && !isBridge(master) && master.ops.addSlave === undefined)
    throw new NetError(EOPNOTSUPP, 'rtnetlink');
  if (master !== null && isBridge(master) && isBridge(dev))
    throw new NetError(ELOOP, 'rtnetlink', 'Can not enslave a bridge to a bridge');
  if (old !== null) refuse(leave(old, dev));
  if (master !== null) {
    const errno = join(master, dev);
    if (errno < 0 && old !== null) join(old, dev);
    refuse(errno, slaveRefusal(master, dev, errno));
  }
  return () => {
    if (master !== null) leave(master, dev);
    if (old !== null) join(old, dev);
  };
}

function join(master: NetDevice, dev: NetDevice): number {
  const { addSlave } = master.ops;
  return addSlave === undefined ? bridgeAddPort(master, dev) : addSlave(master, dev);
}

function leave(master: NetDevice, dev: NetDevice): number {
  const { delSlave } = master.ops;
  return delSlave === undefined ? bridgeDelPort(dev) : delSlave(master, dev);
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

/** `ip link set DEV type macvlan …` (`macvlan_changelink`). */
function setMacvlan(dev: NetDevice, options: MacvlanOptions, undos: Undo[]): void {
  const vlan = macvlanOf(dev);
  if (vlan === null) throw new NetError(EOPNOTSUPP, 'rtnetlink');
  const { mode: oldMode, sources: oldSources } = vlan;
  const { mode, sources } = options;
  const macs = sources?.map(macNumber);
  if (mode !== undefined) {
    refuse(macvlanSetMode(dev, mode));
    undos.push(() => {
      macvlanSetMode(dev, modeName(oldMode));
      vlan.sources = oldSources;
    });
  }
  if (macs !== undefined) refuse(macvlanSetSources(dev, macs));
}
