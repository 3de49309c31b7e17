/**
 * A process in a Warren namespace: file descriptors, and the system calls of `target.ts` over
 * `src/core/socket`. Calls that block are tried again when something happened to their sockets.
 */
import {
  EAGAIN,
  EALREADY,
  EBADF,
  EFAULT,
  EINPROGRESS,
  EINVAL,
  ENOTSOCK,
} from '../../core/errno.ts';
import type { NetNs } from '../../core/net.ts';
import { Socket } from '../../core/socket/socket.ts';
import type { Timer } from '../../core/timer.ts';
import {
  EPOLLERR,
  EPOLLHUP,
  MSG_DONTWAIT,
  MSG_TRUNC,
  MSG_WAITALL,
  MSG_ZEROCOPY,
} from '../../core/transport/sock.ts';
import { TcpSock } from '../../core/transport/tcp/sock.ts';
import { type Call, type CallResult, isBad, type PendingCall } from './target.ts';
import { fromSockAddr, pieceEnds, toControl, toOption, toSockAddr } from './warren-abi.ts';
import { Epoll } from './warren-epoll.ts';
import { type DiskFile, Files } from './warren-files.ts';
import {
  fcntl,
  getpeername,
  getsockopt,
  ioctl,
  joined,
  messageOf,
  NOTHING,
  type Outcome,
  onDisk,
  sendRest,
  total,
  unreadable,
  unwritable,
  type Write,
} from './warren-outcomes.ts';
import { closeEnd, Pipe, type PipeEnd, readPipe, splice, writePipe } from './warren-pipe.ts';

const O_WRONLY = 1;
const O_RDWR = 2;
const SPLICE_F_NONBLOCK = 2;
const O_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
/** O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC: over once the file is open. */
const O_CREATION = 0x3c0;
const POLLNVAL = 0x20;
const FIRST_FD = 3;
/** FIN_WAIT1, LAST_ACK, CLOSING: a closed stream that lingers. */
const LINGERING: number = (1 << 4) | (1 << 9) | (1 << 11);
const LINGER_STEP_US = 1000;

/** An open file. */
export interface OpenFile {
  readonly socket: Socket | null;
  readonly epoll: Epoll | null;
  readonly pipe: PipeEnd | null;
  readonly disk: DiskFile | null;
  flags: number;
  fdFlags: number;
}

/** Tries a call: its outcome (`value` negative: -errno), or null while it blocks. */
type Attempt = () => Outcome | null;

interface Prepared {
  readonly attempt: Attempt;
  readonly deadline: Pending['deadline'];
}

class Pending implements PendingCall {
  result: CallResult | null = null;
  readonly attempt: Attempt;
  /** What the call gives when its time is over; null: it waits for ever. */
  readonly deadline: { readonly atUs: number; readonly outcome: () => Outcome } | null;
  timer: Timer | null = null;

  constructor(attempt: Attempt, deadline: Pending['deadline']) {
    this.attempt = attempt;
    this.deadline = deadline;
  }
}

export class WarrenProcess {
  private readonly net: NetNs;
  private readonly tree: Files;
  private readonly files: Map<number, OpenFile> = new Map();
  private pending: Pending[] = [];
  /** Something happened that a waiting call may be waiting for. */
  private isDirty = false;
  /** A call returned since this was last asked for. */
  hasReturned = false;

  constructor(net: NetNs, tree: Files = new Files()) {
    this.net = net;
    this.tree = tree;
  }

  private get nowUs(): number {
    return this.net.kernel.env.nowUs();
  }

  call(call: Call): PendingCall {
    const { attempt, deadline } = this.prepare(call);
    const pending = new Pending(attempt, deadline);
    this.isDirty = false;
    if (!this.tryOnce(pending)) {
      this.pending.push(pending);
      if (deadline !== null) {
        pending.timer = this.net.kernel.timer(() => {
          this.isDirty = true;
        });
        pending.timer.set(deadline.atUs);
      }
    }
    return pending;
  }

  /** True when the call has its result. */
  private tryOnce(p: Pending): boolean {
    let outcome = p.attempt();
    if (outcome === null && p.deadline !== null && this.nowUs >= p.deadline.atUs)
      outcome = p.deadline.outcome();
    if (outcome === null) return false;
    const { value } = outcome;
    p.result = {
      ...outcome,
      value: value < 0 ? -1 : value,
      errno: value < 0 ? -value : 0,
      endUs: this.nowUs,
    };
    p.timer?.clear();
    return true;
  }

