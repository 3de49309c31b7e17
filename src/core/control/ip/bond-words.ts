/** `type bond …` (iproute2 `ip/iplink_bond.c`, `iplink_bond_slave.c`): words, and what is printed. */
import type { BondInfo, BondOptions, BondSlaveInfo } from '../kinds/bond.ts';
import type { Json } from './entry.ts';
import type { KindText } from './kind-show.ts';
import { CommandError, EXIT_USAGE, notImplemented, type Words, wrongArgument } from './words.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const MODES: readonly string[] = [
  'balance-rr',
  'active-backup',
  'balance-xor',
  'broadcast',
  '802.3ad',
  'balance-tlb',
  'balance-alb',
];

/** Words of the real one that this one refuses. */
const NOT_HERE: readonly string[] = [
  'arp_interval',
  'arp_missed_max',
  'arp_ip_target',
  'ns_ip6_target',
  'arp_validate',
  'arp_all_targets',
  'use_carrier',
  'peer_notify_delay',
  'resend_igmp',
  'all_slaves_active',
  'min_links',
  'lp_interval',
  'packets_per_slave',
  'lacp_rate',
  'lacp_active',
  'ad_select',
  'ad_user_port_key',
  'ad_actor_sys_prio',
  'ad_actor_system',
  'tlb_dynamic_lb',
];

export function bondOptions(words: Words): BondOptions {
  const o: Mutable<BondOptions> = {};
  while (!words.empty) {
    const word = words.next();
    if (NOT_HERE.includes(word))
      throw notImplemented(`type bond ${word}`, 'carriers are watched with miimon');
    if (!numberWord(word, words, o) && !choiceWord(word, words, o))
      throw new CommandError(`bond: unknown command "${word}"?`, EXIT_USAGE);
  }
  return o;
}

function numberWord(word: string, words: Words, o: Mutable<BondOptions>): boolean {
  switch (word) {
    case 'miimon':
    case 'updelay':
    case 'downdelay':
      o[word] = words.unsigned(`invalid ${word}`, 0x7fffffff);
      return true;
    case 'num_grat_arp':
    case 'num_unsol_na':
      o.numGratArp = words.unsigned('invalid num_grat_arp', 255);
      return true;
    case 'primary':
      o.primary = words.next();
      return true;
    case 'active_slave':
      o.activeSlave = words.next();
      return true;
    case 'clear_active_slave':
      o.activeSlave = null;
      return true;
    default:
      return false;
  }
}

function choiceWord(word: string, words: Words, o: Mutable<BondOptions>): boolean {
  switch (word) {
    case 'mode':
      o.mode = modeWord(words);
      return true;
    case 'primary_reselect':
      o.primaryReselect = choice(words, word, ['always', 'better', 'failure']);
      return true;
    case 'fail_over_mac': {
      if (words.peek === 'follow')
        throw notImplemented('fail_over_mac follow', 'use none or active');
      o.failOverMac = choice(words, word, ['none', 'active']);
      return true;
    }
    case 'xmit_hash_policy':
      if (['encap2+3', 'encap3+4', 'vlan+srcmac'].includes(words.peek))
        throw notImplemented(`xmit_hash_policy ${words.peek}`, 'use layer2, layer2+3 or layer3+4');
      o.xmitHashPolicy = choice(words, word, ['layer2', 'layer3+4', 'layer2+3']);
      return true;
    default:
      return false;
  }
}

/** By name or number. */
function modeWord(words: Words): BondOptions['mode'] & string {
  const word = words.next();
  const mode = MODES[Number(word)] ?? word;
  if (mode === 'active-backup' || mode === 'balance-xor') return mode;
  if (!MODES.includes(mode)) throw wrongArgument('invalid mode\n', word);
  throw notImplemented(`type bond mode ${mode}`, 'the modes are active-backup and balance-xor');
}

function choice<T extends string>(words: Words, key: string, list: readonly T[]): T {
  const word = words.next();
  const found = list.find((x) => x === word);
  if (found === undefined) throw wrongArgument(`invalid ${key}\n`, word);
  return found;
}

export function bondShow(b: BondInfo): KindText {
  const json: { [key: string]: Json } = {};
  let text = '';
  const put = (key: string, value: Json, name = key): void => {
    json[key] = value;
    text += `${name} ${String(value)} `;
  };
  put('mode', b.mode);
  if (b.activeSlave !== null) put('active_slave', b.activeSlave);
  put('miimon', b.miimon);
  put('updelay', b.updelay);
  put('downdelay', b.downdelay);
  put('peer_notify_delay', 0);
  put('use_carrier', 1);
  put('arp_interval', 0);
  put('arp_missed_max', 2);
  Object.assign(json, { arp_validate: null });
  text += 'arp_validate none ';
  put('arp_all_targets', 'any');
  if (b.primary !== null) put('primary', b.primary);
  put('primary_reselect', b.primaryReselect);
  put('fail_over_mac', b.failOverMac);
  put('xmit_hash_policy', b.xmitHashPolicy);
  put('resend_igmp', 1);
  put('num_peer_notif', b.numGratArp, 'num_grat_arp');
  put('all_slaves_active', 0);
  put('min_links', 0);
  put('lp_interval', 1);
  put('packets_per_slave', 1);
  put('ad_lacp_active', 'on', 'lacp_active');
  put('ad_lacp_rate', 'slow');
  put('ad_select', 'stable');
  put('tlb_dynamic_lb', 1);
  return { json, text };
}

export function bondSlaveShow(s: BondSlaveInfo): KindText {
  return {
    json: {
      state: s.state,
      mii_status: s.miiStatus,
      link_failure_count: s.failures,
      perm_hwaddr: s.permAddress,
      queue_id: 0,
      prio: 0,
    },
    text: `state ${s.state} mii_status ${s.miiStatus} link_failure_count ${s.failures} perm_hwaddr ${s.permAddress} queue_id 0 prio 0 `,
  };
}
