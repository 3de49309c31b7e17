/**
 * vrf: a routing domain inside a namespace (Linux `drivers/net/vrf.c`): devices that belong to it, and sockets that
 * are bound to it, see its table. The old idea of a view of some of the devices (L1, V2), without isolation of
 * anything else.
 *
 * RX: from and to `network/ipv4/input.ts`
 * TX: what is local to it passes from `link/output.ts` back to `link/input.ts`
 */
import { drop } from '../drop.ts';
import { EINVAL, EOPNOTSUPP } from '../errno.ts';
import { devClose, devOpen, registerDevice } from '../link/device-state.ts';
import { isL3Master } from '../link/l3mdev.ts';
import {
  type DeviceOps,
  IFF_BROADCAST,
  IFF_MASTER,
  IFF_MULTICAST,
  IFF_NOARP,
  type NetDevice,
} from '../link/net-device.ts';
import { isTapped, runTaps } from '../link/taps.ts';
import type { NetNs } from '../net.ts';
import { ipLength, type Packet } from '../packet.ts';
import type { NetdevEvent } from '../protocols.ts';
import { isMulticast } from '../util/address.ts';
import { isLinkLocal6, isMulticast6 } from '../util/ip6-addr.ts';
import { frameLength } from '../wire/frame.ts';
import { type EtherSpec, makeEther } from './ether.ts';

/** Linux IP6_MAX_MTU: it never is the smallest on a way. */
const VRF_MTU = 65_575;
/** Linux IPV6_MIN_MTU */
const MIN_MTU = 1280;

export interface VrfSpec extends EtherSpec {
  /** Number of its routing table, not 0. */
  readonly table: number;
}

/** The driver's own state: `NetDevice.priv`. */
class VrfState {
  readonly table: number;
  readonly slaves: NetDevice[] = [];

  constructor(table: number) {
    this.table = table;
  }
}

const VRF_OPS: DeviceOps = {
  kind: 'vrf',
  movable: false,
  xmit: vrfXmit,
  dellink: (dev) => {
    for (const slave of [...(dev.priv as VrfState).slaves]) vrfDelSlave(dev, slave);
    return [];
  },
  uninit: (dev) => {
    dev.net.l3mdevs--;
  },
  addSlave: vrfAddSlave,
  delSlave: vrfDelSlave,
  l3Table: (dev) => (dev.priv as VrfState).table,
  minMtu: MIN_MTU,
  maxMtu: VRF_MTU,
};

/** Makes one, down (`vrf_newlink`). `-EINVAL` (table), and the errors of `makeEther`. */
export function vrfAdd(spec: VrfSpec): NetDevice | number {
  const { net, table } = spec;
  if (!(table > 0)) return -EINVAL;
  const dev = makeEther(spec, VRF_OPS, VRF_MTU);
  if (typeof dev === 'number') return dev;
  dev.flags = (dev.flags & ~(IFF_BROADCAST | IFF_MULTICAST)) | IFF_MASTER | IFF_NOARP;
  dev.operState = 'UP';
  if (spec.mac === undefined) dev.mac = net.kernel.nextMac();
  dev.priv = new VrfState(table);
  dev.l3Receive = vrfReceive;
  // With the first one comes the rule that sends its packets to its table: `network/rule/event.ts`.
  net.l3mdevs++;
  registerDevice(dev);
  return dev;
}

/** Number of the table; 0 when the device is no vrf. */
export function vrfTableOf(dev: NetDevice): number {
  return dev.priv instanceof VrfState ? dev.priv.table : 0;
}

/** The vrf of that name's table; 0: there is none. */
export function vrfTableByName(net: NetNs, name: string): number {
  const dev = net.devs.find(name);
  return dev === undefined ? 0 : vrfTableOf(dev);
}

