/**
 * Membership of multicast groups as a host tells it to routers (RFC 1112, RFC 2236, RFC 3376; Linux
 * `net/ipv4/igmp.c`): reports when groups are joined and left, answers to queries, and older versions for as long
 * as an older router is about. State is made when a device's first group is joined.
 */
import { addMulticastMac } from '../../link/listening.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { Timer } from '../../timer.ts';
import { INADDR_ALLHOSTS_GROUP, multicastMac } from '../../util/address.ts';
import {
  IGMP_HOST_LEAVE_MESSAGE,
  IGMP_HOST_MEMBERSHIP_REPORT,
  IGMPV2_HOST_MEMBERSHIP_REPORT,
  type IgmpQuery,
  type IgmpRecord,
} from '../../wire/igmp.ts';
import {
  GroupFilter,
  type GroupRecord,
  leaveRecord,
  MCAST_EXCLUDE,
  type SourceFilter,
} from '../source-filter.ts';
import type { Ipv4Device } from './device.ts';
import { sendIgmp, sendIgmpReport } from './igmp-send.ts';

/** RFC 2236 §8: what a querier does that does not say. */
const QUERY_INTERVAL_US = 125_000_000;
const QUERY_RESPONSE_US = 10_000_000;
/** The first report waits for what else changes now: two jiffies. */
const GATHER_US = 2000;

const same = (a: number, b: number): boolean => a === b;

/** 224.0.0.0/24: groups that no router forwards. */
export function isLocalGroup(group: number): boolean {
  return group >>> 8 === 0xe00000;
}

/** A group of a device (`struct ip_mc_list`). */
export class IgmpGroup {
  readonly addr: number;
  readonly filter: GroupFilter<number> = new GroupFilter(same);
  /** Answers a query, or tells of a join with an old version; null: it never ran. */
  timer: Timer | null = null;
  /** Reports of an old version that are still to be sent unasked (`unsolicit_count`). */
  unsolicited = 0;
  /** We were the last to report it. */
  reporter = false;
  /** The query that waits for its answer asked for these senders only (`gsquery`). */
  asked: readonly number[] | null = null;

  constructor(addr: number) {
    this.addr = addr;
  }

  stop(): void {
    this.timer?.clear();
    this.unsolicited = 0;
    this.reporter = false;
    this.asked = null;
  }
}

/** A group that nobody wants any more, which is told a few times (`mc_tomb`). */
interface Leaving {
  readonly group: number;
  readonly record: GroupRecord<number>;
  left: number;
}

/** What a device does about IGMP (part of Linux `struct in_device`). */
export class IgmpDevice {
  readonly ipv4: Ipv4Device;
  private readonly dev: NetDevice;
  private leaving: Leaving[] = [];
  /** Until when a router of version 1, or 2, is thought to be there. */
  private v1Until = 0;
  private v2Until = 0;
  /** Robustness and intervals: the querier's, or those of a device that came up (`ip_mc_reset`). */
  private qrv: number;
  private intervalUs = QUERY_INTERVAL_US;
  private responseUs = QUERY_RESPONSE_US;
  private readonly changeTimer: Timer;
  private readonly queryTimer: Timer;

  constructor(ipv4: Ipv4Device) {
    const { kernel } = ipv4.dev.net;
    this.ipv4 = ipv4;
    this.dev = ipv4.dev;
    this.qrv = this.dev.net.sysctl.igmpQrv;
    this.changeTimer = kernel.timer(() => this.tellChanges());
    this.queryTimer = kernel.timer(() => this.tellAll());
  }

  /** 1, 2 or 3: what is spoken here now. */
  get version(): number {
    const { nowUs } = this.dev.net.kernel;
    const forced = this.dev.net.ipv4ConfAll.forceIgmpVersion;
    const own = this.ipv4.conf.forceIgmpVersion;
    if (forced === 1 || own === 1 || nowUs < this.v1Until) return 1;
    if (forced === 2 || own === 2 || nowUs < this.v2Until) return 2;
    return 3;
  }

  /** How long a timer of a group still runs, µs. */
  leftUs(group: IgmpGroup): number {
    const { timer } = group;
    return timer?.pending === true ? Math.max(0, timer.atUs - this.dev.net.kernel.nowUs) : 0;
  }

  get robustness(): number {
    return this.qrv;
  }

  private random(belowUs: number): number {
    return this.dev.net.kernel.random('igmp').below(Math.max(1, belowUs));
  }

  private get unsolicitedUs(): number {
    const { conf } = this.ipv4;
    const ms =
      this.version === 3
        ? conf.igmpv3UnsolicitedReportInterval
        : conf.igmpv2UnsolicitedReportInterval;
    return Math.max(1, ms) * 1000;
  }

