/**
 * `struct tcp_info` of Linux 6.18 (`include/uapi/linux/tcp.h`): fields by name, as code in scripts reads them
 * and as a virtual target writes them.
 */

/** Name, offset, bytes; fields that share a byte are bits `shift` to `shift + bits`. */
interface InfoField {
  readonly name: string;
  readonly at: number;
  readonly size: number;
  readonly shift: number;
  readonly bits: number;
}

const BYTES = ['state', 'ca_state', 'retransmits', 'probes', 'backoff', 'options'];
const WORDS_A = [
  'rto',
  'ato',
  'snd_mss',
  'rcv_mss',
  'unacked',
  'sacked',
  'lost',
  'retrans',
  'fackets',
  'last_data_sent',
  'last_ack_sent',
  'last_data_recv',
  'last_ack_recv',
  'pmtu',
  'rcv_ssthresh',
  'rtt',
  'rttvar',
  'snd_ssthresh',
  'snd_cwnd',
  'advmss',
  'reordering',
  'rcv_rtt',
  'rcv_space',
  'total_retrans',
];

/** What follows, with sizes. */
const REST: readonly (readonly [string, number])[] = [
  ['pacing_rate', 8],
  ['max_pacing_rate', 8],
  ['bytes_acked', 8],
  ['bytes_received', 8],
  ['segs_out', 4],
  ['segs_in', 4],
  ['notsent_bytes', 4],
  ['min_rtt', 4],
  ['data_segs_in', 4],
  ['data_segs_out', 4],
  ['delivery_rate', 8],
  ['busy_time', 8],
  ['rwnd_limited', 8],
  ['sndbuf_limited', 8],
  ['delivered', 4],
  ['delivered_ce', 4],
  ['bytes_sent', 8],
  ['bytes_retrans', 8],
  ['dsack_dups', 4],
  ['reord_seen', 4],
  ['rcv_ooopack', 4],
  ['snd_wnd', 4],
  ['rcv_wnd', 4],
  ['rehash', 4],
  ['total_rto', 2],
  ['total_rto_recoveries', 2],
  ['total_rto_time', 4],
  ['received_ce', 4],
  ['delivered_e1_bytes', 4],
  ['delivered_e0_bytes', 4],
  ['delivered_ce_bytes', 4],
  ['received_e1_bytes', 4],
  ['received_e0_bytes', 4],
  ['received_ce_bytes', 4],
  ['accecn_fail_mode', 2],
  ['accecn_opt_seen', 2],
];

function layout(): InfoField[] {
  const out: InfoField[] = BYTES.map((name, at) => ({ name, at, size: 1, shift: 0, bits: 8 }));
  out.push(
    { name: 'snd_wscale', at: 6, size: 1, shift: 0, bits: 4 },
    { name: 'rcv_wscale', at: 6, size: 1, shift: 4, bits: 4 },
    { name: 'delivery_rate_app_limited', at: 7, size: 1, shift: 0, bits: 1 },
    { name: 'fastopen_client_fail', at: 7, size: 1, shift: 1, bits: 2 },
  );
  let at = 8;
  for (const [name, size] of [...WORDS_A.map((n) => [n, 4] as const), ...REST]) {
    out.push({ name, at, size, shift: 0, bits: size * 8 });
    at += size;
  }
  return out;
}

export const TCP_INFO_FIELDS: readonly InfoField[] = Object.freeze(layout());
export const TCP_INFO_LENGTH: number = TCP_INFO_FIELDS.reduce(
  (n, f) => Math.max(n, f.at + f.size),
  0,
);

/** Values by name with `tcpi_` before; fields beyond the end of the bytes are absent. */
export function readTcpInfo(bytes: Uint8Array): Map<string, number> {
  const out = new Map<string, number>();
  for (const f of TCP_INFO_FIELDS) {
    if (f.at + f.size > bytes.length) continue;
    let value = 0;
    for (let i = f.size - 1; i >= 0; i--) value = value * 256 + (bytes[f.at + i] as number);
    if (f.bits < 8) value = (value >> f.shift) & ((1 << f.bits) - 1);
    out.set(`tcpi_${f.name}`, value);
  }
  return out;
}

/** `read` gives a field by its name without `tcpi_`; what it does not know is 0. */
export function writeTcpInfo(read: (name: string) => number | undefined): Uint8Array {
  const bytes = new Uint8Array(TCP_INFO_LENGTH);
  for (const f of TCP_INFO_FIELDS) {
    let rest = Math.floor(Math.min(read(f.name) ?? 0, Number.MAX_SAFE_INTEGER));
    if (f.bits < 8) {
      bytes[f.at] = (bytes[f.at] as number) | ((rest & ((1 << f.bits) - 1)) << f.shift);
      continue;
    }
    for (let i = 0; i < f.size; i++) {
      bytes[f.at + i] = ((rest % 256) + 256) % 256;
      rest = Math.floor(rest / 256);
    }
  }
  return bytes;
}
