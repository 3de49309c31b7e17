/**
 * bond: several devices as one (Linux `drivers/net/bonding`), in the modes active-backup and balance-xor. Life,
 * slaves and settings; what is well is in `bond-monitor.ts`, frames are in `bond-forward.ts`.
 */
import { EACCES, EBUSY, EINVAL, ENOTEMPTY, EPERM } from '../errno.ts';
import {
  changeMac,
  devClose,
  devOpen,
  devSetMtu,
  registerDevice,
  setCarrier,
} from '../link/device-state.ts';
import {
  type DeviceOps,
  IFF_LOOPBACK,
  IFF_MASTER,
  IFF_SLAVE,
  IFF_UP,
  type NetDevice,
} from '../link/net-device.ts';
import type { NetdevEvent } from '../protocols.ts';
import { ARPHRD_ETHER } from '../wire/arp.ts';
import { bondHandleFrame, bondXmit } from './bond-forward.ts';
import { bondReselect, bondSchedule, bondSetActive } from './bond-monitor.ts';
import { Bond, type BondParams, BondSlave, bondOf, bondSlaveOf } from './bond-state.ts';
import { type EtherSpec, makeEther } from './ether.ts';

/** Linux ETH_DATA_LEN */
const DEFAULT_MTU = 1500;

const BOND_OPS: DeviceOps = {
  kind: 'bond',
  movable: false,
  xmit: bondXmit,
  addSlave: bondAddSlave,
  delSlave: bondDelSlave,
  dellink: (dev) => {
    for (const slave of [...(dev.priv as Bond).slaves]) bondDelSlave(dev, slave.dev);
    return [];
  },
  uninit: (dev) => (dev.priv as Bond).timer?.clear(),
};

/** Makes one, down and without slaves; the errors are those of `makeEther`. */
export function bondAdd(spec: EtherSpec, params: BondParams): NetDevice | number {
  const dev = makeEther(spec, BOND_OPS, DEFAULT_MTU);
  if (typeof dev === 'number') return dev;
  dev.flags |= IFF_MASTER;
  if (spec.mac === undefined) dev.mac = spec.net.kernel.nextMac();
  dev.carrier = false;
  dev.priv = new Bond(dev, params);
  registerDevice(dev);
  return dev;
}

/** What keeps `dev` from being a slave: `-errno`, with the kernel's sentence; null: nothing (`bond_enslave`). */
export function bondRefusal(
  bond: NetDevice,
  dev: NetDevice,
): { readonly errno: number; readonly detail: string } | null {
  if ((dev.flags & IFF_MASTER) !== 0)
    return { errno: EPERM, detail: 'Device type (master device) cannot be enslaved' };
  if ((dev.flags & IFF_LOOPBACK) !== 0 || dev.type !== ARPHRD_ETHER || dev.net !== bond.net)
    return { errno: EINVAL, detail: 'Device type is different from other slaves' };
  if (dev.master !== null || dev.rxHandler !== null)
    return { errno: EBUSY, detail: 'Device is in use and cannot be enslaved' };
  if (dev.up) return { errno: EPERM, detail: 'Device can not be enslaved while up' };
  return null;
}

/** `ip link set DEV master BOND`: it goes up, with the bond's MTU and MAC. */
function bondAddSlave(bondDev: NetDevice, dev: NetDevice): number {
  const bond = bondDev.priv as Bond;
  const refusal = bondRefusal(bondDev, dev);
  if (refusal !== null) return -refusal.errno;
  const slave = new BondSlave(dev, bond);
  const errno = devSetMtu(dev, bondDev.mtu);
  if (errno !== 0) return errno;
  const first = bond.slaves.length === 0;
  // LINUX: the first one gives the bond its MAC, unless that was chosen.
  if (first && !bondDev.macSet) changeMac(bondDev, dev.mac);
  bond.slaves.push(slave);
  dev.master = bondDev;
  dev.rxHandlerData = slave;
  dev.rxHandler = bondHandleFrame;
  dev.flags |= IFF_SLAVE;
  if (bond.params.failOverMac === 'none') giveMac(bond, slave);
  devOpen(dev);
  // Without monitoring it is taken to be well.
  slave.link = bond.params.miimon === 0 || dev.operational ? 'up' : 'down';
  if (dev.name === bond.params.primary) bond.forcePrimary = true;
  bondReselect(bond);
  dev.net.events.emit('newlink', dev);
  return 0;
}

