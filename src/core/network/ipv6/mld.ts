/**
 * Membership of multicast groups as a host tells it to routers (RFC 2710, RFC 3810; Linux `net/ipv6/mcast.c`): that a
 * group was joined or left is said twice, and all of it again once there is a link-local address to say it from; queries
 * are answered after a random delay; version 1 is spoken for as long as a router of version 1 is about. Most groups are
 * had from all sources, and are a number in `Ipv6Device.groups`; a filter is made where a socket names sources.
 */
import { IFF_LOOPBACK, type NetDevice } from '../../link/net-device.ts';
import type { Timer } from '../../timer.ts';
import {
  compareIp6,
  IN6ADDR_ANY,
  IN6ADDR_LINKLOCAL_ALLNODES,
  IN6ADDR_LINKLOCAL_ALLROUTERS,
  IN6ADDR_MLD2_REPORTS,
  type Ip6Addr,
  isAny6,
  putIp6,
} from '../../util/ip6-addr.ts';
import { Ip6Map } from '../../util/ip6-map.ts';
import { ICMPV6_MGM_REDUCTION, ICMPV6_MGM_REPORT, ICMPV6_MLD2_REPORT } from '../../wire/icmpv6.ts';
import { type MldQuery, type MldRecord, mldReports } from '../../wire/mld.ts';
import {
  CHANGE_TO_EXCLUDE,
  CHANGE_TO_INCLUDE,
  GroupFilter,
  type GroupRecord,
  MODE_IS_EXCLUDE,
  MODE_IS_INCLUDE,
} from '../source-filter.ts';
import { IFA_F_OPTIMISTIC, IFA_F_TENTATIVE, linkLocalOf } from './address.ts';
import type { Ipv6Device } from './device.ts';
import { sendOnLink } from './send.ts';

/** RFC 3810 §9.1, §9.2, §9.3: what a querier does that does not say. */
const ROBUSTNESS = 2;
const QUERY_INTERVAL_US = 125_000_000;
const QUERY_RESPONSE_US = 10_000_000;
/** The first report waits for what else changes now (Linux: two jiffies). */
const GATHER_US = 20_000;
/** Bytes of records in a packet that any link carries. */
const ROOM = 1200;
/** Senders that are remembered of queries that wait (net.ipv6.mld_max_msf). */
const MAX_ASKED = 64;

function same(a: Ip6Addr, b: Ip6Addr): boolean {
  return a.equals(b);
}

/** What is still to be said of a group: that it is wanted, or what else of one that is not. */
interface Change {
  readonly group: Ip6Addr;
  readonly record: GroupRecord<Ip6Addr>;
  left: number;
}

/** A group about which a router asked, or which is told with version 1. */
interface Answer {
  readonly timer: Timer;
  /** The query that waits asked for these senders only. */
  asked: readonly Ip6Addr[] | null;
  /** We were the last to report it. */
  reporter: boolean;
}

/** What was heard of queriers. */
interface Heard {
  v1Until: number;
  qrv: number;
  intervalUs: number;
  responseUs: number;
  readonly all: Timer;
}

export class MldDevice {
  /** Of groups that somebody does not have from all sources. */
  filters: Ip6Map<GroupFilter<Ip6Addr>> | null = null;
  private readonly ipv6: Ipv6Device;
  private readonly changes: Ip6Map<Change> = new Ip6Map();
  private readonly timer: Timer;
  private heard: Heard | null = null;
  private answers: Ip6Map<Answer> | null = null;

  constructor(ipv6: Ipv6Device) {
    this.ipv6 = ipv6;
    this.timer = ipv6.dev.net.kernel.timer(() => this.tellChanges());
  }

  get robustness(): number {
    return this.heard?.qrv ?? ROBUSTNESS;
  }

