/** A group's frame goes to its members and to routers (Linux `br_multicast_flood`). */
import { drop } from '../drop.ts';
import type { Packet } from '../packet.ts';
import { EthHeader } from '../wire/ethernet.ts';
import { deliver, mayPass } from './bridge-deliver.ts';
import { isRouterBridge, isRouterPort } from './bridge-mcast.ts';
import type { McastGroup, Membership } from './bridge-mdb.ts';
import type { Bridge, BridgePort } from './bridge-port.ts';

/** Does the bridge itself want it? */
export function mcastWantedHere(bridge: Bridge, target: McastGroup | 'routers'): boolean {
  return isRouterBridge(bridge) || (target !== 'routers' && target.hostJoined);
}

/** Each port once; with mcast_to_unicast each host of it gets a copy of its own. */
export function mcastFlood(
  pkt: Packet,
  bridge: Bridge,
  from: BridgePort | null,
  target: McastGroup | 'routers',
  keeps: boolean,
): void {
  const v6 = pkt.ip6 !== null;
  let sent = false;
  for (let i = 0; i < bridge.ports.length; i++) {
    const to = bridge.ports[i] as BridgePort;
    const members = target === 'routers' ? 0 : countOf(target, to);
    if (members === 0 && !isRouterPort(to, v6)) continue;
    if (!mayPass(bridge, from, to)) continue;
    sent = true;
    if (members > 0 && to.mcastToUnicast) toHosts(pkt, to, (target as McastGroup).members);
    else deliver(pkt.clone(), to);
  }
  if (!keeps && !sent) drop(bridge.dev.net, pkt, 'NO_TX_TARGET', bridge.dev.name);
}

function countOf(group: McastGroup, port: BridgePort): number {
  let n = 0;
  for (let i = 0; i < group.members.length; i++) if (group.members[i]?.port === port) n++;
  return n;
}

/** Linux `maybe_deliver_addr`: not back to the one who sent it. */
function toHosts(pkt: Packet, to: BridgePort, members: readonly Membership[]): void {
  const { eth } = pkt;
  for (const m of members) {
    if (m.port !== to || eth === null || m.host === eth.src) continue;
    const copy = pkt.clone();
    if (m.host !== 0) copy.eth = new EthHeader(m.host, eth.src, eth.proto);
    deliver(copy, to);
  }
}
