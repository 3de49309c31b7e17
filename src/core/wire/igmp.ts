/** Messages of IGMP (RFC 1112 appendix I, RFC 2236 §2, RFC 3376 §4; Linux `include/uapi/linux/igmp.h`). */
import { foldChecksum, sumPayload } from './checksum.ts';

export const IGMP_HOST_MEMBERSHIP_QUERY = 0x11;
export const IGMP_HOST_MEMBERSHIP_REPORT = 0x12;
export const IGMPV2_HOST_MEMBERSHIP_REPORT = 0x16;
export const IGMP_HOST_LEAVE_MESSAGE = 0x17;
export const IGMPV3_HOST_MEMBERSHIP_REPORT = 0x22;
export const IGMP_HLEN = 8;
/** A query of version 3, and a group record, without sources. */
export const IGMPV3_QUERY_LEN = 12;
export const IGMPV3_GREC_LEN = 8;

/** A query as hosts see it. */
export interface IgmpQuery {
  /** By its length and code: 1, 2 or 3. */
  readonly version: number;
  /** 0: all groups. */
  readonly group: number;
  /** Max Resp Code, and what it says in µs; of version 1, 10 s. */
  readonly maxDelayUs: number;
  /** Robustness and interval of the querier; 0: it does not say. */
  readonly qrv: number;
  readonly intervalUs: number;
  readonly sources: readonly number[];
}

const V1_MAX_DELAY_US = 10_000_000;
/** Max Resp Code counts tenths of a second. */
const TENTH_US = 100_000;

/** RFC 3376 §4.1.1, §4.1.7: from 128 on a floating-point number. */
export function igmpFloat(code: number): number {
  return code < 128 ? code : ((code & 15) | 16) << (((code >> 4) & 7) + 3);
}

/** Null: cut off, or of a length that no version has. `bytes` begin with the header. */
export function parseIgmpQuery(bytes: Uint8Array): IgmpQuery | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const code = view.getUint8(1);
  const group = view.getInt32(4);
  if (bytes.length === IGMP_HLEN) {
    const base = { qrv: 0, intervalUs: 0, sources: [] };
    if (code === 0) return { ...base, version: 1, group: 0, maxDelayUs: V1_MAX_DELAY_US };
    return { ...base, version: 2, group, maxDelayUs: code * TENTH_US };
  }
  if (bytes.length < IGMPV3_QUERY_LEN) return null;
  const count = view.getUint16(10);
  if (bytes.length < IGMPV3_QUERY_LEN + 4 * count) return null;
  const sources: number[] = [];
  for (let i = 0; i < count; i++) sources.push(view.getInt32(IGMPV3_QUERY_LEN + 4 * i));
  return {
    version: 3,
    group,
    maxDelayUs: Math.max(1, igmpFloat(code) * TENTH_US),
    qrv: view.getUint8(8) & 7,
    intervalUs: igmpFloat(view.getUint8(9)) * 1_000_000,
    sources,
  };
}

/** A message of version 1 or 2, with its checksum. */
export function igmpMessage(type: number, group: number): Uint8Array {
  const bytes = new Uint8Array(IGMP_HLEN);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, type);
  view.setInt32(4, group);
  return summed(bytes, view);
}

/** A group's part of a report. */
export interface IgmpRecord {
  readonly type: number;
  readonly group: number;
  readonly sources: readonly number[];
}

/** A report of version 3. */
export function igmpReport(records: readonly IgmpRecord[]): Uint8Array {
  let len = IGMP_HLEN;
  for (const r of records) len += IGMPV3_GREC_LEN + 4 * r.sources.length;
  const bytes = new Uint8Array(len);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, IGMPV3_HOST_MEMBERSHIP_REPORT);
  view.setUint16(6, records.length);
  let at = IGMP_HLEN;
  for (const { type, group, sources } of records) {
    view.setUint8(at, type);
    view.setUint16(at + 2, sources.length);
    view.setInt32(at + 4, group);
    at += IGMPV3_GREC_LEN;
    for (const source of sources) {
      view.setInt32(at, source);
      at += 4;
    }
  }
  return summed(bytes, view);
}

function summed(bytes: Uint8Array, view: DataView): Uint8Array {
  view.setUint16(2, foldChecksum(sumPayload([bytes], 0)));
  return bytes;
}
