/** The sysctls of IPv6, of a device and of a namespace, with the defaults of a fresh namespace on Linux 6.18 (as `sysctl.ts`). */

/** `net.ipv6.conf.<device>.*` (Linux `struct ipv6_devconf`): one object per device, and `all`'s and `default`'s. */
export class Ipv6Conf {
  forwarding = 0;
  hopLimit = 64;
  mtu = 1280;
  acceptRedirects = 1;
  acceptDad = 1;
  dadTransmits = 1;
  enhancedDad = 1;
  optimisticDad = 0;
  useOptimistic = 0;
  disableIpv6 = 0;
  keepAddrOnDown = 0;
  addrGenMode = 0;
  routerSolicitationDelay = 1;
  proxyNdp = 0;
  ndiscNotify = 0;
  ndiscTclass = 0;
  ndiscEvictNocarrier = 1;
  suppressFragNdisc = 1;
  dropUnicastInL2Multicast = 0;
  dropUnsolicitedNa = 0;
  ignoreRoutesWithLinkdown = 0;
  useOifAddrsOnly = 0;
  forceForwarding = 0;
  mldv2UnsolicitedReportInterval = 1000;
  acceptRa = 1;
  acceptRaDefrtr = 1;
  acceptRaFromLocal = 0;
  acceptRaMinHopLimit = 1;
  acceptRaMinLft = 0;
  acceptRaMtu = 1;
  acceptRaPinfo = 1;
  acceptRaRtInfoMaxPlen = 0;
  acceptRaRtInfoMinPlen = 0;
  acceptRaRtrPref = 1;
  acceptUntrackedNa = 0;
  autoconf = 1;
  forceMldVersion = 0;
  forceTllao = 0;
  maxAddresses = 16;
  maxDesyncFactor = 600;
  mldv1UnsolicitedReportInterval = 10_000;
  raDefrtrMetric = 1024;
  raHonorPioLife = 0;
  raHonorPioPflag = 0;
  regenMaxRetry = 3;
  regenMinAdvance = 2;
  routerSolicitationInterval = 4;
  routerSolicitationMaxInterval = 3600;
  routerSolicitations = -1;
  tempPreferedLft = 86_400;
  tempValidLft = 604_800;
  useTempaddr = 0;

  /** The same with one setting changed. These objects are shared by all that have the same settings. */
  with(field: Exclude<keyof Ipv6Conf, 'with'>, value: number): Readonly<Ipv6Conf> {
    return Object.assign(new Ipv6Conf(), this, { [field]: value });
  }
}

/** What `default` says in a new namespace, what `all` does, and what a device without ARP has. */
export const IPV6_CONF_DEFAULT: Readonly<Ipv6Conf> = Object.freeze(new Ipv6Conf());
export const IPV6_CONF_ALL: Readonly<Ipv6Conf> = Object.freeze(
  IPV6_CONF_DEFAULT.with('acceptDad', 0),
);
export const IPV6_CONF_NOARP: Readonly<Ipv6Conf> = Object.freeze(
  IPV6_CONF_DEFAULT.with('acceptDad', -1),
);

/** Of lo, whose addresses are nobody's to follow. */
export const IPV6_CONF_LOOPBACK: Readonly<Ipv6Conf> = Object.freeze(
  IPV6_CONF_NOARP.with('useTempaddr', -1),
);

