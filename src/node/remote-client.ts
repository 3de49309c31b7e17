/**
 * A program in a namespace that another process holds. The stack stays there: what a socket of the
 * program is asked, it asks the holder (`remote-server.ts`) and waits for the answer, as a program waits
 * for its kernel. So ports, routes, counters and what happens to connections when the program dies are
 * those of one stack, and every answer is there when Node wants it. What the sockets become ready for
 * comes over a second connection, without being asked for.
 *
 * The waiting is a read(2) on a blocking socket. The holder never waits for a program, so no circle of
 * processes can wait for each other.
 */
import { readSync, writeSync } from 'node:fs';
import { connect, Socket } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { Kernel } from '../core/control/kernel.ts';
import { EAGAIN, EMSGSIZE, ENETDOWN } from '../core/errno.ts';
import {
  type ControlMessage,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLRDHUP,
  type OptionValue,
  type Received,
  type SockAddr,
  type SockAddrIn,
} from '../core/transport/sock.ts';
import { ByteQueue } from './byte-queue.ts';
import {
  type CallMessage,
  callLength,
  decodeCall,
  encodeCall,
  MAX_CALL_MESSAGE,
  MAX_DATA,
  takeCall,
} from './call-message.ts';
import { RealTimeEnv } from './env.ts';
import { setHosts } from './hosts.ts';
import { setNameServers } from './name-servers.ts';
import { passToParent } from './pass-handles.ts';
import { reviveName } from './remote-address.ts';
import { enterProcess, runOutside } from './run.ts';
import { type ProgramSocket, type RemoteCalls, setRemote } from './system-calls.ts';

const { setTimeout } = globalThis;

/** Milliseconds between asking a program to end and ending it, when its namespace is gone. */
const KILL_AFTER_MS = 2000;

/** What the holder answers to `hello`. */
export interface RemoteHello {
  readonly name: string;
  readonly hosts: Readonly<Record<string, readonly string[]>>;
  readonly nameServers: readonly string[];
}

/** Enters the namespace behind a door; resolves when this whole process, or thread, is inside. */
export async function enterThrough(door: string): Promise<void> {
  await enterRemote(await knock(door));
}

/** Enters the namespace that is offered at `path`; resolves when this whole process, or thread, is inside. */
export async function enterRemote(path: string): Promise<void> {
  const [calls, events] = await runOutside(() =>
    Promise.all([open(path, true), open(path, false)]),
  );
  const channel = new CallChannel(calls);
  events.write(encodeCall(['events']));
  const pid = isMainThread ? process.pid : 0;
  const { name, hosts, nameServers } = channel.call('hello', pid)[0] as RemoteHello;
  const sockets = new RemoteSockets(channel);
  listen(events, sockets);
  // What the patches take for a namespace; its own stack never sees a packet.
  const ns = new Kernel({ env: new RealTimeEnv() }).netns.add(name);
  ns.link.set('lo', { up: true });
  setNameServers(ns.net, nameServers);
  setHosts(ns.net, new Map(Object.entries(hosts).map(([host, list]) => [host, [...list]])));
  setRemote(ns.net, sockets);
  enterProcess(ns.net);
  // The channel to the program that started this one.
  if (isMainThread) passToParent(ns.net);
}

/** Asks at a door for a place: its path. */
function knock(door: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let path = '';
    const visitor = runOutside(() => connect({ path: door }));
    visitor.setEncoding('utf8').on('data', (text) => {
      path += text;
    });
    visitor.once('error', reject);
    visitor.once('end', () => {
      if (path === '') reject(new Error('the namespace is gone'));
      else resolve(path);
    });
  });
}

function open(path: string, blocking: boolean): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = new Socket();
    // A socket that is paused is not read by the event loop: its bytes are for `readSync`.
    if (blocking) socket.pause();
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      socket.on('error', () => {});
      // The program's own sockets keep the process alive, these two do not.
      socket.unref();
      resolve(socket);
    });
    socket.connect(path);
  });
}

/** Hands events to the sockets. Without its namespace the program ends, as if its machine went down. */
function listen(events: Socket, sockets: RemoteSockets): void {
  const queue = new ByteQueue();
  events.on('data', (chunk: Buffer) => {
    queue.push(chunk);
    for (let m = takeCall(queue); m !== undefined; m = takeCall(queue))
      for (const [id, bits] of m.head as [number, number][]) sockets.tell(id, bits);
    queue.settle();
  });
  events.on('close', () => {
    // A thread does not outlive the one that holds its namespace.
    if (!isMainThread) return;
    process.stderr.write('warren: the node has gone down, and this program with it\n');
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), KILL_AFTER_MS).unref();
  });
}

/** Asks, and waits for the answer. */
class CallChannel {
  private readonly fd: number;
  private readonly reply: Buffer = Buffer.allocUnsafeSlow(MAX_CALL_MESSAGE);
  /** Keeps the connection open. */
  readonly socket: Socket;

  constructor(socket: Socket) {
    const handle = (socket as unknown as { _handle: NativeHandle })._handle;
    const err = handle.setBlocking(true);
    if (err !== 0 || handle.fd < 0)
      throw new Error(`no blocking sockets here (${process.platform}, ${err})`);
    this.fd = handle.fd;
    this.socket = socket;
  }

  call(name: string, ...args: readonly unknown[]): readonly unknown[] {
    return this.exchange([name, ...args]).head;
  }

