/**
 * BPDUs as bytes (IEEE 802.1D §9; Linux `net/bridge/br_stp_bpdu.c`): behind an 802.3 length and LLC's SAP
 * 0x42, times in 1/256 s.
 */
import { devQueueXmit } from '../link/output.ts';
import type { Packet } from '../packet.ts';
import { EthHeader, getMac, putMac } from '../wire/ethernet.ts';
import { flatten } from '../wire/frame.ts';
import { BridgeId, type BridgePort } from './bridge-port.ts';

const BPDU_TYPE_CONFIG = 0;
const BPDU_TYPE_TCN = 0x80;
/** LLC: SAPs 0x42, unnumbered information (IEEE 802.2). */
const LLC_SAP_BSPAN = 0x42;
const LLC_UI = 0x03;
const LLC_LEN = 3;
const CONFIG_LEN = 35;
const TCN_LEN = 4;
const TICKS_PER_SECOND = 256;

const FLAG_TOPOLOGY_CHANGE = 0x01;
const FLAG_TOPOLOGY_CHANGE_ACK = 0x80;

/** What a configuration BPDU says; times in µs. */
export interface ConfigBpdu {
  readonly topologyChange: boolean;
  readonly topologyChangeAck: boolean;
  readonly root: BridgeId;
  readonly rootPathCost: number;
  readonly bridge: BridgeId;
  readonly portId: number;
  readonly messageAgeUs: number;
  readonly maxAgeUs: number;
  readonly helloTimeUs: number;
  readonly forwardDelayUs: number;
}

/** Sends what a port has to say. */
export function sendConfigBpdu(port: BridgePort, bpdu: ConfigBpdu): void {
  const bytes = new Uint8Array(LLC_LEN + CONFIG_LEN);
  const view = new DataView(bytes.buffer);
  const at = LLC_LEN;
  bytes[at + 3] = BPDU_TYPE_CONFIG;
  bytes[at + 4] =
    (bpdu.topologyChange ? FLAG_TOPOLOGY_CHANGE : 0) |
    (bpdu.topologyChangeAck ? FLAG_TOPOLOGY_CHANGE_ACK : 0);
  putId(view, at + 5, bpdu.root);
  view.setUint32(at + 13, bpdu.rootPathCost);
  putId(view, at + 17, bpdu.bridge);
  view.setUint16(at + 25, bpdu.portId);
  view.setUint16(at + 27, ticksOf(bpdu.messageAgeUs));
  view.setUint16(at + 29, ticksOf(bpdu.maxAgeUs));
  view.setUint16(at + 31, ticksOf(bpdu.helloTimeUs));
  view.setUint16(at + 33, ticksOf(bpdu.forwardDelayUs));
  send(port, bytes);
}

/** A topology change notification. */
export function sendTcnBpdu(port: BridgePort): void {
  const bytes = new Uint8Array(LLC_LEN + TCN_LEN);
  bytes[LLC_LEN + 3] = BPDU_TYPE_TCN;
  send(port, bytes);
}

function send(port: BridgePort, bytes: Uint8Array): void {
  const { dev, bridge } = port;
  bytes[0] = LLC_SAP_BSPAN;
  bytes[1] = LLC_SAP_BSPAN;
  bytes[2] = LLC_UI;
  const pkt = dev.net.kernel.newPacket(bytes.length, dev);
  pkt.eth = new EthHeader(bridge.groupAddress, dev.mac, bytes.length);
  pkt.data = [bytes];
  pkt.len = bytes.length;
  devQueueXmit(pkt);
}

/** The BPDU in a received frame: a configuration, `'tcn'`, or null when it is none. */
export function readBpdu(pkt: Packet): ConfigBpdu | 'tcn' | null {
  // What is longer than the length field says is padding.
  const said = pkt.eth?.proto ?? 0;
  if (pkt.len < LLC_LEN + TCN_LEN || said < LLC_LEN + TCN_LEN || said > pkt.len) return null;
  const bytes = flatten(pkt.data, pkt.len);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sap = bytes[0] === LLC_SAP_BSPAN && bytes[1] === LLC_SAP_BSPAN && bytes[2] === LLC_UI;
  const at = LLC_LEN;
  // Protocol 0, version 0.
  if (!sap || view.getUint16(at) !== 0 || bytes[at + 2] !== 0) return null;
  if (bytes[at + 3] === BPDU_TYPE_TCN) return 'tcn';
  if (bytes[at + 3] !== BPDU_TYPE_CONFIG || said < LLC_LEN + CONFIG_LEN) return null;
  const flags = bytes[at + 4] ?? 0;
  return {
    topologyChange: (flags & FLAG_TOPOLOGY_CHANGE) !== 0,
    topologyChangeAck: (flags & FLAG_TOPOLOGY_CHANGE_ACK) !== 0,
    root: readId(view, at + 5),
    rootPathCost: view.getUint32(at + 13),
    bridge: readId(view, at + 17),
    portId: view.getUint16(at + 25),
    messageAgeUs: usOf(view.getUint16(at + 27)),
    maxAgeUs: usOf(view.getUint16(at + 29)),
    helloTimeUs: usOf(view.getUint16(at + 31)),
    forwardDelayUs: usOf(view.getUint16(at + 33)),
  };
}

function putId(view: DataView, at: number, id: BridgeId): void {
  view.setUint16(at, id.prio);
  putMac(view, at + 2, id.mac);
}

function readId(view: DataView, at: number): BridgeId {
  return new BridgeId(view.getUint16(at), getMac(view, at + 2));
}

function ticksOf(us: number): number {
  return Math.min(0xffff, Math.floor((us * TICKS_PER_SECOND) / 1e6));
}

function usOf(ticks: number): number {
  return Math.ceil((ticks * 1e6) / TICKS_PER_SECOND);
}
