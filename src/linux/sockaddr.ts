/** `struct sockaddr_in` and `struct sockaddr_in6` as bytes, and taken apart (linux/in.h, linux/in6.h). */
import type { Address } from '../sim/packetdrill/target.ts';
import { AF_INET, AF_INET6 } from './abi.ts';

const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;
/** `struct sockaddr_storage`: room for any. */
export const SOCKADDR_STORAGE_BYTES = 128;

export function encodeAddress(a: Address): Uint8Array {
  const v6 = a.family === AF_INET6;
  const bytes = new Uint8Array(v6 ? SOCKADDR_IN6_BYTES : SOCKADDR_IN_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, a.family, true);
  if (a.family === AF_INET) {
    view.setUint16(2, a.port);
    bytes.set(a.addr.subarray(0, 4), 4);
  } else if (v6) {
    view.setUint16(2, a.port);
    view.setUint32(4, a.flowinfo);
    bytes.set(a.addr.subarray(0, 16), 8);
    view.setUint32(24, a.scopeId, true);
  }
  return bytes;
}

/** `length` is what Linux says the address is long; null if it gave none. */
export function decodeAddress(bytes: Uint8Array, length: number): Address | null {
  if (length < 2) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const family = view.getUint16(0, true);
  if (family === AF_INET && length >= SOCKADDR_IN_BYTES) {
    return { family, addr: bytes.slice(4, 8), port: view.getUint16(2), flowinfo: 0, scopeId: 0 };
  }
  if (family === AF_INET6 && length >= SOCKADDR_IN6_BYTES) {
    return {
      family,
      addr: bytes.slice(8, 24),
      port: view.getUint16(2),
      flowinfo: view.getUint32(4),
      scopeId: view.getUint32(24, true),
    };
  }
  return { family, addr: new Uint8Array(0), port: 0, flowinfo: 0, scopeId: 0 };
}