/** `ip link set DEV master VRF` (`vrf_add_slave`); `vrfRefusal` has the sentence. */
function vrfAddSlave(vrf: NetDevice, dev: NetDevice): number {
  if (dev === dev.net.loopback) return -EOPNOTSUPP;
  if (isL3Master(dev) || dev.master !== null || dev.net !== vrf.net) return -EINVAL;
  (vrf.priv as VrfState).slaves.push(dev);
  leaveTables(dev);
  dev.master = vrf;
  dev.l3Receive = vrfReceive;
  dev.net.events.emit('newlink', dev);
  cycle(dev);
  return 0;
}

/** What the kernel says when `dev` cannot join. */
export function vrfRefusal(dev: NetDevice): string {
  if (dev === dev.net.loopback) return 'Can not enslave loopback device to a VRF';
  return isL3Master(dev) ? 'Can not enslave an L3 master device to a VRF' : '';
}

function vrfDelSlave(vrf: NetDevice, dev: NetDevice): number {
  const { slaves } = vrf.priv as VrfState;
  const i = slaves.indexOf(dev);
  if (i < 0) return -EINVAL;
  slaves.splice(i, 1);
  leaveTables(dev);
  dev.master = null;
  dev.l3Receive = null;
  if (dev.dead) return 0;
  dev.net.events.emit('newlink', dev);
  cycle(dev);
  return 0;
}

/** All routes by the device go; those of its addresses come back in another table when it goes up (NETDEV_CHANGEUPPER). */
function leaveTables(dev: NetDevice): void {
  for (const notify of dev.net.kernel.protocols.netdev) notify('changeUpper', dev);
}

/** Linux `cycle_netdev` */
function cycle(dev: NetDevice): void {
  if (!dev.up) return;
  devClose(dev);
  devOpen(dev);
}

/** A slave that is deleted, or moves away, leaves (`vrf_device_event`). */
export function vrfEvent(event: NetdevEvent, dev: NetDevice): void {
  const { master } = dev;
  if (event === 'unregister' && master !== null && master.priv instanceof VrfState)
    vrfDelSlave(master, dev);
}

/** What a slave received is the vrf's from here on (`vrf_ip_rcv`, `vrf_ip6_rcv`). */
function vrfReceive(pkt: Packet): NetDevice {
  const dev = pkt.dev as NetDevice;
  const vrf = isL3Master(dev) ? dev : (dev.master as NetDevice);
  if (!pkt.looped && staysOnLink(pkt)) return dev;
  pkt.slave = dev;
  pkt.dev = vrf;
  // What is local was counted and seen on its way out.
  if (pkt.looped) return vrf;
  vrf.stats.rxPackets++;
  vrf.stats.rxBytes += ipLength(pkt);
  if (isTapped(vrf)) runTaps(pkt, vrf, false);
  return vrf;
}

/** Groups and link-local addresses mean something on the device alone by which they came. */
function staysOnLink(pkt: Packet): boolean {
  if (pkt.ip !== null) return isMulticast(pkt.ip.dst);
  const dst = pkt.ip6?.dst;
  return dst === undefined || isMulticast6(dst) || isLinkLocal6(dst) || isNdisc(pkt);
}

/** RFC 4861 §4: types 133 to 137. */
function isNdisc(pkt: Packet): boolean {
  const type = pkt.ip6 !== null && pkt.icmp !== null ? pkt.icmp.type : 0;
  return type >= 133 && type <= 137;
}

/**
 * Linux `vrf_xmit`: what is sent to an address of its own comes back, as over lo. Nothing else is sent by it:
 * routes lead to its slaves.
 */
function vrfXmit(pkt: Packet, dev: NetDevice): void {
  const len = frameLength(pkt);
  const { stats } = dev;
  if (pkt.ip === null && pkt.ip6 === null) {
    stats.txDropped++;
    drop(dev.net, pkt, 'NOT_SPECIFIED', dev.name);
    return;
  }
  pkt.looped = true;
  pkt.eth = null;
  if (!dev.net.kernel.enqueue(pkt, dev)) {
    stats.txDropped++;
    stats.rxDropped++;
    return;
  }
  stats.txPackets++;
  stats.txBytes += len;
  stats.rxPackets++;
  stats.rxBytes += len;
}
