/** Control messages: `{cmsg_level=…, cmsg_type=…, cmsg_data=…}` as C lays them out, and back. */
import type { Value } from './script.ts';
import type { ControlMessage } from './target.ts';
import type { Words } from './values.ts';

interface Field {
  readonly name: string;
  readonly at: number;
  readonly size: 1 | 2 | 4 | 8;
}

function field(name: string, at: number, size: Field['size']): Field {
  return { name, at, size };
}

/** `struct sock_extended_err` */
const EXTENDED_ERR: readonly Field[] = [
  field('ee_errno', 0, 4),
  field('ee_origin', 4, 1),
  field('ee_type', 5, 1),
  field('ee_code', 6, 1),
  field('ee_pad', 7, 1),
  field('ee_info', 8, 4),
  field('ee_data', 12, 4),
];

/** `struct scm_timestamping`: the first of its three times. */
const TIMESTAMPING: readonly Field[] = [field('scm_sec', 0, 8), field('scm_nsec', 8, 8)];
/** `struct timeval`, `struct timespec` */
const TIMES: readonly Field[] = [
  field('tv_sec', 0, 8),
  field('tv_usec', 8, 8),
  field('tv_nsec', 8, 8),
];

function layoutOf(s: Value & { readonly kind: 'struct' }): {
  readonly what: string;
  readonly fields: readonly Field[];
  readonly size: number;
} {
  const first = s.fields.find((f) => f.name !== null)?.name ?? 'ee_errno';
  if (first.startsWith('scm_')) return { what: 'scm_timestamping', fields: TIMESTAMPING, size: 48 };
  if (first.startsWith('tv_')) return { what: 'a time', fields: TIMES, size: 16 };
  return { what: 'sock_extended_err', fields: EXTENDED_ERR, size: 16 };
}

interface Parts {
  readonly level: number;
  readonly type: number;
  readonly data: Value;
}

function partsOf(words: Words, value: Value): Parts {
  const s = words.structure(value, 'a control message');
  words.onlyFields(s, 'a control message', ['cmsg_level', 'cmsg_type', 'cmsg_data']);
  const level = words.field(s, 0, 'cmsg_level');
  const type = words.field(s, 1, 'cmsg_type');
  const data = words.field(s, 2, 'cmsg_data');
  if (level === undefined || type === undefined || data === undefined)
    return words.fail(s.position, 'a control message has cmsg_level, cmsg_type and cmsg_data');
  return {
    level: words.number(level, 'cmsg_level'),
    type: words.number(type, 'cmsg_type'),
    data: data.kind === 'list' && data.items.length === 1 ? (data.items[0] as Value) : data,
  };
}

/** To be sent; also checks the words of one that is expected. */
export function controlBytes(words: Words, value: Value): ControlMessage {
  const { level, type, data } = partsOf(words, value);
  if (data.kind === 'any') return { level, type, data: new Uint8Array(0) };
  if (data.kind === 'text') return { level, type, data: data.bytes };
  if (data.kind !== 'struct') {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, words.number(data, 'cmsg_data') >>> 0, true);
    return { level, type, data: bytes };
  }
  const { what, fields, size } = layoutOf(data);
  const bytes = new Uint8Array(size);
  for (const [i, f] of data.fields.entries()) {
    const place = f.name === null ? fields[i] : fields.find((x) => x.name === f.name);
    if (place === undefined)
      return words.fail(f.value.position, `"${f.name ?? i}" is no field of ${what}`);
    const number = words.numberOrAny(f.value, place.name);
    if (number !== null) put(bytes, place, number);
  }
  return { level, type, data: bytes };
}

function put(bytes: Uint8Array, f: Field, value: number): void {
  let rest = value;
  for (let i = 0; i < f.size; i++) {
    bytes[f.at + i] = ((rest % 256) + 256) % 256;
    rest = Math.floor(rest / 256);
  }
}

function get(bytes: Uint8Array, f: Field): number {
  let value = 0;
  for (let i = f.size - 1; i >= 0; i--) value = value * 256 + (bytes[f.at + i] ?? 0);
  return value;
}

/** How far apart the clock of the runner and that of the kernel are read. */
const CLOCK_SLACK_US = 4_000;

export function compareControl(
  words: Words,
  expected: readonly Value[],
  seen: readonly ControlMessage[],
): string[] {
  if (expected.length !== seen.length)
    return [
      `${expected.length} control messages expected, ${seen.length} seen${seen.length === 0 ? '' : `: ${seen.map((m) => `level ${m.level} type ${m.type}`).join(', ')}`}`,
    ];
  return expected.flatMap((value, i) => {
    const message = seen[i] as ControlMessage;
    const { level, type, data } = partsOf(words, value);
    if (level !== message.level || type !== message.type)
      return [
        `control message level ${level} type ${type} expected, level ${message.level} type ${message.type} seen`,
      ];
    return compareControlData(words, data, message.data);
  });
}

function compareControlData(words: Words, data: Value, seen: Uint8Array): string[] {
  if (data.kind === 'any') return [];
  if (data.kind !== 'struct') {
    const expected = words.number(data, 'cmsg_data');
    const size = Math.min(4, seen.length);
    const value = get(seen, { name: '', at: 0, size: (size === 3 ? 2 : size) as Field['size'] });
    return expected === value ? [] : [`cmsg_data ${expected} expected, ${value} seen`];
  }
  const { what, fields } = layoutOf(data);
  if (what !== 'sock_extended_err') return compareTimes(words, data, fields, seen);
  return data.fields.flatMap((f, i) => {
    const place = f.name === null ? fields[i] : fields.find((x) => x.name === f.name);
    const expected = words.numberOrAny(f.value, 'a field');
    if (place === undefined || expected === null) return [];
    const value = get(seen, place);
    return value === expected >>> 0 ? [] : [`${place.name} ${expected} expected, ${value} seen`];
  });
}

/** Seconds and nanoseconds since the script began, to the tolerance of times; as µs, which doubles hold. */
function compareTimes(
  words: Words,
  data: Value & { readonly kind: 'struct' },
  fields: readonly Field[],
  seen: Uint8Array,
): string[] {
  let expectedUs = 0;
  let seenUs = -words.startEpochUs;
  for (const f of data.fields) {
    const place = fields.find((x) => x.name === f.name);
    if (place === undefined) continue;
    const number = words.numberOrAny(f.value, place.name);
    if (number === null) return [];
    const unit = place.name.endsWith('_sec') ? 1e6 : place.name === 'tv_usec' ? 1 : 1e-3;
    expectedUs += number * unit;
    seenUs += get(seen, place) * unit;
  }
  const slackUs = Math.max(words.config.toleranceUs, CLOCK_SLACK_US);
  return Math.abs(expectedUs - seenUs) <= slackUs
    ? []
    : [`time ${(expectedUs / 1e6).toFixed(6)} expected, ${(seenUs / 1e6).toFixed(6)} seen`];
}
