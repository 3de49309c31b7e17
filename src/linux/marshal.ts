/**
 * A `Call` of a script as a system call: its number, six words, and the memory that they point to. What
 * comes back is read from the same memory.
 */
import { type Call, type CallBuffer, type CallResult, isBad } from '../sim/packetdrill/target.ts';
import { AT_FDCWD, epollEventLayout, MSG_ZEROCOPY, type SyscallNumbers } from './abi.ts';
import type { Arena, Block } from './memory.ts';
import {
  decodeControl,
  decodeMessage,
  encodeControl,
  encodeIovecs,
  encodeMessage,
  IOVEC_BYTES,
} from './message.ts';
import { decodeAddress, encodeAddress, SOCKADDR_STORAGE_BYTES } from './sockaddr.ts';

/** What a call gave back besides its value. */
export type Output = Omit<CallResult, 'value' | 'errno' | 'endUs'>;

/** A system call, ready to be made by any thread. */
export interface Prepared {
  readonly nr: number;
  readonly args: readonly number[];
  /** Reads the outputs of a call that returned `value` ≥ 0. */
  readonly output?: (value: number) => Output;
}

/** What is needed to prepare calls. */
export interface Marshal {
  readonly nr: SyscallNumbers;
  readonly arena: Arena;
  /** Memory that the kernel goes on reading after the call: what MSG_ZEROCOPY sends. */
  readonly kept: Arena;
}

const POLLFD_BYTES = 8;
const EPOLL = epollEventLayout(process.arch);

export function prepare(call: Call, m: Marshal): Prepared {
  const { nr } = m;
  switch (call.name) {
    case 'socket':
      return { nr: nr.socket, args: [call.domain, call.type, call.protocol] };
    case 'bind':
    case 'connect': {
      const name = m.arena.copy(encodeAddress(call.addr));
      return { nr: nr[call.name], args: [call.fd, name.address, name.bytes.length] };
    }
    case 'listen':
      return { nr: nr.listen, args: [call.fd, call.backlog] };
    case 'shutdown':
      return { nr: nr.shutdown, args: [call.fd, call.how] };
    case 'close':
      return { nr: nr.close, args: [call.fd] };
    case 'accept':
      return named(m, nr.accept4, call.fd, call.flags);
    case 'getsockname':
    case 'getpeername':
      return named(m, nr[call.name], call.fd, 0);
    case 'setsockopt': {
      const value = m.arena.copy(call.value);
      const { fd, level, option } = call;
      return { nr: nr.setsockopt, args: [fd, level, option, value.address, value.bytes.length] };
    }
    case 'getsockopt':
      return getsockopt(call, m);
    case 'open': {
      const path = m.arena.copy(Buffer.from(`${call.path}\0`));
      return { nr: nr.openat, args: [AT_FDCWD, path.address, call.flags, call.mode] };
    }
    case 'sendfile': {
      const { fd, from, offset, len } = call;
      if (offset === null) return { nr: nr.sendfile, args: [fd, from, 0, len] };
      const at = m.arena.alloc(8);
      at.view.setBigInt64(0, BigInt(offset), true);
      return { nr: nr.sendfile, args: [fd, from, at.address, len] };
    }
    case 'splice':
      return { nr: nr.splice, args: [call.from, 0, call.to, 0, call.len, call.flags] };
    case 'pipe': {
      const ends = m.arena.alloc(8);
      return {
        nr: nr.pipe2,
        args: [ends.address, call.flags],
        output: () => ({ fds: [ends.view.getInt32(0, true), ends.view.getInt32(4, true)] }),
      };
    }
    case 'fcntl':
      return { nr: nr.fcntl, args: [call.fd, call.command, call.arg] };
    case 'ioctl': {
      const arg = m.arena.alloc(8);
      arg.view.setInt32(0, call.arg, true);
      return {
        nr: nr.ioctl,
        args: [call.fd, call.request, arg.address],
        output: () => ({ arg: arg.view.getInt32(0, true) }),
      };
    }
    case 'poll':
    case 'epoll_create':
    case 'epoll_ctl':
    case 'epoll_wait':
      return prepareWaiting(call, m);
    default:
      return prepareTransfer(call, m);
  }
}

