/** Sysctls as text: names, numbers, pairs, port ranges and keys as `/proc/sys` takes and gives them (Linux `kernel/sysctl.c`). */
import { EINVAL, NetError } from '../errno.ts';
import type { SipKey } from '../util/siphash.ts';

const INT_MAX = 2147483647;

export function invalid(name: string): NetError {
  return new NetError(EINVAL, 'sysctl', `setting key "${name}": Invalid argument`);
}

/** A number as the kernel reads one: hexadecimal behind 0x, octal behind 0 (`strtoul_lenient`). */
function numberOf(word: string): number {
  const m = /^(-?)(0x[0-9a-f]+|0[0-7]*|[1-9]\d*)$/i.exec(word);
  if (m === null) return Number.NaN;
  const digits = m[2] as string;
  const n = /^0[0-7]/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  // No negative zero: it would be told as one.
  return m[1] === '-' && n !== 0 ? -n : n;
}

/** The first `most` numbers of a text, or undefined; what stands behind them is not looked at (`do_proc_dointvec`). */
function numbers(text: string, most: number): number[] | undefined {
  const list = text.trim().split(/\s+/).slice(0, most).map(numberOf);
  return list.some(Number.isNaN) ? undefined : list;
}

export function oneNumber(name: string, text: string, min: number, max: number): number {
  const value = numbers(text, 1)?.[0];
  if (value === undefined || value < min || value > max) throw invalid(name);
  return value;
}

/** `net/ipv4/conf/eth0.1/x` and `net.ipv4.conf.eth0/1.x` are the same: the first separator rules. */
export function dotted(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  if (first !== '/') return name;
  return name.replace(/[./]/g, (c) => (c === '/' ? '.' : '/'));
}

/** Dots in a device's name stand as slashes in a sysctl's. */
export function slashed(name: string): string {
  return name.replaceAll('.', '/');
}

export function split(name: string, prefix: string): { dir: string; key: string } | undefined {
  if (!name.startsWith(prefix)) return undefined;
  const m = /^([^.]+)\.([^.]+)$/.exec(name.slice(prefix.length));
  if (m === null) return undefined;
  return { dir: (m[1] as string).replaceAll('/', '.'), key: m[2] as string };
}

export function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** LINUX: fewer numbers than there are leave the rest as it was (`proc_dointvec`). */
export function pair(name: string, text: string, old: readonly [number, number]): [number, number] {
  const list = numbers(text, 2);
  if (list === undefined) throw invalid(name);
  return [list[0] ?? old[0], list[1] ?? old[1]];
}

export function triple(
  name: string,
  text: string,
  old: readonly [number, number, number],
): [number, number, number] {
  const list = numbers(text, 3);
  if (list === undefined || list.some((n) => n < 1 || n > INT_MAX)) throw invalid(name);
  return [list[0] ?? old[0], list[1] ?? old[1], list[2] ?? old[2]];
}

/** Zeros as long as nobody needed a key (`proc_tcp_fastopen_key`). */
export function fastOpenKeysText(keys: readonly SipKey[] | null): string {
  return (keys ?? [[0, 0, 0, 0]])
    .map((key) => key.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('-'))
    .join(',');
}

/** `a-b-c-d` or two of them: the first makes cookies, both check them. */
export function fastOpenKeys(name: string, text: string): SipKey[] {
  const keys = text.trim().split(',');
  if (keys.length > 2) throw invalid(name);
  return keys.map((key) => {
    const m = /^([0-9a-f]{1,8})-([0-9a-f]{1,8})-([0-9a-f]{1,8})-([0-9a-f]{1,8})$/i.exec(key);
    if (m === null) throw invalid(name);
    const word = (i: number): number => Number.parseInt(m[i] as string, 16) | 0;
    return [word(1), word(2), word(3), word(4)];
  });
}

/** `8080,9000-9010`: ports and ranges between commas or line feeds; those that touch become one (`proc_do_large_bitmap`). */
export function portRanges(name: string, text: string): [number, number][] {
  const trimmed = text.replace(/\n$/, '');
  if (text === '\n') return [];
  const ranges = trimmed.split(/[,\n]/).map((part): [number, number] => {
    const [from = '', to = from, more] = part.split('-');
    const low = numberOf(from);
    const high = numberOf(to);
    const sound = more === undefined && low >= 0 && high <= 65535 && low <= high;
    if (!sound) throw invalid(name);
    return [low, high];
  });
  const joined: [number, number][] = [];
  for (const [low, high] of ranges.sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last !== undefined && low <= last[1] + 1) last[1] = Math.max(last[1], high);
    else joined.push([low, high]);
  }
  return joined;
}
