/** Messages of MLD (RFC 2710 §3, RFC 3810 §5), without the eight bytes of the ICMPv6 header. */
import { getIp6, type Ip6Addr, putIp6 } from '../util/ip6-addr.ts';

/** A group in a report: what is wanted of it. */
export interface MldRecord {
  readonly group: Ip6Addr;
  readonly type: number;
  readonly sources: readonly Ip6Addr[];
}

/** A query; a general one has the group `::`. */
export interface MldQuery {
  readonly version: 1 | 2;
  readonly group: Ip6Addr;
  readonly maxDelayUs: number;
  readonly sources: readonly Ip6Addr[];
  /** Robustness of the querier; 0: not said. */
  readonly qrv: number;
  /** 0: not said. */
  readonly intervalUs: number;
}

/** Bytes of a record without sources, and of a source. */
const RECORD = 20;
const SOURCE = 16;
/** Bytes of a query behind its header: of version 1, and at least of version 2. */
const QUERY1 = 16;
const QUERY2 = 20;

/** `rest`: the header's second word, which begins with the delay. Null: of no known length. */
export function parseMldQuery(rest: number, body: Uint8Array): MldQuery | null {
  const code = rest >>> 16;
  if (body.length < QUERY1) return null;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const group = getIp6(view, 0);
  if (body.length === QUERY1)
    return { version: 1, group, maxDelayUs: code * 1000, sources: [], qrv: 0, intervalUs: 0 };
  if (body.length < QUERY2) return null;
  const count = view.getUint16(18);
  if (body.length < QUERY2 + SOURCE * count) return null;
  const sources = Array.from({ length: count }, (_, i) => getIp6(view, QUERY2 + SOURCE * i));
  return {
    version: 2,
    group,
    maxDelayUs: floating(code, 15, 12) * 1000,
    sources,
    qrv: view.getUint8(16) & 7,
    intervalUs: floating(view.getUint8(17), 7, 4) * 1_000_000,
  };
}

/** Large values have a mantissa of `bits`, and an exponent of three bits before it (RFC 3810 §5.1.3, §5.1.9). */
function floating(code: number, top: number, bits: number): number {
  if (code < 2 ** top) return code;
  const mantissa = code & (2 ** bits - 1);
  return (mantissa | (1 << bits)) * 2 ** (((code >>> bits) & 7) + 3);
}

/** Reports of at most `room` bytes. Who excludes more than fits excludes what fits (RFC 3810 §5.2.15). */
export function mldReports(
  records: readonly MldRecord[],
  room: number,
): { count: number; body: Uint8Array }[] {
  const most = Math.floor((room - RECORD) / SOURCE);
  const parts = records.flatMap((r) => split(r, most));
  const out: { count: number; body: Uint8Array }[] = [];
  let taken: MldRecord[] = [];
  let size = 0;
  const flush = (): void => {
    if (taken.length > 0) out.push({ count: taken.length, body: reportBody(taken, size) });
    taken = [];
    size = 0;
  };
  for (const r of parts) {
    const len = RECORD + SOURCE * r.sources.length;
    if (size + len > room) flush();
    taken.push(r);
    size += len;
  }
  flush();
  return out;
}

function split(r: MldRecord, most: number): MldRecord[] {
  if (r.sources.length <= most) return [r];
  const excludes = r.type === 2 || r.type === 4;
  if (excludes) return [{ ...r, sources: r.sources.slice(0, most) }];
  const out: MldRecord[] = [];
  for (let i = 0; i < r.sources.length; i += most)
    out.push({ ...r, sources: r.sources.slice(i, i + most) });
  return out;
}

function reportBody(records: readonly MldRecord[], size: number): Uint8Array {
  const body = new Uint8Array(size);
  const view = new DataView(body.buffer);
  let at = 0;
  for (const r of records) {
    view.setUint8(at, r.type);
    view.setUint16(at + 2, r.sources.length);
    putIp6(view, at + 4, r.group);
    for (const [i, s] of r.sources.entries()) putIp6(view, at + RECORD + SOURCE * i, s);
    at += RECORD + SOURCE * r.sources.length;
  }
  return body;
}
