/** lo: what it sends it receives (Linux `drivers/net/loopback.c`). Index 1 of every namespace. */
import { registerDevice } from '../link/device-state.ts';
import { type DeviceOps, IFF_LOOPBACK, NetDevice } from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import { ipLength, type Packet } from '../packet.ts';
import { ARPHRD_LOOPBACK } from '../wire/arp.ts';
import { ETH_HLEN } from '../wire/ethernet.ts';

/** 64 KiB of IP, as Linux has it. */
const LOOPBACK_MTU = 65_536;

const LOOPBACK_OPS: DeviceOps = { kind: '', movable: false, xmit: loopbackXmit };

/** Makes the lo of a new namespace, down. */
export function loopbackSetup(net: NetNs): NetDevice {
  const dev = new NetDevice(net, LOOPBACK_OPS, 'lo', net.devs.nextIndex(), ARPHRD_LOOPBACK);
  dev.flags = IFF_LOOPBACK;
  dev.mtu = LOOPBACK_MTU;
  registerDevice(dev);
  return dev;
}

function loopbackXmit(pkt: Packet, dev: NetDevice): void {
  const len = ETH_HLEN + (pkt.ip === null ? pkt.len : ipLength(pkt));
  dev.stats.txPackets++;
  dev.stats.txBytes += len;
  dev.stats.rxPackets++;
  dev.stats.rxBytes += len;
  dev.net.kernel.enqueue(pkt, dev);
}
