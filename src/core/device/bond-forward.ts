/**
 * What a bond does with a frame (Linux `bond_start_xmit`, `bond_handle_frame`, `bond_xmit_hash`): the active slave
 * sends it, or the one to which its flow belongs.
 *
 * RX: from and to `link/input.ts`
 * TX: from and to `link/output.ts`
 */
import { drop } from '../drop.ts';
import type { NetDevice } from '../link/net-device.ts';
import { devQueueXmit } from '../link/output.ts';
import { type Packet, scrubPacket } from '../packet.ts';
import type { EthHeader } from '../wire/ethernet.ts';
import { frameLength } from '../wire/frame.ts';
import { type Bond, type BondHashPolicy, type BondSlave, bondSlaveOf } from './bond-state.ts';

export function bondXmit(pkt: Packet, dev: NetDevice): void {
  const bond = dev.priv as Bond;
  const slave = choose(bond, pkt);
  if (slave === null) {
    dev.stats.txDropped++;
    drop(dev.net, pkt, 'NO_TX_TARGET', dev.name);
    return;
  }
  dev.stats.txPackets++;
  dev.stats.txBytes += frameLength(pkt);
  // Slaves are in the bond's own namespace; this holds even if that should change.
  if (slave.dev.net !== dev.net) scrubPacket(pkt);
  pkt.dev = slave.dev;
  devQueueXmit(pkt);
}

function choose(bond: Bond, pkt: Packet): BondSlave | null {
  if (bond.params.mode === 'active-backup') return bond.active;
  const { usable, params } = bond;
  if (usable.length === 0) return null;
  return usable[bondHash(pkt, params.xmitHashPolicy) % usable.length] ?? null;
}

/** Rx handler of a slave. True: the frame is dropped; false: it is the bond's. */
export function bondHandleFrame(pkt: Packet): boolean {
  const dev = pkt.dev as NetDevice;
  const slave = bondSlaveOf(dev);
  if (slave === null) return false;
  const { bond } = slave;
  if (bond.params.mode === 'active-backup' && bond.active !== slave) {
    // The switch floods: what a backup hears the active slave hears too.
    drop(dev.net, pkt, 'UNHANDLED_PROTO', `${dev.name} is a backup`);
    return true;
  }
  bond.dev.stats.rxPackets++;
  bond.dev.stats.rxBytes += frameLength(pkt);
  pkt.dev = bond.dev;
  return false;
}

/** As the kernel's on a little-endian machine: which slave a flow takes is the same there. */
export function bondHash(pkt: Packet, policy: BondHashPolicy): number {
  const eth = pkt.eth as EthHeader;
  const mac = (eth.dst ^ eth.src) & 0xff;
  const isIp = pkt.ip !== null || pkt.ip6 !== null;
  if (policy === 'layer2' || !isIp) return (mac ^ eth.proto) >>> 0;
  let hash = policy === 'layer2+3' ? mac ^ eth.proto : portsOf(pkt);
  hash ^= swap(addressesOf(pkt));
  hash ^= hash >>> 16;
  hash ^= hash >>> 8;
  // The lowest bit goes: ports are often even.
  return (policy === 'layer3+4' ? hash >>> 1 : hash) >>> 0;
}

function portsOf(pkt: Packet): number {
  const l4 = pkt.tcp ?? pkt.udp;
  if (l4 === null) return pkt.ip?.protocol ?? pkt.ip6?.protocol ?? 0;
  return swap((l4.sport << 16) | l4.dport);
}

/** Source and destination, folded to 32 bits (`ipv6_addr_hash`). */
function addressesOf(pkt: Packet): number {
  if (pkt.ip !== null) return pkt.ip.src ^ pkt.ip.dst;
  let x = 0;
  for (const a of [pkt.ip6?.src, pkt.ip6?.dst]) if (a !== undefined) x ^= a.a ^ a.b ^ a.c ^ a.d;
  return x;
}

/** Network byte order read as a little-endian number. */
function swap(x: number): number {
  return (x << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24);
}
