/**
 * The sysctls of a namespace: values, and the table of names (Linux `/proc/sys/net`, defaults of a new
 * namespace on Linux 6.18). One place for each: a field here, read where the behaviour is.
 */

/** Values of `net.core.*` and `net.ipv4.*`; names in camel case without the prefix. */
export class Sysctl {
  /** net.core.somaxconn */
  somaxconn = 4096;
  /** net.core.rmem_default */
  rmemDefault = 212992;
  /** net.core.rmem_max */
  rmemMax = 4194304;
  /** net.core.wmem_default */
  wmemDefault = 212992;
  /** net.core.wmem_max */
  wmemMax = 4194304;
  /** net.core.optmem_max */
  optmemMax = 131072;
  /** net.core.netdev_max_backlog */
  netdevMaxBacklog = 1000;
  /** net.ipv4.ip_default_ttl */
  ipDefaultTtl = 64;
  /** net.ipv4.ip_no_pmtu_disc */
  ipNoPmtuDisc = 0;
  /** net.ipv4.ip_forward_use_pmtu */
  ipForwardUsePmtu = 0;
  /** net.ipv4.ip_nonlocal_bind */
  ipNonlocalBind = 0;
  /** Sockets that are bound to no device hear what came by a vrf. */
  tcpL3mdevAccept = 0;
  tcpFwmarkAccept = 0;
  udpL3mdevAccept = 0;
  rawL3mdevAccept = 1;
  /** net.ipv4.ip_unprivileged_port_start */
  ipUnprivilegedPortStart = 1024;
  /** net.ipv4.icmp_echo_ignore_all */
  icmpEchoIgnoreAll = 0;
  /** net.ipv4.icmp_echo_ignore_broadcasts */
  icmpEchoIgnoreBroadcasts = 1;
  /** net.ipv4.icmp_ignore_bogus_error_responses */
  icmpIgnoreBogusErrorResponses = 1;
  /** net.ipv4.icmp_errors_use_inbound_ifaddr */
  icmpErrorsUseInboundIfaddr = 0;
  /** net.ipv4.icmp_ratelimit */
  icmpRatelimit = 1000;
  /** net.ipv4.icmp_ratemask */
  icmpRatemask = 6168;
  /** net.ipv4.icmp_msgs_per_sec */
  icmpMsgsPerSec = 1000;
  /** net.ipv4.icmp_msgs_burst */
  icmpMsgsBurst = 50;
  /** net.ipv4.ipfrag_high_thresh */
  ipfragHighThresh = 4194304;
  /** net.ipv4.ipfrag_time */
  ipfragTime = 30;
  /** net.ipv4.ipfrag_max_dist */
  ipfragMaxDist = 64;
  /** net.ipv4.route.min_pmtu */
  minPmtu = 552;
  /** net.ipv4.route.mtu_expires */
  mtuExpires = 600;
  /** net.ipv4.route.min_adv_mss */
  minAdvMss = 256;
  /** net.ipv4.fib_multipath_hash_policy */
  fibMultipathHashPolicy = 0;
  /** net.ipv4.fib_multipath_hash_fields */
  fibMultipathHashFields = 7;
  /** net.ipv4.fib_multipath_hash_seed; 0: one of the namespace's own */
  fibMultipathHashSeed = 0;
  /** net.ipv4.igmp_max_memberships */
  igmpMaxMemberships = 20;
  /** net.ipv4.igmp_max_msf */
  igmpMaxMsf = 10;
  /** net.ipv4.igmp_qrv */
  igmpQrv = 2;
  /** net.ipv4.igmp_link_local_mcast_reports */
  igmpLinkLocalMcastReports = 1;
  /** net.ipv4.tcp_abort_on_overflow */
  tcpAbortOnOverflow = 0;
  /** net.ipv4.tcp_app_win */
  tcpAppWin = 31;
  /** net.ipv4.tcp_base_mss */
  tcpBaseMss = 1024;
  /** net.ipv4.tcp_challenge_ack_limit */
  tcpChallengeAckLimit = 2147483647;
  /** net.ipv4.tcp_comp_sack_delay_ns */
  tcpCompSackDelayNs = 1000000;
  /** net.ipv4.tcp_comp_sack_nr */
  tcpCompSackNr = 44;
  /** net.ipv4.tcp_dsack */
  tcpDsack = 1;
  /** net.ipv4.tcp_early_retrans */
  tcpEarlyRetrans = 3;
  /** net.ipv4.tcp_ecn */
  tcpEcn = 2;
  /** net.ipv4.tcp_ecn_fallback */
  tcpEcnFallback = 1;
  /** net.ipv4.tcp_fastopen */
  tcpFastopen = 1;
  /** net.ipv4.tcp_fastopen_blackhole_timeout_sec */
  tcpFastopenBlackholeTimeoutSec = 0;
  /** net.ipv4.tcp_fin_timeout */
  tcpFinTimeout = 60;
  /** net.ipv4.tcp_frto */
  tcpFrto = 2;
  /** net.ipv4.tcp_invalid_ratelimit */
  tcpInvalidRatelimit = 500;
  /** net.ipv4.tcp_keepalive_time */
  tcpKeepaliveTime = 7200;
  /** net.ipv4.tcp_keepalive_probes */
  tcpKeepaliveProbes = 9;
  /** net.ipv4.tcp_keepalive_intvl */
  tcpKeepaliveIntvl = 75;
  /** net.ipv4.tcp_max_orphans. LINUX: one limit for the machine, by its memory. */
  tcpMaxOrphans = 131072;
  /** net.ipv4.tcp_max_reordering */
  tcpMaxReordering = 300;
  /** net.ipv4.tcp_max_syn_backlog */
  tcpMaxSynBacklog = 2048;
  /** net.ipv4.tcp_max_tw_buckets */
  tcpMaxTwBuckets = 131072;
  /** net.ipv4.tcp_min_rtt_wlen */
  tcpMinRttWlen = 300;
  /** net.ipv4.tcp_min_snd_mss */
  tcpMinSndMss = 48;
  /** net.ipv4.tcp_min_tso_segs */
  tcpMinTsoSegs = 2;
  /** net.ipv4.tcp_moderate_rcvbuf */
  tcpModerateRcvbuf = 1;
  /** net.ipv4.tcp_mtu_probe_floor */
  tcpMtuProbeFloor = 48;
  /** net.ipv4.tcp_mtu_probing */
  tcpMtuProbing = 0;
  /** net.ipv4.tcp_no_ssthresh_metrics_save */
  tcpNoSsthreshMetricsSave = 1;
  /** net.ipv4.tcp_no_metrics_save */
  tcpNoMetricsSave = 0;
  /** net.ipv4.tcp_notsent_lowat */
  tcpNotsentLowat = 4294967295;
  /** net.ipv4.tcp_orphan_retries */
  tcpOrphanRetries = 0;
  /** net.ipv4.tcp_pacing_ca_ratio */
  tcpPacingCaRatio = 120;
  /** net.ipv4.tcp_pacing_ss_ratio */
  tcpPacingSsRatio = 200;
  /** net.ipv4.tcp_probe_interval, seconds */
  tcpProbeInterval = 600;
  /** net.ipv4.tcp_probe_threshold */
  tcpProbeThreshold = 8;
  /** net.ipv4.tcp_tso_rtt_log */
  tcpTsoRttLog = 9;
  /** net.ipv4.tcp_pingpong_thresh */
  tcpPingpongThresh = 1;
  /** net.ipv4.tcp_recovery */
  tcpRecovery = 1;
  /** net.ipv4.tcp_reflect_tos */
  tcpReflectTos = 0;
  /** net.ipv4.tcp_reordering */
  tcpReordering = 3;
  /** net.ipv4.tcp_retrans_collapse */
  tcpRetransCollapse = 1;
  /** net.ipv4.tcp_retries1 */
  tcpRetries1 = 3;
  /** net.ipv4.tcp_retries2 */
  tcpRetries2 = 15;
  /** net.ipv4.tcp_rfc1337 */
  tcpRfc1337 = 0;
  /** net.ipv4.tcp_rto_max_ms */
  tcpRtoMaxMs = 120000;
  /** net.ipv4.tcp_rto_min_us */
  tcpRtoMinUs = 200000;
  /** net.ipv4.tcp_sack */
  tcpSack = 1;
  /** net.ipv4.tcp_shrink_window */
  tcpShrinkWindow = 0;
  /** net.ipv4.tcp_slow_start_after_idle */
  tcpSlowStartAfterIdle = 1;
  /** net.ipv4.tcp_stdurg */
  tcpStdurg = 0;
  /** net.ipv4.tcp_syn_linear_timeouts */
  tcpSynLinearTimeouts = 4;
  /** net.ipv4.tcp_syn_retries */
  tcpSynRetries = 6;
  /** net.ipv4.tcp_synack_retries */
  tcpSynackRetries = 5;
  /** net.ipv4.tcp_syncookies */
  tcpSyncookies = 1;
  /** net.ipv4.tcp_thin_linear_timeouts */
  tcpThinLinearTimeouts = 0;
  /** net.ipv4.tcp_timestamps */
  tcpTimestamps = 1;
  /** net.ipv4.tcp_tso_win_divisor */
  tcpTsoWinDivisor = 3;
  /** net.ipv4.tcp_tw_reuse */
  tcpTwReuse = 2;
  /** net.ipv4.tcp_tw_reuse_delay */
  tcpTwReuseDelay = 1000;
  /** net.ipv4.tcp_window_scaling */
  tcpWindowScaling = 1;
  /** net.ipv4.tcp_workaround_signed_windows */
  tcpWorkaroundSignedWindows = 0;
  /** net.ipv4.ip_local_port_range: lowest and highest, both included */
  ipLocalPortRange: readonly [number, number] = [32768, 60999];
  /** net.ipv4.ip_local_reserved_ports; as sorted ranges, both ends included */
  ipLocalReservedPorts: readonly (readonly [number, number])[] = [];
  /** net.ipv4.ping_group_range: lowest and highest group id that may use ping sockets */
  pingGroupRange: readonly [number, number] = [1, 0];
  /** net.ipv4.tcp_rmem: minimum, default, maximum in bytes */
  tcpRmem: readonly [number, number, number] = [4096, 131072, 33554432];
  /** net.ipv4.tcp_wmem: minimum, default, maximum in bytes */
  tcpWmem: readonly [number, number, number] = [4096, 16384, 4194304];
  /** net.ipv4.tcp_congestion_control */
  tcpCongestionControl = 'cubic';

