/**
 * The nexthop objects of a namespace (Linux `struct netns_nexthop`; `nexthop_add`, `replace_nexthop`,
 * `remove_nexthop`). Made with the first one. Refusals are `-errno`, with the kernel's sentence in `extack`.
 */
import { EEXIST, EINVAL, ENOENT } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import { FibNexthop } from '../route/fib-info.ts';
import { FibNexthop6 } from '../route6/fib.ts';
import { Nexthop, type NexthopConfig, type NhGroup } from './nexthop.ts';
import { checkRoutes, dropRoutes, renewRoutes } from './routes.ts';

/** `NLM_F_*` of a new nexthop. */
export interface NexthopMode {
  readonly create: boolean;
  readonly replace: boolean;
}

export class Nexthops {
  private readonly net: NetNs;
  /** By number, in the order of creation. */
  private readonly byId: Map<number, Nexthop> = new Map();
  /** The last number that was given to one without (`last_id_allocated`). */
  private lastId = 0;
  /** Resilient groups: routes by them are decided for each packet. */
  resilient = 0;
  extack = '';

  constructor(net: NetNs) {
    this.net = net;
  }

  find(id: number): Nexthop | undefined {
    return this.byId.get(id);
  }

  /** By number. */
  list(): Nexthop[] {
    return [...this.byId.values()].sort((a, b) => a.id - b.id);
  }

  /** @param id 0: the next that is free */
  add(id: number, config: NexthopConfig, mode: NexthopMode): Nexthop | number {
    this.extack = '';
    if (mode.replace && id === 0) return this.refuse('Replace requires nexthop id');
    const number = id === 0 ? this.unusedId() : id;
    const old = this.byId.get(number);
    if (old !== undefined) return mode.replace ? this.replace(old, config) : -EEXIST;
    if (!mode.create) {
      this.extack = 'Replace specified without create and no entry exists';
      return -ENOENT;
    }
    const made = new Nexthop(number, config);
    this.byId.set(number, made);
    if (config.group?.buckets != null) this.resilient++;
    made.config.group?.buckets?.rebalance(made.config.group.entries);
    this.setWays(made);
    this.tell('newnexthop', made);
    return made;
  }

  /** Linux `replace_nexthop` */
  private replace(old: Nexthop, config: NexthopConfig): Nexthop | number {
    const sentence = this.replaceRefusal(old, config);
    if (sentence !== '') return this.refuse(sentence);
    const { group } = config;
    old.config = config;
    group?.buckets?.rebalance(group.entries);
    this.setWays(old);
    const groups = this.groupsOf(old);
    for (const one of groups) this.setWays(one);
    this.tell('newnexthop', old);
    renewRoutes(this.net, [old, ...groups]);
    return old;
  }

  private replaceRefusal(old: Nexthop, config: NexthopConfig): string {
    const { group } = config;
    const was = old.config.group;
    const unfit = checkRoutes(this.net, old, new Nexthop(old.id, config));
    if (unfit !== '') return unfit;
    if (group === null)
      return was === null ? '' : 'Can not replace a nexthop group with a nexthop.';
    if (was === null) return 'Can not replace a nexthop with a nexthop group.';
    if ((group.buckets === null) !== (was.buckets === null))
      return 'Can not replace a nexthop group with one of a different type.';
    return '';
  }

  /** With the routes by it; groups lose a member, or go with their last (`remove_nexthop`). @param told somebody asked */
  remove(nh: Nexthop, told: boolean): void {
    if (!this.byId.delete(nh.id)) return;
    if (nh.buckets !== null) this.resilient--;
    if (told) this.tell('delnexthop', nh);
    dropRoutes(this.net, nh);
    for (const group of this.groupsOf(nh).reverse()) this.leave(group, nh, told);
  }

  /** Linux `remove_nh_grp_entry` */
  private leave(group: Nexthop, nh: Nexthop, told: boolean): void {
    const was = group.config.group as NhGroup;
    const entries = was.entries.filter((e) => e.nh !== nh);
    if (entries.length === 0) {
      this.remove(group, told);
      return;
    }
    group.config = { ...group.config, group: { ...was, entries } };
    was.buckets?.rebalance(entries);
    this.setWays(group);
    renewRoutes(this.net, [group], false);
    if (told) this.tell('newnexthop', group);
  }

  /** Linux `nexthop_flush_dev`: nobody is told. */
  flushDev(dev: NetDevice): void {
    for (const nh of this.list())
      if (nh.dev === dev && !nh.config.blackhole) this.remove(nh, false);
  }

  private groupsOf(nh: Nexthop): Nexthop[] {
    return [...this.byId.values()].filter((one) => one.has(nh));
  }

  private unusedId(): number {
    do this.lastId++;
    while (this.byId.has(this.lastId));
    return this.lastId;
  }

  /** What routes take of it. */
  private setWays(nh: Nexthop): void {
    const { group, way4, way6 } = nh.config;
    if (group === null) {
      nh.ways4 = way4 === null ? [] : [way4];
      nh.ways6 = way6 === null ? [] : [way6];
      return;
    }
    nh.ways4 = group.entries.flatMap(({ nh: { config }, weight }) => {
      const w = config.way4;
      return w === null ? [] : [new FibNexthop(w.dev, w.gateway, weight, w.scope, w.flags)];
    });
    nh.ways6 = group.entries.flatMap(({ nh: { config }, weight }) => {
      const w = config.way6;
      return w === null ? [] : [new FibNexthop6(w.dev, w.gateway, weight, w.flags)];
    });
  }

  private tell(kind: 'newnexthop' | 'delnexthop', nh: Nexthop): void {
    this.net.events.emit(kind, nh);
  }

  private refuse(sentence: string): number {
    this.extack = sentence;
    return -EINVAL;
  }
}

/** Those of a namespace, made for the first one. */
export function ownNexthops(net: NetNs): Nexthops {
  net.nexthops ??= new Nexthops(net);
  return net.nexthops;
}