/** `nomaster`: it goes down, and gets back what it had (`__bond_release_one`). */
function bondDelSlave(bondDev: NetDevice, dev: NetDevice): number {
  const bond = bondDev.priv as Bond;
  const slave = bondSlaveOf(dev);
  if (slave === null || slave.bond !== bond) return -EINVAL;
  bond.slaves.splice(bond.slaves.indexOf(slave), 1);
  dev.master = null;
  dev.rxHandlerData = null;
  dev.rxHandler = null;
  dev.flags &= ~IFF_SLAVE;
  if (bond.active === slave) bond.active = null;
  bondReselect(bond);
  if (bond.slaves.length === 0 && !bondDev.macSet && !bondDev.dead)
    changeMac(bondDev, bondDev.net.kernel.nextMac());
  if (dev.dead) return 0;
  devClose(dev);
  changeMac(dev, slave.permMac);
  devSetMtu(dev, slave.oldMtu);
  dev.net.events.emit('newlink', dev);
  return 0;
}

function giveMac(bond: Bond, slave: BondSlave): void {
  bond.settingMac = true;
  changeMac(slave.dev, bond.dev.mac);
  bond.settingMac = false;
}

/** New settings; `-errno` with a sentence; null: done (`bond_changelink`). */
export function bondChange(
  dev: NetDevice,
  set: Partial<BondParams> & { readonly activeSlave?: NetDevice | null },
): { readonly errno: number; readonly detail: string } | null {
  const bond = dev.priv as Bond;
  const { activeSlave, ...params } = set;
  const next: BondParams = { ...bond.params, ...params };
  const refusal = changeRefusal(bond, params, next);
  if (refusal !== null) return refusal;
  bond.params = next;
  if (params.primary !== undefined) bond.forcePrimary = true;
  if (params.miimon === 0) for (const slave of bond.slaves) slave.link = 'up';
  if (Object.keys(params).length > 0) {
    bondReselect(bond);
    bondSchedule(bond);
  }
  return activeSlave === undefined ? null : setActive(bond, activeSlave);
}

function changeRefusal(
  bond: Bond,
  set: Partial<BondParams>,
  next: BondParams,
): { readonly errno: number; readonly detail: string } | null {
  for (const [key, name] of [
    ['mode', 'mode'],
    ['failOverMac', 'fail_over_mac'],
  ] as const) {
    if (set[key] === undefined || set[key] === bond.params[key]) continue;
    if (bond.slaves.length > 0)
      return {
        errno: ENOTEMPTY,
        detail: `option ${name}: unable to set because the bond device has slaves`,
      };
    if (key === 'mode' && (bond.dev.flags & IFF_UP) !== 0)
      return {
        errno: EBUSY,
        detail: `option ${name}: unable to set because the bond device is up`,
      };
  }
  if (next.mode !== 'active-backup' && set.primary !== undefined && set.primary !== null)
    return { errno: EACCES, detail: `option primary: not supported in mode ${next.mode}` };
  const delays = (set.updelay ?? 0) + (set.downdelay ?? 0);
  if (delays > 0 && next.miimon === 0)
    return {
      errno: EPERM,
      detail: 'Unable to set a link delay because MII monitoring is disabled',
    };
  return null;
}

/** `active_slave`: it has to be well; null: the best one. */
function setActive(
  bond: Bond,
  dev: NetDevice | null,
): { readonly errno: number; readonly detail: string } | null {
  if (bond.params.mode !== 'active-backup')
    return {
      errno: EACCES,
      detail: `option active_slave: not supported in mode ${bond.params.mode}`,
    };
  if (dev === null) {
    bond.active = null;
    bondReselect(bond);
    return null;
  }
  const slave = bondSlaveOf(dev);
  if (slave === null || slave.bond !== bond || slave.link === 'down' || !dev.up)
    return { errno: EINVAL, detail: `${dev.name} is no slave that could be active` };
  if (slave !== bond.active) bondSetActive(bond, slave);
  return null;
}

/** What happens to a slave, or to a bond (`bond_netdev_event`). */
export function bondEvent(event: NetdevEvent, dev: NetDevice): void {
  const slave = bondSlaveOf(dev);
  if (slave !== null) {
    if (event === 'unregister') bondDelSlave(slave.bond.dev, dev);
    else if (event === 'up' || event === 'down' || event === 'change') bondSchedule(slave.bond);
    return;
  }
  const bond = bondOf(dev);
  if (bond === null) return;
  if (event === 'changeMtu') for (const s of bond.slaves) devSetMtu(s.dev, dev.mtu);
  else if (event === 'changeAddr' && bond.params.failOverMac === 'none')
    for (const s of bond.slaves) giveMac(bond, s);
  else if (event === 'up') setCarrier(dev, bond.active !== null || bond.usable.length > 0);
}
