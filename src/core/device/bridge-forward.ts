/**
 * What a bridge does with a frame (IEEE 802.1D §7.7; Linux `br_input.c`, `br_forward.c`, `br_device.c`):
 * learns where it came from, delivers it up, forwards it to one port or floods it to all others.
 */
import { drop } from '../drop.ts';
import { isValidEtherAddr } from '../link/device-state.ts';
import { IFF_PROMISC, IFF_UP, type NetDevice } from '../link/net-device.ts';
import { devQueueXmit } from '../link/output.ts';
import { PACKET_HOST, type Packet } from '../packet.ts';
import { isGroupMac, MAC_BROADCAST } from '../util/address.ts';
import { ETH_HLEN, type EthHeader } from '../wire/ethernet.ts';
import { frameLength } from '../wire/frame.ts';
import {
  BR_STATE_FORWARDING,
  BR_STATE_LEARNING,
  type Bridge,
  type BridgePort,
  bridgePortOf,
} from './bridge-port.ts';

/** 01:80:c2:00:00:00 to 0f: for the stations on one link (IEEE 802.1D §7.12.6). */
const RESERVED_GROUP = 0x0180c2000000;
const RESERVED_LAST = 0x0180c200000f;
/** Pause frames. */
const MAC_CONTROL = 0x0180c2000001;
/** Room for one VLAN tag beyond the MTU (Linux `is_skb_forwardable`). */
const VLAN_HLEN = 4;

/** Which of a port's flood settings counts. */
const UNICAST = 0;
const MULTICAST = 1;
const BROADCAST = 2;

/**
 * Rx handler of a port (`br_handle_frame`). True: the frame is dealt with. False: it goes to the protocols,
 * as the bridge's own if `pkt.dev` is the bridge now.
 */
export function bridgeHandleFrame(pkt: Packet): boolean {
  const dev = pkt.dev as NetDevice;
  const port = dev.rxHandlerData as BridgePort;
  const eth = pkt.eth;
  if (eth === null || !isValidEtherAddr(eth.src)) {
    drop(dev.net, pkt, 'MAC_INVALID_SOURCE', dev.name);
    return true;
  }
  // LINUX: the bridge group address itself is forwarded while spanning tree is off.
  if (eth.dst > RESERVED_GROUP && eth.dst <= RESERVED_LAST) return handleReserved(pkt, port, eth);
  if (port.state !== BR_STATE_FORWARDING && port.state !== BR_STATE_LEARNING) {
    drop(dev.net, pkt, 'BRIDGE_INGRESS_STP_STATE', dev.name);
    return true;
  }
  const bridge = port.bridge;
  if (eth.dst === bridge.dev.mac) pkt.pktType = PACKET_HOST;
  if (port.learning) bridge.fdb.learn(eth.src, dev);
  if (port.state === BR_STATE_LEARNING) {
    drop(dev.net, pkt, 'BRIDGE_INGRESS_STP_STATE', dev.name);
    return true;
  }
  return forward(pkt, bridge, port, eth.dst);
}

/** A frame that is for the port's own link: never forwarded, taken by the port if by anybody. */
function handleReserved(pkt: Packet, port: BridgePort, eth: EthHeader): boolean {
  if (eth.dst === MAC_CONTROL) {
    drop(port.dev.net, pkt, 'MAC_IEEE_MAC_CONTROL', port.dev.name);
    return true;
  }
  const learns = port.state === BR_STATE_FORWARDING || port.state === BR_STATE_LEARNING;
  if (learns && port.learning) port.bridge.fdb.learn(eth.src, port.dev);
  return false;
}

