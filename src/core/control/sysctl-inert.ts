/**
 * Sysctls of Linux 6.18 that scripts set and that rule what Warren does not have: hash tables of a certain
 * size, locks, cards. They are there with Linux's defaults and ranges. Those whose other values would change
 * what is sent refuse every value but the default, with the reason; all others are told back only.
 */

export interface InertSysctl {
  readonly name: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  /** Why only the default is taken; absent: any value in the range is as good as another. */
  readonly only?: string;
  readonly readOnly?: true;
}

const BIG = 2147483647;

function row(name: string, value: number, min: number, max: number, only?: string): InertSysctl {
  return only === undefined ? { name, value, min, max } : { name, value, min, max, only };
}

const V4: readonly InertSysctl[] = [
  row('tcp_autocorking', 1, 0, 1),
  row('tcp_backlog_ack_defer', 1, 0, 1),
  row('tcp_child_ehash_entries', 0, 0, 16777216),
  row('tcp_comp_sack_slack_ns', 100_000, 0, Number.MAX_SAFE_INTEGER),
  row('tcp_early_demux', 1, 0, 255),
  row('tcp_limit_output_bytes', 4_194_304, -2147483648, BIG),
  row('tcp_adv_win_scale', 1, -31, 31),
  row('tcp_fack', 0, 0, 255),
  row('tcp_ecn_option', 2, 0, 2),
  row('tcp_ecn_option_beacon', 3, 0, 3),
  row('tcp_plb_idle_rehash_rounds', 3, 0, 31),
  row('tcp_plb_rehash_rounds', 12, 0, 31),
  row('tcp_plb_suspend_rto_sec', 60, 0, 255),
  row('tcp_plb_cong_thresh', 128, 0, 256),
  row('tcp_plb_enabled', 0, 0, 1, 'no flow labels are rehashed'),
  row('fwmark_reflect', 0, 0, 255, 'marks are not taken from packets'),
  row('tcp_migrate_req', 0, 0, 1, 'a listener that closes takes its requests along'),
  row('ip_autobind_reuse', 0, 0, 1, 'ports are chosen as without it'),
  row('ip_dynaddr', 0, 0, 255, 'addresses of connections do not change'),
  row('ip_early_demux', 1, 0, 255),
  row('udp_early_demux', 1, 0, 255),
  row('udp_rmem_min', 4096, 1, BIG),
  row('udp_wmem_min', 4096, 1, BIG),
  row('udp_child_hash_entries', 0, 0, 65536),
  row('fib_multipath_use_neigh', 0, 0, 1, 'next hops are chosen by hash alone'),
  row('ip_forward_update_priority', 1, 0, 1),
  row('icmp_echo_enable_probe', 0, 0, 1, 'extended echo (RFC 8335) is not answered'),
  row('ipfrag_low_thresh', 3_145_728, 0, Number.MAX_SAFE_INTEGER),
];

const CORE: readonly InertSysctl[] = [
  row('tstamp_allow_data', 1, 0, 1),
  row('busy_poll', 0, 0, BIG),
  row('busy_read', 0, 0, BIG),
  row('high_order_alloc_disable', 0, 0, 1),
  row('gro_normal_batch', 8, 1, BIG),
];

export const INERT_SYSCTLS: readonly InertSysctl[] = [
  ...V4.map((s) => ({ ...s, name: `net.ipv4.${s.name}` })),
  ...CORE.map((s) => ({ ...s, name: `net.core.${s.name}` })),
  { name: 'net.ipv6.ip6frag_low_thresh', value: 3_145_728, min: 0, max: BIG },
  { name: 'net.ipv4.tcp_ehash_entries', value: -262_144, min: 0, max: 0, readOnly: true },
  { name: 'net.ipv4.udp_hash_entries', value: -16_384, min: 0, max: 0, readOnly: true },
];
