/**
 * Writer of capture files in the pcapng format (draft-ietf-opsawg-pcapng), which tcpdump and Wireshark
 * read: a section header, a description for each interface, then packets. Little-endian; every function
 * returns one block. Interfaces are numbered in the order of their descriptions, from 0.
 */
import { encodeUtf8 } from '../util/utf8.ts';

/** https://www.tcpdump.org/linktypes.html */
export const LINKTYPE_ETHERNET = 1;
/** Packets that begin with an IP header. */
export const LINKTYPE_RAW = 101;

/** Values of `PcapngPacket.direction`: bits 0 and 1 of the packet's flags. */
export const PCAPNG_UNKNOWN = 0;
export const PCAPNG_INBOUND = 1;
export const PCAPNG_OUTBOUND = 2;

const BLOCK_SECTION = 0x0a0d0d0a;
const BLOCK_INTERFACE = 1;
const BLOCK_PACKET = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

const OPT_ENDOFOPT = 0;
const OPT_COMMENT = 1;
const SHB_USERAPPL = 4;
const IF_NAME = 2;
const IF_DESCRIPTION = 3;
const IF_TSRESOL = 9;
const EPB_FLAGS = 2;
const EPB_PACKETID = 5;
/** Ten to the power of minus six: timestamps count microseconds. */
const TSRESOL_US = 6;
/** Type and total length before the body, total length behind it. */
const BLOCK_OVERHEAD = 12;

export interface PcapngInterface {
  readonly name: string;
  readonly description?: string;
  /** `LINKTYPE_*` */
  readonly linkType: number;
  /** Most bytes kept of a packet. */
  readonly snaplen: number;
}

export interface PcapngPacket {
  /** Number of the interface. */
  readonly interface: number;
  /** Microseconds since 1970-01-01 UTC. */
  readonly timeUs: number;
  /** At most as many bytes as the interface's snaplen. */
  readonly bytes: Uint8Array;
  /** Length of the packet on the wire. */
  readonly length: number;
  /** `PCAPNG_*` */
  readonly direction: number;
  /** The same for every sight of one packet; absent or 0: none. */
  readonly id?: number;
  readonly comment?: string;
}

/** One option: code and value. */
type Option = readonly [code: number, value: Uint8Array];

/** The first block of a file. */
export function pcapngSection(application: string): Uint8Array {
  const { bytes, view, at } = block(BLOCK_SECTION, 16, [[SHB_USERAPPL, encodeUtf8(application)]]);
  view.setUint32(at, BYTE_ORDER_MAGIC, true);
  view.setUint16(at + 4, 1, true);
  // Section length: not known.
  view.setInt32(at + 8, -1, true);
  view.setInt32(at + 12, -1, true);
  return bytes;
}

/** Describes an interface; before its first packet. */
export function pcapngInterface(i: PcapngInterface): Uint8Array {
  const options: Option[] = [[IF_NAME, encodeUtf8(i.name)]];
  if (i.description !== undefined) options.push([IF_DESCRIPTION, encodeUtf8(i.description)]);
  options.push([IF_TSRESOL, Uint8Array.of(TSRESOL_US)]);
  const { bytes, view, at } = block(BLOCK_INTERFACE, 8, options);
  view.setUint16(at, i.linkType, true);
  view.setUint32(at + 4, i.snaplen, true);
  return bytes;
}

/** A packet ("enhanced packet block"). */
export function pcapngPacket(p: PcapngPacket): Uint8Array {
  const options: Option[] = [];
  if (p.comment !== undefined) options.push([OPT_COMMENT, encodeUtf8(p.comment)]);
  if (p.direction !== PCAPNG_UNKNOWN) options.push([EPB_FLAGS, integer(p.direction, 4)]);
  if (p.id !== undefined && p.id !== 0) options.push([EPB_PACKETID, integer(p.id, 8)]);
  const { bytes, view, at } = block(BLOCK_PACKET, 20 + padded(p.bytes.length), options);
  view.setUint32(at, p.interface, true);
  view.setUint32(at + 4, Math.floor(p.timeUs / 2 ** 32), true);
  view.setUint32(at + 8, p.timeUs % 2 ** 32, true);
  view.setUint32(at + 12, p.bytes.length, true);
  view.setUint32(at + 16, p.length, true);
  bytes.set(p.bytes, at + 20);
  return bytes;
}

function padded(n: number): number {
  return (n + 3) & ~3;
}

function integer(value: number, size: 4 | 8): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, value % 2 ** 32, true);
  if (size === 8) view.setUint32(4, Math.floor(value / 2 ** 32), true);
  return bytes;
}

/** An empty body of `bodyLen` bytes, a multiple of 4, at `at`, with options behind it. */
function block(
  type: number,
  bodyLen: number,
  options: readonly Option[],
): { bytes: Uint8Array; view: DataView; at: number } {
  let optionsLen = options.length === 0 ? 0 : 4;
  for (const [, value] of options) optionsLen += 4 + padded(value.length);
  const len = BLOCK_OVERHEAD + bodyLen + optionsLen;
  const bytes = new Uint8Array(len);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, len, true);
  view.setUint32(len - 4, len, true);
  let at = 8 + bodyLen;
  for (const [code, value] of options) {
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    bytes.set(value, at + 4);
    at += 4 + padded(value.length);
  }
  if (options.length > 0) view.setUint16(at, OPT_ENDOFOPT, true);
  return { bytes, view, at: 8 };
}