  /** Is the group told to routers at all? */
  private isReported(group: number): boolean {
    if (group === INADDR_ALLHOSTS_GROUP) return false;
    return !isLocalGroup(group) || this.dev.net.sysctl.igmpLinkLocalMcastReports !== 0;
  }

  /** A group is new here, or its device came up (`igmp_group_added`). */
  added(group: IgmpGroup): void {
    if (!this.isReported(group.addr) || !this.dev.up) return;
    if (this.version < 3) {
      group.unsolicited = this.robustness;
      this.startTimer(group, 1000);
      return;
    }
    this.leaving = this.leaving.filter((l) => l.group !== group.addr);
    this.changed();
  }

  /** Nobody wants the group any more (`igmp_group_dropped`). */
  dropped(group: IgmpGroup, last: SourceFilter<number> | null): void {
    const { reporter } = group;
    group.stop();
    if (!this.isReported(group.addr) || !this.dev.up) return;
    const { version } = this;
    if (version === 1) return;
    if (version === 2) {
      if (reporter) sendIgmp(this.dev, IGMP_HOST_LEAVE_MESSAGE, group.addr);
      return;
    }
    const record = last === null ? null : leaveRecord(last);
    if (record === null) return;
    this.leaving.push({ group: group.addr, record, left: this.robustness });
    this.changed();
  }

  /** Something is to be told (`igmp_ifc_event`). */
  changed(): void {
    if (this.version < 3 || !this.dev.up) return;
    const atUs = this.dev.net.kernel.nowUs + GATHER_US;
    if (!this.changeTimer.pending || this.changeTimer.atUs > atUs) this.changeTimer.set(atUs);
  }

  /** A report of changes; again, a little later, while there is more to tell (`igmp_ifc_timer_expire`). */
  private tellChanges(): void {
    const records: IgmpRecord[] = [];
    for (const l of this.leaving) {
      records.push({ group: l.group, ...l.record });
      l.left--;
    }
    this.leaving = this.leaving.filter((l) => l.left > 0);
    let more = this.leaving.length > 0;
    for (const group of this.groups()) {
      if (!this.isReported(group.addr)) continue;
      for (const r of group.filter.takeChanges()) records.push({ group: group.addr, ...r });
      more ||= group.filter.pending;
    }
    sendIgmpReport(this.dev, records);
    if (!more) return;
    const { nowUs } = this.dev.net.kernel;
    this.changeTimer.set(nowUs + GATHER_US + this.random(this.unsolicitedUs));
  }

  private groups(): Iterable<IgmpGroup> {
    return this.ipv4.groups?.values() ?? [];
  }

  /** The answer to a general query (`igmp_gq_timer_expire`). */
  private tellAll(): void {
    const records: IgmpRecord[] = [];
    for (const group of this.groups()) this.addState(records, group, null);
    sendIgmpReport(this.dev, records);
  }

  private addState(records: IgmpRecord[], group: IgmpGroup, asked: readonly number[] | null): void {
    if (!this.isReported(group.addr)) return;
    const state = group.filter.currentState(asked);
    if (state !== null) records.push({ group: group.addr, ...state });
  }

  /** Linux `igmp_timer_expire` */
  private groupTimer(group: IgmpGroup): void {
    if (group.unsolicited > 0 && --group.unsolicited > 0)
      this.startTimer(group, this.unsolicitedUs);
    group.reporter = true;
    const { version } = this;
    if (version === 1) sendIgmp(this.dev, IGMP_HOST_MEMBERSHIP_REPORT, group.addr);
    else if (version === 2) sendIgmp(this.dev, IGMPV2_HOST_MEMBERSHIP_REPORT, group.addr);
    else {
      const records: IgmpRecord[] = [];
      this.addState(records, group, group.asked);
      group.asked = null;
      sendIgmpReport(this.dev, records);
    }
  }

  private startTimer(group: IgmpGroup, maxDelayUs: number): void {
    const { kernel } = this.dev.net;
    group.timer ??= kernel.timer(() => this.groupTimer(group));
    group.timer.set(kernel.nowUs + GATHER_US + this.random(maxDelayUs));
  }

