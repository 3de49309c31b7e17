/**
 * One network namespace: everything it owns, on one page (Linux `struct net`). Per namespace means: a
 * field here. Protocols are functions of a packet, whose namespace is `pkt.dev.net`, or of a socket,
 * whose namespace is `sk.net`; nothing else leads from one namespace to another (S2).
 */

import { loopbackSetup } from './device/loopback.ts';
import type { DropReason } from './drop.ts';
import { EventSource } from './event.ts';
import { inheritSettings } from './inherit.ts';
import type { Kernel } from './kernel.ts';
import { destroyDevices } from './link/device-end.ts';
import { DeviceList } from './link/device-list.ts';
import { NeighbourTable } from './link/neighbour-table.ts';
import type { NetDevice, PacketTap } from './link/net-device.ts';
import { MIB_MAX, type Mib } from './mib.ts';
import { ARP_PROTOCOL } from './network/ipv4/arp.ts';
import { Ipv4State } from './network/ipv4/state.ts';
import { Ipv6State } from './network/ipv6/state.ts';
import type { Nexthops } from './network/nexthop/nexthops.ts';
import { NetnsIds } from './nsid.ts';
import type { Capability } from './socket/credentials.ts';
import {
  ARP_CONF_DEFAULT,
  IPV4_CONF_ALL,
  IPV4_CONF_DEFAULT,
  type Ipv4Conf,
  type NeighConf,
  SYSCTL_DEFAULT,
  type Sysctl,
} from './sysctl.ts';
import type { PacketState } from './transport/packet/state.ts';
import { PingState } from './transport/ping/state.ts';
import { RawState } from './transport/raw/state.ts';
import { TcpState } from './transport/tcp/state.ts';
import { UdpState } from './transport/udp/state.ts';
import type { TunnelTable } from './tunnel/table.ts';
import { vxlanDestroy } from './tunnel/vxlan.ts';
import type { VxlanTable } from './tunnel/vxlan-state.ts';
import { SmallMap } from './util/small-map.ts';

export class NetNs {
  readonly kernel: Kernel;
  /** Unique in the kernel, never reused. */
  readonly id: number;
  /** Name in `ip netns`; null when anonymous. */
  name: string | null;
  /** True once destroyed: sockets and devices of it refuse everything. */
  dead = false;
  /**
   * What keeps it alive, TCP's sockets aside: its name or its maker, handles, running tasks, sockets
   * (Linux `ns_common.count`).
   */
  private refs = 1;
  /** Capabilities that nobody inside has; null: none was taken (E14). */
  taken: ReadonlySet<Capability> | null = null;
  /** Host name that programs in this namespace see (Linux keeps it in the UTS namespace). */
  hostname: string;

  readonly devs: DeviceList;
  /** Index 1 of every namespace. */
  readonly loopback: NetDevice;
  /** AF_PACKET sockets and captures on all devices of this namespace; null when none. */
  taps: PacketTap[] | null = null;

  /** Packet sockets; null: there never was one. */
  packetSocks: PacketState | null = null;

  /** Layer-3 masters (vrf) here; 0: none, and no table but those of all. */
  l3mdevs = 0;

  /** Nexthop objects; null: there never was one. */
  nexthops: Nexthops | null = null;

  /** Tunnels whose outer packets pass here; null: there never was one. */
  tunnels: TunnelTable | null = null;

  /** VXLANs whose outer packets pass here; null: there never was one. */
  vxlans: VxlanTable | null = null;

  readonly ipv4: Ipv4State;
  private arpMade: NeighbourTable | null = null;
  private ipv6Made: Ipv6State | null = null;
  private tcpMade: TcpState | null = null;
  private udpMade: UdpState | null = null;
  private pingMade: PingState | null = null;
  private rawMade: RawState | null = null;