/** Linux name of each field of `Ipv6Conf`. */
export const IPV6_CONF_NAMES: Readonly<Record<string, Exclude<keyof Ipv6Conf, 'with'>>> = {
  forwarding: 'forwarding',
  hop_limit: 'hopLimit',
  mtu: 'mtu',
  accept_redirects: 'acceptRedirects',
  accept_dad: 'acceptDad',
  dad_transmits: 'dadTransmits',
  enhanced_dad: 'enhancedDad',
  optimistic_dad: 'optimisticDad',
  use_optimistic: 'useOptimistic',
  disable_ipv6: 'disableIpv6',
  keep_addr_on_down: 'keepAddrOnDown',
  addr_gen_mode: 'addrGenMode',
  router_solicitation_delay: 'routerSolicitationDelay',
  proxy_ndp: 'proxyNdp',
  ndisc_notify: 'ndiscNotify',
  ndisc_tclass: 'ndiscTclass',
  ndisc_evict_nocarrier: 'ndiscEvictNocarrier',
  suppress_frag_ndisc: 'suppressFragNdisc',
  drop_unicast_in_l2_multicast: 'dropUnicastInL2Multicast',
  drop_unsolicited_na: 'dropUnsolicitedNa',
  ignore_routes_with_linkdown: 'ignoreRoutesWithLinkdown',
  use_oif_addrs_only: 'useOifAddrsOnly',
  force_forwarding: 'forceForwarding',
  mldv2_unsolicited_report_interval: 'mldv2UnsolicitedReportInterval',
  accept_ra: 'acceptRa',
  accept_ra_defrtr: 'acceptRaDefrtr',
  accept_ra_from_local: 'acceptRaFromLocal',
  accept_ra_min_hop_limit: 'acceptRaMinHopLimit',
  accept_ra_min_lft: 'acceptRaMinLft',
  accept_ra_mtu: 'acceptRaMtu',
  accept_ra_pinfo: 'acceptRaPinfo',
  accept_ra_rt_info_max_plen: 'acceptRaRtInfoMaxPlen',
  accept_ra_rt_info_min_plen: 'acceptRaRtInfoMinPlen',
  accept_ra_rtr_pref: 'acceptRaRtrPref',
  accept_untracked_na: 'acceptUntrackedNa',
  autoconf: 'autoconf',
  force_mld_version: 'forceMldVersion',
  force_tllao: 'forceTllao',
  max_addresses: 'maxAddresses',
  max_desync_factor: 'maxDesyncFactor',
  mldv1_unsolicited_report_interval: 'mldv1UnsolicitedReportInterval',
  ra_defrtr_metric: 'raDefrtrMetric',
  ra_honor_pio_life: 'raHonorPioLife',
  ra_honor_pio_pflag: 'raHonorPioPflag',
  regen_max_retry: 'regenMaxRetry',
  regen_min_advance: 'regenMinAdvance',
  router_solicitation_interval: 'routerSolicitationInterval',
  router_solicitation_max_interval: 'routerSolicitationMaxInterval',
  router_solicitations: 'routerSolicitations',
  temp_prefered_lft: 'tempPreferedLft',
  temp_valid_lft: 'tempValidLft',
  use_tempaddr: 'useTempaddr',
};

/** Ranges of settings that do not take every integer. */
export const IPV6_CONF_RANGES: Readonly<
  Partial<Record<Exclude<keyof Ipv6Conf, 'with'>, readonly [min: number, max: number]>>
> = {
  hopLimit: [1, 255],
  mtu: [1280, 2147483647],
  ndiscTclass: [0, 255],
  ndiscEvictNocarrier: [0, 1],
  forceForwarding: [0, 1],
  routerSolicitationDelay: [0, 2147483],
  mldv2UnsolicitedReportInterval: [0, 2147483647],
  mldv1UnsolicitedReportInterval: [0, 2147483647],
  acceptUntrackedNa: [0, 2],
  raDefrtrMetric: [1, 4294967295],
  raHonorPioLife: [0, 1],
  raHonorPioPflag: [0, 1],
  routerSolicitationInterval: [0, 2147483],
  routerSolicitationMaxInterval: [0, 2147483],
  routerSolicitations: [-1, 2147483647],
};