  /** Tries waiting calls again; called after each step of the stack. */
  retry(): void {
    if (!this.isDirty || this.pending.length === 0) return;
    this.isDirty = false;
    const before = this.pending;
    this.pending = [];
    for (const p of before) {
      if (this.tryOnce(p)) this.hasReturned = true;
      else this.pending.push(p);
    }
  }

  closeAll(): void {
    for (const file of this.files.values()) file.socket?.close();
    this.files.clear();
    for (const p of this.pending) p.timer?.clear();
    this.pending = [];
  }

  private open(file: OpenFile): number {
    let fd = FIRST_FD;
    while (this.files.has(fd)) fd++;
    this.files.set(fd, file);
    if (file.socket !== null) this.watch(file);
    return fd;
  }

  /** Events of a socket wake the calls that wait, and the epolls that watch it. */
  private watch(file: OpenFile): void {
    const { socket } = file;
    if (socket === null) return;
    socket.onEvent = (events) => {
      this.isDirty = true;
      for (const f of this.files.values()) f.epoll?.signal(file, events);
    };
  }

  private openSocket(socket: Socket, flags: number): number {
    return this.open({
      socket,
      epoll: null,
      pipe: null,
      disk: null,
      flags: O_RDWR | (flags & O_NONBLOCK),
      fdFlags: (flags & SOCK_CLOEXEC) !== 0 ? 1 : 0,
    });
  }

  private prepare(call: Call): { attempt: Attempt; deadline: Pending['deadline'] } {
    const now = (attempt: Attempt): { attempt: Attempt; deadline: null } => ({
      attempt,
      deadline: null,
    });
    switch (call.name) {
      case 'socket':
        return now(() => this.socket(call));
      case 'epoll_create':
        return now(() => this.epollCreate(call.flags));
      case 'poll':
        return this.poll(call);
      case 'pipe':
        return now(() => this.pipe(call.flags));
      case 'splice':
        return this.splice(call);
      case 'open':
        return now(() => this.openPath(call));
      default: {
        const file = this.files.get('epfd' in call ? call.epfd : call.fd);
        if (file === undefined) return now(() => ({ value: -EBADF }));
        if (call.name === 'epoll_ctl') return now(() => this.epollCtl(file, call));
        if (call.name === 'epoll_wait') return this.epollWait(file, call);
        if (call.name === 'fcntl') return now(() => fcntl(file, call.command, call.arg));
        if (call.name === 'close') return this.close(file, call.fd);
        const { socket } = file;
        if (file.pipe !== null) return this.onPipe(file, file.pipe, call);
        if (file.disk !== null) return now(() => onDisk(file.disk as DiskFile, call));
        if (socket === null) return now(() => ({ value: -ENOTSOCK }));
        return this.onSocket(file, socket, call);
      }
    }
  }

  private socket(call: Call & { readonly name: 'socket' }): Outcome {
    const made = Socket.create(this.net, call.domain, call.type, call.protocol);
    return { value: typeof made === 'number' ? made : this.openSocket(made, call.type) };
  }

  private onSocket(
    file: OpenFile,
    socket: Socket,
    call: Exclude<
      Call,
      {
        readonly name:
          | 'socket'
          | 'epoll_create'
          | 'poll'
          | 'pipe'
          | 'splice'
          | 'open'
          | 'epoll_ctl'
          | 'epoll_wait'
          | 'fcntl'
          | 'close';
      }
    >,
  ): { attempt: Attempt; deadline: Pending['deadline'] } {
    const now = (attempt: Attempt): { attempt: Attempt; deadline: null } => ({
      attempt,
      deadline: null,
    });
    switch (call.name) {
      case 'bind':
        return now(() => ({ value: socket.bind(toSockAddr(call.addr)) }));
      case 'listen':
        return now(() => ({ value: socket.listen(call.backlog) }));
      case 'shutdown':
        return now(() => ({ value: socket.shutdown(call.how) }));
      case 'connect':
        return this.connect(file, socket, call);
      case 'accept':
        return this.receiving(file, socket, 0, () => this.accept(socket, call.flags));
      case 'getsockname':
        return now(() => ({ value: 0, addr: fromSockAddr(socket.getsockname()) }));
      case 'getpeername':
        return now(() => getpeername(socket));
      case 'setsockopt':
        return now(() => ({
          value: socket.setsockopt(
            call.level,
            call.option,
            toOption(call.level, call.option, call.value),
          ),
        }));
      case 'getsockopt':
        return now(() => getsockopt(socket, call));
      case 'ioctl':
        return now(() => ioctl(file, socket, call.request, call.arg));
      case 'read':
      case 'recvfrom': {
        const flags = 'flags' in call ? call.flags : 0;
        const isDiscarded = (flags & MSG_TRUNC) !== 0 && socket.sk instanceof TcpSock;
        if (call.isBad === true && call.len > 0 && !isDiscarded)
          return this.receiving(file, socket, flags, () => unreadable(socket, call.len, flags));
        return this.receive(file, socket, call.len, flags);
      }
      case 'readv':
        return this.receive(file, socket, total(call.lens), 0);
      case 'recvmsg':
        return this.receive(file, socket, total(call.lens), call.flags, call.controlLen > 0);
      case 'sendfile': {
        const disk = this.files.get(call.from)?.disk;
        if (disk === undefined) return now(() => ({ value: -EBADF }));
        if (disk === null) return now(() => ({ value: -EINVAL }));
        return this.sendfile(file, socket, disk, call);
      }
      default:
        return this.sending(file, socket, call);
    }
  }

