/**
 * Which slaves of a bond are well, and which one is active (Linux `bond_miimon_inspect`, `bond_miimon_commit`,
 * `bond_find_best_slave`, `bond_change_active_slave`). Slaves are looked at every `miimon` ms while something may have
 * changed, which is to the same effect as always.
 */
import { changeMac, notifyDevice, setCarrier } from '../link/device-state.ts';
import type { Bond, BondSlave } from './bond-state.ts';

/** Something about a slave may have changed: it is seen at the next multiple of miimon. */
export function bondSchedule(bond: Bond): void {
  const { miimon } = bond.params;
  if (miimon === 0 || bond.dev.dead) return;
  const { kernel } = bond.dev.net;
  bond.timer ??= kernel.timer(() => bondInspect(bond));
  if (bond.timer.pending) return;
  const period = miimon * 1000;
  bond.timer.set((Math.floor(kernel.nowUs / period) + 1) * period);
}

/** Looks at every slave (`bond_mii_monitor`). */
export function bondInspect(bond: Bond): void {
  let changed = false;
  let waits = false;
  for (const slave of bond.slaves) {
    const before = slave.link;
    inspect(slave);
    if (slave.link === 'down' && before !== 'down' && before !== 'back') slave.failures++;
    if (isWell(before) !== isWell(slave.link)) changed = true;
    waits ||= slave.link === 'fail' || slave.link === 'back';
  }
  if (changed) bondReselect(bond);
  if (waits) bondSchedule(bond);
}

function isWell(link: BondSlave['link']): boolean {
  return link === 'up' || link === 'fail';
}

/** Linux `bond_miimon_inspect`, one slave. */
function inspect(slave: BondSlave): void {
  const { params } = slave.bond;
  const ok = slave.dev.operational;
  if (slave.link === 'up' && !ok) {
    slave.link = 'fail';
    slave.delay = Math.floor(params.downdelay / params.miimon);
  } else if (slave.link === 'down' && ok) {
    slave.link = 'back';
    // Without another there is nothing to wait for.
    const alone = params.mode === 'active-backup' && slave.bond.active === null;
    slave.delay = alone ? 0 : Math.floor(params.updelay / params.miimon);
  }
  if (slave.link === 'fail') settle(slave, ok, 'up', 'down');
  else if (slave.link === 'back') settle(slave, !ok, 'down', 'up');
}

/** Between two states: back to the old one, or, after a while, on to the new one. */
function settle(slave: BondSlave, over: boolean, old: 'up' | 'down', next: 'up' | 'down'): void {
  if (over) slave.link = old;
  else if (slave.delay <= 0) slave.link = next;
  else slave.delay--;
}

/** A slave that can send. */
function isUp(slave: BondSlave | null): slave is BondSlave {
  return slave !== null && isWell(slave.link);
}

/** Who sends from now on (`bond_select_active_slave`, `bond_update_slave_arr`, `bond_set_carrier`). */
export function bondReselect(bond: Bond): void {
  const up = bond.slaves.filter(isUp);
  if (bond.params.mode === 'balance-xor') {
    bond.active = null;
    bond.usable = up;
  } else {
    bond.usable = [];
    const best = findBest(bond) ?? up[0] ?? null;
    if (best !== bond.active) bondSetActive(bond, best);
  }
  setCarrier(bond.dev, up.length > 0);
}

/** Linux `bond_choose_primary_or_current`; null: any. */
function findBest(bond: Bond): BondSlave | null {
  const { params } = bond;
  const current = isUp(bond.active) ? bond.active : null;
  const primary = bond.slaves.find((s) => s.dev.name === params.primary) ?? null;
  if (!isUp(primary)) return current;
  if (bond.forcePrimary) {
    bond.forcePrimary = false;
    return primary;
  }
  if (current === null) return primary;
  // All slaves are equally fast: a better one there is not.
  return params.primaryReselect === 'always' ? primary : current;
}

/** Linux `bond_change_active_slave`: switches learn of it from announcements of the bond's addresses. */
export function bondSetActive(bond: Bond, slave: BondSlave | null): void {
  const had = bond.active;
  bond.active = slave;
  if (slave === null) return;
  if (bond.params.failOverMac === 'active') changeMac(bond.dev, slave.dev.mac);
  bond.dev.net.events.emit('newlink', bond.dev);
  if (had === null && !bond.dev.carrier) return;
  if (bond.dev.up)
    for (let i = 0; i < bond.params.numGratArp; i++) notifyDevice('notifyPeers', bond.dev);
}
