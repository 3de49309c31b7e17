/**
 * Does another node have this address already? (RFC 4862 §5.4, RFC 4429, RFC 7527; Linux `addrconf_dad_start`,
 * `addrconf_dad_work`, `addrconf_dad_failure`.)
 */
import { IFF_LOOPBACK, IFF_NOARP } from '../../link/net-device.ts';
import { IN6ADDR_ANY, IN6ADDR_LINKLOCAL_ALLNODES, solicitedNode } from '../../util/ip6-addr.ts';
import { NA_OVERRIDE } from '../../wire/ndisc.ts';
import { RT_SCOPE_LINK } from '../route/fib.ts';
import { newAddress } from './add-address.ts';
import {
  dadStop,
  IFA_F_DADFAILED,
  IFA_F_NODAD,
  IFA_F_OPTIMISTIC,
  IFA_F_PERMANENT,
  IFA_F_STABLE_PRIVACY,
  IFA_F_TEMPORARY,
  IFA_F_TENTATIVE,
  type Ipv6Address,
} from './address.ts';
import { installLocal } from './address-routes.ts';
import { type Ipv6Device, maxConf6 } from './device.ts';
import { joinGroup6 } from './group.ts';
import { stableAddress } from './interface-id.ts';
import { armLifetimes } from './lifetime-timer.ts';
import { mldReportAll } from './mld.ts';
import { sendAdvertisement, sendSolicitation } from './ndisc-send.ts';
import { startSolicitations } from './router-solicit.ts';

/** Begins, or ends at once where nobody has to be asked. */
export function dadStart(a: Ipv6Address): void {
  const { dev } = a;
  const ipv6 = dev.ipv6 as Ipv6Device;
  const group = solicitedNode(a.addr);
  if (!a.joined && (dev.flags & (IFF_NOARP | IFF_LOOPBACK)) === 0) {
    a.joined = true;
    joinGroup6(dev, group);
  }
  const asks =
    (dev.flags & (IFF_NOARP | IFF_LOOPBACK)) === 0 &&
    maxConf6(ipv6, 'acceptDad') > 0 &&
    (a.flags & (IFA_F_TENTATIVE | IFA_F_NODAD)) === IFA_F_TENTATIVE;
  if (!asks) {
    if (ipv6.ready || (a.flags & IFA_F_NODAD) !== 0 || (dev.flags & IFF_LOOPBACK) !== 0)
      complete(a);
    return;
  }
  // Until there is a link, a permanent address waits.
  if (!ipv6.ready) return;
  const { kernel } = dev.net;
  if ((a.flags & IFA_F_OPTIMISTIC) !== 0) installLocal(a);
  a.dadProbes = ipv6.conf.dadTransmits;
  const random = kernel.random('ipv6-dad');
  a.dadNonce =
    maxConf6(ipv6, 'enhancedDad') === 0
      ? -1
      : random.below(2 ** 24) * 2 ** 24 + random.below(2 ** 24);
  const spreadUs = ipv6.conf.routerSolicitationDelay * 1e6;
  const delayUs = (a.flags & IFA_F_OPTIMISTIC) !== 0 ? 0 : random.below(Math.max(spreadUs, 1));
  a.dadTimer = kernel.timer(() => dadWork(a));
  a.dadTimer.set(kernel.nowUs + delayUs);
}

/** The next probe, or nobody has answered (`addrconf_dad_work`). */
function dadWork(a: Ipv6Address): void {
  const { dev } = a;
  if (a.dadProbes <= 0) {
    complete(a);
    return;
  }
  a.dadProbes--;
  const conf = (dev.ipv6 as Ipv6Device).neighConf;
  a.dadTimer?.set(dev.net.kernel.nowUs + Math.max(conf.retransTimeMs, 10) * 1000);
  sendSolicitation(dev, a.addr, solicitedNode(a.addr), IN6ADDR_ANY, a.dadNonce);
}

/** The address is ours (`addrconf_dad_completed`). */
function complete(a: Ipv6Address): void {
  const { dev } = a;
  const ipv6 = dev.ipv6 as Ipv6Device;
  dadStop(a);
  a.flags &= ~(IFA_F_TENTATIVE | IFA_F_OPTIMISTIC | IFA_F_DADFAILED);
  installLocal(a);
  dev.net.ipv6.changed();
  dev.net.events.emit('newaddr', { dev, address: a });
  if (!dev.up) return;
  if (a.scope === RT_SCOPE_LINK) mldReportAll(ipv6);
  if (maxConf6(ipv6, 'ndiscNotify') !== 0)
    sendAdvertisement(dev, IN6ADDR_LINKLOCAL_ALLNODES, a.addr, NA_OVERRIDE, true);
  startSolicitations(ipv6, a);
  if ((a.flags & IFA_F_TEMPORARY) !== 0) armLifetimes(ipv6);
}

/** The next identifier after one that is taken (RFC 7217 §6). */
function tryNextStable(ipv6: Ipv6Device, a: Ipv6Address): void {
  const { sysctl } = a.dev.net.ipv6;
  const retry = (a.auto?.stableRetry ?? 0) + 1;
  if (retry > sysctl.idgenRetries) return;
  const addr = stableAddress(ipv6, a.addr, retry);
  const { maxAddresses } = ipv6.conf;
  if (addr === null || (maxAddresses !== 0 && ipv6.addresses.length >= maxAddresses)) return;
  const { kernel } = a.dev.net;
  const next = newAddress(ipv6, {
    addr,
    prefixLen: a.prefixLen,
    flags: a.flags & ~(IFA_F_DADFAILED | IFA_F_TENTATIVE),
    validLft: a.validLft,
    preferredLft: a.preferredLft,
    auto: { createdUs: kernel.nowUs, publicAddr: null, regenCount: 0, stableRetry: retry },
  });
  next.dadTimer = kernel.timer(() => dadStart(next));
  next.dadTimer.set(kernel.nowUs + sysctl.idgenDelay * 1e6);
}

/** Another has it: nobody may use it here (`addrconf_dad_failure`). */
export function dadFailed(a: Ipv6Address): void {
  const { dev } = a;
  const ipv6 = dev.ipv6 as Ipv6Device;
  dadStop(a);
  // RFC 4862 §5.4.5: whose link-local address is taken had better not use the link.
  const stops = maxConf6(ipv6, 'acceptDad') > 1 && a.scope === RT_SCOPE_LINK;
  if ((a.flags & IFA_F_STABLE_PRIVACY) !== 0) tryNextStable(ipv6, a);
  if ((a.flags & IFA_F_PERMANENT) === 0) {
    // It goes, and may have a successor: the timer sees to it.
    a.flags |= IFA_F_DADFAILED | IFA_F_TENTATIVE;
    a.flags &= ~IFA_F_OPTIMISTIC;
    armLifetimes(ipv6);
    return;
  }
  a.flags |= IFA_F_TENTATIVE | IFA_F_DADFAILED;
  a.flags &= ~IFA_F_OPTIMISTIC;
  if (stops) ipv6.conf = ipv6.conf.with('disableIpv6', 1);
  dev.net.ipv6.changed();
  dev.net.events.emit('newaddr', { dev, address: a });
}
