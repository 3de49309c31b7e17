/**
 * What a bridge does with a frame (IEEE 802.1D §7.7; Linux `br_input.c`, `br_forward.c`, `br_device.c`):
 * learns where it came from, delivers it up, forwards it to one port or floods it to all others.
 */
import { drop } from '../drop.ts';
import { isOperUp, isValidEtherAddr } from '../link/device-state.ts';
import { isPromiscuous } from '../link/listening.ts';
import type { NetDevice } from '../link/net-device.ts';
import { PACKET_HOST, type Packet } from '../packet.ts';
import { isGroupMac, MAC_BROADCAST } from '../util/address.ts';
import { ETH_HLEN, type EthHeader } from '../wire/ethernet.ts';
import { frameLength } from '../wire/frame.ts';
import { deliver, mayPass } from './bridge-deliver.ts';
import { mcastReceive, mcastTarget } from './bridge-mcast.ts';
import { mcastFlood, mcastWantedHere } from './bridge-mcast-flood.ts';
import {
  BR_STATE_FORWARDING,
  BR_STATE_LEARNING,
  type Bridge,
  type BridgePort,
  bridgePortOf,
  type FrameState,
} from './bridge-port.ts';
import { stpReceive } from './bridge-stp-admin.ts';
import { suppress } from './bridge-suppress.ts';
import { vlanEgress, vlanIngress, vlanMayLeave } from './bridge-vlan.ts';

/** 01:80:c2:00:00:00 to 0f: for the stations on one link (IEEE 802.1D §7.12.6). */
const RESERVED_GROUP = 0x0180c2000000;
const RESERVED_LAST = 0x0180c200000f;
/** Pause frames. */
const MAC_CONTROL = 0x0180c2000001;

/** Which of a port's flood settings counts. */
const UNICAST = 0;
const MULTICAST = 1;
const BROADCAST = 2;

/** The frame's state, as a new one has it. */
function freshFrame(bridge: Bridge): FrameState {
  const { frame } = bridge;
  frame.vid = 0;
  frame.vlanFiltered = false;
  frame.isMembership = false;
  frame.routersOnly = false;
  frame.replied = false;
  return frame;
}

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
  const { bridge } = port;
  if (eth.dst >= RESERVED_GROUP && eth.dst <= RESERVED_LAST) {
    const reserved = handleReserved(pkt, port, eth);
    if (reserved !== null) return reserved;
  }
  if (port.state !== BR_STATE_FORWARDING && port.state !== BR_STATE_LEARNING) {
    drop(dev.net, pkt, 'BRIDGE_INGRESS_STP_STATE', dev.name);
    return true;
  }
  if (eth.dst === bridge.dev.mac) pkt.pktType = PACKET_HOST;
  return finish(pkt, bridge, port, eth);
}

/**
 * A frame for the port's own link: taken by the port, if by anybody; the result is `bridgeHandleFrame`'s.
 * Null: it is to be forwarded all the same.
 */
function handleReserved(pkt: Packet, port: BridgePort, eth: EthHeader): boolean | null {
  const { bridge } = port;
  const last = eth.dst - RESERVED_GROUP;
  if (eth.dst === MAC_CONTROL) {
    drop(port.dev.net, pkt, 'MAC_IEEE_MAC_CONTROL', port.dev.name);
    return true;
  }
  const required = bridge.groupFwdMaskRequired | port.groupFwdMask;
  // LINUX: the bridge group address itself is forwarded while spanning tree is off.
  if (last === 0 && !bridge.stpEnabled) return null;
  const mask = last === 0 ? required : required | bridge.groupFwdMask;
  if ((mask & (1 << last)) !== 0) return null;
  learnReserved(pkt, port, eth);
  if (last !== 0 && eth.dst !== bridge.groupAddress) return false;
  if (bridge.stpEnabled) {
    stpReceive(pkt, port);
    return true;
  }
  return false;
}

