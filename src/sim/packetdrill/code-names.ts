/** Constants that code in scripts may name (Linux `include/net/tcp_states.h`, `include/uapi/linux/tcp.h`). */

const STATES = [
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
];

export const CODE_NAMES: ReadonlyMap<string, number> = new Map([
  ...STATES.map((name, i) => [`TCP_${name}`, i + 1] as const),
  ...['Open', 'Disorder', 'CWR', 'Recovery', 'Loss'].flatMap(
    (name, i) =>
      [
        [`TCP_CA_${name}`, i],
        [`TCP_CA_${name.toUpperCase()}`, i],
      ] as const,
  ),
  ['TCPI_OPT_TIMESTAMPS', 1],
  ['TCPI_OPT_SACK', 2],
  ['TCPI_OPT_WSCALE', 4],
  ['TCPI_OPT_ECN', 8],
  ['TCPI_OPT_ECN_SEEN', 16],
  ['TCPI_OPT_SYN_DATA', 32],
  ['TCPI_OPT_USEC_TS', 64],
  ['TCPI_OPT_TFO_CHILD', 128],
  ...[
    'RMEM_ALLOC',
    'RCVBUF',
    'WMEM_ALLOC',
    'SNDBUF',
    'FWD_ALLOC',
    'WMEM_QUEUED',
    'OPTMEM',
    'BACKLOG',
    'DROPS',
  ].map((name, i) => [`SK_MEMINFO_${name}`, i] as const),
  ['TCP_INFINITE_SSTHRESH', 0x7fffffff],
]);

/** `struct tcp_bbr_info`, `tcpvegas_info`, `tcp_dctcp_info` as TCP_CC_INFO gives them. */
const CC_LAYOUTS: Readonly<Record<string, readonly (readonly [string, number])[]>> = {
  bbr: [
    ['bbr_bw_lo', 4],
    ['bbr_bw_hi', 4],
    ['bbr_min_rtt', 4],
    ['bbr_pacing_gain', 4],
    ['bbr_cwnd_gain', 4],
  ],
  vegas: [
    ['tcpv_enabled', 4],
    ['tcpv_rttcnt', 4],
    ['tcpv_rtt', 4],
    ['tcpv_minrtt', 4],
  ],
  dctcp: [
    ['dctcp_enabled', 2],
    ['dctcp_ce_state', 2],
    ['dctcp_alpha', 4],
    ['dctcp_ab_ecn', 4],
    ['dctcp_ab_tot', 4],
  ],
};

/** Fields of the congestion control's own information, by its name. */
export function readCcInfo(name: string, bytes: Uint8Array): Map<string, number> {
  const out = new Map<string, number>();
  let at = 0;
  const layout = Object.hasOwn(CC_LAYOUTS, name) ? CC_LAYOUTS[name] : undefined;
  for (const [field, size] of layout ?? []) {
    if (at + size > bytes.length) break;
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] as number);
    out.set(field, value);
    at += size;
  }
  return out;
}

/** SO_MEMINFO, in the order of the kernel's array. */
export const MEMINFO_NAMES: readonly string[] = [
  'rmem_alloc',
  'rcvbuf',
  'wmem_alloc',
  'sndbuf',
  'fwd_alloc',
  'wmem_queued',
  'optmem',
  'backlog',
  'drops',
];