  /** The reply, whose data the next call overwrites; `-ENETDOWN` once the holder is gone. */
  exchange(head: readonly unknown[], data?: Uint8Array): CallMessage {
    try {
      const request = encodeCall(head, data === undefined ? undefined : [data]);
      for (let sent = 0; sent < request.length; )
        sent += writeSync(this.fd, request, sent, request.length - sent);
      let have = 0;
      for (let length = 0; length === 0 || have < length; ) {
        const got = readSync(this.fd, this.reply, have, this.reply.length - have, null);
        if (got === 0) return GONE;
        have += got;
        length = callLength(this.reply.subarray(0, have));
      }
      return decodeCall(this.reply.subarray(0, have));
    } catch (error) {
      if (!isGone(error)) throw error;
      return GONE;
    }
  }
}

const GONE: CallMessage = { head: [-ENETDOWN, EPOLLERR], data: Buffer.alloc(0) };

interface NativeHandle {
  readonly fd: number;
  setBlocking(on: boolean): number;
}

function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EPIPE' || code === 'ECONNRESET' || code === 'ENOTCONN' || code === 'EBADF';
}

class RemoteSockets implements RemoteCalls {
  private readonly channel: CallChannel;
  private readonly open: Map<number, RemoteSocket> = new Map();

  constructor(channel: CallChannel) {
    this.channel = channel;
  }

  socket(family: number, type: number): ProgramSocket | number {
    return this.adopt(Number(this.channel.call('socket', family, type)[0]));
  }

  interfaces(): NodeJS.Dict<NetworkInterfaceInfo[]> {
    const [list] = this.channel.call('interfaces');
    return typeof list === 'object' ? (list as NodeJS.Dict<NetworkInterfaceInfo[]>) : {};
  }

  adopt(id: number): RemoteSocket | number {
    if (id < 0) return id;
    const socket = new RemoteSocket(this, this.channel, id);
    this.open.set(id, socket);
    return socket;
  }

  door(): string {
    return String(this.channel.call('door')[0]);
  }

  pass(socket: ProgramSocket): string {
    return String(this.channel.call('pass', (socket as RemoteSocket).id)[0]);
  }

  receive(token: string): ProgramSocket | undefined {
    const socket = this.adopt(Number(this.channel.call('receive', token)[0]));
    return typeof socket === 'number' ? undefined : socket;
  }

  forget(id: number): void {
    this.open.delete(id);
  }

  tell(id: number, events: number): void {
    this.open.get(id)?.tell(events);
  }
}

/** What makes a read give something: data, their end, or an error. */
const READABLE: number = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;

/** The calls of `core/socket/socket.ts`, made in another process. */
class RemoteSocket implements ProgramSocket {
  onEvent: ((events: number) => void) | null = null;
  private readonly all: RemoteSockets;
  private readonly channel: CallChannel;
  readonly id: number;
  /** The last reply said so, and no event came since: a read would find nothing. */
  private drained = false;

  constructor(all: RemoteSockets, channel: CallChannel, id: number) {
    this.all = all;
    this.channel = channel;
    this.id = id;
  }

  tell(events: number): void {
    this.drained = false;
    this.onEvent?.(events);
  }

  bind(addr: SockAddr): number {
    return this.number('bind', addr);
  }

  connect(addr: SockAddr): number {
    return this.number('connect', addr);
  }

  listen(backlog: number): number {
    return this.number('listen', backlog);
  }

  accept(): ProgramSocket | number {
    if (this.drained) return -EAGAIN;
    return this.all.adopt(this.number('accept'));
  }

  /** A stream's: takes what fits into one message, as if the send buffer were full. */
  send(data: Uint8Array, flags = 0): number {
    const part = data.length > MAX_DATA ? data.subarray(0, MAX_DATA) : data;
    return Number(this.ask(['send', this.id, flags], part).head[0]);
  }

  sendto(
    data: Uint8Array,
    flags: number,
    to: SockAddr | null,
    _control?: readonly ControlMessage[],
  ): number {
    if (data.length > MAX_DATA) return -EMSGSIZE;
    return Number(this.ask(['sendto', this.id, flags, to], data).head[0]);
  }

  recv(max: number, flags = 0): Received | number {
    if (this.drained) return -EAGAIN;
    const { head, data } = this.ask(['recv', this.id, Math.min(max, MAX_DATA), flags]);
    const [got] = head;
    if (typeof got === 'number') return got;
    const { fullLen, from, flags: told } = got as Received;
    const own = Uint8Array.prototype.slice.call(data);
    // No slices: the end of a stream.
    const slices = own.length === 0 ? [] : [own];
    const sender = from === null ? null : reviveName(from);
    return { data: slices, len: own.length, fullLen, from: sender, flags: told, control: [] };
  }

  shutdown(how: number): number {
    return this.number('shutdown', how);
  }

  close(): number {
    this.onEvent = null;
    this.all.forget(this.id);
    return this.number('close');
  }

  setsockopt(level: number, name: number, value: OptionValue): number {
    return this.number('setsockopt', level, name, value);
  }

  getsockopt(level: number, name: number): OptionValue {
    return this.ask(['getsockopt', this.id, level, name]).head[0] as OptionValue;
  }

  getsockname(): SockAddrIn {
    return reviveName(this.ask(['getsockname', this.id]).head[0]);
  }

  getpeername(): SockAddrIn | number {
    const [peer] = this.ask(['getpeername', this.id]).head;
    return typeof peer === 'number' ? peer : reviveName(peer);
  }

  poll(): number {
    return Math.max(0, this.number('poll'));
  }

  private number(call: string, ...args: readonly unknown[]): number {
    return Number(this.ask([call, this.id, ...args]).head[0]);
  }

  private ask(head: readonly unknown[], data?: Uint8Array): CallMessage {
    const reply = this.channel.exchange(head, data);
    this.drained = (Number(reply.head[1]) & READABLE) === 0;
    return reply;
  }
}
