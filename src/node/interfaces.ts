/** The addresses of a namespace in the shape of `os.networkInterfaces`. */
import type { NetworkInterfaceInfo } from 'node:os';
import { IFF_LOOPBACK } from '../core/link/net-device.ts';
import type { NetNs } from '../core/net.ts';
import { formatIpv4, formatMac, maskOf } from '../core/util/address.ts';
import { formatIpv6, Ip6Addr, isLinkLocal6, prefixOf } from '../core/util/ip6-addr.ts';

const ALL_ONES: Ip6Addr = new Ip6Addr(-1, -1, -1, -1);

/** Addresses of devices that are up and running, as `uv_interface_addresses` lists them. */
export function interfacesOf(net: NetNs): NodeJS.Dict<NetworkInterfaceInfo[]> {
  const result: NodeJS.Dict<NetworkInterfaceInfo[]> = {};
  for (const dev of net.devs) {
    if (!dev.operational) continue;
    for (const own of dev.ipv4?.addresses ?? []) {
      const info: NetworkInterfaceInfo = {
        address: formatIpv4(own.local),
        netmask: formatIpv4(maskOf(own.prefixLen)),
        family: 'IPv4',
        mac: formatMac(dev.mac),
        internal: (dev.flags & IFF_LOOPBACK) !== 0,
        cidr: `${formatIpv4(own.local)}/${own.prefixLen}`,
      };
      add(result, own.label, info);
    }
  }
  // Addresses of IPv6 come after all those of IPv4, as getifaddrs(3) has them.
  for (const dev of net.devs) {
    if (!dev.operational) continue;
    for (const { addr, prefixLen } of dev.ipv6?.addresses ?? []) {
      add(result, dev.name, {
        address: formatIpv6(addr),
        netmask: formatIpv6(prefixOf(ALL_ONES, prefixLen)),
        family: 'IPv6',
        mac: formatMac(dev.mac),
        internal: (dev.flags & IFF_LOOPBACK) !== 0,
        cidr: `${formatIpv6(addr)}/${prefixLen}`,
        scopeid: isLinkLocal6(addr) ? dev.ifindex : 0,
      });
    }
  }
  return result;
}

function add(
  result: NodeJS.Dict<NetworkInterfaceInfo[]>,
  name: string,
  info: NetworkInterfaceInfo,
): void {
  const list = result[name] ?? [];
  list.push(info);
  result[name] = list;
}
