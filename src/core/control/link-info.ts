/** A device as `ip link show` tells it (Linux `rtnl_fill_ifinfo`). */
import { bridgeOf, bridgePortOf } from '../device/bridge-port.ts';
import { macvlanOf, modeName } from '../device/macvlan-port.ts';
import { vlanOf } from '../device/vlan.ts';
import { maxMtu, minMtu, operState } from '../link/device-state.ts';
import { IFF_ALLMULTI, IFF_PROMISC, type NetDevice, UNLIMITED_MTU } from '../link/net-device.ts';
import { formatMac } from '../util/address.ts';
import { ETH_P_8021Q } from '../wire/ethernet.ts';
import { bridgeInfo, portInfo } from './bridge-info.ts';
import type { LinkCounters, LinkInfo, LinkPeer, MacvlanInfo, VlanInfo } from './info.ts';
import { flagNames } from './link-flags.ts';
import { policyInfo } from './policy.ts';

const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;

export function linkInfo(dev: NetDevice): LinkInfo {
  const link = peerOf(dev);
  const bridge = bridgeOf(dev);
  const port = bridgePortOf(dev);
  // A bridge wants to see every frame of its ports (`br_manage_promisc`).
  const listens = port === null ? 0 : 1;
  const isLo = dev.type === ARPHRD_LOOPBACK;
  const linkType = dev.type === ARPHRD_ETHER ? 'ether' : isLo ? 'loopback' : 'none';
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
    address: linkType === 'none' ? '' : formatMac(dev.mac),
    broadcast: linkType === 'none' ? '' : formatMac(dev.broadcast),
    master: dev.master?.name ?? null,
    link,
    group: dev.group,
    alias: dev.alias,
    promiscuity: ((dev.flags & IFF_PROMISC) !== 0 ? 1 : 0) + listens,
    allmulti: ((dev.flags & IFF_ALLMULTI) !== 0 ? 1 : 0) + listens,
    carrierChanges: dev.carrierChanges,
    gsoMaxSize: dev.gsoMaxSize,
    counters: counters(dev),
    vlan: vlanInfo(dev),
    macvlan: macvlanInfo(dev),
    bridge: bridge === null ? null : bridgeInfo(bridge),
    bridgePort: port === null ? null : portInfo(port),
    policy: policyInfo(dev),
  };
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
  if (dev.ops.iflink === undefined) return null;
  const other = dev.ops.iflink(dev);
  if (other === null) return NO_PEER;
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
