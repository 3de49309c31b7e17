/** dummy: takes what it is sent, and that was it (Linux `drivers/net/dummy.c`). For addresses without a wire. */
import { drop } from '../drop.ts';
import { registerDevice } from '../link/device-state.ts';
import {
  type DeviceOps,
  IFF_BROADCAST,
  IFF_NOARP,
  type NetDevice,
  UNLIMITED_MTU,
} from '../link/net-device.ts';
import type { Packet } from '../packet.ts';
import { frameLength } from '../wire/frame.ts';
import { type EtherSpec, makeEther } from './ether.ts';

const DUMMY_OPS: DeviceOps = {
  kind: 'dummy',
  movable: true,
  xmit: dummyXmit,
  minMtu: 0,
  maxMtu: UNLIMITED_MTU,
};

/** Linux ETH_DATA_LEN */
const DEFAULT_MTU = 1500;

/** Makes one, down; the errors are those of `makeEther`. */
export function dummyAdd(spec: EtherSpec): NetDevice | number {
  const dev = makeEther(spec, DUMMY_OPS, DEFAULT_MTU);
  if (typeof dev === 'number') return dev;
  dev.flags = IFF_BROADCAST | IFF_NOARP;
  if (spec.mac === undefined) dev.mac = spec.net.kernel.nextMac();
  registerDevice(dev);
  return dev;
}

function dummyXmit(pkt: Packet, dev: NetDevice): void {
  dev.stats.txPackets++;
  dev.stats.txBytes += frameLength(pkt);
  drop(dev.net, pkt, 'NO_TX_TARGET', dev.name);
}
