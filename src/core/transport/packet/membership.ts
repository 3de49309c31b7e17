/** Frames that a packet socket wants of a device beyond its own (Linux `packet_mc_add`, `packet_mc_drop`). */
import { EINVAL, ENODEV } from '../../errno.ts';
import { addMulticastMac, setAllmulti, setPromiscuity } from '../../link/listening.ts';
import type { NetDevice } from '../../link/net-device.ts';
import { ETH_ALEN } from '../../wire/ethernet.ts';
import type { OptionValue } from '../sock.ts';
import type { PacketSock } from './sock.ts';

/** `PACKET_MR_*` */
export const PACKET_MR_MULTICAST = 0;
export const PACKET_MR_PROMISC = 1;
export const PACKET_MR_ALLMULTI = 2;
export const PACKET_MR_UNICAST = 3;

/** `struct packet_mreq`; `address` is a 48-bit integer. */
export interface PacketRequest {
  readonly ifindex: number;
  readonly type: number;
  /** Bytes of `address`. */
  readonly alen?: number;
  readonly address?: number;
}

/** `struct packet_mclist` */
export interface PacketMembership {
  readonly ifindex: number;
  readonly type: number;
  readonly alen: number;
  readonly address: number;
  count: number;
}

/** Bytes of `struct packet_mreq`. */
const MREQ = 16;

function requestOf(value: OptionValue): PacketRequest | null {
  if (value instanceof Uint8Array) {
    if (value.length < MREQ) return null;
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    const address = view.getUint16(8) * 2 ** 32 + view.getUint32(10);
    const [ifindex, type] = [view.getInt32(0, true), view.getUint16(4, true)];
    return { ifindex, type, alen: view.getUint16(6, true), address };
  }
  if (typeof value !== 'object') return null;
  const { ifindex, type } = value as Partial<PacketRequest>;
  return ifindex === undefined || type === undefined ? null : (value as PacketRequest);
}

/** PACKET_ADD_MEMBERSHIP */
export function addMembership(sk: PacketSock, value: OptionValue): number {
  const request = requestOf(value);
  if (request === null) return -EINVAL;
  const { ifindex, type, address = 0 } = request;
  const alen = request.alen ?? (address === 0 ? 0 : ETH_ALEN);
  const dev = sk.net.devs.findIndex(ifindex);
  if (dev === undefined) return -ENODEV;
  const wanted = dev.hardHeaderLen > 0 ? ETH_ALEN : 0;
  if (alen > wanted) return -EINVAL;
  const known = find(sk, { ifindex, type, alen, address });
  if (known !== undefined) {
    known.count++;
    return 0;
  }
  const names = type === PACKET_MR_MULTICAST || type === PACKET_MR_UNICAST;
  if (names && alen !== wanted) return -EINVAL;
  sk.memberships.push({ ifindex, type, alen, address, count: 1 });
  apply(dev, type, address, 1);
  return 0;
}

function find(
  sk: PacketSock,
  r: { ifindex: number; type: number; alen: number; address: number },
): PacketMembership | undefined {
  return sk.memberships.find(
    (m) =>
      m.ifindex === r.ifindex && m.type === r.type && m.alen === r.alen && m.address === r.address,
  );
}

/** PACKET_DROP_MEMBERSHIP */
export function dropMembership(sk: PacketSock, value: OptionValue): number {
  const request = requestOf(value);
  if (request === null) return -EINVAL;
  const { ifindex, type, address = 0 } = request;
  const alen = request.alen ?? (address === 0 ? 0 : ETH_ALEN);
  const member = find(sk, { ifindex, type, alen, address });
  // LINUX: nobody is told that there was nothing to drop.
  if (member === undefined || --member.count > 0) return 0;
  sk.memberships.splice(sk.memberships.indexOf(member), 1);
  const dev = sk.net.devs.findIndex(ifindex);
  if (dev !== undefined) apply(dev, type, address, -1);
  return 0;
}

/** The socket closes (`packet_flush_mclist`). */
export function dropAllMemberships(sk: PacketSock): void {
  for (const m of sk.memberships.splice(0)) {
    const dev = sk.net.devs.findIndex(m.ifindex);
    if (dev !== undefined) apply(dev, m.type, m.address, -1);
  }
}

/** The device goes (`packet_dev_mclist_delete`). */
export function dropMembershipsOf(sk: PacketSock, dev: NetDevice): void {
  for (const m of [...sk.memberships]) {
    if (m.ifindex !== dev.ifindex) continue;
    sk.memberships.splice(sk.memberships.indexOf(m), 1);
    apply(dev, m.type, m.address, -1);
  }
}

/** Linux `packet_dev_mc`. No device here filters unicast addresses. */
function apply(dev: NetDevice, type: number, address: number, step: number): void {
  if (type === PACKET_MR_MULTICAST) addMulticastMac(dev, address, step);
  else if (type === PACKET_MR_PROMISC) setPromiscuity(dev, step);
  else if (type === PACKET_MR_ALLMULTI) setAllmulti(dev, step);
}