  /** Settings: objects that are shared until one is changed, and then replaced. */
  sysctl: Readonly<Sysctl> = SYSCTL_DEFAULT;
  ipv4ConfAll: Readonly<Ipv4Conf> = IPV4_CONF_ALL;
  ipv4ConfDefault: Readonly<Ipv4Conf> = IPV4_CONF_DEFAULT;
  neighConfDefault: Readonly<NeighConf> = ARP_CONF_DEFAULT;
  private mibMade: Mib | null = null;
  private dropsMade: SmallMap<DropReason, number> | null = null;
  readonly events: EventSource;
  /** What other namespaces are called here. */
  readonly nsids: NetnsIds;

  constructor(kernel: Kernel, id: number, name: string | null) {
    this.kernel = kernel;
    this.id = id;
    this.name = name;
    this.hostname = name ?? `ns${id}`;
    inheritSettings(this);
    this.events = new EventSource(this);
    this.nsids = new NetnsIds(this);
    this.devs = new DeviceList();
    this.ipv4 = new Ipv4State(this);
    this.loopback = loopbackSetup(this);
  }

  /** IPv4 neighbours (ARP); the table is made for the first one. */
  get arp(): NeighbourTable {
    this.arpMade ??= new NeighbourTable(this, ARP_PROTOCOL);
    return this.arpMade;
  }

  /** The same, or null while there never was a neighbour. */
  get arpMaybe(): NeighbourTable | null {
    return this.arpMade;
  }

  /** Connections, listeners and ports of TCP. Each protocol's state is made at its first use. */
  get tcp(): TcpState {
    this.tcpMade ??= new TcpState(this);
    return this.tcpMade;
  }

  get udp(): UdpState {
    this.udpMade ??= new UdpState(this);
    return this.udpMade;
  }

  get ping(): PingState {
    this.pingMade ??= new PingState(this);
    return this.pingMade;
  }

  get raw(): RawState {
    this.rawMade ??= new RawState(this);
    return this.rawMade;
  }

  /** Counters; made when the first one counts, so that an idle namespace pays little. */
  get mib(): Mib {
    this.mibMade ??= new Float64Array(MIB_MAX) as Mib;
    return this.mibMade;
  }

  /** Packets that died here, by reason. */
  get drops(): SmallMap<DropReason, number> {
    this.dropsMade ??= new SmallMap();
    return this.dropsMade;
  }

  /** Keeps the namespace alive until `release` (`get_net`). */
  hold(): void {
    this.refs++;
  }

  /** Gives a reference back; with the last one the namespace dies, soon (`put_net`). */
  release(): void {
    this.refs--;
    this.checkRefs();
  }

  /** A socket of TCP is gone, which might have been the last that kept a nameless namespace alive. */
  checkRefs(): void {
    if (!this.referenced) this.kernel.cleanup(this);
  }

  /** Somebody needs it. TIME-WAIT and half-open connections do not; connections that nobody reads do. */
  get referenced(): boolean {
    return this.refs > 0 || (this.tcpMade !== null && this.tcpMade.socks.size > 0);
  }

  /** Everything of IPv6: tables, neighbours, settings, counters. Made at the first use. */
  get ipv6(): Ipv6State {
    this.ipv6Made ??= new Ipv6State(this);
    return this.ipv6Made;
  }

  /** The same, or null while IPv6 was never used. */
  get ipv6Maybe(): Ipv6State | null {
    return this.ipv6Made;
  }

  /**
   * Ends the namespace whoever holds it, in the order of `cleanup_net`: nobody knows it any more; sockets,
   * devices with their peers, and all that waits. Real devices go to the initial namespace.
   */
  destroy(): void {
    if (this.dead) return;
    this.dead = true;
    this.kernel.forgetNetNs(this);
    this.nsids.destroy();
    this.tcpMade?.destroy();
    this.udpMade?.destroy();
    this.pingMade?.destroy();
    this.rawMade?.destroy();
    this.packetSocks?.destroy();
    this.tunnels?.destroy();
    vxlanDestroy(this);
    destroyDevices(this);
    this.arpMade?.destroy();
    this.ipv4.destroy();
    this.ipv6Made?.destroy();
    this.events.emit('delnetns', this);
  }
}
