/** Who wants more of a device than its own frames (Linux `dev_set_promiscuity`, `dev_set_allmulti`, `dev_mc_add`). */
import { IFF_ALLMULTI, IFF_PROMISC, type Listening, type NetDevice } from './net-device.ts';

function listening(dev: NetDevice): Listening {
  dev.listening ??= { promiscuity: 0, allmulti: 0 };
  return dev.listening;
}

/** One more, or one less, wants every frame. */
export function setPromiscuity(dev: NetDevice, step: number): void {
  listening(dev).promiscuity += step;
}

/** One more, or one less, wants what is for groups. */
export function setAllmulti(dev: NetDevice, step: number): void {
  listening(dev).allmulti += step;
}

export function isPromiscuous(dev: NetDevice): boolean {
  if ((dev.flags & IFF_PROMISC) !== 0) return true;
  return dev.listening !== null && dev.listening.promiscuity > 0;
}

export function hearsAllGroups(dev: NetDevice): boolean {
  if ((dev.flags & IFF_ALLMULTI) !== 0 || isPromiscuous(dev)) return true;
  return dev.listening !== null && dev.listening.allmulti > 0;
}

/** One more, or one less, wants frames for the group address `mac`. */
export function addMulticastMac(dev: NetDevice, mac: number, step: number): void {
  dev.multicastMacs ??= new Map();
  const n = (dev.multicastMacs.get(mac) ?? 0) + step;
  if (n > 0) dev.multicastMacs.set(mac, n);
  else dev.multicastMacs.delete(mac);
}