  /** 1 or 2: what is spoken here now (`mld_in_v1_mode`). */
  get version(): number {
    const { conf, dev } = this.ipv6;
    const forced = dev.net.ipv6.confAll.forceMldVersion || conf.forceMldVersion;
    if (forced === 1 || forced === 2) return forced;
    return this.heard !== null && dev.net.kernel.nowUs < this.heard.v1Until ? 1 : 2;
  }

  private random(belowUs: number): number {
    return this.ipv6.dev.net.kernel.random('mld').below(Math.max(Math.floor(belowUs), 1));
  }

  /** A group that is had from all sources was joined or left. */
  note(group: Ip6Addr, joined: boolean): void {
    const type = joined ? CHANGE_TO_EXCLUDE : CHANGE_TO_INCLUDE;
    this.say(group, { type, sources: [] }, joined);
  }

  /** `record`: what is told of a group that nobody wants any more, or that is wanted. */
  say(group: Ip6Addr, record: GroupRecord<Ip6Addr>, joined: boolean): void {
    if (this.version === 1) {
      this.say1(group, joined);
      return;
    }
    this.changes.set(group, { group, record, left: this.robustness });
    this.changed();
  }

  /** RFC 2710 §4: a report at once and one later; who reported last says that he leaves. */
  private say1(group: Ip6Addr, joined: boolean): void {
    if (joined) {
      this.send1(ICMPV6_MGM_REPORT, group);
      const ms = this.ipv6.conf.mldv1UnsolicitedReportInterval;
      this.answerIn(group, this.random(ms * 1000));
      return;
    }
    const answer = this.answers?.get(group);
    if (answer?.reporter === true) this.send1(ICMPV6_MGM_REDUCTION, group);
    answer?.timer.clear();
    this.answers?.delete(group);
  }

  /** A filter has something to tell (`mld_ifc_event`). */
  changed(): void {
    if (!this.ipv6.dev.up || this.version === 1) return;
    const atUs = this.ipv6.dev.net.kernel.nowUs + GATHER_US;
    if (!this.timer.pending || this.timer.atUs > atUs) this.timer.set(atUs);
  }

  /** The filter of a group, from now on; `users` have it from all sources. */
  filterOf(group: Ip6Addr, users: number): GroupFilter<Ip6Addr> {
    this.filters ??= new Ip6Map();
    let filter = this.filters.get(group);
    if (filter === undefined) {
      filter = new GroupFilter<Ip6Addr>(same);
      filter.excluders = users;
      if (this.changes.delete(group) && users > 0) filter.tellAll(this.robustness);
      this.filters.set(group, filter);
    }
    return filter;
  }

  stop(): void {
    this.timer.clear();
    this.changes.clear();
    this.heard?.all.clear();
    this.heard = null;
    for (const a of this.answers?.values() ?? []) a.timer.clear();
    this.answers = null;
  }

  /** Linux `mld_send_cr` */
  private tellChanges(): void {
    const { dev, conf } = this.ipv6;
    const records: MldRecord[] = [];
    for (const change of [...this.changes.values()].sort((a, b) => compareIp6(a.group, b.group))) {
      records.push({ group: change.group, ...change.record });
      if (--change.left === 0) this.changes.delete(change.group);
    }
    let more = this.changes.size > 0;
    for (const group of this.filters?.keys() ?? []) {
      const filter = this.filters?.get(group);
      if (filter === undefined || !isReported(group)) continue;
      for (const r of filter.takeChanges()) records.push({ group, ...r });
      more ||= filter.pending;
    }
    this.report(records);
    if (more) {
      const intervalUs = Math.max(conf.mldv2UnsolicitedReportInterval, 1) * 1000;
      this.timer.set(dev.net.kernel.nowUs + GATHER_US + this.random(intervalUs));
    } else if (this.heard === null && this.answers === null && this.filters === null) {
      // There may be many devices, and nothing is left to be remembered.
      this.ipv6.mld = null;
    }
  }