/** Linux `br_handle_frame_finish`; the result is `bridgeHandleFrame`'s. */
function forward(pkt: Packet, bridge: Bridge, from: BridgePort, dst: number): boolean {
  const promiscuous = (bridge.dev.flags & IFF_PROMISC) !== 0;
  if (isGroupMac(dst)) {
    if (dst !== MAC_BROADCAST) bridge.dev.stats.multicast++;
    flood(pkt, bridge, from, dst === MAC_BROADCAST ? BROADCAST : MULTICAST, true);
    return passUp(pkt, bridge);
  }
  const entry = bridge.fdb.find(dst);
  if (entry === undefined) {
    flood(pkt, bridge, from, UNICAST, promiscuous);
    return promiscuous ? passUp(pkt, bridge) : true;
  }
  if (entry.local) return passUp(pkt, bridge);
  entry.usedUs = bridge.dev.net.kernel.nowUs;
  forwardTo(pkt, from, entry.dev, promiscuous);
  return promiscuous ? passUp(pkt, bridge) : true;
}

/** The bridge itself receives (`br_pass_frame_up`): the frame goes on with the bridge as its device. */
function passUp(pkt: Packet, bridge: Bridge): false {
  const dev = bridge.dev;
  pkt.dev = dev;
  dev.stats.rxPackets++;
  dev.stats.rxBytes += frameLength(pkt) - ETH_HLEN;
  return false;
}

/** The bridge's own namespace sends (`br_dev_xmit`). */
export function bridgeXmit(pkt: Packet, dev: NetDevice): void {
  const bridge = dev.priv as Bridge;
  dev.stats.txPackets++;
  dev.stats.txBytes += frameLength(pkt);
  const dst = (pkt.eth as EthHeader).dst;
  if (isGroupMac(dst)) {
    flood(pkt, bridge, null, dst === MAC_BROADCAST ? BROADCAST : MULTICAST, false);
    return;
  }
  const entry = bridge.fdb.find(dst);
  if (entry === undefined) flood(pkt, bridge, null, UNICAST, false);
  else {
    entry.usedUs = dev.net.kernel.nowUs;
    forwardTo(pkt, null, entry.dev, false);
  }
}

/** To the one port that leads there (`br_forward`). `keeps`: the caller needs the packet afterwards. */
function forwardTo(pkt: Packet, from: BridgePort | null, dev: NetDevice, keeps: boolean): void {
  const to = bridgePortOf(dev);
  if (to !== null && mayPass(from, to)) push(keeps ? pkt.clone() : pkt, to);
  else if (!keeps) drop(dev.net, pkt, 'NO_TX_TARGET', dev.name);
}

/** To all ports but the one it came from (`br_flood`). The last one gets the packet itself, unless `keeps`. */
function flood(
  pkt: Packet,
  bridge: Bridge,
  from: BridgePort | null,
  kind: number,
  keeps: boolean,
): void {
  const ports = bridge.ports;
  let last: BridgePort | null = null;
  for (let i = 0; i < ports.length; i++) {
    const to = ports[i] as BridgePort;
    if (!mayPass(from, to) || !wantsFlood(to, kind, from === null)) continue;
    if (last !== null) push(pkt.clone(), last);
    last = to;
  }
  if (last !== null) push(keeps ? pkt.clone() : pkt, last);
  else if (!keeps) drop(bridge.dev.net, pkt, 'NO_TX_TARGET', bridge.dev.name);
}

/** `own`: the bridge itself sends; its multicasts pass whatever mcast_flood says. */
function wantsFlood(port: BridgePort, kind: number, own: boolean): boolean {
  if (kind === UNICAST) return port.flood;
  return kind === MULTICAST ? port.mcastFlood || own : port.bcastFlood;
}

/** Linux `should_deliver`. */
function mayPass(from: BridgePort | null, to: BridgePort): boolean {
  if (to.state !== BR_STATE_FORWARDING) return false;
  if (from === null) return true;
  if (from === to) return to.hairpin;
  return !(from.isolated && to.isolated);
}

/** Out through a port; what is larger than its MTU dies here (`br_dev_queue_push_xmit`). */
function push(pkt: Packet, port: BridgePort): void {
  const dev = port.dev;
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