  /** A router asks (`igmp_heard_query`). */
  query(q: IgmpQuery): void {
    const { nowUs } = this.dev.net.kernel;
    let { group, maxDelayUs } = q;
    let asked: readonly number[] | null = null;
    if (q.version < 3) {
      const untilUs = nowUs + this.robustness * this.intervalUs + this.responseUs;
      if (q.version === 1) this.v1Until = untilUs;
      else this.v2Until = untilUs;
      this.forgetChanges();
    } else if (this.version === 1) {
      maxDelayUs = QUERY_RESPONSE_US;
      group = 0;
    } else if (this.version === 3) {
      this.qrv = q.qrv !== 0 ? q.qrv : this.dev.net.sysctl.igmpQrv;
      this.intervalUs = q.intervalUs === 0 ? QUERY_INTERVAL_US : q.intervalUs;
      this.responseUs = maxDelayUs;
      if (group === 0) {
        if (q.sources.length === 0) this.answerAll(maxDelayUs);
        return;
      }
      if (q.sources.length > 0) asked = q.sources;
    }
    for (const g of this.groups()) {
      if ((group !== 0 && group !== g.addr) || !this.isReported(g.addr)) continue;
      this.ask(g, asked, maxDelayUs);
    }
  }

  private answerAll(maxDelayUs: number): void {
    const atUs = this.dev.net.kernel.nowUs + GATHER_US + this.random(maxDelayUs);
    if (!this.queryTimer.pending || atUs < this.queryTimer.atUs) this.queryTimer.set(atUs);
  }

  /** RFC 3376 §5.2: what is asked for adds to what a query asked for that still waits. */
  private ask(group: IgmpGroup, asked: readonly number[] | null, maxDelayUs: number): void {
    const { timer } = group;
    const running = timer?.pending === true;
    const excludes = group.filter.mode === MCAST_EXCLUDE;
    // LINUX: who excludes tells all of his filter, unless nothing that was asked for is wanted.
    if (excludes && asked !== null && !asked.some((s) => group.filter.allows(s))) return;
    if (asked === null || excludes || (running && group.asked === null)) group.asked = null;
    else {
      const wanted = asked.filter((s) => group.filter.allows(s)).slice(0, MAX_ASKED);
      if (wanted.length === 0) return;
      const before = group.asked ?? [];
      group.asked = [...before, ...wanted.filter((s) => !before.includes(s))].slice(0, MAX_ASKED);
    }
    if (running && timer.atUs - this.dev.net.kernel.nowUs < maxDelayUs) return;
    this.startTimer(group, maxDelayUs);
  }

  /** Another host reported the group: that is enough (RFC 2236 §3; `igmp_heard_report`). */
  report(addr: number): void {
    const group = this.ipv4.groups?.get(addr);
    if (group !== undefined && this.isReported(addr)) group.stop();
  }

  private forgetChanges(): void {
    this.changeTimer.clear();
    this.leaving = [];
    for (const group of this.groups()) group.filter.tellNothing();
  }

  /** The device is up: everything is told again (`ip_mc_up`). */
  up(): void {
    this.qrv = this.dev.net.sysctl.igmpQrv;
    this.intervalUs = QUERY_INTERVAL_US;
    this.responseUs = QUERY_RESPONSE_US;
    for (const group of this.groups()) {
      group.filter.tellAll(this.robustness);
      this.added(group);
    }
  }

  /** Linux `ip_mc_down` */
  down(): void {
    this.changeTimer.clear();
    this.queryTimer.clear();
    this.leaving = [];
    for (const group of this.groups()) group.stop();
  }
}

/** Senders that are remembered of queries that wait: more than any filter has. */
const MAX_ASKED = 256;

function igmpOf(ipv4: Ipv4Device): IgmpDevice {
  ipv4.igmp ??= new IgmpDevice(ipv4);
  return ipv4.igmp;
}

/**
 * A socket's filter for a group of `dev` changes; null: the socket had none, or has none any more (`ip_mc_inc_group`,
 * `ip_mc_add_src`, `ip_mc_dec_group`).
 */
export function changeGroup(
  dev: NetDevice,
  addr: number,
  from: SourceFilter<number> | null,
  to: SourceFilter<number> | null,
): void {
  const { ipv4 } = dev;
  if (ipv4 === null) return;
  const igmp = igmpOf(ipv4);
  ipv4.groups ??= new Map();
  let group = ipv4.groups.get(addr);
  if (group === undefined) {
    if (to === null) return;
    group = new IgmpGroup(addr);
    ipv4.groups.set(addr, group);
    addMulticastMac(dev, multicastMac(addr), 1);
    group.filter.change(null, to, igmp.robustness);
    igmp.added(group);
    return;
  }
  const news = group.filter.change(from, to, igmp.robustness);
  if (group.filter.users > 0) {
    if (news) igmp.changed();
    return;
  }
  ipv4.groups.delete(addr);
  addMulticastMac(dev, multicastMac(addr), -1);
  igmp.dropped(group, from);
}