  private sending(
    file: OpenFile,
    socket: Socket,
    call: Call & { readonly name: 'write' | 'writev' | 'sendto' | 'sendmsg' },
  ): { attempt: Attempt; deadline: Pending['deadline'] } {
    const parts = call.name === 'write' || call.name === 'sendto' ? [call.data] : call.data;
    // What lies before a bad address is sent.
    const end = parts.findIndex(isBad);
    const data = joined((end < 0 ? parts : parts.slice(0, end)) as Uint8Array[]);
    const flags = 'flags' in call ? call.flags : 0;
    const to = 'to' in call && call.to !== null ? toSockAddr(call.to) : null;
    const control = 'control' in call ? call.control.map(toControl) : [];
    const isBlocking = (file.flags & O_NONBLOCK) === 0 && (flags & MSG_DONTWAIT) === 0;
    const ends = (flags & MSG_ZEROCOPY) === 0 ? [] : pieceEnds(parts);
    const write: Write = { data, flags, to, control, isBlocking, ends, sent: 0 };
    const attempt: Attempt = () => {
      if (end < 0 || data.length > 0) return sendRest(socket, write);
      const value = unwritable(socket, flags, to);
      return value === -EAGAIN && isBlocking ? null : { value };
    };
    const limit = socket.sk.sndTimeoutUs;
    return {
      attempt,
      deadline: this.deadline(limit, () => ({ value: write.sent > 0 ? write.sent : -EAGAIN })),
    };
  }

  /** Linux `do_sendfile`: as if written, from where the file is or from an offset of its own. */
  private sendfile(
    file: OpenFile,
    socket: Socket,
    disk: DiskFile,
    call: Call & { readonly name: 'sendfile' },
  ): Prepared {
    const data = disk.peek(call.offset ?? disk.at, call.len).slice();
    const { attempt, deadline } = this.sending(file, socket, { name: 'write', fd: call.fd, data });
    const moved = (outcome: Outcome | null): Outcome | null => {
      if (outcome !== null && outcome.value > 0 && call.offset === null) disk.at += outcome.value;
      return outcome;
    };
    if (data.length === 0) return { attempt: () => ({ value: 0 }), deadline: null };
    return {
      attempt: () => moved(attempt()),
      deadline:
        deadline === null
          ? null
          : { atUs: deadline.atUs, outcome: () => moved(deadline.outcome()) as Outcome },
    };
  }

  private openPath(call: Call & { readonly name: 'open' }): Outcome {
    const disk = this.tree.open(call.path, call.flags);
    if (typeof disk === 'number') return { value: disk };
    const fdFlags = (call.flags & SOCK_CLOEXEC) !== 0 ? 1 : 0;
    const flags = call.flags & ~(SOCK_CLOEXEC | O_CREATION);
    return { value: this.open({ socket: null, epoll: null, pipe: null, disk, flags, fdFlags }) };
  }

  private deadline(limitUs: number, outcome: () => Outcome): Pending['deadline'] {
    return limitUs === 0 ? null : { atUs: this.nowUs + Math.max(0, limitUs), outcome };
  }

  private connect(
    file: OpenFile,
    socket: Socket,
    call: Call & { readonly name: 'bind' | 'connect' },
  ): { attempt: Attempt; deadline: Pending['deadline'] } {
    const to = toSockAddr(call.addr);
    const isBlocking = (file.flags & O_NONBLOCK) === 0;
    return {
      attempt: () => {
        const value = socket.connect(to);
        const waits = value === -EINPROGRESS || value === -EALREADY;
        return waits && isBlocking ? null : { value };
      },
      deadline: this.deadline(socket.sk.sndTimeoutUs, () => ({ value: -EINPROGRESS })),
    };
  }

