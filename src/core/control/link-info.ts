/** A device as `ip link show` tells it (Linux `rtnl_fill_ifinfo`). */
import { bridgeOf, bridgePortOf } from '../device/bridge-port.ts';
import { macvlanOf, modeName } from '../device/macvlan-port.ts';
import { vlanOf } from '../device/vlan.ts';
import { maxMtu, minMtu, operState } from '../link/device-state.ts';
import { IFF_ALLMULTI, IFF_PROMISC, type NetDevice, UNLIMITED_MTU } from '../link/net-device.ts';
import { formatIpv4, formatMac } from '../util/address.ts';
import {
  ARPHRD_ETHER,
  ARPHRD_IPGRE,
  ARPHRD_LOOPBACK,
  ARPHRD_SIT,
  ARPHRD_TUNNEL,
  ARPHRD_VOID,
} from '../wire/arp.ts';
import { ETH_P_8021Q } from '../wire/ethernet.ts';
import { IPV6_MIN_MTU } from '../wire/ipv6.ts';
import { bridgeInfo, portInfo } from './bridge-info.ts';
import type { LinkCounters, LinkInfo, LinkPeer, MacvlanInfo, VlanInfo } from './info.ts';
import { kindInfo, slaveInfo } from './kinds/index.ts';
import { flagNames } from './link-flags.ts';
import { ADDR_GEN_MODES, type AddrGenMode } from './link-set.ts';
import { policyInfo } from './policy.ts';

/** Linux `ll_type_n2a` */
const LINK_TYPES: ReadonlyMap<number, LinkInfo['linkType']> = new Map([
  [ARPHRD_ETHER, 'ether'],
  [ARPHRD_LOOPBACK, 'loopback'],
  [ARPHRD_TUNNEL, 'ipip'],
  [ARPHRD_SIT, 'sit'],
  [ARPHRD_IPGRE, 'gre'],
  [ARPHRD_VOID, 'void'],
]);

export function linkInfo(dev: NetDevice): LinkInfo {
  const link = peerOf(dev);
  const bridge = bridgeOf(dev);
  const port = bridgePortOf(dev);
  // A bridge wants to see every frame of its ports (`br_manage_promisc`).
  const listens = port === null ? 0 : 1;
  const linkType = LINK_TYPES.get(dev.type) ?? 'none';
  return {
    ifindex: dev.ifindex,
    name: dev.name,
    kind: dev.ops.kind,
    flags: flagNames(dev, link),
    up: dev.up,
    carrier: dev.carrier,
    mtu: dev.mtu,
    minMtu: minMtu(dev),
    maxMtu: maxMtu(dev) === UNLIMITED_MTU ? 0 : maxMtu(dev),
    qdisc: qdiscName(dev),
    operState: operState(dev),
    txQueueLen: dev.txQueueLen,
    linkType,
    ...addresses(dev),
    master: dev.master?.name ?? null,
    link,
    group: dev.group,
    alias: dev.alias,
    promiscuity:
      ((dev.flags & IFF_PROMISC) !== 0 ? 1 : 0) + listens + (dev.listening?.promiscuity ?? 0),
    allmulti: ((dev.flags & IFF_ALLMULTI) !== 0 ? 1 : 0) + listens + (dev.listening?.allmulti ?? 0),
    carrierChanges: dev.carrierChanges,
    addrGenMode: genMode(dev),
    gsoMaxSize: dev.gsoMaxSize,
    counters: counters(dev),
    vlan: vlanInfo(dev),
    macvlan: macvlanInfo(dev),
    bridge: bridge === null ? null : bridgeInfo(bridge),
    bridgePort: port === null ? null : portInfo(port),
    policy: policyInfo(dev),
    options: kindInfo(dev),
    slave: slaveInfo(dev),
  };
}

/** What a device has that has nothing of IPv6 yet is what it will have. */
function genMode(dev: NetDevice): AddrGenMode | null {
  if (dev.mtu < IPV6_MIN_MTU) return null;
  const mode = dev.ipv6?.conf.addrGenMode ?? dev.net.ipv6.confDefault.addrGenMode;
  return ADDR_GEN_MODES[mode] ?? null;
}

function addresses(dev: NetDevice): { address: string; broadcast: string } {
  const ends = dev.ops.tunnelEnds?.(dev);
  if (ends !== undefined && dev.type !== ARPHRD_ETHER)
    return { address: formatIpv4(ends.local), broadcast: formatIpv4(ends.remote) };
  if (dev.type === ARPHRD_ETHER || dev.type === ARPHRD_LOOPBACK)
    return { address: formatMac(dev.mac), broadcast: formatMac(dev.broadcast) };
  return { address: '', broadcast: '' };
}

function vlanInfo(dev: NetDevice): VlanInfo | null {
  const vlan = vlanOf(dev);
  if (vlan === null) return null;
  const protocol = vlan.proto === ETH_P_8021Q ? '802.1Q' : '802.1ad';
  return { id: vlan.id, protocol, looseBinding: vlan.looseBinding };
}

function macvlanInfo(dev: NetDevice): MacvlanInfo | null {
  const vlan = macvlanOf(dev);
  if (vlan === null) return null;
  return { mode: modeName(vlan.mode), sources: [...vlan.sources].map(formatMac) };
}

/** A device that was never up has no queue at all (`noop_qdisc`). */
function qdiscName(dev: NetDevice): string {
  if (dev.qdisc !== null) return dev.qdisc.kind;
  return dev.everUp ? 'noqueue' : 'noop';
}

/** Of a veth whose other end is not there yet, or no longer: IFLA_LINK is 0. */
const NO_PEER: LinkPeer = { ifindex: 0, name: 'NONE', netns: null, netnsId: null, up: true };

/** `IFLA_LINK` and `IFLA_LINK_NETNSID`. */
function peerOf(dev: NetDevice): LinkPeer | null {
  if (dev.ops.iflink === undefined) return lowerElsewhere(dev);
  const other = dev.ops.iflink(dev);
  if (other === null) {
    const net = dev.ops.linkNet?.(dev) ?? dev.net;
    if (net === dev.net) return NO_PEER;
    return { ...NO_PEER, netns: net.name, netnsId: dev.net.nsids.alloc(net) };
  }
  if (other === dev) return null;
  const same = other.net === dev.net;
  return {
    ifindex: other.ifindex,
    name: same ? other.name : null,
    netns: same ? null : other.net.name,
    netnsId: same ? null : dev.net.nsids.alloc(other.net),
    up: same && other.up,
  };
}

/** LINUX: a device that belongs to no other, but to another namespace, names itself (`nla_put_iflink`). */
function lowerElsewhere(dev: NetDevice): LinkPeer | null {
  const net = dev.ops.linkNet?.(dev) ?? dev.net;
  if (net === dev.net) return null;
  const netnsId = dev.net.nsids.alloc(net);
  return { ifindex: dev.ifindex, name: null, netns: net.name, netnsId, up: true };
}

function counters(dev: NetDevice): LinkCounters {
  const s = dev.stats;
  return {
    rxBytes: s.rxBytes,
    rxPackets: s.rxPackets,
    rxErrors: s.rxErrors,
    rxDropped: s.rxDropped,
    rxOverErrors: s.rxOverErrors,
    multicast: s.multicast,
    txBytes: s.txBytes,
    txPackets: s.txPackets,
    txErrors: s.txErrors,
    txDropped: s.txDropped,
    txCarrierErrors: s.txCarrierErrors,
    collisions: s.collisions,
  };
}
