/** Frames that applications send (Linux `packet_snd`). TX 1/5. From: `socket/socket.ts`. To: `link/output.ts`. */
import { EINVAL, EMSGSIZE, ENETDOWN, ENXIO } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { devHardStartXmit, devQueueXmit } from '../../link/output.ts';
import { NO_PAYLOAD, type Packet } from '../../packet.ts';
import { ETH_HLEN, ETH_P_ALL, ETH_P_IP, ETH_P_IPV6, EthHeader } from '../../wire/ethernet.ts';
import { parseFrame, parseNetwork } from '../../wire/frame.ts';
import { isVlanType, VLAN_HLEN } from '../../wire/vlan.ts';
import { AF_PACKET, SOCK_DGRAM, type SockAddr, type SockAddrLl } from '../sock.ts';
import type { PacketSock } from './sock.ts';

/** Bytes taken, or `-errno`. */
export function packetSend(
  sk: PacketSock,
  data: Uint8Array,
  _flags: number,
  to: SockAddr | null,
): number {
  const link = to as Partial<SockAddrLl> | null;
  if (link !== null && (link.family !== AF_PACKET || link.ifindex === undefined)) return -EINVAL;
  const dev = link === null ? sk.device : (sk.net.devs.findIndex(link.ifindex ?? 0) ?? null);
  if (dev === null) return -ENXIO;
  if (!dev.up) return -ENETDOWN;
  if (sk.err !== 0) return -sk.takeError();
  const hasHeader = dev.hardHeaderLen > 0;
  const raw = sk.type !== SOCK_DGRAM;
  const reserve = raw && hasHeader ? ETH_HLEN : 0;
  if (data.length < reserve) return -EINVAL;
  if (data.length > dev.mtu + reserve + tagRoom(data, reserve)) return -EMSGSIZE;
  const pkt = sk.net.kernel.newPacket(0, dev);
  const bytes = data.slice();
  const proto = link === null ? sk.num : (link.protocol ?? 0);
  if (reserve > 0) parseFrame(bytes, pkt);
  else fillNetwork(pkt, bytes, dev, raw ? sniff(bytes, proto) : proto, link?.addr ?? 0);
  pkt.mark = sk.mark;
  pkt.priority = sk.priority;
  pkt.sender = sk;
  return transmit(sk, pkt, dev) ?? data.length;
}

/** A tagged frame may be longer by its tag. */
function tagRoom(data: Uint8Array, reserve: number): number {
  if (reserve === 0) return 0;
  return isVlanType(((data[12] as number) << 8) | (data[13] as number)) ? VLAN_HLEN : 0;
}

/** A packet without link-layer header: it gets one, if the device has them. */
function fillNetwork(
  pkt: Packet,
  bytes: Uint8Array,
  dev: NetDevice,
  proto: number,
  dst: number,
): void {
  if (dev.hardHeaderLen > 0) pkt.eth = new EthHeader(dst, dev.mac, proto);
  if (bytes.length > 0) {
    parseNetwork(bytes, proto, pkt);
    return;
  }
  pkt.proto = proto;
  pkt.data = NO_PAYLOAD;
}

/** The protocol of what has no header, by its first bits (`ip_tunnel_parse_protocol`). */
function sniff(bytes: Uint8Array, proto: number): number {
  if (proto !== 0 && proto !== ETH_P_ALL) return proto;
  const version = (bytes[0] ?? 0) >>> 4;
  if (version === 4) return ETH_P_IP;
  return version === 6 ? ETH_P_IPV6 : 0;
}

/** Undefined: it is sent. */
function transmit(sk: PacketSock, pkt: Packet, dev: NetDevice): number | undefined {
  if (sk.qdiscBypass && dev.operational) {
    devHardStartXmit(pkt, dev);
    return undefined;
  }
  const err = devQueueXmit(pkt);
  return err < 0 ? err : undefined;
}
