/**
 * ifb: a detour on which packets queue (Linux `drivers/net/ifb.c`). What another device received or is about to
 * send is redirected to it, waits in its egress queue, and goes on where it was. What is sent to it otherwise dies.
 *
 * RX, TX: from `link/output.ts`; to where the packet was redirected
 */
import { drop } from '../drop.ts';
import { registerDevice } from '../link/device-state.ts';
import {
  type DeviceOps,
  IFF_BROADCAST,
  IFF_NOARP,
  type NetDevice,
  UNLIMITED_MTU,
} from '../link/net-device.ts';
import { devQueueXmit } from '../link/output.ts';
import { type Packet, TC_SKIP } from '../packet.ts';
import { frameLength } from '../wire/frame.ts';
import { type EtherSpec, makeEther } from './ether.ts';

const IFB_OPS: DeviceOps = {
  kind: 'ifb',
  movable: true,
  xmit: ifbXmit,
  minMtu: 0,
  maxMtu: UNLIMITED_MTU,
};

/** Linux ETH_DATA_LEN */
const DEFAULT_MTU = 1500;
/** Linux `TX_Q_LIMIT` */
const QUEUE_LEN = 32;

/** Makes one, down; the errors are those of `makeEther`. */
export function ifbAdd(spec: EtherSpec): NetDevice | number {
  const dev = makeEther(spec, IFB_OPS, DEFAULT_MTU);
  if (typeof dev === 'number') return dev;
  dev.flags = IFF_BROADCAST | IFF_NOARP;
  dev.txQueueLen = QUEUE_LEN;
  if (spec.mac === undefined) dev.mac = spec.net.kernel.nextMac();
  registerDevice(dev);
  return dev;
}

/**
 * Sends a packet that `pkt.dev` received (`ingress`), or is about to send, through the queue of `ifb`; from
 * there it comes back (`tcf_mirred_act` with redirect). Takes ownership.
 */
export function ifbRedirect(pkt: Packet, ifb: NetDevice, ingress: boolean): void {
  pkt.redirect = { dev: pkt.dev as NetDevice, ingress };
  pkt.dev = ifb;
  devQueueXmit(pkt);
}

/** Linux `ifb_xmit`, `ifb_ri_tasklet`. */
function ifbXmit(pkt: Packet, dev: NetDevice): void {
  const { stats } = dev;
  const { redirect } = pkt;
  const len = frameLength(pkt);
  stats.rxPackets++;
  stats.rxBytes += len;
  if (redirect === null) {
    stats.rxDropped++;
    drop(dev.net, pkt, 'NOT_SPECIFIED', dev.name);
    return;
  }
  stats.txPackets++;
  stats.txBytes += len;
  const back = redirect.dev;
  pkt.redirect = null;
  // Where it comes back, filters have seen it.
  if (back.tc !== null) pkt.flags |= TC_SKIP;
  // It is looked up by its index where the ifb is: one that is gone, or moved away, is not found.
  if (back.dead || back.net !== dev.net) {
    stats.txDropped++;
    drop(dev.net, pkt, 'NOT_SPECIFIED', dev.name);
    return;
  }
  if (redirect.ingress) {
    dev.net.kernel.enqueue(pkt, back);
    return;
  }
  pkt.dev = back;
  devQueueXmit(pkt);
}
