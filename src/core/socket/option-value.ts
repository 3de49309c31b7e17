/** Values of socket options as applications give them: a number, or bytes as in C. */
import { EINVAL } from '../errno.ts';
import type { OptionValue } from '../transport/sock.ts';

/** `struct linger`; seconds. */
export interface Linger {
  readonly onoff: number | boolean;
  readonly linger: number;
}

/** `struct timeval` */
export interface TimeVal {
  readonly sec: number;
  readonly usec: number;
}

/** A signed 32-bit integer; undefined when the value is none or fewer than 4 bytes. */
export function toInt(value: OptionValue): number | undefined {
  if (typeof value === 'number') return value | 0;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (!(value instanceof Uint8Array) || value.length < 4) return undefined;
  return new DataView(value.buffer, value.byteOffset).getInt32(0, true);
}

/** The same for level SOL_IP, which takes a single byte for most options. */
export function toIntOrByte(value: OptionValue): number | undefined {
  if (value instanceof Uint8Array && value.length > 0 && value.length < 4) return value[0];
  return toInt(value);
}

/** `struct linger`; -EINVAL for something shorter. */
export function toLinger(value: OptionValue): Linger | number {
  if (typeof value !== 'object' || value instanceof Uint8Array) return -EINVAL;
  const { onoff, linger } = value as Partial<Linger>;
  if (onoff === undefined || linger === undefined) return -EINVAL;
  return { onoff, linger };
}

/** `struct timeval`, or microseconds. */
export function toTimeVal(value: OptionValue): TimeVal | number {
  if (typeof value === 'number')
    return { sec: Math.floor(value / 1_000_000), usec: value % 1_000_000 };
  if (typeof value !== 'object' || value instanceof Uint8Array) return -EINVAL;
  const { sec, usec } = value as Partial<TimeVal>;
  if (sec === undefined || usec === undefined) return -EINVAL;
  return { sec, usec };
}

/** The object that an option of several fields takes. */
export function toFields<T extends object>(value: OptionValue): Partial<T> | undefined {
  if (typeof value !== 'object' || value instanceof Uint8Array) return undefined;
  return value as Partial<T>;
}
