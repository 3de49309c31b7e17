/** Options of level SOL_TCP that few programs use (`do_tcp_setsockopt`, `do_tcp_getsockopt`). */
import { EINVAL, ENOPROTOOPT, EOPNOTSUPP, EPERM } from '../../errno.ts';
import type { SipKey } from '../../util/siphash.ts';
import type { OptionValue } from '../sock.ts';
import * as opt from '../sockopt-names.ts';
import { tcpClockMs } from './clock.ts';
import { TCP_CLOSE, TCP_LISTEN } from './constants.ts';
import { initFastOpenKey, TFO_CLIENT_ENABLE } from './fast-open.ts';
import { getQueueSeq, getRepairWindow, setQueueSeq, setRepair, TCP_QUEUES_NR } from './repair.ts';
import type { TcpSock } from './sock.ts';

/** Bytes of a fast-open key; a second one may follow. */
const FASTOPEN_KEY_LENGTH = 16;

function isFlag(val: number): boolean {
  return val === 0 || val === 1;
}

/** 0 or `-errno`. */
export function setRareOption(sk: TcpSock, name: number, val: number): number {
  switch (name) {
    case opt.TCP_FASTOPEN:
      if (val < 0 || (sk.state !== TCP_CLOSE && sk.state !== TCP_LISTEN)) return -EINVAL;
      initFastOpenKey(sk.net);
      sk.fastOpenQueue = Math.min(val, sk.net.sysctl.somaxconn);
      return 0;
    case opt.TCP_FASTOPEN_CONNECT:
      if (!isFlag(val)) return -EINVAL;
      if ((sk.net.sysctl.tcpFastopen & TFO_CLIENT_ENABLE) === 0) return -EOPNOTSUPP;
      if (sk.state !== TCP_CLOSE) return -EINVAL;
      sk.fastOpenConnect = val;
      return 0;
    case opt.TCP_FASTOPEN_NO_COOKIE:
      if (!isFlag(val) || (sk.state !== TCP_CLOSE && sk.state !== TCP_LISTEN)) return -EINVAL;
      sk.fastOpenNoCookie = val;
      return 0;
    default:
      return setRarestOption(sk, name, val);
  }
}

function setRarestOption(sk: TcpSock, name: number, val: number): number {
  switch (name) {
    case opt.TCP_THIN_LINEAR_TIMEOUTS:
      if (!isFlag(val)) return -EINVAL;
      sk.thinLto = val === 1;
      return 0;
    case opt.TCP_THIN_DUPACK:
      // LINUX: taken, and without effect since RACK.
      return isFlag(val) ? 0 : -EINVAL;
    case opt.TCP_SAVE_SYN:
      if (val < 0 || val > 2) return -EINVAL;
      sk.saveSyn = val;
      return 0;
    case opt.TCP_TX_DELAY:
      if (val < 0) return -EINVAL;
      sk.txDelay = val;
      return 0;
    default:
      return setRepairOption(sk, name, val);
  }
}

function setRepairOption(sk: TcpSock, name: number, val: number): number {
  switch (name) {
    case opt.TCP_REPAIR:
      return setRepair(sk, val);
    case opt.TCP_REPAIR_QUEUE:
      if (!sk.repair) return -EPERM;
      if (val < 0 || val >= TCP_QUEUES_NR) return -EINVAL;
      sk.repairQueue = val;
      return 0;
    case opt.TCP_QUEUE_SEQ:
      return setQueueSeq(sk, val);
    case opt.TCP_TIMESTAMP:
      if (!sk.repair) return -EPERM;
      sk.tsOffset = (val - tcpClockMs(sk.net)) | 0;
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

/** TCP_FASTOPEN_KEY: one key or two, of this listener alone. */
export function setFastOpenKey(sk: TcpSock, value: OptionValue): number {
  if (!(value instanceof Uint8Array)) return -EINVAL;
  const { length } = value;
  if (length !== FASTOPEN_KEY_LENGTH && length !== 2 * FASTOPEN_KEY_LENGTH) return -EINVAL;
  const view = new DataView(value.buffer, value.byteOffset, length);
  const keys: SipKey[] = [];
  for (let at = 0; at < length; at += FASTOPEN_KEY_LENGTH)
    keys.push([
      view.getInt32(at, true),
      view.getInt32(at + 4, true),
      view.getInt32(at + 8, true),
      view.getInt32(at + 12, true),
    ]);
  sk.fastOpenKeys = keys;
  return 0;
}

function fastOpenKeyBytes(keys: readonly SipKey[] | null): Uint8Array {
  const list = keys ?? [];
  const bytes = new Uint8Array(list.length * FASTOPEN_KEY_LENGTH);
  const view = new DataView(bytes.buffer);
  list.flat().forEach((word, i) => {
    view.setInt32(i * 4, word, true);
  });
  return bytes;
}

/** The headers of the SYN, once. */
function takeSavedSyn(sk: TcpSock): Uint8Array {
  const syn = sk.savedSyn ?? new Uint8Array(0);
  sk.savedSyn = null;
  return syn;
}

/** The value, or `-errno`. */
export function getRareOption(sk: TcpSock, name: number): OptionValue {
  switch (name) {
    case opt.TCP_ULP:
      return '';
    case opt.TCP_USER_TIMEOUT:
      return sk.userTimeoutUs / 1000;
    case opt.TCP_FASTOPEN:
      return sk.fastOpenQueue;
    case opt.TCP_FASTOPEN_CONNECT:
      return sk.fastOpenConnect;
    case opt.TCP_FASTOPEN_NO_COOKIE:
      return sk.fastOpenNoCookie;
    case opt.TCP_FASTOPEN_KEY:
      return fastOpenKeyBytes(sk.fastOpenKeys);
    case opt.TCP_NOTSENT_LOWAT:
      return sk.notsentLowat;
    case opt.TCP_TIMESTAMP:
      // LINUX: the lowest bit says that the unit is a microsecond.
      return ((tcpClockMs(sk.net) + sk.tsOffset) | 0) & ~1;
    case opt.TCP_INQ:
      return sk.recvmsgInq ? 1 : 0;
    case opt.TCP_RTO_MAX_MS:
      return sk.rtoMaxUs / 1000;
    case opt.TCP_RTO_MIN_US:
      return sk.rtoMinUs;
    case opt.TCP_DELACK_MAX_US:
      return sk.delackMaxUs;
    case opt.TCP_CC_INFO:
      // Neither cubic nor reno tells anything (`tcp_congestion_ops.get_info`).
      return sk.ca.getInfo === null ? new Uint8Array(0) : sk.ca.getInfo(sk);
    default:
      return getRarestOption(sk, name);
  }
}

function getRarestOption(sk: TcpSock, name: number): OptionValue {
  switch (name) {
    case opt.TCP_THIN_LINEAR_TIMEOUTS:
      return sk.thinLto ? 1 : 0;
    case opt.TCP_THIN_DUPACK:
    case opt.TCP_IS_MPTCP:
      return 0;
    case opt.TCP_SAVE_SYN:
      return sk.saveSyn;
    case opt.TCP_SAVED_SYN:
      return takeSavedSyn(sk);
    case opt.TCP_TX_DELAY:
      return sk.txDelay;
    case opt.TCP_REPAIR:
      return sk.repair ? 1 : 0;
    case opt.TCP_REPAIR_QUEUE:
      return sk.repair ? sk.repairQueue : -EINVAL;
    case opt.TCP_REPAIR_WINDOW:
      return getRepairWindow(sk);
    case opt.TCP_QUEUE_SEQ:
      return getQueueSeq(sk);
    default:
      return -ENOPROTOOPT;
  }
}
