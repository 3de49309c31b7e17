/**
 * /proc/net files about devices and what hangs on them: dev, dev_mcast, if_inet6, igmp, igmp6, mcfilter, ptype
 * (Linux `net/core/net-procfs.c`, `if6_seq_show`, `igmp_mc_seq_show`, `igmp6_mc_seq_show`).
 */
import {
  IFF_LOOPBACK,
  IFF_MULTICAST,
  type NetDevice,
  type PacketTap,
} from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import type { IgmpGroup } from '../../network/ipv4/igmp.ts';
import { addrScope } from '../../network/ipv6/address.ts';
import { FanoutGroup } from '../../transport/packet/fanout.ts';
import { INADDR_ALLHOSTS_GROUP, multicastMac } from '../../util/address.ts';
import {
  IN6ADDR_INTERFACELOCAL_ALLNODES,
  IN6ADDR_LINKLOCAL_ALLNODES,
  type Ip6Addr,
  isInterfaceLocalMulticast,
  multicastMac6,
} from '../../util/ip6-addr.ts';
import { clockTicks, hex, hexIpv4, hexIpv6 } from './hex.ts';

const DEV_HEAD = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`;

/** A line of /proc/net/dev (`dev_seq_printf_stats`). */
function devLine(dev: NetDevice): string {
  const s = dev.stats;
  const rx = [s.rxBytes, s.rxPackets, s.rxErrors, s.rxDropped, 0, s.rxOverErrors, 0, s.multicast];
  const tx = [
    s.txBytes,
    s.txPackets,
    s.txErrors,
    s.txDropped,
    0,
    s.collisions,
    s.txCarrierErrors,
    0,
  ];
  const rxWidths = [7, 7, 4, 4, 4, 5, 10, 9];
  const txWidths = [8, 7, 4, 4, 4, 5, 7, 10];
  const columns = (figures: number[], widths: number[]): string =>
    figures.map((n, i) => String(n).padStart(widths[i] as number)).join(' ');
  return `${dev.name.padStart(6)}: ${columns(rx, rxWidths)} ${columns(tx, txWidths)}\n`;
}

export function* devLines(net: NetNs): Generator<string> {
  yield DEV_HEAD;
  for (const dev of net.devs) yield devLine(dev);
}

/** Every host is in 224.0.0.1 on devices that are up (`ip_mc_up`). */
export function groups4(
  dev: NetDevice,
): readonly (readonly [group: number, of: IgmpGroup | null])[] {
  if (dev.ipv4 === null) return [];
  const joined = [...(dev.ipv4.groups ?? [])].reverse();
  return dev.up ? [...joined, [INADDR_ALLHOSTS_GROUP, null]] : joined;
}

/** The latest first; ff02::1 and ff01::1 are joined when a device gets its IPv6 side. */
export function groups6(dev: NetDevice): readonly (readonly [group: Ip6Addr, users: number])[] {
  if (dev.ipv6 === null) return [];
  const { groups } = dev.ipv6;
  const joined = [...groups.keys()].reverse().map((g) => [g, groups.get(g) ?? 0] as const);
  return [...joined, [IN6ADDR_LINKLOCAL_ALLNODES, 1], [IN6ADDR_INTERFACELOCAL_ALLNODES, 1]];
}

function column(text: string | number, width: number): string {
  return String(text).padEnd(width);
}

/** ff02::1 is received from the moment when the device gets its IPv6 side, until it goes down. */
function isLoaded(dev: NetDevice): boolean {
  return dev.up || !dev.everUp;
}

/** Multicast MACs that a device receives, with the number of those who want each: its groups, and what stands on it. */
export function macsOf(dev: NetDevice): Map<number, number> {
  const users = new Map<number, number>();
  const add = (mac: number): unknown => users.set(mac, (users.get(mac) ?? 0) + 1);
  if ((dev.flags & IFF_LOOPBACK) !== 0 || (dev.flags & IFF_MULTICAST) === 0) return users;
  for (const [group] of [...groups6(dev)].reverse())
    if (!isInterfaceLocalMulticast(group) && isLoaded(dev)) add(multicastMac6(group));
  for (const [group] of [...groups4(dev)].reverse()) if (dev.up) add(multicastMac(group));
  // LINUX: who stands on a device has his addresses received there, which counts on both (`dev_mc_sync`).
  const isSynced = dev.up && (dev.ops.kind === 'macvlan' || dev.ops.kind === 'vlan');
  if (isSynced) for (const mac of [...users.keys()]) add(mac);
  for (const upper of dev.uppers ?? [])
    if (upper.up) for (const mac of macsOf(upper).keys()) add(mac);
  return users;
}

export function* devMcastLines(net: NetNs): Generator<string> {
  for (const dev of net.devs)
    for (const [mac, n] of macsOf(dev)) {
      const digits = mac.toString(16).padStart(12, '0');
      yield `${column(dev.ifindex, 4)} ${column(dev.name, 15)} ${column(n, 5)} ${column(0, 5)} ${digits}\n`;
    }
}

/** Scope as the kernel keeps it (`IPV6_ADDR_SCOPE_MASK`): link, site, host, or 0. */
function scope6(addr: Ip6Addr): number {
  if (addr.d === 1 && addr.a === 0 && addr.b === 0 && addr.c === 0) return 0x10;
  const scope = addrScope(addr);
  return scope === 2 ? 0x20 : scope === 5 ? 0x40 : 0;
}

function lowHex(n: number): string {
  return n.toString(16).padStart(2, '0');
}

export function* ifInet6Lines(net: NetNs): Generator<string> {
  for (const dev of net.devs)
    for (const a of dev.ipv6?.addresses ?? []) {
      const numbers = [dev.ifindex, a.prefixLen, scope6(a.addr), a.flags & 0xff].map(lowHex);
      yield `${hexIpv6(a.addr)} ${numbers.join(' ')} ${dev.name.padStart(8)}\n`;
    }
}

export function* igmpLines(net: NetNs): Generator<string> {
  yield 'Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n';
  for (const dev of net.devs) {
    const groups = groups4(dev);
    if (groups.length === 0) continue;
    const count = String(groups.length).padStart(5);
    const igmp = dev.ipv4?.igmp ?? null;
    const querier = `V${igmp?.version ?? 3}`.padStart(7);
    yield `${dev.ifindex}\t${column(dev.name, 10)}: ${count} ${querier}\n`;
    for (const [addr, group] of groups) {
      const users = String(group?.filter.users ?? 1).padStart(5);
      const leftUs = group === null || igmp === null ? 0 : igmp.leftUs(group);
      const timer = `${leftUs > 0 ? 1 : 0}:${hex(clockTicks(leftUs), 8)}`;
      yield `\t\t\t\t${hexIpv4(addr)} ${users} ${timer}\t\t${group?.reporter === true ? 1 : 0}\n`;
    }
  }
}

/** `MAF_LOADED`, `MAF_NOREPORT` */
const LOADED = 4;
const NO_REPORT = 8;

export function* igmp6Lines(net: NetNs): Generator<string> {
  for (const dev of net.devs)
    for (const [group, users] of groups6(dev)) {
      const local = isInterfaceLocalMulticast(group);
      const loaded = isLoaded(dev) && !local ? LOADED : 0;
      const silent = local || group.equals(IN6ADDR_LINKLOCAL_ALLNODES) ? NO_REPORT : 0;
      const flags = hex(loaded | silent, 8);
      yield `${column(dev.ifindex, 4)} ${column(dev.name, 15)} ${hexIpv6(group)} ${String(users).padStart(5)} ${flags} 0\n`;
    }
}

/** Senders that sockets named, and how many want each, or do not (`igmp_mcf_seq_show`). */
export function* mcfilterLines(net: NetNs): Generator<string> {
  yield `${'Idx'.padStart(3)} ${'Device'.padStart(6)} ${'MCA'.padStart(10)} ${'SRC'.padStart(10)} ${'INC'.padStart(6)} ${'EXC'.padStart(6)}\n`;
  for (const dev of net.devs)
    for (const [addr, group] of groups4(dev))
      for (const s of group?.filter.named() ?? []) {
        const at = `${String(dev.ifindex).padStart(3)} ${dev.name.padStart(6).slice(0, 6)}`;
        const counts = `${String(s.including).padStart(6)} ${String(s.excluding).padStart(6)}`;
        yield `${at} 0x${low(addr)} 0x${low(s.addr)} ${counts}\n`;
      }
}

function low(addr: number): string {
  return (addr >>> 0).toString(16).padStart(8, '0');
}

/** Who gets packets of which kind (`ptype_seq_show`): packet sockets and captures, then the protocols. */
export function* ptypeLines(net: NetNs): Generator<string> {
  yield 'Type Device      Function\n';
  const line = (type: string, dev: string, name: string): string =>
    `${type} ${dev.padEnd(8)} ${name}\n`;
  const reader = (tap: PacketTap): string =>
    tap instanceof FanoutGroup ? 'packet_rcv_fanout' : 'packet_rcv';
  for (const dev of net.devs)
    for (const tap of dev.taps ?? []) yield line('ALL ', dev.name, reader(tap));
  for (const tap of net.taps ?? []) yield line('ALL ', '', reader(tap));
  for (const hook of net.packetSocks?.hooks ?? [])
    yield line(hex(hook.hookProto, 4).toLowerCase(), hook.hookDev?.name ?? '', reader(hook));
  yield line('0800', '', 'ip_rcv');
  yield line('0806', '', 'arp_rcv');
  yield line('86dd', '', 'ipv6_rcv');
}

/** One line for each packet socket (`packet_seq_show`). */
export function* packetLines(net: NetNs): Generator<string> {
  yield 'sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n';
  for (const sk of net.packetSocks?.socks ?? []) {
    const pointer = sk.cookie.toString(16).padStart(16, '0');
    const proto = hex(sk.num, 4).toLowerCase();
    const ifindex = sk.device?.ifindex ?? (sk.detached ? -1 : 0);
    const running = sk.hooked ? 1 : 0;
    yield `${pointer} ${column(2 + running, 6)} ${column(sk.type, 4)} ${proto}   ${column(ifindex, 5)} ${running} ${column(sk.rmemAlloc, 6)} ${column(sk.uid, 6)} ${column(sk.cookie, 6)}\n`;
  }
}
