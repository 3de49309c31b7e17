/**
 * Values of socket options as C sees them: what getsockopt(2) copies out, cut to the length asked for
 * (Linux `sk_getsockopt`, `do_tcp_getsockopt`, `do_ip_getsockopt`).
 */
import { EINVAL } from '../errno.ts';
import type { OptionValue } from '../transport/sock.ts';
import * as so from '../transport/sockopt-names.ts';
import type { TcpInfo } from '../transport/tcp/info.ts';
import { tcpInfoBytes } from '../transport/tcp/info-bytes.ts';
import type { Linger, TimeVal } from './option-value.ts';

/** `TCP_CA_NAME_MAX`, `IFNAMSIZ` */
const NAME_MAX = 16;

/** Bytes of a value, `length` at most; or `-errno` where Linux refuses a buffer that is too short. */
export function optionBytes(
  level: number,
  name: number,
  value: OptionValue,
  length: number,
): Uint8Array | number {
  if (length < 0) return -EINVAL;
  if (value instanceof Uint8Array) return cutBytes(level, name, value, length);
  if (typeof value === 'string') return cutName(level, name, value, length);
  if (typeof value === 'object') return structBytes(value).slice(0, length);
  if (level === so.SOL_SOCKET && isWide(name, length)) {
    // LINUX: the namespace's cookie wants exactly its size.
    if (length < 8 || (name === so.SO_NETNS_COOKIE && length !== 8)) return -EINVAL;
    return u64(value);
  }
  const bytes = new Uint8Array(4);
  // An address.
  const isAddress = level === so.SOL_IP && name === so.IP_MULTICAST_IF;
  new DataView(bytes.buffer).setInt32(0, value, !isAddress);
  return bytes.slice(0, length);
}

/** Options of 8 bytes; SO_MAX_PACING_RATE has them if there is room. */
function isWide(name: number, length: number): boolean {
  if (name === so.SO_COOKIE || name === so.SO_NETNS_COOKIE) return true;
  return name === so.SO_MAX_PACING_RATE && length >= 8;
}

/** A SYN, a key or a window that does not fit is no good. */
function cutBytes(
  level: number,
  name: number,
  value: Uint8Array,
  length: number,
): Uint8Array | number {
  const whole =
    level === so.SOL_TCP && (name === so.TCP_SAVED_SYN || name === so.TCP_REPAIR_WINDOW);
  if (whole && length < value.length) return -EINVAL;
  return value.slice(0, length);
}

/** Text with its NUL; a congestion control's fills 16 bytes. */
function cutName(level: number, name: number, text: string, length: number): Uint8Array | number {
  if (text === '') return new Uint8Array(0);
  const padded = level === so.SOL_TCP && name === so.TCP_CONGESTION;
  const bytes = new Uint8Array(padded ? NAME_MAX : text.length + 1);
  for (let i = 0; i < text.length && i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  if (level === so.SOL_SOCKET && name === so.SO_BINDTODEVICE && length < NAME_MAX) return -EINVAL;
  return bytes.slice(0, length);
}

function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, value % 2 ** 32, true);
  view.setInt32(4, Math.floor(value / 2 ** 32), true);
  return bytes;
}

function structBytes(value: object): Uint8Array {
  if ('onoff' in value) {
    const { onoff, linger } = value as Linger;
    return Uint8Array.from([...u64(Number(onoff)).slice(0, 4), ...u64(linger).slice(0, 4)]);
  }
  if ('usec' in value) {
    const { sec, usec } = value as TimeVal;
    return Uint8Array.from([...u64(sec), ...u64(usec)]);
  }
  return 'sndCwnd' in value ? tcpInfoBytes(value as TcpInfo) : new Uint8Array(0);
}
