/** A VXLAN device as state, and the port on which the VXLANs of a namespace hear (Linux `vxlan_dev`, `vxlan_sock`). */
import type { NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import type { Packet } from '../packet.ts';
import type { Timer } from '../timer.ts';
import { AF_INET } from '../transport/sock.ts';
import { UdpSock } from '../transport/udp/sock.ts';
import type { VxlanFdb } from './vxlan-fdb.ts';

/** What a VXLAN is told (Linux `struct vxlan_config`); addresses 0: none. */
export interface VxlanParams {
  readonly vni: number;
  /** Where what is unknown is sent; a group is joined. */
  readonly remote: number;
  readonly local: number;
  readonly link: NetDevice | null;
  readonly ttl: number;
  /** 1: that of the inner packet. */
  readonly tos: number;
  readonly port: number;
  /** Source ports; 0, 0: net.ipv4.ip_local_port_range. */
  readonly portRange: readonly [low: number, high: number];
  readonly learning: boolean;
  readonly udpCsum: boolean;
  /** DF of outer packets. */
  readonly df: 'unset' | 'set' | 'inherit';
}

/** The driver's own state: `NetDevice.priv`. */
export class Vxlan {
  readonly dev: NetDevice;
  /** Where outer packets are sent and received. */
  readonly net: NetNs;
  params: VxlanParams;
  readonly fdb: VxlanFdb;
  /** While up. */
  sock: VxlanSock | null = null;
  ageTimer: Timer | null = null;

  constructor(dev: NetDevice, net: NetNs, params: VxlanParams, fdb: VxlanFdb) {
    this.dev = dev;
    this.net = net;
    this.params = params;
    this.fdb = fdb;
  }
}

/** A socket of the kernel's own: what it receives it gives to `receive` (`udp_tunnel_sock`, `encap_rcv`). */
export class VxlanSock extends UdpSock {
  /** VXLANs that are up, by identifier. */
  readonly byVni: Map<number, Vxlan> = new Map();
  private readonly receive: (pkt: Packet, sock: VxlanSock) => void;

  constructor(net: NetNs, receive: (pkt: Packet, sock: VxlanSock) => void) {
    super(net, AF_INET);
    this.receive = receive;
  }

  override enqueue(pkt: Packet): boolean {
    this.receive(pkt, this);
    return true;
  }
}

/** The VXLANs of a namespace, up or not: no two have one identifier and port. */
export class VxlanTable {
  readonly all: Set<Vxlan> = new Set();
  readonly socks: Map<number, VxlanSock> = new Map();
  /** Outer packets that are being made, one inside the other. */
  depth = 0;
}
