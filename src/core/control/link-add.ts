/** New devices of every kind: `ip link add` (Linux `rtnl_newlink`). */
import { bridgeAdd } from '../device/bridge.ts';
import { bridgeSet } from '../device/bridge-options.ts';
import { bridgeOf } from '../device/bridge-port.ts';
import { dummyAdd } from '../device/dummy.ts';
import type { EtherSpec } from '../device/ether.ts';
import { macvlanAdd, macvlanSetSources } from '../device/macvlan.ts';
import { macvtapAdd } from '../device/macvtap.ts';
import { vethAdd } from '../device/veth.ts';
import { vlanAdd } from '../device/vlan.ts';
import { EEXIST, EINVAL, ENODEV, EOPNOTSUPP, ERANGE, NetError } from '../errno.ts';
import { isValidDeviceName } from '../link/device-list.ts';
import { unregisterDevice } from '../link/device-state.ts';
import type { NetDevice } from '../link/net-device.ts';
import { ETH_P_8021AD, ETH_P_8021Q } from '../wire/ethernet.ts';
import { type BridgeSet, bridgeSettings } from './bridge.ts';
import { addKind, type OtherKind, withoutKinds } from './kinds/index.ts';
import { addNetkit } from './kinds/netkit.ts';
import { applySet, type LinkSet, type MacvlanOptions, macNumber, refuse } from './link-set.ts';
import type { Namespace } from './namespace.ts';

/** The other end of a pair: veth, netkit. */
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

/** Kinds of devices that `add` makes. */
export type LinkKind = 'veth' | 'bridge' | 'dummy' | 'vlan' | 'macvlan' | 'macvtap' | OtherKind;

export interface VlanOptions {
  /** 0 to 4094. */
  readonly id: number;
  /** `'802.1Q'` when absent. */
  readonly protocol?: '802.1Q' | '802.1ad';
  /** Does not go up and down with the device below. */
  readonly looseBinding?: boolean;
}

/** What `ip link add` takes. Without a name it is called `veth0`, `bridge0` … */
export interface LinkAdd extends Omit<LinkSet, 'name' | 'netns' | 'newIfindex'> {
  readonly kind: LinkKind;
  readonly name?: string;
  /** The namespace in which it is made; the one that is asked when absent. */
  readonly netns?: Namespace;
  /** The next free one when absent. */
  readonly ifindex?: number;
  /** The device on which it stands: vlan, macvlan, ipvlan, or by which a tunnel leaves. */
  readonly link?: string;
  readonly peer?: PeerSpec;
  readonly bridge?: BridgeSet;
  readonly vlan?: VlanOptions;
  readonly macvlan?: MacvlanOptions;
}

/** Makes a device for whoever works in `ns`. */
export function addLink(ns: Namespace, spec: LinkAdd): NetDevice {
  const { kind, name, peer, bridge, vlan, macvlan, link, netns = ns, ifindex, ...set } = spec;
  if (ifindex !== undefined && netns.net.devs.findIndex(ifindex) !== undefined)
    throw new NetError(EEXIST, 'rtnetlink');
  const pair = kind === 'veth' || kind === 'netkit';
  const dev = pair ? addPair(ns, spec, netns) : addSingle(ns, spec, netns);
  const other = pair ? (dev.ops.iflink?.(dev) ?? null) : null;
  try {
    applySet(netns, dev, withoutKinds(set));
    if (other !== null) applySet(peer?.netns ?? ns, other, peerSet(peer));
  } catch (e) {
    unregisterDevice(dev);
    throw e;
  }
  return dev;
}

function addPair(ns: Namespace, spec: LinkAdd, netns: Namespace): NetDevice {
  const peer = spec.peer ?? {};
  const pattern = spec.kind === 'netkit' ? 'nk%d' : 'veth%d';
  const peerNs = peer.netns ?? ns;
  const same = peerNs === netns;
  // LINUX: the peer gets its name first (`veth_newlink`).
  const peerName = freeName(peerNs, peer.name, pattern, same ? spec.name : undefined);
  const name = freeName(netns, spec.name, pattern, same ? peerName : undefined);
  if (same && name === peerName) throw new NetError(EEXIST, 'rtnetlink');
  const a = { net: netns.net, name, ...addOptions(spec), ...mtuOf(spec.mtu) };
  const b = { net: peerNs.net, name: peerName, ...addOptions(peer), ...mtuOf(peer.mtu) };
  const pair = spec.kind === 'netkit' ? addNetkit(a, b, spec.netkit ?? {}) : vethAdd(a, b);
  if (typeof pair === 'number') throw new NetError(pair, 'rtnetlink');
  return pair[0];
}

