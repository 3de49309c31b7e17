/** net.ipv4.ip_forward, as the sysctl sets it for every device (Linux `inet_forward_change`). */
import type { NetNs } from '../../src/core/net.ts';

export function setForwarding(net: NetNs, on: boolean): void {
  const value = on ? 1 : 0;
  net.sysctl.ipForward = value;
  net.ipv4ConfAll.forwarding = value;
  net.ipv4ConfDefault.forwarding = value;
  for (const dev of net.devs) if (dev.ipv4 !== null) dev.ipv4.conf.forwarding = value;
  net.ipv4.changed();
}
