/** lo: what it sends it receives (Linux `drivers/net/loopback.c`). Index 1 of every namespace. */
import { registerDevice } from '../link/device-state.ts';
import { type DeviceOps, IFF_LOOPBACK, NetDevice, UNLIMITED_MTU } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import { ipLength, type Packet } from '../packet.ts';
import { ARPHRD_LOOPBACK } from '../wire/arp.ts';

/** 64 KiB of IP. */
const LOOPBACK_MTU = 65_536;

const LOOPBACK_OPS: DeviceOps = {
  kind: '',
  movable: false,
  xmit: loopbackXmit,
  // LINUX: the MTU of lo has no limits (`gen_lo_setup`).
  minMtu: 0,
  maxMtu: UNLIMITED_MTU,
};

/** Makes the lo of a new namespace, down. */
export function loopbackSetup(net: NetNs): NetDevice {
  const dev = new NetDevice(net, LOOPBACK_OPS, 'lo', net.devs.nextIndex(), ARPHRD_LOOPBACK);
  dev.flags = IFF_LOOPBACK;
  dev.mtu = LOOPBACK_MTU;
  registerDevice(dev);
  return dev;
}

/** Linux `loopback_xmit`: the route and the mark stay, so that the packet is not routed again. */
function loopbackXmit(pkt: Packet, dev: NetDevice): void {
  const len = ipLength(pkt);
  if (!dev.net.kernel.enqueue(pkt, dev)) return;
  const stats = dev.stats;
  stats.txPackets++;
  stats.txBytes += len;
  stats.rxPackets++;
  stats.rxBytes += len;
}
