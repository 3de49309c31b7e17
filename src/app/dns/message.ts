/** DNS messages as far as a server needs them (RFC 1035 §4): questions are read, answers are written. */

export const TYPE_A = 1;
export const TYPE_SOA = 6;
export const TYPE_PTR = 12;
export const TYPE_AAAA = 28;
export const TYPE_ANY = 255;
export const CLASS_IN = 1;

export const NOERROR = 0;
export const FORMERR = 1;
export const SERVFAIL = 2;
export const NXDOMAIN = 3;
export const NOTIMP = 4;
export const REFUSED = 5;

const HEADER = 12;
const FLAG_QR = 0x8000;
const FLAG_AA = 0x0400;
const FLAG_TC = 0x0200;
const FLAG_RD = 0x0100;
const FLAG_RA = 0x0080;
const MAX_NAME = 255;
/** Longest answer without EDNS (RFC 1035 §4.2.1). */
const MAX_UDP = 512;

export interface DnsQuestion {
  readonly id: number;
  readonly flags: number;
  readonly opcode: number;
  /** Lower case, without the last dot. */
  readonly name: string;
  readonly type: number;
  readonly qclass: number;
  /** The bytes of the question, which the answer repeats. */
  readonly bytes: Uint8Array;
}

export interface DnsRecord {
  readonly name: string;
  readonly type: number;
  readonly ttl: number;
  readonly data: Uint8Array;
}

/** A query of one question; null: it is none, or broken. */
export function parseQuestion(message: Uint8Array): DnsQuestion | null {
  if (message.length < HEADER) return null;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const flags = view.getUint16(2);
  if ((flags & FLAG_QR) !== 0 || view.getUint16(4) !== 1) return null;
  const labels: string[] = [];
  let at = HEADER;
  let length = 0;
  for (;;) {
    const size = message[at++];
    if (size === undefined || size > 63) return null;
    if (size === 0) break;
    length += size + 1;
    if (at + size > message.length || length > MAX_NAME) return null;
    labels.push(String.fromCharCode(...message.subarray(at, at + size)).toLowerCase());
    at += size;
  }
  if (at + 4 > message.length) return null;
  return {
    id: view.getUint16(0),
    flags,
    opcode: (flags >>> 11) & 15,
    name: labels.join('.'),
    type: view.getUint16(at),
    qclass: view.getUint16(at + 2),
    bytes: message.slice(HEADER, at + 4),
  };
}

export interface DnsReply {
  readonly rcode: number;
  readonly authoritative: boolean;
  readonly recursion: boolean;
  readonly answers: readonly DnsRecord[];
  readonly authority: readonly DnsRecord[];
}

/** The answer to a question; cut, and marked so, if it does not fit a datagram. */
export function encodeReply(q: DnsQuestion, reply: DnsReply): Uint8Array {
  const sections = [reply.answers, reply.authority].map((list) => list.map(encodeRecord));
  const [answers = [], authority = []] = sections;
  let length = HEADER + q.bytes.length;
  for (const record of [...answers, ...authority]) length += record.length;
  const cut = length > MAX_UDP;
  const bytes = new Uint8Array(cut ? HEADER + q.bytes.length : length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, q.id);
  view.setUint16(
    2,
    FLAG_QR |
      (q.flags & (FLAG_RD | 0x7800)) |
      (reply.authoritative ? FLAG_AA : 0) |
      (reply.recursion ? FLAG_RA : 0) |
      (cut ? FLAG_TC : 0) |
      reply.rcode,
  );
  view.setUint16(4, 1);
  view.setUint16(6, cut ? 0 : answers.length);
  view.setUint16(8, cut ? 0 : authority.length);
  bytes.set(q.bytes, HEADER);
  let at = HEADER + q.bytes.length;
  for (const record of cut ? [] : [...answers, ...authority]) {
    bytes.set(record, at);
    at += record.length;
  }
  return bytes;
}

function encodeRecord({ name, type, ttl, data }: DnsRecord): Uint8Array {
  const owner = encodeName(name);
  const bytes = new Uint8Array(owner.length + 10 + data.length);
  const view = new DataView(bytes.buffer);
  bytes.set(owner);
  view.setUint16(owner.length, type);
  view.setUint16(owner.length + 2, CLASS_IN);
  view.setUint32(owner.length + 4, ttl);
  view.setUint16(owner.length + 8, data.length);
  bytes.set(data, owner.length + 10);
  return bytes;
}

/** Labels with their lengths. */
export function encodeName(name: string): Uint8Array {
  const labels = name === '' ? [] : name.split('.');
  const bytes = labels.flatMap((label) => [
    label.length,
    ...Array.from(label, (c) => c.charCodeAt(0) & 255),
  ]);
  return Uint8Array.of(...bytes, 0);
}
