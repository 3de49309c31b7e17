/** Programs on top of the core: `warren/app`. */
export { DhcpClient, type DhcpClientOptions, type DhcpState, type Lease } from './dhcp/client.ts';
export { dhcp } from './dhcp/dhcp.ts';
export { DhcpServer, type DhcpServerOptions, type ServedLease } from './dhcp/server.ts';
export { dns } from './dns/dns.ts';
export { DnsServer, type DnsServerOptions } from './dns/server.ts';
export { type AppIo, ping, type RunningApp } from './ping.ts';
export { radvd } from './radvd.ts';
export { parseRadvdConfig, RadvdConfigError, type RadvdInterface } from './radvd-config.ts';
export { tracepath, traceroute } from './traceroute.ts';