  private report(records: readonly MldRecord[]): void {
    const { dev } = this.ipv6;
    for (const { count, body } of mldReports(records, ROOM))
      sendMld(dev, IN6ADDR_MLD2_REPORTS, ICMPV6_MLD2_REPORT, count, body);
  }

  private send1(type: number, group: Ip6Addr): void {
    const body = new Uint8Array(16);
    putIp6(new DataView(body.buffer), 0, group);
    const to = type === ICMPV6_MGM_REDUCTION ? IN6ADDR_LINKLOCAL_ALLROUTERS : group;
    sendMld(this.ipv6.dev, to, type, 0, body);
  }

  /** What is wanted of a group now; null: nothing that is asked for. */
  private stateOf(group: Ip6Addr, asked: readonly Ip6Addr[] | null): MldRecord | null {
    const filter = this.filters?.get(group);
    if (filter !== undefined) {
      const state = filter.currentState(asked);
      return state === null ? null : { group, ...state };
    }
    return asked === null
      ? { group, type: MODE_IS_EXCLUDE, sources: [] }
      : { group, type: MODE_IS_INCLUDE, sources: asked };
  }

  /** A router asks (`__mld_query_work`). */
  query(q: MldQuery): void {
    const { version } = this;
    const maxDelayUs = Math.max(q.maxDelayUs, 1000);
    const heard = this.hear();
    if (q.version === 1 || version === 1) {
      if (q.version === 1 && this.forcedTo2) return;
      if (q.version === 1)
        heard.v1Until =
          this.ipv6.dev.net.kernel.nowUs + heard.qrv * heard.intervalUs + heard.responseUs;
      this.forgetChanges();
      this.ask(q.group, null, maxDelayUs);
      return;
    }
    heard.qrv = q.qrv === 0 ? ROBUSTNESS : q.qrv;
    heard.intervalUs = q.intervalUs === 0 ? QUERY_INTERVAL_US : q.intervalUs;
    heard.responseUs = maxDelayUs;
    if (!isAny6(q.group)) {
      this.ask(q.group, q.sources.length === 0 ? null : q.sources, maxDelayUs);
      return;
    }
    if (q.sources.length > 0) return;
    const atUs = this.ipv6.dev.net.kernel.nowUs + GATHER_US + this.random(maxDelayUs);
    if (!heard.all.pending || atUs < heard.all.atUs) heard.all.set(atUs);
  }

  private get forcedTo2(): boolean {
    const { conf, dev } = this.ipv6;
    return (dev.net.ipv6.confAll.forceMldVersion || conf.forceMldVersion) === 2;
  }

  private hear(): Heard {
    this.heard ??= {
      v1Until: 0,
      qrv: ROBUSTNESS,
      intervalUs: QUERY_INTERVAL_US,
      responseUs: QUERY_RESPONSE_US,
      all: this.ipv6.dev.net.kernel.timer(() => this.tellAll()),
    };
    return this.heard;
  }

  private forgetChanges(): void {
    this.timer.clear();
    this.heard?.all.clear();
    this.changes.clear();
    for (const filter of this.filters?.values() ?? []) filter.tellNothing();
  }

  /** The answer to a general query (`mld_gq_work`). */
  private tellAll(): void {
    const records: MldRecord[] = [];
    for (const group of this.ipv6.groups.keys()) {
      const state = isReported(group) ? this.stateOf(group, null) : null;
      if (state !== null) records.push(state);
    }
    this.report(records);
  }

  /** Group `::`: all of them, one by one, as version 1 wants it. */
  private ask(group: Ip6Addr, asked: readonly Ip6Addr[] | null, maxDelayUs: number): void {
    for (const g of this.ipv6.groups.keys()) {
      if ((!isAny6(group) && !g.equals(group)) || !isReported(g)) continue;
      const before = this.answers?.get(g);
      const waits = before?.timer.pending === true;
      const wanted = asked === null ? null : this.stateOf(g, asked);
      if (asked !== null && wanted === null) continue;
      let senders = asked === null || (waits && before?.asked === null) ? null : asked;
      if (senders !== null && waits && before !== undefined) senders = union(before.asked, senders);
      const leftUs = waits && before !== undefined ? before.timer.atUs : Number.POSITIVE_INFINITY;
      const { nowUs } = this.ipv6.dev.net.kernel;
      const delayUs = leftUs - nowUs < maxDelayUs ? leftUs - nowUs : this.random(maxDelayUs);
      this.answerIn(g, delayUs).asked = senders;
    }
  }

