/** What `ip -d link show` prints of a kind (iproute2 `ip/iplink_*.c`: `print_opt`). */
import type { KindInfo, SlaveInfo } from '../kinds/index.ts';
import { bondShow, bondSlaveShow } from './bond-words.ts';
import type { Json } from './entry.ts';
import { tunnelShow } from './tunnel-words.ts';
import { vxlanShow } from './vxlan-words.ts';

/** `info_data` and its text. */
export interface KindText {
  readonly json: Json;
  readonly text: string;
}

/** Of a kind without options. */
export const NO_DATA: KindText = { json: null, text: '' };

export function kindShow(info: KindInfo): KindText {
  switch (info.kind) {
    case 'netkit': {
      const { mode, policy, peerPolicy } = info;
      const type = info.primary ? 'primary' : 'peer';
      return {
        json: { mode, type, policy, peer_policy: peerPolicy },
        text: `mode ${mode} type ${type} policy ${policy} peer policy ${peerPolicy} `,
      };
    }
    case 'ipvlan':
      return {
        json: { mode: info.mode, [info.flag]: true },
        text: ` mode ${info.mode} ${info.flag} `,
      };
    case 'venet': {
      const role = info.hub ? 'parent' : 'child';
      const given = info.addresses.map((a) => `addr ${a} `).join('');
      return { json: { role, addresses: info.addresses }, text: `${role} ${given}` };
    }
    case 'ipip':
    case 'sit':
    case 'gre':
    case 'gretap':
      return tunnelShow(info);
    case 'vxlan':
      return vxlanShow(info);
    case 'bond':
      return bondShow(info);
    case 'vrf':
      return { json: { table: info.table }, text: `table ${info.table} ` };
    default:
      return NO_DATA;
  }
}

/** `info_slave_data` of a device with a master, and its text. */
export function slaveShow(info: SlaveInfo): KindText {
  if (info.kind === 'bond') return bondSlaveShow(info);
  return { json: { table: info.table }, text: `table ${info.table} ` };
}
