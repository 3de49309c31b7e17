/** `struct msghdr`, `struct iovec` and `struct cmsghdr` in native memory (linux/socket.h, 64 bits). */
import type { ControlMessage } from '../sim/packetdrill/target.ts';
import type { Arena, Block } from './memory.ts';

export const IOVEC_BYTES = 16;
const MSGHDR_BYTES = 56;
const CMSGHDR_BYTES = 16;

/** An array of `struct iovec` over consecutive pieces of one block. */
export function encodeIovecs(arena: Arena, data: Block, lens: readonly number[]): Block {
  const vec = arena.alloc(IOVEC_BYTES * lens.length);
  let at = data.address;
  lens.forEach((len, i) => {
    vec.view.setBigUint64(i * IOVEC_BYTES, BigInt(at), true);
    vec.view.setBigUint64(i * IOVEC_BYTES + 8, BigInt(len), true);
    at += len;
  });
  return vec;
}

export interface MessageParts {
  readonly name: Block | null;
  readonly iov: Block;
  readonly iovCount: number;
  readonly control: Block | null;
}

export function encodeMessage(arena: Arena, parts: MessageParts): Block {
  const msg = arena.alloc(MSGHDR_BYTES);
  const pointer = (at: number, value: number): void =>
    msg.view.setBigUint64(at, BigInt(value), true);
  if (parts.name !== null) {
    pointer(0, parts.name.address);
    msg.view.setUint32(8, parts.name.bytes.length, true);
  }
  pointer(16, parts.iov.address);
  pointer(24, parts.iovCount);
  if (parts.control !== null) {
    pointer(32, parts.control.address);
    pointer(40, parts.control.bytes.length);
  }
  return msg;
}

/** What recvmsg wrote into a `struct msghdr`. */
export function decodeMessage(msg: Block): {
  readonly nameLen: number;
  readonly controlLen: number;
  readonly flags: number;
} {
  return {
    nameLen: msg.view.getUint32(8, true),
    controlLen: msg.view.getUint32(40, true),
    flags: msg.view.getUint32(48, true),
  };
}

function align(length: number): number {
  return Math.ceil(length / 8) * 8;
}

export function encodeControl(arena: Arena, messages: readonly ControlMessage[]): Block | null {
  if (messages.length === 0) return null;
  const space = messages.reduce((sum, m) => sum + CMSGHDR_BYTES + align(m.data.length), 0);
  const block = arena.alloc(space);
  let at = 0;
  for (const m of messages) {
    block.view.setBigUint64(at, BigInt(CMSGHDR_BYTES + m.data.length), true);
    block.view.setInt32(at + 8, m.level, true);
    block.view.setInt32(at + 12, m.type, true);
    block.bytes.set(m.data, at + CMSGHDR_BYTES);
    at += CMSGHDR_BYTES + align(m.data.length);
  }
  return block;
}

export function decodeControl(block: Block, length: number): ControlMessage[] {
  const found: ControlMessage[] = [];
  let at = 0;
  while (at + CMSGHDR_BYTES <= length) {
    const len = block.view.getUint32(at, true);
    if (len < CMSGHDR_BYTES) break;
    found.push({
      level: block.view.getInt32(at + 8, true),
      type: block.view.getInt32(at + 12, true),
      data: block.bytes.slice(at + CMSGHDR_BYTES, Math.min(at + len, length)),
    });
    at += align(len);
  }
  return found;
}
