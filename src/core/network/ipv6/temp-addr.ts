/**
 * Temporary addresses (RFC 8981; Linux `manage_tempaddrs`, `ipv6_create_tempaddr`): beside an address that was made
 * from a prefix, one with a random identifier, which is replaced before it is deprecated.
 */
import { newAddress } from './add-address.ts';
import {
  IFA_F_DEPRECATED,
  IFA_F_OPTIMISTIC,
  IFA_F_TEMPORARY,
  IFA_F_TENTATIVE,
  type Ipv6Address,
} from './address.ts';
import { dadStart } from './dad.ts';
import type { Ipv6Device } from './device.ts';
import { randomAddress } from './interface-id.ts';
import { armLifetimes, regenAdvance } from './lifetime-timer.ts';

function isTemporaryOf(a: Ipv6Address, of: Ipv6Address): boolean {
  return a.auto !== null && a.auto.publicAddr === of;
}

/** The lifetimes of `of` are new: those of its temporary addresses follow, and it may get one. */
export function manageTempAddrs(
  ipv6: Ipv6Device,
  of: Ipv6Address,
  validLft: number,
  preferredLft: number,
  create: boolean,
): void {
  const { dev, conf } = ipv6;
  const { nowUs } = dev.net.kernel;
  let valid = validLft;
  let preferred = preferredLft;
  for (const a of ipv6.addresses) {
    if (a.auto === null || !isTemporaryOf(a, of)) continue;
    const age = Math.floor((nowUs - a.auto.createdUs) / 1e6);
    const desync = Math.max(ipv6.auto?.desyncFactor ?? 0, 0);
    valid = Math.min(valid, Math.max(conf.tempValidLft - age, 0));
    preferred = Math.min(preferred, Math.max(conf.tempPreferedLft - desync - age, 0));
    a.validLft = valid;
    a.preferredLft = preferred;
    a.updatedUs = nowUs;
    if (preferred > 0) a.flags &= ~IFA_F_DEPRECATED;
    if ((a.flags & IFA_F_TENTATIVE) === 0) dev.net.events.emit('newaddr', { dev, address: a });
  }
  const none = !ipv6.addresses.some((a) => (a.flags & IFA_F_TEMPORARY) !== 0);
  const wants = create || (none && (validLft !== 0 || preferredLft !== 0));
  if (wants && conf.useTempaddr > 0) createTempAddr(ipv6, of);
}

/** A random delay, so that not all hosts change at once; it fits the settings of now. */
function desyncFactor(ipv6: Ipv6Device, advance: number): number {
  const { conf } = ipv6;
  const auto = ipv6.ownAuto();
  const max = Math.min(conf.maxDesyncFactor, conf.tempPreferedLft - advance);
  if (auto.desyncFactor < 0 || auto.desyncFactor > max) {
    const random = ipv6.dev.net.kernel.random('ipv6-desync');
    auto.desyncFactor = max > 0 ? random.below(max) : 0;
  }
  return auto.desyncFactor;
}

/** Makes one; it may be that its lifetime would be too short to bother. */
export function createTempAddr(ipv6: Ipv6Device, of: Ipv6Address): void {
  const { dev, conf } = ipv6;
  if (conf.useTempaddr <= 0) return;
  of.auto ??= { createdUs: of.updatedUs, publicAddr: null, regenCount: 0, stableRetry: 0 };
  if (of.auto.regenCount++ >= conf.regenMaxRetry) {
    // RFC 8981 §3.4 7): whoever answers to every address we think of is not to keep us thinking.
    ipv6.conf = conf.with('useTempaddr', -1);
    return;
  }
  const { nowUs } = dev.net.kernel;
  const age = Math.floor((nowUs - of.updatedUs) / 1e6);
  const advance = regenAdvance(ipv6);
  const desync = desyncFactor(ipv6, advance);
  const validLft = Math.min(of.validLft, conf.tempValidLft + age);
  let preferredLft = Math.min(of.preferredLft, conf.tempPreferedLft + age - desync);
  if (preferredLft <= advance + age) {
    preferredLft = advance + age + 1;
    if (preferredLft > validLft || preferredLft > of.preferredLft) return;
  }
  const address = newAddress(ipv6, {
    addr: randomAddress(ipv6, of.addr),
    prefixLen: of.prefixLen,
    flags: IFA_F_TEMPORARY | (of.flags & IFA_F_OPTIMISTIC),
    validLft,
    preferredLft,
    auto: { createdUs: nowUs, publicAddr: of, regenCount: 0, stableRetry: 0 },
  });
  address.updatedUs = of.updatedUs;
  armLifetimes(ipv6);
  dadStart(address);
}
