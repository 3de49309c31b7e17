/** TCP options as bytes, back, and in the script's notation (RFC 9293 §3.1, 7323, 2018, 7413, 2385, 9768). */
import { view } from './packet.ts';
import type { EcnCounter, TcpOption } from './script.ts';

const KIND_MSS = 2;
const KIND_WSCALE = 3;
const KIND_SACK_OK = 4;
const KIND_SACK = 5;
const KIND_TS = 8;
const KIND_MD5 = 19;
const KIND_FASTOPEN = 34;
const KIND_ACCECN0 = 172;
const KIND_ACCECN1 = 174;
const KIND_EXPERIMENT = 254;
/** RFC 6994 identifier of the experimental fast-open option. */
const FASTOPEN_MAGIC = 0xf989;

function u16(value: number): number[] {
  return [(value >>> 8) & 255, value & 255];
}

function u32(value: number): number[] {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

function bytesOf(o: TcpOption): number[] {
  switch (o.kind) {
    case 'eol':
      return [0];
    case 'nop':
      return [1];
    case 'sackOK':
      return [KIND_SACK_OK, 2];
    case 'mss':
      return [KIND_MSS, 4, ...u16(o.value)];
    case 'wscale':
      return [KIND_WSCALE, 3, o.value];
    case 'sack':
      return [KIND_SACK, 2 + 8 * o.blocks.length, ...o.blocks.flatMap((b) => b.flatMap(u32))];
    case 'TS':
      return [KIND_TS, 10, ...u32(o.val), ...u32(o.ecr)];
    case 'md5':
      return [KIND_MD5, 2 + o.bytes.length, ...o.bytes];
    case 'FO':
      return [KIND_FASTOPEN, 2 + o.bytes.length, ...o.bytes];
    case 'FOEXP':
      return [KIND_EXPERIMENT, 4 + o.bytes.length, ...u16(FASTOPEN_MAGIC), ...o.bytes];
    case 'ECN': {
      const data = o.counters.flatMap(([, n]) => [(n >>> 16) & 255, (n >>> 8) & 255, n & 255]);
      return [o.order === 0 ? KIND_ACCECN0 : KIND_ACCECN1, 2 + data.length, ...data];
    }
    default:
      return [o.number, 2 + o.bytes.length, ...o.bytes];
  }
}

/** As long as the options are; `padded` to whole words with zeros. */
export function tcpOptionBytes(options: readonly TcpOption[], padded = false): Uint8Array {
  const out: number[] = [];
  for (const o of options) for (const byte of bytesOf(o)) out.push(byte);
  while (padded && out.length % 4 !== 0) out.push(0);
  return Uint8Array.from(out);
}

/** What options say; null where their lengths make no sense. */
export function readTcpOptions(bytes: Uint8Array): TcpOption[] | null {
  const out: TcpOption[] = [];
  let at = 0;
  while (at < bytes.length) {
    const kind = bytes[at] as number;
    if (kind === 0) {
      out.push({ kind: 'eol' });
      at++;
      continue;
    }
    if (kind === 1) {
      out.push({ kind: 'nop' });
      at++;
      continue;
    }
    const len = bytes[at + 1] ?? 0;
    if (len < 2 || at + len > bytes.length) return null;
    out.push(readOption(kind, bytes.subarray(at + 2, at + len)));
    at += len;
  }
  return out;
}

function readOption(kind: number, data: Uint8Array): TcpOption {
  const v = view(data);
  if (kind === KIND_MSS && data.length === 2) return { kind: 'mss', value: v.getUint16(0) };
  if (kind === KIND_WSCALE && data.length === 1)
    return { kind: 'wscale', value: data[0] as number };
  if (kind === KIND_SACK_OK && data.length === 0) return { kind: 'sackOK' };
  if (kind === KIND_TS && data.length === 8)
    return { kind: 'TS', val: v.getUint32(0), ecr: v.getUint32(4) };
  if (kind === KIND_MD5) return { kind: 'md5', bytes: data };
  if (kind === KIND_FASTOPEN) return { kind: 'FO', bytes: data };
  if (kind === KIND_SACK && data.length > 0 && data.length % 8 === 0) {
    const blocks: [number, number][] = [];
    for (let i = 0; i < data.length; i += 8) blocks.push([v.getUint32(i), v.getUint32(i + 4)]);
    return { kind: 'sack', blocks };
  }
  if (kind === KIND_EXPERIMENT && data.length >= 2 && v.getUint16(0) === FASTOPEN_MAGIC)
    return { kind: 'FOEXP', bytes: data.subarray(2) };
  const isEcn = kind === KIND_ACCECN0 || kind === KIND_ACCECN1;
  if (isEcn && data.length % 3 === 0 && data.length <= 9)
    return readEcn(kind === KIND_ACCECN0 ? 0 : 1, data);
  return { kind: 'other', number: kind, bytes: data };
}

function readEcn(order: 0 | 1, data: Uint8Array): TcpOption {
  const names: readonly EcnCounter[] = order === 0 ? ['e0b', 'ceb', 'e1b'] : ['e1b', 'ceb', 'e0b'];
  const counters: [EcnCounter, number][] = [];
  for (let i = 0; i < data.length; i += 3)
    counters.push([
      names[i / 3] as EcnCounter,
      ((data[i] as number) << 16) | ((data[i + 1] as number) << 8) | (data[i + 2] as number),
    ]);
  return { kind: 'ECN', order, counters };
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
}

function describeOption(o: TcpOption): string {
  switch (o.kind) {
    case 'mss':
    case 'wscale':
      return `${o.kind} ${o.value}`;
    case 'sack':
      return `sack ${o.blocks.map(([a, b]) => `${a}:${b}`).join(' ')}`;
    case 'TS':
      return `TS val ${o.val} ecr ${o.ecr}`;
    case 'FO':
    case 'FOEXP':
    case 'md5':
      return o.bytes.length === 0 ? o.kind : `${o.kind} ${hex(o.bytes)}`;
    case 'ECN':
      return ['ECN', ...o.counters.map(([name, n]) => `${name} ${n}`)].join(' ');
    case 'other':
      return `kind-${o.number} ${hex(o.bytes)}`;
    default:
      return o.kind;
  }
}

/** `<mss 1460,nop>`; nothing for no options. */
export function describeTcpOptions(options: readonly TcpOption[]): string {
  return options.length === 0 ? '' : `<${options.map(describeOption).join(',')}>`;
}
