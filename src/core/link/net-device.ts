/**
 * A network device (Linux `struct net_device`). One class for every kind, so that the data path meets
 * one shape; what differs is behind `ops`, and a driver's own state in `priv`.
 */

import type { NetNs } from '../net.ts';
import type { Ipv4Device } from '../network/ipv4/device.ts';
import type { Ipv6Device } from '../network/ipv6/device.ts';
import type { Packet } from '../packet.ts';
import type { Ip6Addr } from '../util/ip6-addr.ts';
import type { PortPolicy } from './port-policy.ts';
import type { Qdisc } from './qdisc.ts';
import type { TcHooks } from './tc.ts';

/** `include/uapi/linux/if.h` */
export const IFF_UP = 0x1;
export const IFF_BROADCAST = 0x2;
export const IFF_LOOPBACK = 0x8;
export const IFF_POINTOPOINT = 0x10;
export const IFF_RUNNING = 0x40;
export const IFF_NOARP = 0x80;
export const IFF_PROMISC = 0x100;
export const IFF_ALLMULTI = 0x200;
export const IFF_MASTER = 0x400;
export const IFF_SLAVE = 0x800;
export const IFF_MULTICAST = 0x1000;
export const IFF_LOWER_UP = 0x10000;

/** `max_mtu` of a kind that has no limit. */
export const UNLIMITED_MTU = 0x7fffffff;
/** Longest interface name. */
export const IFNAMSIZ = 16;

/** RFC 2863 §3.1.14, as `ip link` prints it. */
export type OperState = 'UNKNOWN' | 'DOWN' | 'LOWERLAYERDOWN' | 'UP';

/** What a kind of device does (Linux `net_device_ops` and `rtnl_link_ops`). */
export interface DeviceOps {
  /** `rtnl_link_ops.kind`: `'veth'`; `''` for lo. */
  readonly kind: string;
  /** May this device move to another namespace (`netns_immutable` otherwise)? */
  readonly movable: boolean;
  /** A network card: when its namespace ends it goes to the initial one. */
  readonly real?: boolean;
  /** Sends a frame. Takes ownership; never re-enters the stack: hands to `Kernel.enqueue`. */
  readonly xmit: (pkt: Packet, dev: NetDevice) => void;
  /** May the device go up now? 0, or `-errno`. */
  readonly mayOpen?: (dev: NetDevice) => number;
  /** Called when the device goes up / down, after the flag changed. */
  readonly open?: (dev: NetDevice) => void;
  readonly stop?: (dev: NetDevice) => void;
  /** The device is to be deleted, and these with it: a veth lets go of its peer (`rtnl_link_ops.dellink`). */
  readonly dellink?: (dev: NetDevice) => readonly NetDevice[];
  /** Called when the device is deleted, before it leaves its namespace's list. */
  readonly uninit?: (dev: NetDevice) => void;
  /** What the device itself says of an MTU that its kind allows: 0, or `-errno` (`ndo_change_mtu`). */
  readonly mtuErrno?: (dev: NetDevice, mtu: number) => number;
  /** The same of a MAC address that is one (`ndo_set_mac_address`). */
  readonly macErrno?: (dev: NetDevice, mac: number) => number;
  /** A device joins this one, or leaves it: `ip link set DEV master M` (`ndo_add_slave`). 0 or `-errno`. */
  readonly addSlave?: (master: NetDevice, dev: NetDevice) => number;
  readonly delSlave?: (master: NetDevice, dev: NetDevice) => number;
  /** The namespace of what `iflink` names, where that is not told by itself (`get_link_net`). */
  readonly linkNet?: (dev: NetDevice) => NetNs;
  /** The ends of a tunnel, which are its link-layer addresses. */
  readonly tunnelEnds?: (dev: NetDevice) => { readonly local: number; readonly remote: number };
  /** It is a layer-3 master, with this routing table (`l3mdev_fib_table`). */
  readonly l3Table?: (dev: NetDevice) => number;
  /** What the device says of an IP address that it is to get: '', or the sentence of an EADDRINUSE. */
  readonly addrRefusal?: (dev: NetDevice, addr: number | Ip6Addr) => string;
  /** It got an address, or lost it (`inetaddr_chain`, `inet6addr_chain`). */
  readonly addrChanged?: (dev: NetDevice, addr: number | Ip6Addr, added: boolean) => void;
  /** What tells it apart from others with its MAC, in link-local addresses (`dev->dev_id`); 0: nothing. */
  readonly devId?: (dev: NetDevice) => number;
  /** Largest MTU; 65535 unless told; UNLIMITED_MTU: none. */
  readonly maxMtu?: number;
  readonly minMtu?: number;
  /** Index of a lower or peer device in its namespace (`dev_get_iflink`); own index unless told. */
  readonly iflink?: (dev: NetDevice) => NetDevice | null;
}

/** `struct rtnl_link_stats64`: the counters of `ip -s link`. */
export class LinkStats {
  rxPackets = 0;
  txPackets = 0;
  rxBytes = 0;
  txBytes = 0;
  rxErrors = 0;
  txErrors = 0;
  rxDropped = 0;
  txDropped = 0;
  multicast = 0;
  collisions = 0;
  rxOverErrors = 0;
  txCarrierErrors = 0;
}