  private accept(socket: Socket, flags: number): Outcome | null {
    const child = socket.accept();
    if (child === -EAGAIN) return null;
    if (typeof child === 'number') return { value: child };
    const peer = child.getpeername();
    const value = this.openSocket(child, flags);
    // A child whose peer has already reset it still has the address in its socket.
    const { daddr, dport, family, inet6 } = child.sk;
    const left = { family: family as 2 | 10, addr: daddr, port: dport };
    const addr = inet6 === null ? left : { ...left, addr6: inet6.daddr };
    return { value, addr: fromSockAddr(typeof peer === 'number' ? addr : peer) };
  }

  /** A call that waits for something to come: until SO_RCVTIMEO, or not at all. */
  private receiving(
    file: OpenFile,
    socket: Socket,
    flags: number,
    attempt: Attempt,
  ): { attempt: Attempt; deadline: Pending['deadline'] } {
    const again = (): Outcome => ({ value: -EAGAIN });
    if ((file.flags & O_NONBLOCK) !== 0 || (flags & MSG_DONTWAIT) !== 0)
      return { attempt: () => attempt() ?? again(), deadline: null };
    return { attempt, deadline: this.deadline(socket.sk.rcvTimeoutUs, again) };
  }

  private receive(
    file: OpenFile,
    socket: Socket,
    len: number,
    flags: number,
    withControl = false,
  ): { attempt: Attempt; deadline: Pending['deadline'] } {
    const parts: Uint8Array[] = [];
    let got = 0;
    const isStream = socket.sk instanceof TcpSock;
    const isBlocking = (file.flags & O_NONBLOCK) === 0 && (flags & MSG_DONTWAIT) === 0;
    // LINUX: `sock_rcvlowat`: a read that may wait takes what there is, and waits for the rest of so much.
    const least = (flags & MSG_WAITALL) !== 0 ? len : Math.min(socket.sk.rcvlowat, len);
    const attempt: Attempt = () => {
      for (;;) {
        const r = socket.recv(len - got, flags);
        if (r === -EAGAIN) return !isStream && (socket.sk.shutdownMask & 1) !== 0 ? NOTHING : null;
        if (typeof r === 'number')
          return got > 0 ? { value: got, data: joined(parts) } : { value: r };
        parts.push(...r.data);
        got += r.len;
        const waits = isStream && isBlocking && r.len > 0 && got < least;
        if (waits && (flags & 2) === 0) continue;
        const value = (flags & 0x20) !== 0 ? r.fullLen : got;
        return { value, data: joined(parts), ...messageOf(r, withControl) };
      }
    };
    // Errors are there or not: their queue is never waited for.
    const isErrors = (flags & 0x2000) !== 0;
    return this.receiving(file, socket, isErrors ? flags | MSG_DONTWAIT : flags, attempt);
  }

  private close(file: OpenFile, fd: number): { attempt: Attempt; deadline: Pending['deadline'] } {
    this.files.delete(fd);
    for (const f of this.files.values()) f.epoll?.forget(file);
    const { socket, pipe } = file;
    if (pipe !== null) {
      closeEnd(pipe);
      this.isDirty = true;
    }
    if (socket === null) return { attempt: () => ({ value: 0 }), deadline: null };
    const { sk } = socket;
    const { lingerUs } = sk;
    let isClosed = false;
    const lingers = lingerUs > 0 && sk instanceof TcpSock && (file.flags & O_NONBLOCK) === 0;
    return {
      attempt: () => {
        if (!isClosed) {
          isClosed = true;
          socket.close();
          this.isDirty = true;
        }
        if (!lingers || ((1 << (sk as TcpSock).state) & LINGERING) === 0) return { value: 0 };
        // A closed socket tells no events: look again soon.
        this.net.kernel
          .timer(() => {
            this.isDirty = true;
          })
          .set(this.nowUs + LINGER_STEP_US);
        return null;
      },
      deadline: lingers ? this.deadline(lingerUs, () => ({ value: 0 })) : null,
    };
  }