function addSingle(ns: Namespace, spec: LinkAdd, netns: Namespace): NetDevice {
  const common: EtherSpec = {
    net: netns.net,
    name: freeName(netns, spec.name, `${spec.kind}%d`, undefined),
    ...addOptions(spec),
    ...mtuOf(spec.mtu),
  };
  const dev = makeKind(ns, spec, common);
  if (typeof dev === 'number') throw new NetError(dev, 'rtnetlink');
  return dev;
}

function makeKind(ns: Namespace, spec: LinkAdd, common: EtherSpec): NetDevice | number {
  switch (spec.kind) {
    case 'bridge':
      return addBridge(spec, common);
    case 'dummy':
      return dummyAdd(common);
    case 'vlan':
      return addVlan(ns, spec, common);
    case 'macvlan':
    case 'macvtap':
      return addMacvlan(ns, spec, common);
    default:
      return addKind({ ns, spec, common, lower: lowerDevice(ns, spec) });
  }
}

/** Linux `br_dev_newlink` */
function addBridge(spec: LinkAdd, common: EtherSpec): NetDevice | number {
  const { net, name, mtu: _mtu, ...rest } = common;
  const dev = bridgeAdd(net, name, rest);
  const bridge = typeof dev === 'number' ? null : bridgeOf(dev);
  if (typeof dev === 'number' || bridge === null || spec.bridge === undefined) return dev;
  const errno = bridgeSet(bridge, bridgeSettings(spec.bridge));
  if (errno < 0) unregisterDevice(dev);
  return errno < 0 ? errno : dev;
}

function lowerDevice(ns: Namespace, spec: LinkAdd): NetDevice | undefined {
  if (spec.link === undefined) return undefined;
  const lower = ns.net.devs.find(spec.link);
  if (lower === undefined)
    throw new NetError(ENODEV, 'rtnetlink', `Cannot find device "${spec.link}"`);
  return lower;
}

/** Linux `vlan_validate`, `vlan_newlink`. */
function addVlan(ns: Namespace, spec: LinkAdd, common: EtherSpec): NetDevice | number {
  const lower = lowerDevice(ns, spec);
  const { vlan } = spec;
  if (vlan === undefined) throw new NetError(EINVAL, 'rtnetlink', 'VLAN properties not specified');
  if (lower === undefined) throw new NetError(EINVAL, 'rtnetlink', 'link not specified');
  const { id, protocol = '802.1Q', looseBinding = false } = vlan;
  if (!(Number.isInteger(id) && id >= 0 && id < 4095))
    throw new NetError(ERANGE, 'rtnetlink', 'Invalid VLAN id');
  const proto = protocol === '802.1Q' ? ETH_P_8021Q : ETH_P_8021AD;
  const made = vlanAdd({ ...common, lower, id, proto, looseBinding });
  if (made === -EEXIST) throw new NetError(EEXIST, 'rtnetlink', 'VLAN device already exists');
  if (made === -EOPNOTSUPP)
    throw new NetError(EOPNOTSUPP, 'rtnetlink', 'VLANs not supported on device');
  return made;
}

function addMacvlan(ns: Namespace, spec: LinkAdd, common: EtherSpec): NetDevice | number {
  const lower = lowerDevice(ns, spec);
  if (lower === undefined) return -EINVAL;
  const { mode = 'vepa', sources } = spec.macvlan ?? {};
  const macs = sources?.map(macNumber);
  if (macs !== undefined && mode !== 'source') return -EINVAL;
  const wanted = { ...common, lower, mode };
  const made = spec.kind === 'macvtap' ? macvtapAdd(wanted) : macvlanAdd(wanted);
  if (typeof made !== 'number' && macs !== undefined) refuse(macvlanSetSources(made, macs));
  return made;
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

function mtuOf(mtu: number | undefined): { mtu?: number } {
  return mtu === undefined ? {} : { mtu };
}

function peerSet(peer: PeerSpec | undefined): LinkSet {
  return {
    ...(peer?.txQueueLen === undefined ? {} : { txQueueLen: peer.txQueueLen }),
    ...(peer?.up === undefined ? {} : { up: peer.up }),
  };
}
