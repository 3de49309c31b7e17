/** What an ICMPv6 error means to a socket (Linux `icmpv6_err_convert`). */
import { EACCES, ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, ENETUNREACH, EPROTO } from '../errno.ts';
import type { Icmp6Error } from '../protocols.ts';
import {
  ICMPV6_DEST_UNREACH,
  ICMPV6_PARAMPROB,
  ICMPV6_PKT_TOOBIG,
  ICMPV6_TIME_EXCEED,
} from '../wire/icmpv6.ts';
import { HARD } from './icmp-errno.ts';

/** By code of ICMPV6_DEST_UNREACH. */
const UNREACH: readonly number[] = [
  ENETUNREACH,
  EACCES | HARD,
  EHOSTUNREACH,
  EHOSTUNREACH,
  ECONNREFUSED | HARD,
  EACCES | HARD,
  EACCES | HARD,
];

/** Positive errno, perhaps with `HARD`. */
export function icmp6Errno(error: Icmp6Error): number {
  switch (error.type) {
    case ICMPV6_DEST_UNREACH:
      return UNREACH[error.code] ?? EPROTO | HARD;
    case ICMPV6_PKT_TOOBIG:
      return EMSGSIZE;
    case ICMPV6_TIME_EXCEED:
      return EHOSTUNREACH;
    case ICMPV6_PARAMPROB:
      return EPROTO | HARD;
    default:
      return EPROTO;
  }
}
