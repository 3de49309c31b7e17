/** DHCP messages (RFC 2131 §2) and the options of them that are used here (RFC 2132). */

export const DHCPDISCOVER = 1;
export const DHCPOFFER = 2;
export const DHCPREQUEST = 3;
export const DHCPDECLINE = 4;
export const DHCPACK = 5;
export const DHCPNAK = 6;
export const DHCPRELEASE = 7;
export const DHCPINFORM = 8;

export const BOOTREQUEST = 1;
export const BOOTREPLY = 2;
export const CLIENT_PORT = 68;
export const SERVER_PORT = 67;

export const OPT_PAD = 0;
export const OPT_SUBNET_MASK = 1;
export const OPT_ROUTER = 3;
export const OPT_DNS = 6;
export const OPT_HOST_NAME = 12;
export const OPT_DOMAIN = 15;
export const OPT_MTU = 26;
export const OPT_BROADCAST = 28;
export const OPT_REQUESTED_IP = 50;
export const OPT_LEASE_TIME = 51;
export const OPT_OVERLOAD = 52;
export const OPT_MESSAGE_TYPE = 53;
export const OPT_SERVER_ID = 54;
export const OPT_PARAMETERS = 55;
export const OPT_MESSAGE = 56;
export const OPT_MAX_SIZE = 57;
export const OPT_RENEWAL = 58;
export const OPT_REBINDING = 59;
export const OPT_CLIENT_ID = 61;
export const OPT_END = 255;

/** Bytes in front of the options; the magic cookie. */
const HEADER = 236;
const COOKIE = 0x63825363;
const SNAME = { at: 44, length: 64 } as const;
const FILE = { at: 108, length: 128 } as const;
/** BOOTP's messages are no shorter, and some relays mind (RFC 1542 §2.1). */
const MIN_LENGTH = 300;
const BROADCAST_FLAG = 0x8000;
const HTYPE_ETHER = 1;
const ETH_ALEN = 6;

/** Addresses are signed 32-bit integers, the hardware address is a 48-bit one. */
export interface DhcpMessage {
  readonly op: number;
  readonly xid: number;
  readonly secs: number;
  /** An answer is to be broadcast. */
  readonly broadcast: boolean;
  readonly ciaddr: number;
  readonly yiaddr: number;
  readonly siaddr: number;
  readonly giaddr: number;
  readonly chaddr: number;
  /** By number; of one that comes in pieces, all of them (RFC 3396). */
  readonly options: ReadonlyMap<number, Uint8Array>;
}

export function encodeDhcp(m: DhcpMessage): Uint8Array {
  let length = HEADER + 4 + 1;
  for (const value of m.options.values()) length += 2 + value.length;
  const bytes = new Uint8Array(Math.max(length, MIN_LENGTH));
  const view = new DataView(bytes.buffer);
  bytes.set([m.op, HTYPE_ETHER, ETH_ALEN, 0]);
  view.setUint32(4, m.xid);
  view.setUint16(8, m.secs);
  view.setUint16(10, m.broadcast ? BROADCAST_FLAG : 0);
  [m.ciaddr, m.yiaddr, m.siaddr, m.giaddr].forEach((addr, i) => {
    view.setInt32(12 + 4 * i, addr);
  });
  view.setUint16(28, Math.floor(m.chaddr / 2 ** 32));
  view.setUint32(30, m.chaddr % 2 ** 32);
  view.setUint32(HEADER, COOKIE);
  let at = HEADER + 4;
  for (const [code, value] of m.options) {
    bytes.set([code, value.length], at);
    bytes.set(value, at + 2);
    at += 2 + value.length;
  }
  bytes[at] = OPT_END;
  return bytes;
}

/** Null: cut off, no DHCP, or of another kind of hardware. */
export function decodeDhcp(bytes: Uint8Array): DhcpMessage | null {
  if (bytes.length < HEADER + 4) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[1] !== HTYPE_ETHER || bytes[2] !== ETH_ALEN || view.getUint32(HEADER) !== COOKIE)
    return null;
  const options = new Map<number, Uint8Array>();
  readOptions(bytes.subarray(HEADER + 4), options);
  const overload = options.get(OPT_OVERLOAD)?.[0] ?? 0;
  for (const [bit, field] of [
    [1, FILE],
    [2, SNAME],
  ] as const)
    if ((overload & bit) !== 0)
      readOptions(bytes.subarray(field.at, field.at + field.length), options);
  return {
    op: bytes[0] as number,
    xid: view.getUint32(4),
    secs: view.getUint16(8),
    broadcast: (view.getUint16(10) & BROADCAST_FLAG) !== 0,
    ciaddr: view.getInt32(12),
    yiaddr: view.getInt32(16),
    siaddr: view.getInt32(20),
    giaddr: view.getInt32(24),
    chaddr: view.getUint16(28) * 2 ** 32 + view.getUint32(30),
    options,
  };
}

/** What is cut off is not read. */
function readOptions(bytes: Uint8Array, options: Map<number, Uint8Array>): void {
  let at = 0;
  while (at < bytes.length) {
    const code = bytes[at++] as number;
    if (code === OPT_END) return;
    if (code === OPT_PAD) continue;
    const length = bytes[at++];
    if (length === undefined || at + length > bytes.length) return;
    const piece = bytes.slice(at, at + length);
    const before = options.get(code);
    options.set(code, before === undefined ? piece : Uint8Array.of(...before, ...piece));
    at += length;
  }
}

export function u32(n: number): Uint8Array {
  return Uint8Array.of(n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255);
}

export function u16(n: number): Uint8Array {
  return Uint8Array.of((n >>> 8) & 255, n & 255);
}

/** The first address, or number of 32 bits, of an option; undefined: there is none. */
export function addressOption(m: DhcpMessage, code: number): number | undefined {
  return addressesOption(m, code)[0];
}

export function addressesOption(m: DhcpMessage, code: number): number[] {
  const value = m.options.get(code) ?? new Uint8Array(0);
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const out: number[] = [];
  for (let at = 0; at + 4 <= value.length; at += 4) out.push(view.getInt32(at));
  return out;
}

/** Seconds; undefined: the option is not there. */
export function timeOption(m: DhcpMessage, code: number): number | undefined {
  const n = addressOption(m, code);
  return n === undefined ? undefined : n >>> 0;
}

export function messageType(m: DhcpMessage): number {
  return m.options.get(OPT_MESSAGE_TYPE)?.[0] ?? 0;
}
