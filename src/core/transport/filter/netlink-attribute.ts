/** Attributes of netlink in a packet, for programs that look for them (Linux `nla_find`, `bpf_skb_get_nlattr`). */

const NLA_HDRLEN = 4;
/** Without the bits NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const TYPE_MASK = 0x3fff;

/** Where the attribute of type `type` is, looking from `from` on; 0: nowhere. */
export function findAttribute(bytes: Uint8Array, from: number, type: number): number {
  if (bytes.length < NLA_HDRLEN || from > bytes.length - NLA_HDRLEN) return 0;
  return find(bytes, from, bytes.length, type);
}

/** The same among those inside the attribute at `at`. */
export function findNested(bytes: Uint8Array, at: number, type: number): number {
  if (bytes.length < NLA_HDRLEN || at > bytes.length - NLA_HDRLEN) return 0;
  const len = u16(bytes, at);
  if (len > bytes.length - at || len < NLA_HDRLEN) return 0;
  return find(bytes, at + NLA_HDRLEN, at + len, type);
}

function find(bytes: Uint8Array, from: number, end: number, type: number): number {
  let at = from;
  while (end - at >= NLA_HDRLEN) {
    const len = u16(bytes, at);
    if (len < NLA_HDRLEN || len > end - at) return 0;
    if ((u16(bytes, at + 2) & TYPE_MASK) === type) return at;
    at += (len + 3) & ~3;
  }
  return 0;
}

/** In the order of this machine's bytes, which is Linux's on every processor that matters. */
function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}