  /** The same with one setting changed. Namespaces share what nobody changed. */
  with<K extends Exclude<keyof Sysctl, 'with'>>(field: K, value: Sysctl[K]): Readonly<Sysctl> {
    return Object.assign(new Sysctl(), this, { [field]: value });
  }
}

export const SYSCTL_DEFAULT: Readonly<Sysctl> = Object.freeze(new Sysctl());

/** Fields of `Sysctl` that hold one number. */
export type NumberField = {
  [K in keyof Sysctl]: Sysctl[K] extends number ? K : never;
}[keyof Sysctl];

/** A sysctl that holds one number. A write outside [min, max] is refused with EINVAL. */
export interface NumberSysctl {
  readonly name: string;
  readonly field: NumberField;
  readonly min: number;
  readonly max: number;
}

export const NUMBER_SYSCTLS: readonly NumberSysctl[] = [
  { name: 'net.core.somaxconn', field: 'somaxconn', min: 0, max: 2147483647 },
  { name: 'net.core.rmem_default', field: 'rmemDefault', min: 2304, max: 2147483647 },
  { name: 'net.core.rmem_max', field: 'rmemMax', min: 2304, max: 2147483647 },
  { name: 'net.core.wmem_default', field: 'wmemDefault', min: 4608, max: 2147483647 },
  { name: 'net.core.wmem_max', field: 'wmemMax', min: 4608, max: 2147483647 },
  { name: 'net.core.optmem_max', field: 'optmemMax', min: 0, max: 2147483647 },
  { name: 'net.core.netdev_max_backlog', field: 'netdevMaxBacklog', min: 0, max: 2147483647 },
  { name: 'net.ipv4.ip_default_ttl', field: 'ipDefaultTtl', min: 1, max: 255 },
  { name: 'net.ipv4.ip_no_pmtu_disc', field: 'ipNoPmtuDisc', min: 0, max: 255 },
  { name: 'net.ipv4.ip_forward_use_pmtu', field: 'ipForwardUsePmtu', min: 0, max: 255 },
  { name: 'net.ipv4.ip_nonlocal_bind', field: 'ipNonlocalBind', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_fwmark_accept', field: 'tcpFwmarkAccept', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_l3mdev_accept', field: 'tcpL3mdevAccept', min: 0, max: 1 },
  { name: 'net.ipv4.udp_l3mdev_accept', field: 'udpL3mdevAccept', min: 0, max: 1 },
  { name: 'net.ipv4.raw_l3mdev_accept', field: 'rawL3mdevAccept', min: 0, max: 1 },
  {
    name: 'net.ipv4.ip_unprivileged_port_start',
    field: 'ipUnprivilegedPortStart',
    min: 0,
    max: 65535,
  },
  { name: 'net.ipv4.icmp_echo_ignore_all', field: 'icmpEchoIgnoreAll', min: 0, max: 1 },
  {
    name: 'net.ipv4.icmp_echo_ignore_broadcasts',
    field: 'icmpEchoIgnoreBroadcasts',
    min: 0,
    max: 1,
  },
  {
    name: 'net.ipv4.icmp_ignore_bogus_error_responses',
    field: 'icmpIgnoreBogusErrorResponses',
    min: 0,
    max: 1,
  },
  {
    name: 'net.ipv4.icmp_errors_use_inbound_ifaddr',
    field: 'icmpErrorsUseInboundIfaddr',
    min: 0,
    max: 1,
  },
  { name: 'net.ipv4.icmp_ratelimit', field: 'icmpRatelimit', min: 0, max: 2147483647 },
  { name: 'net.ipv4.icmp_ratemask', field: 'icmpRatemask', min: -2147483648, max: 2147483647 },
  { name: 'net.ipv4.icmp_msgs_per_sec', field: 'icmpMsgsPerSec', min: 0, max: 2147483647 },
  { name: 'net.ipv4.icmp_msgs_burst', field: 'icmpMsgsBurst', min: 0, max: 2147483647 },
  {
    name: 'net.ipv4.ipfrag_high_thresh',
    field: 'ipfragHighThresh',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
  },
  { name: 'net.ipv4.ipfrag_time', field: 'ipfragTime', min: 0, max: 2147483 },
  { name: 'net.ipv4.ipfrag_max_dist', field: 'ipfragMaxDist', min: 0, max: 2147483647 },
  { name: 'net.ipv4.route.min_pmtu', field: 'minPmtu', min: 68, max: 2147483647 },
  { name: 'net.ipv4.route.mtu_expires', field: 'mtuExpires', min: 0, max: 2147483 },
  { name: 'net.ipv4.route.min_adv_mss', field: 'minAdvMss', min: -2147483648, max: 2147483647 },
  { name: 'net.ipv4.fib_multipath_hash_policy', field: 'fibMultipathHashPolicy', min: 0, max: 3 },
  {
    name: 'net.ipv4.fib_multipath_hash_fields',
    field: 'fibMultipathHashFields',
    min: 1,
    max: 4095,
  },
  {
    name: 'net.ipv4.fib_multipath_hash_seed',
    field: 'fibMultipathHashSeed',
    min: 0,
    max: 4294967295,
  },
  {
    name: 'net.ipv4.igmp_max_memberships',
    field: 'igmpMaxMemberships',
    min: -2147483648,
    max: 2147483647,
  },
  { name: 'net.ipv4.igmp_max_msf', field: 'igmpMaxMsf', min: -2147483648, max: 2147483647 },
  { name: 'net.ipv4.igmp_qrv', field: 'igmpQrv', min: 1, max: 2147483647 },
  {
    name: 'net.ipv4.igmp_link_local_mcast_reports',
    field: 'igmpLinkLocalMcastReports',
    min: 0,
    max: 255,
  },
  { name: 'net.ipv4.tcp_abort_on_overflow', field: 'tcpAbortOnOverflow', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_app_win', field: 'tcpAppWin', min: 0, max: 31 },
  { name: 'net.ipv4.tcp_base_mss', field: 'tcpBaseMss', min: -2147483648, max: 2147483647 },
  {
    name: 'net.ipv4.tcp_challenge_ack_limit',
    field: 'tcpChallengeAckLimit',
    min: -2147483648,
    max: 2147483647,
  },
  {
    name: 'net.ipv4.tcp_comp_sack_delay_ns',
    field: 'tcpCompSackDelayNs',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
  },
  { name: 'net.ipv4.tcp_comp_sack_nr', field: 'tcpCompSackNr', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_dsack', field: 'tcpDsack', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_early_retrans', field: 'tcpEarlyRetrans', min: 0, max: 4 },
  { name: 'net.ipv4.tcp_ecn', field: 'tcpEcn', min: 0, max: 2 },
  { name: 'net.ipv4.tcp_ecn_fallback', field: 'tcpEcnFallback', min: 0, max: 1 },
  { name: 'net.ipv4.tcp_fastopen', field: 'tcpFastopen', min: -2147483648, max: 2147483647 },
  {
    name: 'net.ipv4.tcp_fastopen_blackhole_timeout_sec',
    field: 'tcpFastopenBlackholeTimeoutSec',
    min: 0,
    max: 2147483647,
  },
  { name: 'net.ipv4.tcp_fin_timeout', field: 'tcpFinTimeout', min: 0, max: 2147483 },
  { name: 'net.ipv4.tcp_frto', field: 'tcpFrto', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_invalid_ratelimit', field: 'tcpInvalidRatelimit', min: 0, max: 2147483647 },
  { name: 'net.ipv4.tcp_keepalive_time', field: 'tcpKeepaliveTime', min: 0, max: 2147483 },
  { name: 'net.ipv4.tcp_keepalive_probes', field: 'tcpKeepaliveProbes', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_keepalive_intvl', field: 'tcpKeepaliveIntvl', min: 0, max: 2147483 },
  { name: 'net.ipv4.tcp_max_orphans', field: 'tcpMaxOrphans', min: -2147483648, max: 2147483647 },
  { name: 'net.ipv4.tcp_max_reordering', field: 'tcpMaxReordering', min: 1, max: 2147483647 },
  {
    name: 'net.ipv4.tcp_max_syn_backlog',
    field: 'tcpMaxSynBacklog',
    min: -2147483648,
    max: 2147483647,
  },
  {
    name: 'net.ipv4.tcp_max_tw_buckets',
    field: 'tcpMaxTwBuckets',
    min: -2147483648,
    max: 2147483647,
  },
  { name: 'net.ipv4.tcp_min_rtt_wlen', field: 'tcpMinRttWlen', min: 0, max: 86400 },
  { name: 'net.ipv4.tcp_min_snd_mss', field: 'tcpMinSndMss', min: 48, max: 65535 },
  { name: 'net.ipv4.tcp_min_tso_segs', field: 'tcpMinTsoSegs', min: 1, max: 255 },
  { name: 'net.ipv4.tcp_moderate_rcvbuf', field: 'tcpModerateRcvbuf', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_mtu_probe_floor', field: 'tcpMtuProbeFloor', min: 48, max: 65535 },
  { name: 'net.ipv4.tcp_mtu_probing', field: 'tcpMtuProbing', min: 0, max: 255 },
  {
    name: 'net.ipv4.tcp_no_ssthresh_metrics_save',
    field: 'tcpNoSsthreshMetricsSave',
    min: 0,
    max: 1,
  },
  { name: 'net.ipv4.tcp_no_metrics_save', field: 'tcpNoMetricsSave', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_notsent_lowat', field: 'tcpNotsentLowat', min: 0, max: 4294967295 },
  { name: 'net.ipv4.tcp_orphan_retries', field: 'tcpOrphanRetries', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_pacing_ca_ratio', field: 'tcpPacingCaRatio', min: 0, max: 1000 },
  { name: 'net.ipv4.tcp_pacing_ss_ratio', field: 'tcpPacingSsRatio', min: 0, max: 1000 },
  { name: 'net.ipv4.tcp_probe_interval', field: 'tcpProbeInterval', min: 0, max: 4294967 },
  {
    name: 'net.ipv4.tcp_probe_threshold',
    field: 'tcpProbeThreshold',
    min: -2147483648,
    max: 2147483647,
  },
  { name: 'net.ipv4.tcp_tso_rtt_log', field: 'tcpTsoRttLog', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_pingpong_thresh', field: 'tcpPingpongThresh', min: 1, max: 255 },
  { name: 'net.ipv4.tcp_recovery', field: 'tcpRecovery', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_reflect_tos', field: 'tcpReflectTos', min: 0, max: 1 },
  { name: 'net.ipv4.tcp_reordering', field: 'tcpReordering', min: 1, max: 2147483647 },
  { name: 'net.ipv4.tcp_retrans_collapse', field: 'tcpRetransCollapse', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_retries1', field: 'tcpRetries1', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_retries2', field: 'tcpRetries2', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_rfc1337', field: 'tcpRfc1337', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_rto_max_ms', field: 'tcpRtoMaxMs', min: 1000, max: 120000 },
  { name: 'net.ipv4.tcp_rto_min_us', field: 'tcpRtoMinUs', min: 1, max: 2147483647 },
  { name: 'net.ipv4.tcp_sack', field: 'tcpSack', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_shrink_window', field: 'tcpShrinkWindow', min: 0, max: 1 },
  { name: 'net.ipv4.tcp_slow_start_after_idle', field: 'tcpSlowStartAfterIdle', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_stdurg', field: 'tcpStdurg', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_syn_linear_timeouts', field: 'tcpSynLinearTimeouts', min: 0, max: 127 },
  { name: 'net.ipv4.tcp_syn_retries', field: 'tcpSynRetries', min: 1, max: 127 },
  { name: 'net.ipv4.tcp_synack_retries', field: 'tcpSynackRetries', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_syncookies', field: 'tcpSyncookies', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_thin_linear_timeouts', field: 'tcpThinLinearTimeouts', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_timestamps', field: 'tcpTimestamps', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_tso_win_divisor', field: 'tcpTsoWinDivisor', min: 0, max: 255 },
  { name: 'net.ipv4.tcp_tw_reuse', field: 'tcpTwReuse', min: 0, max: 2 },
  { name: 'net.ipv4.tcp_tw_reuse_delay', field: 'tcpTwReuseDelay', min: 1, max: 60000 },
  { name: 'net.ipv4.tcp_window_scaling', field: 'tcpWindowScaling', min: 0, max: 255 },
  {
    name: 'net.ipv4.tcp_workaround_signed_windows',
    field: 'tcpWorkaroundSignedWindows',
    min: 0,
    max: 255,
  },
];

/** `net.ipv4.conf.<device>.*`: one object per device, and those of `all` and `default`. */
export class Ipv4Conf {
  forwarding = 0;
  rpFilter = 0;
  acceptLocal = 0;
  routeLocalnet = 0;
  acceptRedirects = 1;
  secureRedirects = 1;
  sendRedirects = 1;
  sharedMedia = 1;
  acceptSourceRoute = 1;
  logMartians = 0;
  bcForwarding = 0;
  arpAnnounce = 0;
  arpIgnore = 0;
  arpFilter = 0;
  arpNotify = 0;
  arpAccept = 0;
  arpEvictNocarrier = 1;
  dropGratuitousArp = 0;
  proxyArp = 0;
  promoteSecondaries = 0;
  ignoreRoutesWithLinkdown = 0;
  dropUnicastInL2Multicast = 0;
  forceIgmpVersion = 0;
  igmpv2UnsolicitedReportInterval = 10_000;
  igmpv3UnsolicitedReportInterval = 1000;

  /** The same with one setting changed. These objects are shared by all that have the same settings. */
  with(field: Exclude<keyof Ipv4Conf, 'with'>, value: number): Readonly<Ipv4Conf> {
    return Object.assign(new Ipv4Conf(), this, { [field]: value });
  }
}

/** What `default` says in a new namespace, and what `all` does. */
export const IPV4_CONF_DEFAULT: Readonly<Ipv4Conf> = Object.freeze(new Ipv4Conf());
export const IPV4_CONF_ALL: Readonly<Ipv4Conf> = Object.freeze(
  IPV4_CONF_DEFAULT.with('acceptSourceRoute', 0),
);

/** Linux name of each field of `Ipv4Conf`. */
export const IPV4_CONF_NAMES: Readonly<Record<string, Exclude<keyof Ipv4Conf, 'with'>>> = {
  force_igmp_version: 'forceIgmpVersion',
  forwarding: 'forwarding',
  igmpv2_unsolicited_report_interval: 'igmpv2UnsolicitedReportInterval',
  igmpv3_unsolicited_report_interval: 'igmpv3UnsolicitedReportInterval',
  rp_filter: 'rpFilter',
  accept_local: 'acceptLocal',
  route_localnet: 'routeLocalnet',
  accept_redirects: 'acceptRedirects',
  secure_redirects: 'secureRedirects',
  send_redirects: 'sendRedirects',
  shared_media: 'sharedMedia',
  accept_source_route: 'acceptSourceRoute',
  log_martians: 'logMartians',
  bc_forwarding: 'bcForwarding',
  arp_announce: 'arpAnnounce',
  arp_ignore: 'arpIgnore',
  arp_filter: 'arpFilter',
  arp_notify: 'arpNotify',
  arp_accept: 'arpAccept',
  arp_evict_nocarrier: 'arpEvictNocarrier',
  drop_gratuitous_arp: 'dropGratuitousArp',
  proxy_arp: 'proxyArp',
  promote_secondaries: 'promoteSecondaries',
  ignore_routes_with_linkdown: 'ignoreRoutesWithLinkdown',
  drop_unicast_in_l2_multicast: 'dropUnicastInL2Multicast',
};

/** `net.ipv4.neigh.<device>.*` (Linux `struct neigh_parms`). */
export class NeighConf {
  /** base_reachable_time_ms */
  baseReachableTimeMs = 30_000;
  /** retrans_time_ms */
  retransTimeMs = 1000;
  /** gc_stale_time, seconds */
  gcStaleTime = 60;
  /** delay_first_probe_time, seconds */
  delayFirstProbeTime = 5;
  ucastSolicit = 3;
  mcastSolicit = 3;
  mcastResolicit = 0;
  /** locktime, 1/100 s */
  locktime = 100;
  /** unres_qlen_bytes */
  unresQlenBytes = 212_992;
  /** proxy_delay, 1/100 s */
  proxyDelay = 80;
  proxyQlen = 64;

  /** The same with one setting changed. */
  with(field: Exclude<keyof NeighConf, 'with'>, value: number): Readonly<NeighConf> {
    return Object.assign(new NeighConf(), this, { [field]: value });
  }
}

/** What `default` says in a new namespace, for ARP and for neighbour discovery. */
export const ARP_CONF_DEFAULT: Readonly<NeighConf> = Object.freeze(new NeighConf());
export const NDISC_CONF_DEFAULT: Readonly<NeighConf> = Object.freeze(
  ARP_CONF_DEFAULT.with('locktime', 0),
);

/** One setting of neighbours: `unit` of the field's make one of the file's. */
export interface NeighSysctl {
  readonly field: Exclude<keyof NeighConf, 'with'>;
  readonly unit: number;
  readonly max: number;
}

function neigh(field: NeighSysctl['field'], unit = 1, max = 2_147_483_647): NeighSysctl {
  return { field, unit, max };
}

/** `SKB_TRUESIZE(ETH_FRAME_LEN)`: what one packet that waits counts for. */
const FRAME_TRUESIZE = 2090;
/** Longest time in seconds, of ticks of a millisecond. */
const MAX_SECONDS = 2_147_483;

/** Settings of neighbours by their Linux names; some fields have two, in different units. */
export const NEIGH_CONF_NAMES: Readonly<Record<string, NeighSysctl>> = {
  base_reachable_time: neigh('baseReachableTimeMs', 1000, MAX_SECONDS),
  base_reachable_time_ms: neigh('baseReachableTimeMs'),
  retrans_time: neigh('retransTimeMs', 10),
  retrans_time_ms: neigh('retransTimeMs'),
  gc_stale_time: neigh('gcStaleTime', 1, MAX_SECONDS),
  delay_first_probe_time: neigh('delayFirstProbeTime', 1, MAX_SECONDS),
  ucast_solicit: neigh('ucastSolicit'),
  mcast_solicit: neigh('mcastSolicit'),
  mcast_resolicit: neigh('mcastResolicit'),
  locktime: neigh('locktime'),
  unres_qlen: neigh('unresQlenBytes', FRAME_TRUESIZE, 1_027_504),
  unres_qlen_bytes: neigh('unresQlenBytes'),
  proxy_delay: neigh('proxyDelay'),
  proxy_qlen: neigh('proxyQlen'),
};