/** Linux `__br_handle_local_finish` */
function learnReserved(pkt: Packet, port: BridgePort, eth: EthHeader): void {
  const { bridge } = port;
  const learns = port.state === BR_STATE_FORWARDING || port.state === BR_STATE_LEARNING;
  if (!learns || !port.learning || bridge.noLinklocalLearn) return;
  if (!bridge.vlanFiltering) {
    bridge.fdb.learn(eth.src, port.dev);
    return;
  }
  const vid = pkt.vlan === null ? (port.vlans?.pvid ?? bridge.defaultPvid) : pkt.vlan.tci & 0xfff;
  if (vid !== 0 && vlanMayLeave(bridge, port, vid)) bridge.fdb.learn(eth.src, port.dev, vid);
}

/** Linux `br_handle_frame_finish`; the result is `bridgeHandleFrame`'s. */
function finish(pkt: Packet, bridge: Bridge, from: BridgePort, eth: EthHeader): boolean {
  const frame = freshFrame(bridge);
  let { state } = from;
  if (bridge.vlanFiltering) {
    state = vlanIngress(pkt, bridge, from, state, frame);
    if (state < 0) return true;
  }
  if (from.locked && isLockedOut(bridge, from, eth.src, frame.vid))
    return gone(pkt, from.dev, 'NOT_SPECIFIED');
  if (from.learning) bridge.fdb.learn(eth.src, from.dev, frame.vid);
  const { dst } = eth;
  const isGroup = isGroupMac(dst);
  if (isGroup && dst !== MAC_BROADCAST && bridge.mcastSnooping) {
    if (!mcastReceive(pkt, bridge, from, frame)) return gone(pkt, from.dev, 'NOT_SPECIFIED');
  }
  if (state === BR_STATE_LEARNING) return gone(pkt, from.dev, 'BRIDGE_INGRESS_STP_STATE');
  if (bridge.suppresses) suppress(pkt, bridge, from, frame);
  return isGroup ? forwardGroup(pkt, bridge, from, dst) : forwardOne(pkt, bridge, from, dst);
}

function gone(
  pkt: Packet,
  dev: NetDevice,
  reason: 'NOT_SPECIFIED' | 'BRIDGE_INGRESS_STP_STATE',
): true {
  drop(dev.net, pkt, reason, dev.name);
  return true;
}

/** On a locked port only those may speak whose address is known to be there. */
function isLockedOut(bridge: Bridge, from: BridgePort, src: number, vid: number): boolean {
  const entry = bridge.fdb.find(src, vid);
  return entry === undefined || entry.local || entry.dev !== from.dev;
}

function forwardGroup(pkt: Packet, bridge: Bridge, from: BridgePort, dst: number): boolean {
  const { frame } = bridge;
  if (dst === MAC_BROADCAST) {
    flood(pkt, bridge, from, BROADCAST, true);
    return passUp(pkt, bridge);
  }
  const target = bridge.mcast === null ? null : mcastTarget(pkt, bridge, frame);
  if (target === null) {
    bridge.dev.stats.multicast++;
    flood(pkt, bridge, from, MULTICAST, true);
    return passUp(pkt, bridge);
  }
  const wanted = mcastWantedHere(bridge, target);
  if (wanted) bridge.dev.stats.multicast++;
  const keeps = wanted || isPromiscuous(bridge.dev);
  mcastFlood(pkt, bridge, from, target, keeps);
  return keeps ? passUp(pkt, bridge) : true;
}

function forwardOne(pkt: Packet, bridge: Bridge, from: BridgePort, dst: number): boolean {
  const promiscuous = isPromiscuous(bridge.dev);
  const entry = bridge.fdb.find(dst, bridge.frame.vid);
  if (entry === undefined) {
    flood(pkt, bridge, from, UNICAST, promiscuous);
    return promiscuous ? passUp(pkt, bridge) : true;
  }
  if (entry.local) return passUp(pkt, bridge);
  entry.usedUs = bridge.dev.net.kernel.nowUs;
  forwardTo(pkt, bridge, from, entry.dev, promiscuous);
  return promiscuous ? passUp(pkt, bridge) : true;
}