  private poll(call: Call & { readonly name: 'poll' }): {
    attempt: Attempt;
    deadline: Pending['deadline'];
  } {
    const look = (): Outcome => {
      const revents = call.fds.map(({ fd, events }) => {
        if (fd < 0) return 0;
        const file = this.files.get(fd);
        if (file === undefined) return POLLNVAL;
        const mask = file.socket?.poll() ?? (file.epoll?.isReady() === true ? 1 : 0);
        return mask & (events | EPOLLERR | EPOLLHUP);
      });
      return { value: revents.filter((r) => r !== 0).length, revents };
    };
    return this.timed(
      call.timeoutMs,
      () => {
        const outcome = look();
        return outcome.value > 0 ? outcome : null;
      },
      look,
    );
  }

  /** A call with a time limit in ms: 0 not at all, negative for ever. */
  private timed(
    timeoutMs: number,
    attempt: Attempt,
    over: () => Outcome,
  ): { attempt: Attempt; deadline: Pending['deadline'] } {
    if (timeoutMs === 0) return { attempt: () => attempt() ?? over(), deadline: null };
    if (timeoutMs < 0) return { attempt, deadline: null };
    return { attempt, deadline: { atUs: this.nowUs + timeoutMs * 1000, outcome: over } };
  }

  private pipe(flags: number): Outcome {
    const pipe = new Pipe();
    const common = {
      socket: null,
      epoll: null,
      disk: null,
      fdFlags: (flags & SOCK_CLOEXEC) !== 0 ? 1 : 0,
    };
    const read = this.open({
      ...common,
      pipe: { pipe, writes: false },
      flags: flags & O_NONBLOCK,
    });
    const write = this.open({
      ...common,
      pipe: { pipe, writes: true },
      flags: O_WRONLY | (flags & O_NONBLOCK),
    });
    return { value: 0, fds: [read, write] };
  }

  private splice(call: Call & { readonly name: 'splice' }): Prepared {
    const from = this.files.get(call.from);
    const to = this.files.get(call.to);
    if (from === undefined || to === undefined)
      return { attempt: () => ({ value: -EBADF }), deadline: null };
    // LINUX: the flag is about the pipe; a socket blocks as its own flags say.
    const isPipe = from.pipe !== null && (call.flags & SPLICE_F_NONBLOCK) !== 0;
    const nonBlocking = isPipe || ((from.flags | to.flags) & O_NONBLOCK) !== 0;
    return {
      attempt: () => {
        const value = splice(from, to, call.len, call.flags);
        if (value > 0) this.isDirty = true;
        return value === -EAGAIN && !nonBlocking ? null : { value };
      },
      deadline: null,
    };
  }

  private onPipe(file: OpenFile, end: PipeEnd, call: Call): Prepared {
    const blocks = (file.flags & O_NONBLOCK) === 0;
    const attempt = (): Outcome | null => {
      if (call.name === 'read') {
        const data = readPipe(end, call.len);
        if (data === -EAGAIN && blocks) return null;
        this.isDirty = true;
        return typeof data === 'number' ? { value: data } : { value: data.length, data };
      }
      if (call.name !== 'write') return { value: -ENOTSOCK };
      if (isBad(call.data)) return { value: -EFAULT };
      const value = writePipe(end, call.data);
      if (value === -EAGAIN && blocks) return null;
      this.isDirty = true;
      return { value };
    };
    return { attempt, deadline: null };
  }

  private epollCreate(flags: number): Outcome {
    if ((flags & ~SOCK_CLOEXEC) !== 0) return { value: -EINVAL };
    const fdFlags = flags === 0 ? 0 : 1;
    const file = { socket: null, epoll: new Epoll(), pipe: null, disk: null };
    return { value: this.open({ ...file, flags: O_RDWR, fdFlags }) };
  }

  private epollCtl(file: OpenFile, call: Call & { readonly name: 'epoll_ctl' }): Outcome {
    const target = this.files.get(call.fd);
    if (target === undefined) return { value: -EBADF };
    if (file.epoll === null || target === file) return { value: -EINVAL };
    this.isDirty = true;
    return { value: file.epoll.control(call.op, target, call.event) };
  }

  private epollWait(
    file: OpenFile,
    call: Call & { readonly name: 'epoll_wait' },
  ): { attempt: Attempt; deadline: Pending['deadline'] } {
    const { epoll } = file;
    if (epoll === null || call.maxEvents <= 0)
      return { attempt: () => ({ value: -EINVAL }), deadline: null };
    return this.timed(
      call.timeoutMs,
      () => {
        const events = epoll.take(call.maxEvents);
        return events.length === 0 ? null : { value: events.length, events };
      },
      () => ({ value: 0, events: [] }),
    );
  }
}
