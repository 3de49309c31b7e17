/**
 * A device with ipvlans on it, as state (Linux `struct ipvl_port`, `struct ipvl_dev`), and whose an address is:
 * "the namespace is found from the destination" (L1, L2).
 */
import type { NetDevice } from '../link/net-device.ts';
import type { Packet } from '../packet.ts';
import { Ip6Addr } from '../util/ip6-addr.ts';
import { Ip6Map } from '../util/ip6-map.ts';
import { flatten } from '../wire/frame.ts';

/** At which layer ipvlans share their device. */
export type IpvlanMode = 'l2' | 'l3' | 'l3s';
/** What those that share a device may say to each other (`IPVLAN_F_PRIVATE`, `IPVLAN_F_VEPA`). */
export type IpvlanFlag = 'bridge' | 'private' | 'vepa';

/** The driver's own state: `NetDevice.priv`. */
export class Ipvlan {
  readonly dev: NetDevice;
  readonly port: IpvlanPort;
  /** Tells those apart that have one MAC (`dev->dev_id`). */
  readonly id: number;

  constructor(dev: NetDevice, port: IpvlanPort, id: number) {
    this.dev = dev;
    this.port = port;
    this.id = id;
  }
}

/** State of the device below: `NetDevice.rxHandlerData`. Mode and flag are one for all. */
export class IpvlanPort {
  readonly dev: NetDevice;
  mode: IpvlanMode = 'l3';
  flag: IpvlanFlag = 'bridge';
  readonly vlans: Ipvlan[] = [];
  /** Addresses of those that are up (`hlhead`). */
  private readonly byAddr: Map<number, Ipvlan> = new Map();
  private readonly byAddr6: Ip6Map<Ipvlan> = new Ip6Map();
  private lastId = 0;

  constructor(dev: NetDevice) {
    this.dev = dev;
  }

  nextId(): number {
    this.lastId++;
    return this.lastId;
  }

  addAddress(addr: number | Ip6Addr, vlan: Ipvlan): void {
    if (addr instanceof Ip6Addr) this.byAddr6.set(addr, vlan);
    else this.byAddr.set(addr, vlan);
  }

  delAddress(addr: number | Ip6Addr, vlan: Ipvlan): void {
    if (addr instanceof Ip6Addr) {
      if (this.byAddr6.get(addr) === vlan) this.byAddr6.delete(addr);
    } else if (this.byAddr.get(addr) === vlan) this.byAddr.delete(addr);
  }

  /** Somebody has this address, up or not (`ipvlan_addr_busy`). */
  isTaken(addr: number | Ip6Addr): boolean {
    return this.vlans.some(({ dev }) =>
      addr instanceof Ip6Addr
        ? dev.ipv6?.addresses.some((a) => a.addr.equals(addr)) === true
        : dev.ipv4?.addresses.some((a) => a.local === addr) === true,
    );
  }

  /** Whose the destination of a packet is; null: of none of those that are up (`ipvlan_addr_lookup`). */
  ownerOfDst(pkt: Packet): Ipvlan | null {
    if (pkt.ip !== null) return this.byAddr.get(pkt.ip.dst) ?? null;
    if (pkt.arp !== null) return this.byAddr.get(pkt.arp.tpa) ?? null;
    if (pkt.ip6 === null) return null;
    return this.byAddr6.get(solicitedTarget(pkt) ?? pkt.ip6.dst) ?? null;
  }

  /** Whose the source is. */
  ownerOfSrc(pkt: Packet): Ipvlan | null {
    if (pkt.ip !== null) return this.byAddr.get(pkt.ip.src) ?? null;
    if (pkt.arp !== null) return this.byAddr.get(pkt.arp.spa) ?? null;
    return pkt.ip6 === null ? null : (this.byAddr6.get(pkt.ip6.src) ?? null);
  }
}

const ICMPV6_NEIGHBOR_SOLICITATION = 135;

/** Whom a neighbour solicitation asks for; null of other packets. */
function solicitedTarget(pkt: Packet): Ip6Addr | null {
  if (pkt.icmp?.type !== ICMPV6_NEIGHBOR_SOLICITATION || pkt.len < 16) return null;
  const bytes = flatten(pkt.data, pkt.len);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return new Ip6Addr(view.getInt32(0), view.getInt32(4), view.getInt32(8), view.getInt32(12));
}

/** The driver's state; null when the device is no ipvlan. */
export function ipvlanOf(dev: NetDevice): Ipvlan | null {
  return dev.priv instanceof Ipvlan ? dev.priv : null;
}

/** The port's state; null when there are no ipvlans on the device. */
export function ipvlanPortOf(dev: NetDevice): IpvlanPort | null {
  return dev.rxHandlerData instanceof IpvlanPort ? dev.rxHandlerData : null;
}