/** The bridge itself receives (`br_pass_frame_up`): the frame goes on with the bridge as its device. */
function passUp(pkt: Packet, bridge: Bridge): boolean {
  const dev = bridge.dev;
  dev.stats.rxPackets++;
  dev.stats.rxBytes += frameLength(pkt) - ETH_HLEN;
  const { frame } = bridge;
  if (frame.vlanFiltered) {
    const promiscuous = isPromiscuous(dev);
    if (!promiscuous && !vlanMayLeave(bridge, bridge, frame.vid))
      return gone(pkt, dev, 'NOT_SPECIFIED');
    vlanEgress(pkt, bridge, bridge, frame.vid);
  }
  pkt.dev = dev;
  return false;
}

/** The bridge's own namespace sends (`br_dev_xmit`). */
export function bridgeXmit(pkt: Packet, dev: NetDevice): void {
  const bridge = dev.priv as Bridge;
  dev.stats.txPackets++;
  dev.stats.txBytes += frameLength(pkt);
  const frame = freshFrame(bridge);
  if (bridge.vlanFiltering && vlanIngress(pkt, bridge, bridge, BR_STATE_FORWARDING, frame) < 0)
    return;
  if (bridge.suppresses) suppress(pkt, bridge, null, frame);
  const dst = (pkt.eth as EthHeader).dst;
  if (dst === MAC_BROADCAST) flood(pkt, bridge, null, BROADCAST, false);
  else if (isGroupMac(dst)) xmitGroup(pkt, bridge, frame);
  else {
    const entry = bridge.fdb.find(dst, frame.vid);
    if (entry === undefined) flood(pkt, bridge, null, UNICAST, false);
    else {
      entry.usedUs = dev.net.kernel.nowUs;
      forwardTo(pkt, bridge, null, entry.dev, false);
    }
  }
}

function xmitGroup(pkt: Packet, bridge: Bridge, frame: FrameState): void {
  if (bridge.mcastSnooping && !mcastReceive(pkt, bridge, null, frame)) {
    gone(pkt, bridge.dev, 'NOT_SPECIFIED');
    return;
  }
  const target = bridge.mcast === null ? null : mcastTarget(pkt, bridge, frame);
  if (target === null) flood(pkt, bridge, null, MULTICAST, false);
  else mcastFlood(pkt, bridge, null, target, false);
}

/** To the one port that leads there (`br_forward`). `keeps`: the caller needs the packet afterwards. */
function forwardTo(
  pkt: Packet,
  bridge: Bridge,
  from: BridgePort | null,
  dev: NetDevice,
  keeps: boolean,
): void {
  let to = bridgePortOf(dev);
  // Without carrier there, the one that stands in for it.
  if (to !== null && to.backup !== null && !isOperUp(dev)) to = to.backup;
  if (to !== null && mayPass(bridge, from, to)) deliver(keeps ? pkt.clone() : pkt, to);
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
    if (!wantsFlood(to, kind, from === null) || !mayPass(bridge, from, to)) continue;
    if (to.proxyArp || (bridge.frame.replied && (to.proxyArpWifi || to.neighSuppress))) continue;
    if (last !== null) deliver(pkt.clone(), last);
    last = to;
  }
  if (last !== null) deliver(keeps ? pkt.clone() : pkt, last);
  else if (!keeps) drop(bridge.dev.net, pkt, 'NO_TX_TARGET', bridge.dev.name);
}

/** `own`: the bridge itself sends; its group frames pass whatever the port says. */
function wantsFlood(port: BridgePort, kind: number, own: boolean): boolean {
  if (kind === UNICAST) return port.flood;
  return own || (kind === MULTICAST ? port.mcastFlood : port.bcastFlood);
}
