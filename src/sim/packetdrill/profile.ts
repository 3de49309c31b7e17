/**
 * What `defaults.sh`, the usual first line of scripts, sets: the values that scripts for Linux's TCP assume.
 * The kernel's own scripts and packetdrill's have the same file.
 */
import type { TargetConfig } from './target.ts';

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

type Defines = readonly (readonly [name: string, value: string])[];

/** The fast open cookies of the remote address for the local one: with the key above, and with a key of zeros. */
const COOKIES4: Defines = [
  ['TFO_COOKIE', '3021b9d889017eeb'],
  ['TFO_COOKIE_ZERO', 'b7c12350a90dc8f5'],
];
const COOKIES6: Defines = [
  ['TFO_COOKIE', 'c1d1e9742a47a9bc'],
  ['TFO_COOKIE_ZERO', '82af1a8f9a205c34'],
];
/** Which control message tells of an error: by the family of the socket. */
const RECVERR4: Defines = [
  ['CMSG_LEVEL_IP', 'SOL_IP'],
  ['CMSG_TYPE_RECVERR', 'IP_RECVERR'],
];
const RECVERR6: Defines = [
  ['CMSG_LEVEL_IP', 'SOL_IPV6'],
  ['CMSG_TYPE_RECVERR', 'IPV6_RECVERR'],
];

/** What `ksft_runner.sh`, the kernel's runner of such scripts, defines for each value of `--ip_version`. */
export const RUNNER_DEFINES: Readonly<Record<TargetConfig['ipVersion'], Defines>> = {
  ipv4: [...COOKIES4, ...RECVERR4],
  'ipv4-mapped-ipv6': [...COOKIES4, ...RECVERR6],
  ipv6: [...COOKIES6, ...RECVERR6],
};
