/** Bridges and ports in `ip -d link` (iproute2 `bridge_print_opt`, `bridge_slave_print_opt`). */
import type { BridgeInfo, BridgePortInfo } from '../bridge.ts';
import { maskText } from '../bridge-info.ts';
import type { Json } from './entry.ts';

/** What the text calls differently. */
const TEXT_NAMES: Readonly<Record<string, string>> = {
  root_id: 'designated_root',
  group_addr: 'group_address',
  mcast_last_member_cnt: 'mcast_last_member_count',
  mcast_startup_query_cnt: 'mcast_startup_query_count',
  mcast_last_member_intvl: 'mcast_last_member_interval',
  mcast_membership_intvl: 'mcast_membership_interval',
  mcast_querier_intvl: 'mcast_querier_interval',
  mcast_query_intvl: 'mcast_query_interval',
  mcast_query_response_intvl: 'mcast_query_response_interval',
  mcast_startup_query_intvl: 'mcast_startup_query_interval',
};

/** LINUX: told by a kernel that filters VLANs only while it does. */
const OF_VLANS: readonly string[] = ['vlan_protocol', 'vlan_default_pvid'];

export interface Shown {
  readonly json: Json;
  readonly text: string;
}

export function bridgeShow(info: BridgeInfo): Shown {
  const json: Record<string, Json> = {};
  let text = '';
  for (const [key, value] of Object.entries(info)) {
    if (OF_VLANS.includes(key) && info['vlan_filtering'] === 0) continue;
    json[key] = value;
    const shown = key.endsWith('_timer') ? timer(Number(value)) : String(value);
    text += `${TEXT_NAMES[key] ?? key} ${shown} `;
  }
  return { json, text };
}

function timer(seconds: number): string {
  return seconds.toFixed(2).padStart(7);
}

type Field = readonly [json: string, value: Json, text: string];

export function bridgeSlaveShow(p: BridgePortInfo): Shown {
  const fields = portFields(p);
  return {
    json: Object.fromEntries(
      fields.filter(([key]) => key !== '').map(([key, value]) => [key, value]),
    ),
    text: fields.map(([, , text]) => text).join(''),
  };
}

function flag(json: string, value: boolean, text = json): Field {
  return [json, value, text === '' ? '' : `${text} ${value ? 'on' : 'off'} `];
}

function portFields(p: BridgePortInfo): readonly Field[] {
  const hex = (n: number): string => `0x${n.toString(16)}`;
  return [
    ['state', p.state, `state ${p.state} `],
    ['priority', p.priority, `priority ${p.priority} `],
    ['cost', p.cost, `cost ${p.cost} `],
    flag('hairpin', p.hairpin),
    flag('guard', p.bpduGuard),
    flag('root_block', p.rootBlock),
    flag('fastleave', p.mcastFastLeave),
    flag('learning', p.learning),
    flag('flood', p.flood),
    ['id', hex(p.portId), `port_id ${hex(p.portId)} `],
    ['no', hex(p.portNo), `port_no ${hex(p.portNo)} `],
    ['designated_port', p.designatedPort, `designated_port ${p.designatedPort} `],
    ['designated_cost', p.designatedCost, `designated_cost ${p.designatedCost} `],
    ['bridge_id', p.designatedBridge, `designated_bridge ${p.designatedBridge} `],
    ['root_id', p.designatedRoot, `designated_root ${p.designatedRoot} `],
    ['hold_timer', p.holdTimer, `hold_timer ${timer(p.holdTimer)} `],
    ['message_age_timer', p.messageAgeTimer, `message_age_timer ${timer(p.messageAgeTimer)} `],
    [
      'forward_delay_timer',
      p.forwardDelayTimer,
      `forward_delay_timer ${timer(p.forwardDelayTimer)} `,
    ],
    [
      'topology_change_ack',
      Number(p.topologyChangeAck),
      `topology_change_ack ${Number(p.topologyChangeAck)} `,
    ],
    ['config_pending', Number(p.configPending), `config_pending ${Number(p.configPending)} `],
    flag('proxy_arp', p.proxyArp),
    flag('proxy_arp_wifi', p.proxyArpWifi),
    ['multicast_router', p.mcastRouter, `mcast_router ${p.mcastRouter} `],
    ['', null, `mcast_fast_leave ${p.mcastFastLeave ? 'on' : 'off'} `],
    flag('mcast_flood', p.mcastFlood),
    flag('bcast_flood', p.bcastFlood),
    flag('mcast_to_unicast', p.mcastToUnicast),
    flag('neigh_suppress', p.neighSuppress),
    ['group_fwd_mask', maskText(p.groupFwdMask), `group_fwd_mask ${maskText(p.groupFwdMask)} `],
    ['group_fwd_mask_str', hex(p.groupFwdMask), `group_fwd_mask_str ${hex(p.groupFwdMask)} `],
    flag('vlan_tunnel', false),
    flag('isolated', p.isolated),
    flag('locked', p.locked),
    ...(p.backup === null ? [] : [['backup_port', p.backup, `backup_port ${p.backup} `] as const]),
  ];
}
