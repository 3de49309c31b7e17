/** Neighbour solicitations and advertisements that we send (RFC 4861 §7.2; Linux `ndisc_send_ns`, `ndisc_send_na`). */
import { IFF_NOARP, type NetDevice } from '../../link/net-device.ts';
import { type Ip6Addr, isAny6 } from '../../util/ip6-addr.ts';
import { NDISC_NEIGHBOUR_ADVERTISEMENT, NDISC_NEIGHBOUR_SOLICITATION } from '../../wire/icmpv6.ts';
import {
  NA_OVERRIDE,
  NA_ROUTER,
  ND_OPT_NONCE,
  ND_OPT_SOURCE_LL_ADDR,
  ND_OPT_TARGET_LL_ADDR,
  ndBody,
} from '../../wire/ndisc.ts';
import { findAddr6, IFA_F_OPTIMISTIC, IFA_F_TENTATIVE, linkLocalOf } from './address.ts';
import { type LinkMessage, sendOnLink } from './send.ts';

/** RFC 4861 §7.1: nothing that came from further away is believed. */
export const ND_HOPLIMIT = 255;

/** Asks who has `target`; from `::` it is a probe for a duplicate, with `nonce` unless -1. */
export function sendSolicitation(
  dev: NetDevice,
  target: Ip6Addr,
  dst: Ip6Addr,
  from: Ip6Addr | null,
  nonce: number,
): void {
  const src = from ?? linkLocalOf(dev, IFA_F_TENTATIVE | IFA_F_OPTIMISTIC);
  if (src === null) return;
  const hasMac = dev.hardHeaderLen > 0;
  const body = isAny6(src)
    ? ndBody(target, ND_OPT_NONCE, nonce)
    : ndBody(target, ND_OPT_SOURCE_LL_ADDR, hasMac ? dev.mac : -1);
  send(dev, { src, dst, type: NDISC_NEIGHBOUR_SOLICITATION, rest: 0, body });
}

/** Tells `dst` that `target` is here; `flags`: `NA_SOLICITED | NA_OVERRIDE`. */
export function sendAdvertisement(
  dev: NetDevice,
  dst: Ip6Addr,
  target: Ip6Addr,
  flags: number,
  withMac: boolean,
): void {
  const own = findAddr6(dev, target);
  const optimistic = own !== null && (own.flags & IFA_F_OPTIMISTIC) !== 0;
  const isRouter = (dev.ipv6?.conf.forwarding ?? 0) !== 0;
  const rest = (isRouter ? NA_ROUTER : 0) | (optimistic ? flags & ~NA_OVERRIDE : flags);
  const wanted = withMac || (dev.ipv6?.conf.forceTllao ?? 0) !== 0;
  const hasMac = wanted && dev.hardHeaderLen > 0;
  const body = ndBody(target, ND_OPT_TARGET_LL_ADDR, hasMac ? dev.mac : -1);
  // An address that is another's is advertised from one of our own.
  const src = own === null ? linkLocalOf(dev, IFA_F_TENTATIVE) : target;
  if (src !== null) send(dev, { src, dst, type: NDISC_NEIGHBOUR_ADVERTISEMENT, rest, body });
}

type Message = Pick<LinkMessage, 'src' | 'dst' | 'type' | 'rest' | 'body'>;

function send(dev: NetDevice, message: Message): void {
  if ((dev.flags & IFF_NOARP) !== 0 && dev.hardHeaderLen > 0) return;
  const tclass = dev.ipv6?.conf.ndiscTclass ?? 0;
  sendOnLink(dev, { ...message, hopLimit: ND_HOPLIMIT, routerAlert: false, tclass });
}
