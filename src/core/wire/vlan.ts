/**
 * VLAN tags (IEEE 802.1Q §9; Linux `skb->vlan_proto`, `skb->vlan_tci`): on virtual wires a field of the
 * packet, at byte edges the four bytes between the Ethernet addresses and the type.
 */
import { ETH_P_8021AD, ETH_P_8021Q } from './ethernet.ts';

/** Bytes of one tag. */
export const VLAN_HLEN = 4;
export const VLAN_VID_MASK = 0xfff;
/** More tags than this are not looked at: the rest stays payload. */
const MAX_TAGS = 8;

/** Immutable; the outermost of a frame's tags, with those inside. */
export class VlanTag {
  /** ETH_P_8021Q or ETH_P_8021AD */
  readonly proto: number;
  /** Priority, drop eligibility and VLAN id. */
  readonly tci: number;
  readonly inner: VlanTag | null;

  constructor(proto: number, tci: number, inner: VlanTag | null) {
    this.proto = proto;
    this.tci = tci;
    this.inner = inner;
  }
}

/** Is this the type of a tag (`eth_type_vlan`)? */
export function isVlanType(proto: number): boolean {
  return proto === ETH_P_8021Q || proto === ETH_P_8021AD;
}

/** Bytes of all tags of a packet. */
export function tagsLength(tag: VlanTag | null): number {
  let len = 0;
  for (let t = tag; t !== null; t = t.inner) len += VLAN_HLEN;
  return len;
}

/**
 * The tags that begin with the type `proto`, which stands right before `at`; null when there is none that
 * is whole. What follows them is told by `tagsLength`.
 */
export function parseTags(view: DataView, at: number, proto: number): VlanTag | null {
  return parseOne(view, at, proto, MAX_TAGS);
}

function parseOne(view: DataView, at: number, proto: number, left: number): VlanTag | null {
  if (left === 0 || !isVlanType(proto) || at + VLAN_HLEN > view.byteLength) return null;
  const inner = parseOne(view, at + VLAN_HLEN, view.getUint16(at + 2), left - 1);
  return new VlanTag(proto, view.getUint16(at), inner);
}

/** Writes the tags at `at`, where the frame's type would stand, and `proto` behind them. */
export function putTags(view: DataView, at: number, tag: VlanTag, proto: number): void {
  let where = at;
  for (let t: VlanTag | null = tag; t !== null; t = t.inner) {
    view.setUint16(where, t.proto);
    view.setUint16(where + 2, t.tci);
    where += VLAN_HLEN;
  }
  view.setUint16(where, proto);
}
