/** Options of level SOL_PACKET (Linux `packet_setsockopt`, `packet_getsockopt`). What rings need is not there. */
import { EINVAL, ENOPROTOOPT } from '../../errno.ts';
import type { OptionValue } from '../sock.ts';
import * as so from '../sockopt-names.ts';
import { fanoutWord, joinFanout, setFanoutData } from './fanout.ts';
import { addMembership, dropMembership } from './membership.ts';
import type { PacketSock } from './sock.ts';

export function setPacketOption(sk: PacketSock, name: number, value: OptionValue): number {
  switch (name) {
    case so.PACKET_ADD_MEMBERSHIP:
      return addMembership(sk, value);
    case so.PACKET_DROP_MEMBERSHIP:
      return dropMembership(sk, value);
    case so.PACKET_FANOUT:
      return joinFanout(sk, value);
    case so.PACKET_FANOUT_DATA:
      return setFanoutData(sk, value);
    default:
  }
  const v = intOf(value);
  if (!isNumberOption(name)) return -ENOPROTOOPT;
  if (v === undefined) return -EINVAL;
  return setNumber(sk, name, v);
}

function isNumberOption(name: number): boolean {
  switch (name) {
    case so.PACKET_AUXDATA:
    case so.PACKET_ORIGDEV:
    case so.PACKET_IGNORE_OUTGOING:
    case so.PACKET_QDISC_BYPASS:
    case so.PACKET_LOSS:
    case so.PACKET_TX_HAS_OFF:
    case so.PACKET_COPY_THRESH:
    case so.PACKET_TIMESTAMP:
    case so.PACKET_RESERVE:
    case so.PACKET_VERSION:
      return true;
    default:
      return false;
  }
}

/** TPACKET_V1 … V3 */
const LAST_VERSION = 2;
/** `INT_MAX` */
const MOST_RESERVE = 0x7fffffff;

function setNumber(sk: PacketSock, name: number, v: number): number {
  switch (name) {
    case so.PACKET_AUXDATA:
      sk.auxData = v !== 0;
      return 0;
    case so.PACKET_ORIGDEV:
      sk.origDev = v !== 0;
      return 0;
    case so.PACKET_IGNORE_OUTGOING:
      if (v < 0 || v > 1) return -EINVAL;
      sk.ignoreOutgoing = v === 1;
      return 0;
    case so.PACKET_QDISC_BYPASS:
      sk.qdiscBypass = v !== 0;
      return 0;
    case so.PACKET_VERSION:
      if (v < 0 || v > LAST_VERSION) return -EINVAL;
      break;
    case so.PACKET_RESERVE:
      if (v >>> 0 > MOST_RESERVE) return -EINVAL;
      break;
    case so.PACKET_LOSS:
    case so.PACKET_TX_HAS_OFF:
      sk.told.set(name, v === 0 ? 0 : 1);
      return 0;
    default:
  }
  sk.told.set(name, v);
  return 0;
}

function intOf(value: OptionValue): number | undefined {
  if (typeof value === 'number') return value | 0;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (!(value instanceof Uint8Array) || value.length < 4) return undefined;
  return new DataView(value.buffer, value.byteOffset).getInt32(0, true);
}

export function getPacketOption(sk: PacketSock, name: number): OptionValue {
  switch (name) {
    case so.PACKET_STATISTICS:
      return readStatistics(sk);
    case so.PACKET_AUXDATA:
      return sk.auxData ? 1 : 0;
    case so.PACKET_ORIGDEV:
      return sk.origDev ? 1 : 0;
    case so.PACKET_IGNORE_OUTGOING:
      return sk.ignoreOutgoing ? 1 : 0;
    case so.PACKET_QDISC_BYPASS:
      return sk.qdiscBypass ? 1 : 0;
    case so.PACKET_FANOUT:
      return fanoutWord(sk);
    case so.PACKET_ROLLOVER_STATS:
      return rolloverStatistics(sk);
    case so.PACKET_VERSION:
    case so.PACKET_RESERVE:
    case so.PACKET_LOSS:
    case so.PACKET_TX_HAS_OFF:
    case so.PACKET_TIMESTAMP:
    case so.PACKET_COPY_THRESH:
      return sk.told.get(name) ?? 0;
    default:
      return -ENOPROTOOPT;
  }
}

/** `struct tpacket_stats`: frames, those that found no room included, and those; read once. */
function readStatistics(sk: PacketSock): Uint8Array {
  const out = new DataView(new ArrayBuffer(8));
  out.setUint32(0, sk.packets + sk.drops, true);
  out.setUint32(4, sk.drops, true);
  sk.packets = 0;
  sk.drops = 0;
  return new Uint8Array(out.buffer);
}

/** `struct tpacket_rollover_stats`: three numbers of 64 bits; there are no huge flows here. */
function rolloverStatistics(sk: PacketSock): OptionValue {
  if (sk.fanout === null) return -EINVAL;
  const out = new DataView(new ArrayBuffer(24));
  out.setUint32(0, sk.rolloverStats.all, true);
  out.setUint32(16, sk.rolloverStats.failed, true);
  return new Uint8Array(out.buffer);
}