/** A call that fills in an address. */
function named(m: Marshal, nr: number, fd: number, flags: number): Prepared {
  const name = m.arena.alloc(SOCKADDR_STORAGE_BYTES);
  const len = m.arena.alloc(4);
  len.view.setUint32(0, SOCKADDR_STORAGE_BYTES, true);
  return {
    nr,
    args: [fd, name.address, len.address, flags],
    output: () => ({ addr: decodeAddress(name.bytes, len.view.getUint32(0, true)) }),
  };
}

function getsockopt(call: Extract<Call, { name: 'getsockopt' }>, m: Marshal): Prepared {
  const value = m.arena.alloc(call.len);
  if (call.value !== undefined) value.bytes.set(call.value.subarray(0, call.len));
  const len = m.arena.alloc(4);
  len.view.setUint32(0, call.len, true);
  return {
    nr: m.nr.getsockopt,
    args: [call.fd, call.level, call.option, value.address, len.address],
    output: () => ({ option: value.bytes.slice(0, len.view.getUint32(0, true)) }),
  };
}

type WaitingCall = Extract<
  Call,
  { readonly name: 'poll' | 'epoll_create' | 'epoll_ctl' | 'epoll_wait' }
>;

function prepareWaiting(call: WaitingCall, m: Marshal): Prepared {
  const { nr } = m;
  switch (call.name) {
    case 'poll': {
      const fds = m.arena.alloc(POLLFD_BYTES * call.fds.length);
      call.fds.forEach((p, i) => {
        fds.view.setInt32(i * POLLFD_BYTES, p.fd, true);
        fds.view.setInt16(i * POLLFD_BYTES + 4, p.events, true);
      });
      return {
        nr: nr.ppoll,
        args: [fds.address, call.fds.length, timespec(m.arena, call.timeoutMs), 0, 8],
        output: () => ({
          revents: call.fds.map((_, i) => fds.view.getUint16(i * POLLFD_BYTES + 6, true)),
        }),
      };
    }
    case 'epoll_create':
      return { nr: nr.epoll_create1, args: [call.flags] };
    case 'epoll_ctl':
      return {
        nr: nr.epoll_ctl,
        args: [
          call.epfd,
          call.op,
          call.fd,
          call.event === null ? 0 : epollEvent(m.arena, call.event).address,
        ],
      };
    case 'epoll_wait': {
      const room = m.arena.alloc(EPOLL.size * Math.max(1, call.maxEvents));
      return {
        nr: nr.epoll_pwait,
        args: [call.epfd, room.address, call.maxEvents, call.timeoutMs, 0, 8],
        output: (value) => ({
          events: Array.from({ length: value }, (_, i) => ({
            events: room.view.getUint32(i * EPOLL.size, true),
            data: room.view.getUint32(i * EPOLL.size + EPOLL.data, true),
          })),
        }),
      };
    }
  }
}

/** The address of a `struct timespec`; 0 for one that never ends. */
function timespec(arena: Arena, ms: number): number {
  if (ms < 0) return 0;
  const block = arena.alloc(16);
  block.view.setBigInt64(0, BigInt(Math.floor(ms / 1000)), true);
  block.view.setBigInt64(8, BigInt((ms % 1000) * 1e6), true);
  return block.address;
}

function epollEvent(arena: Arena, event: { events: number; data: number }): Block {
  const block = arena.alloc(EPOLL.size);
  block.view.setUint32(0, event.events, true);
  block.view.setUint32(EPOLL.data, event.data, true);
  return block;
}

type TransferCall = Exclude<
  Call,
  | WaitingCall
  | {
      readonly name:
        | 'socket'
        | 'bind'
        | 'connect'
        | 'listen'
        | 'accept'
        | 'shutdown'
        | 'close'
        | 'getsockname'
        | 'getpeername'
        | 'setsockopt'
        | 'getsockopt'
        | 'fcntl'
        | 'pipe'
        | 'splice'
        | 'open'
        | 'sendfile'
        | 'ioctl';
    }
>;

