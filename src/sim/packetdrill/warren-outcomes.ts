/** What single calls of `warren-process.ts` give that need nothing but their file. */
import { EAGAIN, EFAULT, EINVAL, ENOTSOCK, ENOTTY } from '../../core/errno.ts';
import type { Socket } from '../../core/socket/socket.ts';
import {
  type ControlMessage,
  EPOLLOUT,
  MSG_PEEK,
  type Received,
  type SockAddr,
} from '../../core/transport/sock.ts';
import { type Call, type CallResult, isBad } from './target.ts';
import { fromControl, fromOption, fromSockAddr } from './warren-abi.ts';
import type { DiskFile } from './warren-files.ts';
import type { OpenFile } from './warren-process.ts';

/** What a call gives, without its time. `value` negative: -errno. */
export type Outcome = Omit<CallResult, 'endUs' | 'errno' | 'value'> & { readonly value: number };

const O_NONBLOCK = 0x800;
/** Flags that F_SETFL changes: O_APPEND, O_NONBLOCK, O_ASYNC, O_DIRECT, O_NOATIME. */
const SETFL_MASK: number = 0x400 | O_NONBLOCK | 0x2000 | 0x4000 | 0x40000;
const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const FIONBIO = 0x5421;

export function total(lens: readonly number[]): number {
  return lens.reduce((a, b) => a + b, 0);
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(total(parts.map((p) => p.length)));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

/** A write that may take several rounds. */
export interface Write {
  readonly data: Uint8Array;
  readonly flags: number;
  readonly to: SockAddr | null;
  readonly control: readonly ControlMessage[];
  readonly isBlocking: boolean;
  /** Ends of its pieces, if they matter. */
  readonly ends: readonly number[];
  sent: number;
}

/** Sends what is left of it; null: it waits for room. */
export function sendRest(socket: Socket, w: Write): Outcome | null {
  const control = w.control.length === 0 ? undefined : w.control;
  for (;;) {
    const part = w.sent === 0 ? w.data : w.data.subarray(w.sent);
    if (w.ends.length > 1) socket.sk.ownRare().pieceEnds = w.ends.map((e) => e - w.sent);
    const n = socket.sendto(part, w.flags, w.to, control);
    if (n === -EAGAIN && w.isBlocking) return null;
    if (n < 0) return { value: w.sent > 0 ? w.sent : n };
    w.sent += n;
    if (!w.isBlocking || w.sent >= w.data.length) return { value: w.sent };
  }
}

/** A read of a datagram socket that was shut down. */
export const NOTHING: Outcome = {
  value: 0,
  data: new Uint8Array(0),
  addr: null,
  control: [],
  msgFlags: 0,
};

const MSG_CTRUNC = 8;

/** What came along with received bytes. */
export function messageOf(r: Received, withControl: boolean): Omit<Outcome, 'value' | 'data'> {
  return {
    addr: r.from === null ? null : fromSockAddr(r.from),
    control: withControl ? r.control.map(fromControl) : [],
    msgFlags: r.flags | (!withControl && r.control.length > 0 ? MSG_CTRUNC : 0),
  };
}

export function getpeername(socket: Socket): Outcome {
  const peer = socket.getpeername();
  return typeof peer === 'number' ? { value: peer } : { value: 0, addr: fromSockAddr(peer) };
}

export function getsockopt(socket: Socket, call: Call & { readonly name: 'getsockopt' }): Outcome {
  if (call.len < 0) return { value: -EINVAL };
  const value = socket.getsockopt(call.level, call.option);
  // -1 is a value of several options.
  if (typeof value === 'number' && value < -1) return { value };
  return { value: 0, option: fromOption(call.level, call.option, value, call.len) };
}

export function ioctl(file: OpenFile, socket: Socket, request: number, arg: number): Outcome {
  if (request === FIONBIO) {
    file.flags = arg === 0 ? file.flags & ~O_NONBLOCK : file.flags | O_NONBLOCK;
    return { value: 0, arg };
  }
  const value = socket.ioctl(request);
  return value < 0 ? { value } : { value: 0, arg: value };
}

export function fcntl(file: OpenFile, command: number, arg: number): Outcome {
  switch (command) {
    case F_GETFL:
      return { value: file.flags };
    case F_SETFL:
      file.flags = (file.flags & ~SETFL_MASK) | (arg & SETFL_MASK);
      return { value: 0 };
    case F_GETFD:
      return { value: file.fdFlags };
    case F_SETFD:
      file.fdFlags = arg & 1;
      return { value: 0 };
    default:
      return { value: command < 0 ? -EINVAL : -ENOTTY };
  }
}

/** Reads from or writes to a file on a disk. */
export function onDisk(disk: DiskFile, call: Call): Outcome {
  if (call.name === 'read') {
    if (call.isBad === true && call.len > 0) return { value: -EFAULT };
    const data = disk.read(call.len);
    return { value: data.length, data };
  }
  if (call.name !== 'write') return { value: -ENOTSOCK };
  return { value: isBad(call.data) ? -EFAULT : disk.write(call.data) };
}

/** A write from a bad address: what is wrong with the socket comes first, then whether there is room. */
export function unwritable(socket: Socket, flags: number, to: SockAddr | null): number {
  const value = socket.sendto(new Uint8Array(0), flags, to);
  if (value < 0) return value;
  return (socket.poll() & EPOLLOUT) === 0 ? -EAGAIN : -EFAULT;
}

/** A read to a bad address: nothing is taken. Null: there is nothing to read yet. */
export function unreadable(socket: Socket, len: number, flags: number): Outcome | null {
  const r = socket.recv(len, flags | MSG_PEEK);
  if (r === -EAGAIN) return null;
  if (typeof r === 'number') return { value: r };
  return { value: r.len === 0 ? 0 : -EFAULT };
}
