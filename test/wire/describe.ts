/** The notation of the facts: one line for a packet (`desc` of test/data/linux_wire.py). */
import { getIp6 } from '../../src/core/util/ip6-addr.ts';
import { FLAG_LETTERS } from './build.ts';

/** What sequence numbers are printed relative to: ours (null: print `ISN`) and the peer's. */
export type Base = readonly [number | null, number];

/** Neighbour and router discovery, reports about groups: of no interest to the facts. */
export function isNoise(b: Uint8Array): boolean {
  if ((b[0] ?? 0) >> 4 === 4) return b[9] === 2;
  return b[6] === 0 || (b[6] === 58 && [133, 135, 136, 143].includes(b[40] ?? 0));
}

/** One line for an IP packet. */
export function describe(b: Uint8Array, base?: Base): string {
  const view = new DataView(b.buffer, b.byteOffset, b.byteLength);
  if ((b[0] ?? 0) >> 4 === 6) {
    const text = `${getIp6(view, 8)}>${getIp6(view, 24)} hl ${b[7]}`;
    return `${text} ${transport(b[6] ?? 0, b.subarray(40), base)}`;
  }
  const header = ((b[0] ?? 0) & 15) * 4;
  const frag = view.getUint16(6);
  let text = `${addr(b, 12)}>${addr(b, 16)} ttl ${b[8]} tos ${hex(b.subarray(1, 2))}`;
  if ((frag & 0x4000) !== 0) text += ' DF';
  if (view.getUint16(4) === 0) text += ' id0';
  if (header > 20) text += ` ipopts ${hex(b.subarray(20, header))}`;
  if ((frag & 0x3fff) !== 0)
    text += ` frag ${(frag & 0x1fff) * 8}${(frag & 0x2000) !== 0 ? '+' : ''}`;
  return `${text} ${transport(b[9] ?? 0, b.subarray(header), base)}`;
}

function transport(protocol: number, q: Uint8Array, base?: Base): string {
  const view = new DataView(q.buffer, q.byteOffset, q.byteLength);
  if (protocol === 6) return segment(view, q, base);
  if (protocol === 17) return `UDP len ${q.length - 8}`;
  if (protocol === 58) {
    const pointer = q[0] === 4 ? ` ptr ${view.getUint32(4)}` : '';
    return `ICMP6 ${q[0]}/${q[1]}${pointer} payload ${q.length - 8}`;
  }
  if (protocol !== 1) return `proto ${protocol}`;
  let text = `ICMP ${q[0]}/${q[1]}`;
  if (q[0] === 3 && q[1] === 4) text += ` mtu ${view.getUint16(6)}`;
  if (q[0] === 12) text += ` ptr ${q[4]}`;
  return `${text} payload ${q.length - 8}`;
}

function segment(view: DataView, q: Uint8Array, base?: Base): string {
  const bits = view.getUint8(13);
  const header = (view.getUint8(12) >> 4) * 4;
  let seq: number | string = view.getUint32(4);
  let ack = view.getUint32(8);
  if (base !== undefined) {
    seq = base[0] === null ? 'ISN' : (seq - base[0]) >>> 0;
    ack = (bits & 16) !== 0 ? (ack - base[1]) >>> 0 : 0;
  }
  const flags = [...FLAG_LETTERS].filter((_, i) => ((bits >> i) & 1) === 1).join('');
  const text = `TCP ${flags === '' ? '-' : flags} seq ${seq} ack ${ack} win ${view.getUint16(14)}`;
  const options = header > 20 ? ` <${tcpOptions(q.subarray(20, header))}>` : '';
  return `${text} len ${q.length - header}${options}`;
}

function tcpOptions(o: Uint8Array): string {
  const out: string[] = [];
  for (let i = 0; i < o.length; ) {
    const kind = o[i] ?? 0;
    if (kind === 0) return [...out, 'eol'].join(',');
    if (kind === 1) {
      out.push('nop');
      i++;
      continue;
    }
    const len = o[i + 1] ?? 0;
    out.push(tcpOption(kind, o.subarray(i + 2, i + len)));
    i += Math.max(len, 2);
  }
  return out.join(',');
}

function tcpOption(kind: number, v: Uint8Array): string {
  switch (kind) {
    case 2:
      return `mss ${((v[0] ?? 0) << 8) | (v[1] ?? 0)}`;
    case 3:
      return `wscale ${v[0]}`;
    case 4:
      return 'sackOK';
    case 5:
      return `sack${Math.floor(v.length / 8)}`;
    case 8:
      return 'TS';
    default:
      return `opt${kind}`;
  }
}

/** Protocol, source port, destination port; ports are 0 for all but TCP. */
export function ports(b: Uint8Array): readonly [number, number, number] {
  const v6 = (b[0] ?? 0) >> 4 === 6;
  const protocol = (v6 ? b[6] : b[9]) ?? 0;
  if (protocol !== 6 || b.length < 24) return [protocol, 0, 0];
  const view = new DataView(b.buffer, b.byteOffset, b.byteLength);
  const at = v6 ? 40 : ((b[0] ?? 0) & 15) * 4;
  return [6, view.getUint16(at), view.getUint16(at + 2)];
}

/** Sequence number of a TCP segment without IP options. */
export function seqOf(b: Uint8Array): number {
  return new DataView(b.buffer, b.byteOffset, b.byteLength).getUint32(24);
}

function addr(b: Uint8Array, at: number): string {
  return b.subarray(at, at + 4).join('.');
}

function hex(b: Uint8Array): string {
  return Array.from(b, (x) => x.toString(16).padStart(2, '0')).join('');
}
