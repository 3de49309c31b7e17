/** net.ipv4.ip_forward, as the sysctl sets it for every device (Linux `inet_forward_change`). */
import type { NetNs } from '../../src/core/net.ts';

export function setForwarding(net: NetNs, on: boolean): void {
  const value = on ? 1 : 0;
  net.ipv4ConfAll = net.ipv4ConfAll.with('forwarding', value);
  net.ipv4ConfDefault = net.ipv4ConfDefault.with('forwarding', value);
  for (const dev of net.devs)
    if (dev.ipv4 !== null) dev.ipv4.conf = dev.ipv4.conf.with('forwarding', value);
  net.ipv4.changed();
}
