/** Values of socket options as C lays them out: numbers, texts, linger, timeval. */
import type { Value } from './script.ts';
import type { Words } from './values.ts';

function numberBytes(value: number, size: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(size, 4));
  let rest = value;
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = ((rest % 256) + 256) % 256;
    rest = Math.floor(rest / 256);
  }
  return bytes;
}

/** `{onoff=1, linger=0}`, `{tv_sec=1, tv_usec=0}`, numbers in brackets. */
function structBytes(words: Words, value: Value): Uint8Array | null {
  if (value.kind === 'list' && value.items.length > 1) {
    const out = new Uint8Array(4 * value.items.length);
    const v = new DataView(out.buffer);
    value.items.forEach((item, i) => {
      v.setUint32(4 * i, words.number(item, 'a number') >>> 0, true);
    });
    return out;
  }
  const inner = value.kind === 'list' ? value.items[0] : value;
  if (inner?.kind !== 'struct') return null;
  const isTime = inner.fields.some((f) => f.name?.startsWith('tv_') === true);
  if (isTime) {
    words.onlyFields(inner, 'a timeval', ['tv_sec', 'tv_usec']);
    const out = new Uint8Array(16);
    out.set(numberBytes(fieldNumber(words, inner, 0, 'tv_sec'), 8), 0);
    out.set(numberBytes(fieldNumber(words, inner, 1, 'tv_usec'), 8), 8);
    return out;
  }
  words.onlyFields(inner, 'a linger', ['onoff', 'linger', 'l_onoff', 'l_linger']);
  const out = new Uint8Array(8);
  out.set(numberBytes(fieldNumber(words, inner, 0, 'onoff', 'l_onoff'), 4), 0);
  out.set(numberBytes(fieldNumber(words, inner, 1, 'linger', 'l_linger'), 4), 4);
  return out;
}

function fieldNumber(
  words: Words,
  s: Value & { readonly kind: 'struct' },
  place: number,
  ...names: readonly string[]
): number {
  const value = words.field(s, place, ...names);
  return value === undefined ? 0 : words.number(value, names[0] as string);
}

/** What setsockopt() is given: cut or filled to `len`. */
export function optionValue(words: Words, value: Value, len: number): Uint8Array {
  let bytes: Uint8Array;
  const inner = value.kind === 'list' && value.items.length === 1 ? value.items[0] : value;
  if (inner?.kind === 'text') bytes = inner.bytes;
  else bytes = structBytes(words, value) ?? numberBytes(words.number(value, 'a value'), len);
  const out = new Uint8Array(Math.max(0, len));
  out.set(bytes.subarray(0, out.length));
  return out;
}

/** Room when the script leaves the length open. */
const ROOM = 4096;

/** How long the buffer is, and what must be in it afterwards. */
export function optionCheck(
  words: Words,
  value: Value,
  length: Value,
): { readonly len: number; readonly check: (seen: Uint8Array) => string[] } {
  const expectedLen = words.numberOrAny(length, 'a length');
  const inner =
    value.kind === 'list' && value.items.length === 1 ? (value.items[0] as Value) : value;
  const len = expectedLen ?? (inner.kind === 'int' || inner.kind === 'symbol' ? 4 : ROOM);
  if (inner.kind === 'any') return { len, check: () => [] };
  if (inner.kind === 'text') {
    const expected = text(inner.bytes);
    // A name may be shorter than its buffer.
    return {
      len: Math.max(len, inner.bytes.length + 1),
      check: (seen) =>
        text(seen) === expected ? [] : [`option "${expected}" expected, "${text(seen)}" seen`],
    };
  }
  const bytes = structBytes(words, value);
  if (bytes !== null)
    return { len: Math.max(len, bytes.length), check: (seen) => compareBytes(bytes, seen) };
  const expected = words.number(value, 'a value');
  return {
    len,
    check: (seen) => {
      const number = readNumber(seen, expected < 0);
      const out = number === expected ? [] : [`option ${expected} expected, ${number} seen`];
      if (expectedLen !== null && seen.length !== expectedLen)
        out.push(`length ${expectedLen} expected, ${seen.length} seen`);
      return out;
    },
  };
}

function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? 64 : Math.min(end, 64)));
}

function readNumber(bytes: Uint8Array, signed: boolean): number {
  let value = 0;
  const size = Math.min(bytes.length, 8);
  for (let i = size - 1; i >= 0; i--) value = value * 256 + (bytes[i] as number);
  if (signed && size > 0 && (bytes[size - 1] as number) >= 128) value -= 2 ** (8 * size);
  return value;
}

function compareBytes(expected: Uint8Array, seen: Uint8Array): string[] {
  const hex = (b: Uint8Array): string =>
    [...b].map((n) => n.toString(16).padStart(2, '0')).join('');
  return hex(expected) === hex(seen) ? [] : [`option ${hex(expected)} expected, ${hex(seen)} seen`];
}