function prepareTransfer(call: TransferCall, m: Marshal): Prepared {
  const { nr, arena } = m;
  switch (call.name) {
    case 'read': {
      const room = arena.alloc(call.len);
      return {
        nr: nr.read,
        args: [call.fd, call.isBad === true ? 0 : room.address, call.len],
        output: (value) => ({ data: room.bytes.slice(0, value) }),
      };
    }
    case 'write': {
      return { nr: nr.write, args: [call.fd, ...outgoing(arena, call.data)] };
    }
    case 'readv': {
      const room = arena.alloc(total(call.lens));
      const iov = encodeIovecs(arena, room, call.lens);
      return {
        nr: nr.readv,
        args: [call.fd, iov.address, call.lens.length],
        output: (value) => ({ data: room.bytes.slice(0, value) }),
      };
    }
    case 'writev': {
      const iov = gather(call.data, arena, arena);
      return { nr: nr.writev, args: [call.fd, iov.address, call.data.length] };
    }
    case 'sendto': {
      const data = outgoing(call.flags & MSG_ZEROCOPY ? m.kept : arena, call.data);
      const name = call.to === null ? null : arena.copy(encodeAddress(call.to));
      const to = name === null ? [0, 0] : [name.address, name.bytes.length];
      return {
        nr: nr.sendto,
        args: [call.fd, ...data, call.flags, ...to],
      };
    }
    case 'recvfrom':
      return recvfrom(call, m);
    case 'sendmsg': {
      const msg = encodeMessage(arena, {
        name: call.to === null ? null : arena.copy(encodeAddress(call.to)),
        iov: gather(call.data, call.flags & MSG_ZEROCOPY ? m.kept : arena, arena),
        iovCount: call.data.length,
        control: encodeControl(arena, call.control),
      });
      return { nr: nr.sendmsg, args: [call.fd, msg.address, call.flags] };
    }
    case 'recvmsg':
      return recvmsg(call, m);
  }
}

function total(lens: readonly number[]): number {
  return lens.reduce((sum, len) => sum + len, 0);
}

/** Address and length of what is sent. */
function outgoing(arena: Arena, data: CallBuffer): readonly [number, number] {
  if (isBad(data)) return [0, data.bad];
  return [arena.copy(data).address, data.length];
}

function gather(pieces: readonly CallBuffer[], data: Arena, arena: Arena): Block {
  const lens = pieces.map((p) => (isBad(p) ? p.bad : p.length));
  const block = data.alloc(total(lens));
  const vec = encodeIovecs(arena, block, lens);
  let at = 0;
  pieces.forEach((piece, i) => {
    if (isBad(piece)) vec.view.setBigUint64(i * IOVEC_BYTES, 0n, true);
    else block.bytes.set(piece, at);
    at += lens[i] ?? 0;
  });
  return vec;
}

function recvfrom(call: Extract<Call, { name: 'recvfrom' }>, m: Marshal): Prepared {
  const room = m.arena.alloc(call.len);
  const name = m.arena.alloc(SOCKADDR_STORAGE_BYTES);
  const len = m.arena.alloc(4);
  len.view.setUint32(0, SOCKADDR_STORAGE_BYTES, true);
  return {
    nr: m.nr.recvfrom,
    args: [
      call.fd,
      call.isBad === true ? 0 : room.address,
      call.len,
      call.flags,
      name.address,
      len.address,
    ],
    output: (value) => ({
      data: room.bytes.slice(0, value),
      addr: decodeAddress(name.bytes, len.view.getUint32(0, true)),
    }),
  };
}

function recvmsg(call: Extract<Call, { name: 'recvmsg' }>, m: Marshal): Prepared {
  const room = m.arena.alloc(total(call.lens));
  const name = m.arena.alloc(SOCKADDR_STORAGE_BYTES);
  const control = call.controlLen === 0 ? null : m.arena.alloc(call.controlLen);
  const msg = encodeMessage(m.arena, {
    name,
    iov: encodeIovecs(m.arena, room, call.lens),
    iovCount: call.lens.length,
    control,
  });
  return {
    nr: m.nr.recvmsg,
    args: [call.fd, msg.address, call.flags],
    output: (value) => {
      const { nameLen, controlLen, flags } = decodeMessage(msg);
      return {
        data: room.bytes.slice(0, value),
        addr: decodeAddress(name.bytes, nameLen),
        control: control === null ? [] : decodeControl(control, controlLen),
        msgFlags: flags,
      };
    },
  };
}
