/** The addresses of a namespace in the shape of `os.networkInterfaces`. */
import type { NetworkInterfaceInfo } from 'node:os';
import { IFF_LOOPBACK } from '../core/link/net-device.ts';
import type { NetNs } from '../core/net.ts';
import { formatIpv4, formatMac, maskOf } from '../core/util/address.ts';

/** Addresses of devices that are up and running, as `uv_interface_addresses` lists them. */
export function interfacesOf(net: NetNs): NodeJS.Dict<NetworkInterfaceInfo[]> {
  const result: NodeJS.Dict<NetworkInterfaceInfo[]> = {};
  for (const dev of net.devs) {
    if (!dev.operational || dev.ipv4 === null) continue;
    for (const own of dev.ipv4.addresses) {
      const info: NetworkInterfaceInfo = {
        address: formatIpv4(own.local),
        netmask: formatIpv4(maskOf(own.prefixLen)),
        family: 'IPv4',
        mac: formatMac(dev.mac),
        internal: (dev.flags & IFF_LOOPBACK) !== 0,
        cidr: `${formatIpv4(own.local)}/${own.prefixLen}`,
      };
      const list = result[own.label] ?? [];
      list.push(info);
      result[own.label] = list;
    }
  }
  return result;
}
