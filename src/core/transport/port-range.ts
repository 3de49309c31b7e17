/** Ports that the kernel may choose (Linux `inet_sk_get_local_port_range`, `inet_is_local_reserved_port`). */
import type { NetNs } from '../net.ts';
import type { Sock } from './sock.ts';

/** Lowest and highest port, both included: IP_LOCAL_PORT_RANGE within net.ipv4.ip_local_port_range. */
export function localPortRange(sk: Sock): readonly [low: number, high: number] {
  const { ipLocalPortRange } = sk.net.sysctl;
  if (sk.localPortRange === 0) return ipLocalPortRange;
  let [low, high] = ipLocalPortRange;
  const userLow = sk.localPortRange & 0xffff;
  const userHigh = sk.localPortRange >>> 16;
  if (low <= userLow && userLow <= high) low = userLow;
  if (low <= userHigh && userHigh <= high) high = userHigh;
  return [low, high];
}

/** net.ipv4.ip_local_reserved_ports: may be bound, is never chosen. */
export function isReservedPort(net: NetNs, port: number): boolean {
  const ranges = net.sysctl.ipLocalReservedPorts;
  return ranges.length > 0 && ranges.some(([low, high]) => low <= port && port <= high);
}