/** Who wants every frame of a device, or all that are for groups (`promiscuity`, `allmulti`). */
export interface Listening {
  promiscuity: number;
  allmulti: number;
}

/** True: the handler took the packet. False: it goes on, perhaps with another `pkt.dev`. */
export type RxHandler = (pkt: Packet) => boolean;

/** Asked by IP for each packet that a device received (`l3mdev_ip_rcv`): whose it is from here on. */
export type L3Receive = (pkt: Packet) => NetDevice;

/** Accepts a copy of every frame that passes a device (AF_PACKET, captures). May keep the clone it makes. */
export interface PacketTap {
  /**
   * `outgoing`: the frame is about to leave through `dev`; `bottom`: by which device it came to `dev`. The packet
   * must not be changed.
   */
  tap(pkt: Packet, dev: NetDevice, outgoing: boolean, bottom: NetDevice): void;
}

export class NetDevice {
  /** The namespace; a crossing file alone changes it (`link/move.ts`). */
  net: NetNs;
  ifindex: number;
  name: string;
  /** Settable and derived flags; `IFF_RUNNING` and `IFF_LOWER_UP` are derived by `link/device-state.ts`. */
  flags: number;
  mtu: number;
  /** `ARPHRD_*` */
  type: number;
  /** 48-bit integers */
  mac = 0;
  broadcast = 0;
  /** Carrier: a peer that is up (veth), a lower device, a Port that is attached. */
  carrier = true;
  txQueueLen = 1000;
  /** Largest GSO packet that `ops.xmit` takes, bytes from the IP header on; 0: no segmentation offload. */
  gsoMaxSize = 65536;
  /** Bytes of link-layer header on the wire: 14, or 0 for an L3 device. */
  hardHeaderLen = 14;
  readonly stats: LinkStats = new LinkStats();
  readonly ops: DeviceOps;
  /** The driver's own state. */
  priv: unknown = null;
  /** Bridge or other master; null when none. */
  master: NetDevice | null = null;
  /** Takes the frame before protocols do (bridge port, macvlan …). */
  rxHandler: RxHandler | null = null;
  /** What may come in by this device; null: everything (V5). */
  policy: PortPolicy | null = null;
  /** Filters of what comes in and of what leaves (`clsact`); null: none. */
  tc: TcHooks | null = null;
  /** Decides at the IP layer whose a received packet is (vrf, ipvlan in mode l3s); null: nobody does. */
  l3Receive: L3Receive | null = null;
  /** VLAN devices on this one, by `vlanKey`; null: none (Linux `vlan_info`). */
  vlans: Map<number, NetDevice> | null = null;
  /** Devices that stand on this one and go when it goes; null: none. */
  uppers: NetDevice[] | null = null;
  /** State of the rx handler's owner: the bridge port. */
  rxHandlerData: unknown = null;
  /** The IPv4 side of the device (Linux `in_device`). */
  ipv4: Ipv4Device | null = null;
  /** The IPv6 side (`inet6_dev`); null until it is first used. */
  ipv6: Ipv6Device | null = null;
  /** Egress queue; null: noqueue (packets go straight to `ops.xmit`). */
  qdisc: Qdisc | null = null;
  /** AF_PACKET sockets and captures on this device alone; null when none. */
  taps: PacketTap[] | null = null;
  /** Multicast MACs accepted, with reference counts (`dev_mc_add`). */
  multicastMacs: Map<number, number> | null = null;
  /** How many want more than the device's own frames, besides its flags; null: nobody ever did. */
  listening: Listening | null = null;
  /** Free text of `ip link set … alias`. */
  alias = '';
  /** Number of the group of devices that it belongs to (`IFLA_GROUP`). */
  group = 0;
  /** How often the carrier changed: /sys/class/net/IF/carrier_changes. */
  carrierChanges = 0;
  /** Somebody chose the MAC address (`addr_assign_type` NET_ADDR_SET). */
  macSet = false;
  /** While up; `link_watch` follows the carrier when all is said and done. */
  operState: OperState = 'UNKNOWN';
  /** Was up once: it has a real queue, `noqueue` or another, instead of `noop`. */
  everUp = false;
  /** Received packets that wait for `Kernel.run` (Linux `softnet_data.input_pkt_queue`). */
  readonly backlog: Packet[] = [];
  /** First unread index of `backlog`. */
  backlogHead = 0;
  /** True while the kernel's poll list holds this device. */
  polled = false;
  /** True once deleted: everything that still refers to it lets go. */
  dead = false;

  constructor(net: NetNs, ops: DeviceOps, name: string, ifindex: number, type: number) {
    this.net = net;
    this.ops = ops;
    this.name = name;
    this.ifindex = ifindex;
    this.type = type;
    this.flags = 0;
    this.mtu = 1500;
  }

  /** Administratively up. */
  get up(): boolean {
    return (this.flags & IFF_UP) !== 0;
  }

  /** Up and with carrier: packets can leave. */
  get operational(): boolean {
    return (this.flags & IFF_UP) !== 0 && this.carrier;
  }
}
