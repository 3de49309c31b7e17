/** May a frame leave by a port, and how it leaves (Linux `should_deliver`, `__br_forward`). */
import { drop } from '../drop.ts';
import { IFF_UP } from '../link/net-device.ts';
import { devQueueXmit } from '../link/output.ts';
import type { Packet } from '../packet.ts';
import { frameLength } from '../wire/frame.ts';
import { BR_STATE_FORWARDING, type Bridge, type BridgePort } from './bridge-port.ts';
import { vlanEgress, vlanMayLeave } from './bridge-vlan.ts';

/** Room for one VLAN tag beyond the MTU (Linux `is_skb_forwardable`). */
const VLAN_HLEN = 4;

/** Linux `should_deliver`; `from` null: the bridge itself sends. */
export function mayPass(bridge: Bridge, from: BridgePort | null, to: BridgePort): boolean {
  if (to.state !== BR_STATE_FORWARDING) return false;
  if (from === to && !to.hairpin) return false;
  const { frame } = bridge;
  if (frame.vlanFiltered && !vlanMayLeave(bridge, to, frame.vid)) return false;
  return !(to.isolated && from?.isolated === true);
}

/** Out through a port; what is larger than its MTU dies here (`br_dev_queue_push_xmit`). */
export function deliver(pkt: Packet, port: BridgePort): void {
  const { dev, bridge } = port;
  if (bridge.frame.vlanFiltered) vlanEgress(pkt, bridge, port, bridge.frame.vid);
  const limit = dev.mtu + dev.hardHeaderLen + VLAN_HLEN;
  if (pkt.gsoSize === 0 && frameLength(pkt) > limit) {
    drop(dev.net, pkt, 'PKT_TOO_BIG', dev.name);
    return;
  }
  if ((dev.flags & IFF_UP) === 0) {
    drop(dev.net, pkt, 'DEV_READY', dev.name);
    return;
  }
  pkt.dev = dev;
  devQueueXmit(pkt);
}
