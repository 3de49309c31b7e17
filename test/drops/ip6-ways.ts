/** Ways to die in IPv6. */
import type { DropReason } from '../../src/core/drop.ts';
import { icmp6, ip6, six } from '../wire/build6.ts';
import type { Way } from './link-ways.ts';
import type { Scene } from './scene.ts';

/** A neighbour solicitation for the box's address, with more behind its target. */
function solicitation(s: Scene, hopLimit: number, code: number, more: readonly number[]): void {
  const data = [...six('fd00:7::1'), ...more];
  s.inject(icmp6(135, code, data, { hopLimit, rest: [0, 0, 0, 0] }));
}

export const IP6_WAYS: Readonly<Partial<Record<DropReason, Way>>> = {
  IPV6DISABLED: (s) => {
    s.enableIpv6();
    const side = s.tunDev.ipv6!;
    side.conf = side.conf.with('disableIpv6', 1);
    s.inject(icmp6(128, 0));
  },
  IPV6_BAD_EXTHDR: (s) => {
    s.enableIpv6();
    // Destination options that claim more than there is.
    s.inject(ip6([58, 9, 0, 0, 0, 0, 0, 0], 60));
  },
  IPV6_NDISC_FRAG: (s) => {
    s.enableIpv6();
    s.inject(ip6([58, 0, 0, 0, 0, 0, 0, 9, ...icmp6(135, 0).subarray(40)], 44, { hopLimit: 255 }));
  },
  IPV6_NDISC_HOP_LIMIT: (s) => {
    s.enableIpv6();
    solicitation(s, 254, 0, []);
  },
  IPV6_NDISC_BAD_CODE: (s) => {
    s.enableIpv6();
    solicitation(s, 255, 1, []);
  },
  IPV6_NDISC_BAD_OPTIONS: (s) => {
    s.enableIpv6();
    solicitation(s, 255, 0, [1, 0, 0, 0, 0, 0, 0, 0]);
  },
};
