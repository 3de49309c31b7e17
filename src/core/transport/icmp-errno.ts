/**
 * What an ICMP error means to a socket (RFC 1122 §3.2.2.1; Linux `icmp_err_convert` and the switch of
 * `__udp4_lib_err`).
 */
import {
  ECONNREFUSED,
  EHOSTDOWN,
  EHOSTUNREACH,
  EMSGSIZE,
  ENETUNREACH,
  ENONET,
  ENOPROTOOPT,
  EOPNOTSUPP,
  EPROTO,
} from '../errno.ts';
import type { IcmpError } from '../protocols.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_EXC_TTL,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_TIME_EXCEEDED,
} from '../wire/icmp.ts';

/** Set in the result of `icmpErrno`: told to a connected socket even without IP_RECVERR. */
export const HARD = 0x10000;

/** By code of ICMP_DEST_UNREACH. */
const UNREACH: readonly number[] = [
  ENETUNREACH,
  EHOSTUNREACH,
  ENOPROTOOPT | HARD,
  ECONNREFUSED | HARD,
  EMSGSIZE | HARD,
  EOPNOTSUPP,
  ENETUNREACH | HARD,
  EHOSTDOWN | HARD,
  ENONET | HARD,
  ENETUNREACH | HARD,
  EHOSTUNREACH | HARD,
  ENETUNREACH,
  EHOSTUNREACH,
  EHOSTUNREACH | HARD,
  EHOSTUNREACH | HARD,
  EHOSTUNREACH | HARD,
];

/** Positive errno, perhaps with `HARD`; 0: the error means nothing to a socket. */
export function icmpErrno(error: IcmpError): number {
  switch (error.type) {
    case ICMP_DEST_UNREACH:
      return UNREACH[error.code] ?? EHOSTUNREACH;
    case ICMP_TIME_EXCEEDED:
      return error.code === ICMP_EXC_TTL ? EHOSTUNREACH : 0;
    case ICMP_PARAMETERPROB:
      return EPROTO | HARD;
    default:
      return 0;
  }
}

export function isFragNeeded(error: IcmpError): boolean {
  return error.type === ICMP_DEST_UNREACH && error.code === ICMP_FRAG_NEEDED;
}
