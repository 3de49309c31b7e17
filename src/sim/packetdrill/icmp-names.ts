/** Types and codes of ICMP by the names that scripts use (RFC 792, 1812, 4443). */

export interface IcmpName {
  readonly type: number;
  /** Codes by name; the first one is meant where none is written. */
  readonly codes: Readonly<Record<string, number>>;
}

const UNREACH4: Readonly<Record<string, number>> = {
  net_unreachable: 0,
  host_unreachable: 1,
  protocol_unreachable: 2,
  port_unreachable: 3,
  frag_needed: 4,
  source_route_failed: 5,
  net_unknown: 6,
  host_unknown: 7,
  source_host_isolated: 8,
  host_isolated: 8,
  net_prohibited: 9,
  net_ano: 9,
  host_prohibited: 10,
  host_ano: 10,
  net_unreachable_for_tos: 11,
  net_unr_tos: 11,
  host_unreachable_for_tos: 12,
  host_unr_tos: 12,
  packet_filtered: 13,
  pkt_filtered: 13,
  admin_prohibited: 13,
  precedence_violation: 14,
  prec_violation: 14,
  precedence_cutoff: 15,
  prec_cutoff: 15,
};

export const ICMP4: Readonly<Record<string, IcmpName>> = {
  echo_reply: { type: 0, codes: {} },
  unreachable: { type: 3, codes: UNREACH4 },
  source_quench: { type: 4, codes: {} },
  redirect: {
    type: 5,
    codes: {
      net_redirect: 0,
      redir_net: 0,
      host_redirect: 1,
      redir_host: 1,
      net_tos_redirect: 2,
      redir_nettos: 2,
      host_tos_redirect: 3,
      redir_hosttos: 3,
    },
  },
  echo_request: { type: 8, codes: {} },
  router_advertisement: { type: 9, codes: {} },
  router_solicitation: { type: 10, codes: {} },
  time_exceeded: {
    type: 11,
    codes: {
      ttl_exceeded: 0,
      exc_ttl: 0,
      ttl_expired: 0,
      exc_fragtime: 1,
      fragment_reassembly_time_exceeded: 1,
    },
  },
  parameter_problem: {
    type: 12,
    codes: { pointer: 0, required_option_missing: 1, option_missing: 1, bad_length: 2 },
  },
  timestamp_request: { type: 13, codes: {} },
  timestamp_reply: { type: 14, codes: {} },
  information_request: { type: 15, codes: {} },
  information_reply: { type: 16, codes: {} },
  address_mask_request: { type: 17, codes: {} },
  address_mask_reply: { type: 18, codes: {} },
};

export const ICMP6: Readonly<Record<string, IcmpName>> = {
  unreachable: {
    type: 1,
    codes: {
      no_route: 0,
      net_unreachable: 0,
      admin_prohibited: 1,
      adm_prohibited: 1,
      not_neighbour: 2,
      beyond_scope: 2,
      addr_unreachable: 3,
      address_unreachable: 3,
      host_unreachable: 3,
      port_unreachable: 4,
      failed_policy: 5,
      policy_fail: 5,
      reject_route: 6,
    },
  },
  packet_too_big: { type: 2, codes: {} },
  time_exceeded: { type: 3, codes: { exc_hoplimit: 0, ttl_exceeded: 0, exc_fragtime: 1 } },
  parameter_problem: {
    type: 4,
    codes: { header_field: 0, unrecognized_next_header: 1, unrecognized_option: 2 },
  },
  echo_request: { type: 128, codes: {} },
  echo_reply: { type: 129, codes: {} },
};

/** `unreachable port_unreachable`, or the numbers. */
export function icmpName(version: 4 | 6, type: number, code: number): string {
  for (const [name, entry] of Object.entries(version === 4 ? ICMP4 : ICMP6)) {
    if (entry.type !== type) continue;
    const word = Object.entries(entry.codes).find(([, c]) => c === code)?.[0];
    if (word !== undefined) return `${name} ${word}`;
    return code === 0 ? name : `${name} code ${code}`;
  }
  return `type ${type} code ${code}`;
}
