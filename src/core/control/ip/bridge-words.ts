/** What follows `type bridge` and `type bridge_slave` (iproute2 `ip/iplink_bridge.c`, `iplink_bridge_slave.c`). */
import { parseMac } from '../../util/address.ts';
import type { BridgePortSet, BridgeSet } from '../bridge.ts';
import { CommandError, EXIT_PARSE, notImplemented, type Words, wrongArgument } from './words.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const U8 = 0xff;
const U16 = 0xffff;
const U32 = 0xffffffff;

/** Numbers: word, field, largest value. */
const NUMBERS: readonly (readonly [string, keyof BridgeSet, number])[] = [
  ['forward_delay', 'forwardDelay', U32],
  ['hello_time', 'helloTime', U32],
  ['max_age', 'maxAge', U32],
  ['ageing_time', 'ageingTime', U32],
  ['priority', 'priority', U16],
  ['vlan_default_pvid', 'vlanDefaultPvid', U16],
  ['group_fwd_mask', 'groupFwdMask', U16],
  ['fdb_max_learned', 'fdbMaxLearned', U32],
  ['mcast_router', 'mcastRouter', U8],
  ['mcast_hash_max', 'mcastHashMax', U32],
  ['mcast_last_member_count', 'mcastLastMemberCount', U32],
  ['mcast_startup_query_count', 'mcastStartupQueryCount', U32],
  ['mcast_last_member_interval', 'mcastLastMemberInterval', U32],
  ['mcast_membership_interval', 'mcastMembershipInterval', U32],
  ['mcast_querier_interval', 'mcastQuerierInterval', U32],
  ['mcast_query_interval', 'mcastQueryInterval', U32],
  ['mcast_query_response_interval', 'mcastQueryResponseInterval', U32],
  ['mcast_startup_query_interval', 'mcastStartupQueryInterval', U32],
];

/** Switches: any number but zero is on. */
const SWITCHES: readonly (readonly [string, keyof BridgeSet, number])[] = [
  ['stp_state', 'stpState', U32],
  ['vlan_filtering', 'vlanFiltering', U8],
  ['no_linklocal_learn', 'noLinklocalLearn', U32],
  ['mcast_snooping', 'mcastSnooping', U8],
  ['mcast_querier', 'mcastQuerier', U8],
  ['mcast_query_use_ifaddr', 'mcastQueryUseIfaddr', U8],
  ['mcast_stats_enabled', 'mcastStatsEnabled', U8],
];

/** Words that Linux knows and that mean nothing here, with what holds instead. */
const OTHERS: Readonly<Record<string, string>> = {
  vlan_stats_enabled: 'VLANs always count',
  vlan_stats_per_port: 'VLANs always count for each port',
  mcast_vlan_snooping: 'groups are kept for each VLAN anyway',
  mcast_igmp_version: 'the version is 2',
  mcast_mld_version: 'the version is 1',
  nf_call_iptables: 'frames of a bridge pass no filters of IP',
  nf_call_ip6tables: 'frames of a bridge pass no filters of IP',
  nf_call_arptables: 'frames of a bridge pass no filters of ARP',
  vlan_tunnel: 'there are no tunnels for VLANs',
  learning_sync: 'there is no hardware to tell',
  hwmode: 'there is no hardware to tell',
  mcast_max_groups: 'use mcast_hash_max of the bridge',
  mab: 'an address is told with bridge fdb',
};

/** Words that do what is always so: their usual value is taken. */
const USUAL: Readonly<Record<string, readonly string[]>> = {
  mcast_igmp_version: ['2'],
  mcast_mld_version: ['1'],
  mcast_vlan_snooping: ['0'],
  vlan_tunnel: ['off'],
};

function refuseOther(word: string, words: Words): boolean {
  const remedy = OTHERS[word];
  if (remedy === undefined) return false;
  if (USUAL[word]?.includes(words.peek) === true) {
    words.next();
    return true;
  }
  throw notImplemented(word, remedy);
}

/** `type bridge …`. */
export function bridgeOptions(words: Words): BridgeSet {
  const set: Record<string, unknown> = {};
  while (!words.empty) {
    const word = words.next();
    const number = NUMBERS.find(([w]) => w === word);
    const flag = SWITCHES.find(([w]) => w === word);
    if (number !== undefined) set[number[1]] = numberWord(words, word, number[2]);
    else if (flag !== undefined) set[flag[1]] = numberWord(words, word, flag[2]) !== 0;
    else if (!otherBridgeWord(word, words, set) && !refuseOther(word, words))
      throw new CommandError(`bridge: unknown command "${word}"?`, EXIT_PARSE);
  }
  return set as BridgeSet;
}

