/** What is behind the gateway: the network of the remote address, in the prefix length that packetdrill routes. */
import type { TargetConfig } from './target.ts';

const PREFIX_V4 = 24;
const PREFIX_V6 = 32;

/** `192.0.2.0/24` */
export function remoteNetwork(config: TargetConfig): string {
  if (config.ipVersion !== 'ipv6') {
    const bytes = config.remoteIp.split('.').slice(0, PREFIX_V4 / 8);
    return `${bytes.join('.')}.0/${PREFIX_V4}`;
  }
  const words = config.remoteIp.split(':');
  // An address that begins with zeros has no such prefix: a route to the host does.
  if (words[0] === '' || words[1] === '') return `${config.remoteIp}/128`;
  return `${words.slice(0, PREFIX_V6 / 16).join(':')}::/${PREFIX_V6}`;
}
