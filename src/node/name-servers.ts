/** Which DNS servers a namespace asks: its own `/etc/resolv.conf`. */
import type { NetNs } from '../core/net.ts';

const configured: WeakMap<NetNs, readonly string[]> = new WeakMap();

/** Sets the DNS servers of `net`, addresses in text, in order of preference. */
export function setNameServers(net: NetNs, servers: readonly string[]): void {
  configured.set(net, [...servers]);
}

/** What `setNameServers` set; none: names come from `setHosts` alone. */
export function nameServersOf(net: NetNs): readonly string[] {
  return configured.get(net) ?? [];
}