function otherBridgeWord(word: string, words: Words, set: Record<string, unknown>): boolean {
  switch (word) {
    case 'fdb_flush':
      set['fdbFlush'] = true;
      return true;
    case 'vlan_protocol':
      set['vlanProtocol'] = protocolWord(words.next());
      return true;
    case 'group_address': {
      const mac = words.next();
      if (parseMac(mac) === undefined)
        throw new CommandError(`"${mac}" is invalid lladdr.`, EXIT_PARSE);
      set['groupAddress'] = mac;
      return true;
    }
    case 'mcast_hash_elasticity':
      // LINUX: taken, and without effect since the table grows by itself.
      numberWord(words, word, U32);
      return true;
    default:
      return false;
  }
}

function numberWord(words: Words, word: string, max: number): number {
  return words.unsigned(`invalid ${word}`, max);
}

function protocolWord(word: string): '802.1Q' | '802.1ad' {
  if (/^(802\.1q|0x8100|33024)$/i.test(word)) return '802.1Q';
  if (/^(802\.1ad|0x88a8|34984)$/i.test(word)) return '802.1ad';
  throw wrongArgument('invalid vlan_protocol\n', word);
}

/** Switches of a port; `guard` and `fastleave` are what iproute2 6.1 calls them. */
const PORT_SWITCHES: Readonly<Record<string, keyof BridgePortSet>> = {
  hairpin: 'hairpin',
  guard: 'bpduGuard',
  bpdu_guard: 'bpduGuard',
  root_block: 'rootBlock',
  fastleave: 'mcastFastLeave',
  mcast_fast_leave: 'mcastFastLeave',
  learning: 'learning',
  flood: 'flood',
  mcast_flood: 'mcastFlood',
  bcast_flood: 'bcastFlood',
  mcast_to_unicast: 'mcastToUnicast',
  proxy_arp: 'proxyArp',
  proxy_arp_wifi: 'proxyArpWifi',
  neigh_suppress: 'neighSuppress',
  isolated: 'isolated',
  locked: 'locked',
};

const PORT_NUMBERS: readonly (readonly [string, keyof BridgePortSet, number])[] = [
  ['state', 'state', U8],
  ['priority', 'priority', U16],
  ['cost', 'cost', U32],
  ['mcast_router', 'mcastRouter', U8],
  ['group_fwd_mask', 'groupFwdMask', U16],
];

/** `type bridge_slave …`. */
export function bridgeSlaveOptions(words: Words): BridgePortSet {
  const set: Mutable<BridgePortSet> = {};
  while (!words.empty) {
    const word = words.next();
    if (!portWord(word, words, set) && !refuseOther(word, words))
      throw new CommandError(`bridge_slave: unknown option "${word}"?`, EXIT_PARSE);
  }
  return set;
}

/** One word of a port, with its value; false: it is none. */
export function portWord(word: string, words: Words, set: Mutable<BridgePortSet>): boolean {
  const fields = set as Record<string, unknown>;
  const flag = PORT_SWITCHES[word];
  const number = PORT_NUMBERS.find(([w]) => w === word);
  if (flag !== undefined) fields[flag] = onOff(word, words);
  else if (number !== undefined) fields[number[1]] = numberWord(words, word, number[2]);
  else if (word === 'fdb_flush') set.fdbFlush = true;
  else if (word === 'backup_port') set.backup = words.next();
  else if (word === 'nobackup_port') set.backup = null;
  else return false;
  return true;
}

/** iproute2 names the words the other way round for ports. */
function onOff(key: string, words: Words): boolean {
  const word = words.next();
  if (word !== 'on' && word !== 'off')
    throw new CommandError(
      `Error: argument of "${key}" must be one of "off", "on", not "${word}"`,
      EXIT_PARSE,
    );
  return word === 'on';
}

/** Words of `bridge link set` that `type bridge_slave` has not, or that are refused by name. */
export function refusedPortWord(word: string, words: Words): boolean {
  return refuseOther(word, words);
}