  private answerIn(group: Ip6Addr, delayUs: number): Answer {
    const { kernel } = this.ipv6.dev.net;
    this.answers ??= new Ip6Map();
    let answer = this.answers.get(group);
    if (answer === undefined) {
      answer = { timer: kernel.timer(() => this.answer(group)), asked: null, reporter: false };
      this.answers.set(group, answer);
    }
    answer.timer.set(kernel.nowUs + delayUs);
    return answer;
  }

  /** Linux `mld_mca_work` */
  private answer(group: Ip6Addr): void {
    const answer = this.answers?.get(group);
    if (answer === undefined || !this.ipv6.groups.has(group)) return;
    answer.reporter = true;
    if (this.version === 1) {
      this.send1(ICMPV6_MGM_REPORT, group);
      return;
    }
    const state = this.stateOf(group, answer.asked);
    answer.asked = null;
    if (state !== null) this.report([state]);
  }

  /** Another host reported the group: that is enough (RFC 2710 §4; `igmp6_event_report`). */
  reported(group: Ip6Addr): void {
    const answer = this.answers?.get(group);
    if (answer === undefined) return;
    answer.timer.clear();
    answer.reporter = false;
  }
}

function union(a: readonly Ip6Addr[] | null, b: readonly Ip6Addr[]): readonly Ip6Addr[] {
  const known = a ?? [];
  return [...known, ...b.filter((x) => !known.some((y) => y.equals(x)))].slice(0, MAX_ASKED);
}

function sendMld(
  dev: NetDevice,
  dst: Ip6Addr,
  type: number,
  count: number,
  body: Uint8Array,
): void {
  sendOnLink(dev, {
    src: linkLocalOf(dev, IFA_F_TENTATIVE | IFA_F_OPTIMISTIC) ?? IN6ADDR_ANY,
    dst,
    type,
    rest: count,
    body,
    hopLimit: 1,
    routerAlert: true,
    tclass: 0,
  });
}

/** What a device does about MLD, made if need be. */
export function mldOf(ipv6: Ipv6Device): MldDevice {
  ipv6.mld ??= new MldDevice(ipv6);
  return ipv6.mld;
}

/** Is the group told to anybody now? */
export function mldTells(ipv6: Ipv6Device, group: Ip6Addr): boolean {
  const { dev } = ipv6;
  return isReported(group) && dev.up && (dev.flags & IFF_LOOPBACK) === 0;
}

/** A group that is had from all sources was joined or left. */
export function mldChanged(ipv6: Ipv6Device, group: Ip6Addr, joined: boolean): void {
  if (mldTells(ipv6, group)) mldOf(ipv6).note(group, joined);
}

/** The device is up, or has a link-local address now: everything is told (again). */
export function mldReportAll(ipv6: Ipv6Device): void {
  for (const group of ipv6.groups.keys()) {
    const filter = ipv6.mld?.filters?.get(group);
    if (filter === undefined) mldChanged(ipv6, group, true);
    else if (mldTells(ipv6, group)) {
      filter.tellAll(ROBUSTNESS);
      ipv6.mld?.changed();
    }
  }
}

/** Not of all nodes, nor of groups that stay on the host (RFC 3810 §6). */
function isReported(group: Ip6Addr): boolean {
  return ((group.a >>> 16) & 15) >= 2 && !group.equals(IN6ADDR_LINKLOCAL_ALLNODES);
}