/** `net.ipv6.*` of a namespace that are no device's (Linux `struct netns_sysctl_ipv6`). */
export class Sysctl6 {
  bindv6only = 0;
  icmpRatelimit = 100;
  icmpEchoIgnoreAll = 0;
  icmpEchoIgnoreMulticast = 0;
  icmpEchoIgnoreAnycast = 0;
  ip6fragHighThresh = 4_194_304;
  ip6fragTime = 60;
  autoFlowlabels = 1;
  ipNonlocalBind = 0;
  maxDstOptsNumber = 8;
  maxHbhOptsNumber = 8;
  maxDstOptsLength = 2_147_483_647;
  maxHbhLength = 2_147_483_647;
  mtuExpires = 600;
  /** net.ipv6.route.gc_interval, seconds: how often routes that expired are looked for. */
  gcInterval = 30;
  idgenRetries = 3;
  /** Seconds. */
  idgenDelay = 1;
  /** net.ipv6.route.min_adv_mss: IPV6_MIN_MTU − 60 */
  routeMinAdvmss = 1220;
  multipathHashPolicy = 0;
  multipathHashFields = 7;

  /** The same with one changed; namespaces share what nobody changed. */
  with(field: Exclude<keyof Sysctl6, 'with'>, value: number): Readonly<Sysctl6> {
    return Object.assign(new Sysctl6(), this, { [field]: value });
  }
}

export const SYSCTL6_DEFAULT: Readonly<Sysctl6> = Object.freeze(new Sysctl6());

/** Linux name of each field of `Sysctl6`, with the range of its values. */
export const IPV6_SYSCTLS: readonly {
  readonly name: string;
  readonly field: Exclude<keyof Sysctl6, 'with'>;
  readonly min: number;
  readonly max: number;
}[] = [
  { name: 'net.ipv6.bindv6only', field: 'bindv6only', min: 0, max: 255 },
  { name: 'net.ipv6.icmp.ratelimit', field: 'icmpRatelimit', min: 0, max: 2147483647 },
  { name: 'net.ipv6.icmp.echo_ignore_all', field: 'icmpEchoIgnoreAll', min: 0, max: 255 },
  {
    name: 'net.ipv6.icmp.echo_ignore_multicast',
    field: 'icmpEchoIgnoreMulticast',
    min: 0,
    max: 255,
  },
  { name: 'net.ipv6.icmp.echo_ignore_anycast', field: 'icmpEchoIgnoreAnycast', min: 0, max: 255 },
  {
    name: 'net.ipv6.ip6frag_high_thresh',
    field: 'ip6fragHighThresh',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
  },
  { name: 'net.ipv6.ip6frag_time', field: 'ip6fragTime', min: 0, max: 2147483 },
  { name: 'net.ipv6.auto_flowlabels', field: 'autoFlowlabels', min: 0, max: 3 },
  {
    name: 'net.ipv6.route.min_adv_mss',
    field: 'routeMinAdvmss',
    min: -2147483648,
    max: 2147483647,
  },
  { name: 'net.ipv6.ip_nonlocal_bind', field: 'ipNonlocalBind', min: 0, max: 255 },
  {
    name: 'net.ipv6.max_dst_opts_number',
    field: 'maxDstOptsNumber',
    min: -2147483648,
    max: 2147483647,
  },
  {
    name: 'net.ipv6.max_hbh_opts_number',
    field: 'maxHbhOptsNumber',
    min: -2147483648,
    max: 2147483647,
  },
  {
    name: 'net.ipv6.max_dst_opts_length',
    field: 'maxDstOptsLength',
    min: -2147483648,
    max: 2147483647,
  },
  { name: 'net.ipv6.max_hbh_length', field: 'maxHbhLength', min: -2147483648, max: 2147483647 },
  { name: 'net.ipv6.route.mtu_expires', field: 'mtuExpires', min: 0, max: 2147483 },
  { name: 'net.ipv6.fib_multipath_hash_policy', field: 'multipathHashPolicy', min: 0, max: 3 },
  { name: 'net.ipv6.fib_multipath_hash_fields', field: 'multipathHashFields', min: 1, max: 4095 },
  { name: 'net.ipv6.route.gc_interval', field: 'gcInterval', min: 0, max: 2147483 },
  { name: 'net.ipv6.idgen_retries', field: 'idgenRetries', min: -2147483648, max: 2147483647 },
  { name: 'net.ipv6.idgen_delay', field: 'idgenDelay', min: 0, max: 2147483 },
];
