/**
 * What `defaults.sh`, the usual first line of scripts, sets: the values that scripts for Linux's TCP assume.
 * The kernel's own scripts and packetdrill's have the same file.
 */

/** Names without `net.ipv4.`. */
export const DEFAULTS: Readonly<Record<string, string>> = {
  tcp_timestamps: '1',
  tcp_sack: '1',
  tcp_dsack: '1',
  tcp_window_scaling: '1',
  tcp_rmem: '4096 540000 15728640',
  tcp_wmem: '4096 262144 4194304',
  tcp_moderate_rcvbuf: '1',
  tcp_syn_retries: '5',
  tcp_synack_retries: '5',
  tcp_syncookies: '1',
  tcp_ecn: '0',
  tcp_frto: '2',
  tcp_reordering: '3',
  tcp_early_retrans: '4',
  tcp_recovery: '1',
  tcp_tso_win_divisor: '3',
  tcp_slow_start_after_idle: '0',
  tcp_congestion_control: 'cubic',
  tcp_pacing_ss_ratio: '200',
  tcp_pacing_ca_ratio: '120',
  tcp_notsent_lowat: '4294967295',
  tcp_max_syn_backlog: '1000',
  tcp_fastopen: '0x70403',
  tcp_fastopen_key: 'a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4',
};

/**
 * The fast open cookies of 192.0.2.1 for 192.168.0.1: with the key above, and with a key of zeros. The names
 * are those that the runners of such scripts define.
 */
export const RUNNER_DEFINES: readonly (readonly [string, string])[] = [
  ['TFO_COOKIE', '3021b9d889017eeb'],
  ['TFO_COOKIE_ZERO', 'b7c12350a90dc8f5'],
];
