/** What one message says about itself, in front of the socket's options (Linux `struct ipcm_cookie`, `ip_cmsg_send`). */
import { EINVAL } from '../errno.ts';
import type { NetNs } from '../net.ts';
import { checkOptions } from '../network/ipv4/options.ts';
import type { ControlMessage } from './sock.ts';
import {
  IP_PKTINFO,
  IP_RETOPTS,
  IP_TOS,
  IP_TTL,
  SOL_IP,
  SOL_UDP,
  UDP_SEGMENT,
} from './sockopt-names.ts';

/** Longest options of an IP header. */
const MAX_IP_OPTIONS = 40;

/** Options for headers, padded to words; null: there are none; or -EINVAL (`ip_options_get`). */
export function headerOptions(net: NetNs, value: unknown): Uint8Array | null | number {
  if (!(value instanceof Uint8Array) || value.length > MAX_IP_OPTIONS) return -EINVAL;
  if (value.length === 0) return null;
  const padded = new Uint8Array((value.length + 3) & ~3);
  padded.set(value);
  return checkOptions(padded, net) >= 0 ? -EINVAL : padded;
}

export class SendOptions {
  /** IP_PKTINFO: out device and source address; 0: none. */
  oif = 0;
  addr = 0;
  /** -1: the socket's. */
  ttl = -1;
  tos = -1;
  /** IP_RETOPTS: options of the header; null: the socket's. */
  ipOptions: Uint8Array | null = null;
  /** UDP_SEGMENT: bytes per datagram; -1: the socket's. */
  gsoSize = -1;
}

/** Reads the control messages of a send; a negative errno for one that makes no sense. */
export function readControl(net: NetNs, control: readonly ControlMessage[]): SendOptions | number {
  const out = new SendOptions();
  for (const { level, type, value } of control) {
    if (level === SOL_UDP && type === UDP_SEGMENT) {
      if (typeof value !== 'number') return -EINVAL;
      out.gsoSize = value & 0xffff;
      continue;
    }
    if (level !== SOL_IP) continue;
    const err = readIp(net, out, type, value);
    if (err < 0) return err;
  }
  return out;
}

function readIp(net: NetNs, out: SendOptions, type: number, value: unknown): number {
  switch (type) {
    case IP_PKTINFO: {
      if (typeof value !== 'object' || value === null) return -EINVAL;
      const info = value as { readonly ifindex?: number; readonly specDst?: number };
      out.oif = info.ifindex ?? 0;
      out.addr = info.specDst ?? 0;
      return 0;
    }
    case IP_RETOPTS:
      return readOptions(net, out, value);
    case IP_TTL:
      if (typeof value !== 'number' || value < 1 || value > 255) return -EINVAL;
      out.ttl = value;
      return 0;
    case IP_TOS:
      if (typeof value !== 'number' || value < 0 || value > 255) return -EINVAL;
      out.tos = value;
      return 0;
    default:
      return -EINVAL;
  }
}

function readOptions(net: NetNs, out: SendOptions, value: unknown): number {
  const options = headerOptions(net, value);
  if (typeof options === 'number') return options;
  out.ipOptions = options;
  return 0;
}
