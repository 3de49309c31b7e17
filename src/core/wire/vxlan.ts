/** VXLAN header (RFC 7348 §5): a flag that says that there is a network identifier, and the identifier. */

export const VXLAN_HLEN = 8;
/** Port of the RFC, and the one that Linux had before. */
export const VXLAN_PORT = 4789;
export const VXLAN_DEFAULT_PORT = 8472;
/** The I flag. */
const HAS_VNI = 0x08000000;
export const VXLAN_N_VID = 0x1000000;

export function vxlanHeader(vni: number): Uint8Array {
  const bytes = new Uint8Array(VXLAN_HLEN);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, HAS_VNI);
  view.setUint32(4, vni * 256);
  return bytes;
}

/** The identifier; -1: no header, or bits that nobody may set (`vxlan_rcv`). */
export function parseVxlan(bytes: Uint8Array): number {
  if (bytes.length < VXLAN_HLEN) return -1;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== HAS_VNI || view.getUint8(7) !== 0) return -1;
  return view.getUint32(4) >>> 8;
}
