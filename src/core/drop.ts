/**
 * Why a packet died: Linux's `enum skb_drop_reason` (`include/net/dropreason-core.h`), by name. Every
 * exit of the data path that is not a delivery goes through `drop` here.
 */
import type { NetNs } from './net.ts';
import type { Packet } from './packet.ts';

/**
 * A name of Linux's list, without the prefix `SKB_DROP_REASON_`. `test/drops` reaches each of them.
 */
export type DropReason =
  | 'NOT_SPECIFIED'
  | 'NO_SOCKET'
  | 'SOCKET_FILTER'
  | 'SOCKET_RCVBUFF'
  | 'PKT_TOO_SMALL'
  | 'PKT_TOO_BIG'
  | 'TCP_CSUM'
  | 'UDP_CSUM'
  | 'ICMP_CSUM'
  | 'OTHERHOST'
  | 'IP_CSUM'
  | 'IP_INHDR'
  | 'IP_RPFILTER'
  | 'IP_INADDRERRORS'
  | 'IP_INNOROUTES'
  | 'IP_OUTNOROUTES'
  | 'IP_LOCAL_SOURCE'
  | 'IP_INVALID_SOURCE'
  | 'IP_INVALID_DEST'
  | 'IP_LOCALNET'
  | 'IP_NOPROTO'
  | 'IPV6DISABLED'
  | 'IPV6_BAD_EXTHDR'
  | 'IPV6_NDISC_FRAG'
  | 'IPV6_NDISC_HOP_LIMIT'
  | 'IPV6_NDISC_BAD_CODE'
  | 'IPV6_NDISC_BAD_OPTIONS'
  | 'UNICAST_IN_L2_MULTICAST'
  | 'INVALID_PROTO'
  | 'TCP_MD5NOTFOUND'
  | 'TCP_MD5UNEXPECTED'
  | 'TCP_MD5FAILURE'
  | 'TCP_AUTH_HDR'
  | 'TCP_FLAGS'
  | 'TCP_ZEROWINDOW'
  | 'TCP_OLD_DATA'
  | 'TCP_OVERWINDOW'
  | 'TCP_OFOMERGE'
  | 'TCP_OFO_DROP'
  | 'TCP_OFO_QUEUE_PRUNE'
  | 'TCP_RFC7323_PAWS'
  | 'TCP_RFC7323_PAWS_ACK'
  | 'TCP_RFC7323_TSECR'
  | 'TCP_LISTEN_OVERFLOW'
  | 'TCP_OLD_SEQUENCE'
  | 'TCP_INVALID_SEQUENCE'
  | 'TCP_INVALID_END_SEQUENCE'
  | 'TCP_INVALID_ACK_SEQUENCE'
  | 'TCP_RESET'
  | 'TCP_INVALID_SYN'
  | 'TCP_CLOSE'
  | 'TCP_TOO_OLD_ACK'
  | 'TCP_ACK_UNSENT_DATA'
  | 'TCP_ABORT_ON_DATA'
  | 'PROTO_MEM'
  | 'NEIGH_CREATEFAIL'
  | 'NEIGH_FAILED'
  | 'NEIGH_QUEUEFULL'
  | 'NEIGH_DEAD'
  | 'QDISC_DROP'
  | 'QDISC_OVERLIMIT'
  | 'CPU_BACKLOG'
  | 'UNHANDLED_PROTO'
  | 'DEV_READY'
  | 'QUEUE_PURGE'
  | 'TC_INGRESS'
  | 'TC_EGRESS'
  | 'NO_TX_TARGET'
  | 'MAC_IEEE_MAC_CONTROL'
  | 'FULL_RING'
  | 'NOMEM'
  | 'DUP_FRAG'
  | 'FRAG_REASM_TIMEOUT'
  | 'FRAG_TOO_FAR'
  | 'MAC_INVALID_SOURCE'
  | 'BRIDGE_INGRESS_STP_STATE';

/** Counts, and tells whoever traces; the packet is dead after it. `by` names the rule or table that decided. */
export function drop(net: NetNs, pkt: Packet, reason: DropReason, by = ''): void {
  const drops = net.drops;
  drops.set(reason, (drops.get(reason) ?? 0) + 1);
  const tracer = net.kernel.tracer;
  if (tracer !== null) tracer.drop(net, pkt, reason, by);
  const { owner } = pkt;
  if (owner === null) return;
  pkt.owner = null;
  owner.released();
}
