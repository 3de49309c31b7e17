/**
 * Reports of multicast membership (MLDv2, RFC 3810 §5.2, §6.1; Linux `mld_send_cr`, `mld_dad_work`): that a group was
 * joined or left is said twice, and all of it again once there is a link-local address to say it from. Queries are
 * not answered: see docs/linux.md.
 */

import { IFF_LOOPBACK } from '../../link/net-device.ts';
import type { Timer } from '../../timer.ts';
import {
  compareIp6,
  IN6ADDR_ANY,
  IN6ADDR_LINKLOCAL_ALLNODES,
  IN6ADDR_MLD2_REPORTS,
  type Ip6Addr,
  putIp6,
} from '../../util/ip6-addr.ts';
import { Ip6Map } from '../../util/ip6-map.ts';
import { ICMPV6_MLD2_REPORT } from '../../wire/icmpv6.ts';
import { IFA_F_OPTIMISTIC, IFA_F_TENTATIVE, linkLocalOf } from './address.ts';
import type { Ipv6Device } from './device.ts';
import { sendOnLink } from './send.ts';

/** RFC 3810 §5.2.12 */
const CHANGE_TO_INCLUDE_MODE = 3;
const CHANGE_TO_EXCLUDE_MODE = 4;
/** net.ipv6.mld_qrv: how often each change is told (RFC 3810 §9.1). */
const ROBUSTNESS = 2;
/** The first report waits for what else changes now (Linux: two jiffies). */
const GATHER_US = 20_000;
/** Bytes of one record without sources. */
const RECORD = 20;
/** Records that fit into a packet of 1280 bytes. */
const MAX_RECORDS = 50;

interface Change {
  readonly group: Ip6Addr;
  readonly type: number;
  left: number;
}

/** What is still to be told of one device. */
export class MldReports {
  private readonly ipv6: Ipv6Device;
  private readonly changes: Ip6Map<Change> = new Ip6Map();
  private readonly timer: Timer;

  constructor(ipv6: Ipv6Device) {
    this.ipv6 = ipv6;
    this.timer = ipv6.dev.net.kernel.timer(() => this.send());
  }

  note(group: Ip6Addr, joined: boolean): void {
    const type = joined ? CHANGE_TO_EXCLUDE_MODE : CHANGE_TO_INCLUDE_MODE;
    this.changes.set(group, { group, type, left: ROBUSTNESS });
    const atUs = this.ipv6.dev.net.kernel.nowUs + GATHER_US;
    if (!this.timer.pending || this.timer.atUs > atUs) this.timer.set(atUs);
  }

  stop(): void {
    this.timer.clear();
    this.changes.clear();
  }

  private send(): void {
    const { dev, conf } = this.ipv6;
    const { kernel } = dev.net;
    const due = [...this.changes.values()].sort((a, b) => compareIp6(a.group, b.group));
    for (let i = 0; i < due.length; i += MAX_RECORDS) this.report(due.slice(i, i + MAX_RECORDS));
    for (const change of due) if (--change.left === 0) this.changes.delete(change.group);
    if (this.changes.size === 0) {
      this.ipv6.mld = null;
      return;
    }
    const intervalUs = Math.max(conf.mldv2UnsolicitedReportInterval, 1) * 1000;
    this.timer.set(kernel.nowUs + GATHER_US + kernel.random('mld').below(intervalUs));
  }

  private report(changes: readonly Change[]): void {
    const { dev } = this.ipv6;
    const body = new Uint8Array(RECORD * changes.length);
    const view = new DataView(body.buffer);
    changes.forEach((change, i) => {
      view.setUint8(i * RECORD, change.type);
      putIp6(view, i * RECORD + 4, change.group);
    });
    const from = linkLocalOf(dev, IFA_F_TENTATIVE | IFA_F_OPTIMISTIC) ?? IN6ADDR_ANY;
    sendOnLink(dev, {
      src: from,
      dst: IN6ADDR_MLD2_REPORTS,
      type: ICMPV6_MLD2_REPORT,
      rest: changes.length,
      body,
      hopLimit: 1,
      routerAlert: true,
      tclass: 0,
    });
  }
}

/** A group was joined or left. */
export function mldChanged(ipv6: Ipv6Device, group: Ip6Addr, joined: boolean): void {
  const { dev } = ipv6;
  if (!isReported(group) || !dev.up || (dev.flags & IFF_LOOPBACK) !== 0) return;
  ipv6.mld ??= new MldReports(ipv6);
  ipv6.mld.note(group, joined);
}

/** The device is up, or has a link-local address now: everything is told (again). */
export function mldReportAll(ipv6: Ipv6Device): void {
  for (const group of ipv6.groups.keys()) mldChanged(ipv6, group, true);
}

/** Not of all nodes, nor of groups that stay on the host (RFC 3810 §6). */
function isReported(group: Ip6Addr): boolean {
  return ((group.a >>> 16) & 15) >= 2 && !group.equals(IN6ADDR_LINKLOCAL_ALLNODES);
}
