/** What one message says about itself, in front of the socket's options (Linux `struct ipcm_cookie`, `ip_cmsg_send`). */
import { EINVAL } from '../errno.ts';
import type { ControlMessage } from './sock.ts';
import { IP_PKTINFO, IP_TOS, IP_TTL, SOL_IP, SOL_UDP, UDP_SEGMENT } from './sockopt-names.ts';

export class SendOptions {
  /** IP_PKTINFO: out device and source address; 0: none. */
  oif = 0;
  addr = 0;
  /** -1: the socket's. */
  ttl = -1;
  tos = -1;
  /** UDP_SEGMENT: bytes per datagram; -1: the socket's. */
  gsoSize = -1;
}

/** Reads the control messages of a send; a negative errno for one that makes no sense. */
export function readControl(control: readonly ControlMessage[]): SendOptions | number {
  const out = new SendOptions();
  for (const { level, type, value } of control) {
    if (level === SOL_UDP && type === UDP_SEGMENT) {
      if (typeof value !== 'number') return -EINVAL;
      out.gsoSize = value & 0xffff;
      continue;
    }
    if (level !== SOL_IP) continue;
    const err = readIp(out, type, value);
    if (err < 0) return err;
  }
  return out;
}

function readIp(out: SendOptions, type: number, value: unknown): number {
  switch (type) {
    case IP_PKTINFO: {
      if (typeof value !== 'object' || value === null) return -EINVAL;
      const info = value as { readonly ifindex?: number; readonly specDst?: number };
      out.oif = info.ifindex ?? 0;
      out.addr = info.specDst ?? 0;
      return 0;
    }
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
