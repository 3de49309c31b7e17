/** What rules look at in a packet (Linux `fib4_rules_early_flow_dissect`, `skb_flow_dissect_flow_keys`). */
import type { Packet } from '../../packet.ts';
import type { FlowKeys } from './fib-rule.ts';

/** That of an answer to a packet: the ports change places. @param mark of the one who answers */
export function answerFlow(pkt: Packet, mark: number): FlowKeys {
  const { protocol, sport, dport } = flowOf(pkt);
  return { mark, protocol, sport: dport, dport: sport };
}

/** A socket's, to a port that it is not connected to. */
export function flowTo(sk: FlowKeys, dport: number): FlowKeys {
  if (dport === sk.dport) return sk;
  return { mark: sk.mark, protocol: sk.protocol, sport: sk.sport, dport };
}

/** Made only where a rule, or the sharing-out over several ways, asks for it. */
export function flowOf(pkt: Packet): FlowKeys {
  const protocol = pkt.ip?.protocol ?? pkt.ip6?.protocol ?? 0;
  const ports = pkt.tcp ?? pkt.udp;
  return {
    mark: pkt.mark,
    protocol,
    sport: ports?.sport ?? 0,
    dport: ports?.dport ?? 0,
  };
}
