/**
 * A prefix that a router announces: a route to the link, and an address in it (RFC 4862 §5.5.3; Linux
 * `addrconf_prefix_rcv`).
 */
import { isLinkLocal6, isMulticast6 } from '../../util/ip6-addr.ts';
import type { PrefixInfo } from '../../wire/ndisc.ts';
import { onlinkPrefix } from '../route6/ra-route.ts';
import { newAddress } from './add-address.ts';
import {
  findAddr6,
  IFA_F_DEPRECATED,
  IFA_F_MANAGETEMPADDR,
  IFA_F_OPTIMISTIC,
  IFA_F_TENTATIVE,
  type Ipv6Address,
} from './address.ts';
import { dadStart } from './dad.ts';
import type { Ipv6Device } from './device.ts';
import { type MadeAddress, makeAddress } from './interface-id.ts';
import { verifyLifetimes } from './lifetime.ts';
import { manageTempAddrs } from './temp-addr.ts';

/** RFC 4862 §5.5.3 e): an advertisement alone does not shorten a lifetime below two hours, seconds. */
const MIN_VALID_LIFETIME = 7200;

/** Takes a prefix; `hasMac`: the router told its link-layer address. */
export function prefixInformation(ipv6: Ipv6Device, info: PrefixInfo, hasMac: boolean): void {
  const { conf } = ipv6;
  const { prefix, prefixLen, validLft, preferredLft } = info;
  if (isMulticast6(prefix) || isLinkLocal6(prefix) || preferredLft > validLft) return;
  if (prefixLen > 128 || (validLft !== 0 && validLft < conf.acceptRaMinLft)) return;
  if (info.onlink) onlinkPrefix(ipv6.dev, prefix, prefixLen, validLft);
  // RFC 9762 §5: addresses are had by DHCPv6-PD.
  const byDelegation = info.preferPd && conf.raHonorPioPflag !== 0;
  if (!info.autoconf || conf.autoconf === 0 || byDelegation || prefixLen !== 64) return;
  const made = makeAddress(ipv6, prefix);
  if (made !== null) autoAddress(ipv6, info, made, hasMac);
}

/** Linux `addrconf_prefix_rcv_add_addr` */
function autoAddress(ipv6: Ipv6Device, info: PrefixInfo, made: MadeAddress, hasMac: boolean): void {
  const { dev } = ipv6;
  const known = findAddr6(dev, made.addr);
  const create = known === null;
  if (create && info.validLft === 0) return;
  const address = known ?? addAuto(ipv6, info, made, hasMac);
  if (address === null) return;
  let { validLft } = info;
  if (!create) {
    const stored = remaining(address);
    if (stored > 0) {
      if (ipv6.conf.raHonorPioLife === 0)
        validLft = Math.max(validLft, Math.min(stored, MIN_VALID_LIFETIME));
      address.validLft = validLft;
      address.preferredLft = info.preferredLft;
      address.updatedUs = dev.net.kernel.nowUs;
      const was = address.flags;
      address.flags &= ~IFA_F_DEPRECATED;
      if (was !== address.flags) dev.net.ipv6.changed();
      if ((was & IFA_F_TENTATIVE) === 0) dev.net.events.emit('newaddr', { dev, address });
    }
  }
  manageTempAddrs(ipv6, address, validLft, info.preferredLft, create);
  verifyLifetimes(ipv6);
}

/** Seconds of its valid lifetime that are left. */
function remaining(a: Ipv6Address): number {
  const age = Math.floor((a.dev.net.kernel.nowUs - a.updatedUs) / 1e6);
  return Math.max(a.validLft - age, 0);
}

function addAuto(
  ipv6: Ipv6Device,
  info: PrefixInfo,
  made: MadeAddress,
  hasMac: boolean,
): Ipv6Address | null {
  const { dev, conf } = ipv6;
  const { confAll } = dev.net.ipv6;
  // Whoever sends advertisements is not to fill the memory.
  if (conf.maxAddresses !== 0 && ipv6.addresses.length >= conf.maxAddresses) return null;
  const optimistic =
    (confAll.optimisticDad !== 0 || conf.optimisticDad !== 0) && confAll.forwarding === 0 && hasMac;
  const address = newAddress(ipv6, {
    addr: made.addr,
    prefixLen: info.prefixLen,
    flags: made.flags | IFA_F_MANAGETEMPADDR | (optimistic ? IFA_F_OPTIMISTIC : 0),
    validLft: info.validLft,
    preferredLft: info.preferredLft,
    auto: { createdUs: dev.net.kernel.nowUs, publicAddr: null, regenCount: 0, stableRetry: 0 },
  });
  dadStart(address);
  return address;
}
