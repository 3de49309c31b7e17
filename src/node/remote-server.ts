/**
 * The process that holds a namespace serves a program of another process in it (`remote-client.ts`): each
 * call of the program's sockets is made here, on sockets of this stack, and answered at once. When the
 * program dies its connections go, and its sockets are closed, as a kernel closes those of a process.
 */
import { chmodSync, rmSync } from 'node:fs';
import { type Socket as Connection, createServer, type Server } from 'node:net';
import { EBADF, EINVAL, ENFILE } from '../core/errno.ts';
import type { NetNs } from '../core/net.ts';
import { Socket } from '../core/socket/socket.ts';
import type { OptionValue, Received } from '../core/transport/sock.ts';
import { ByteQueue } from './byte-queue.ts';
import { type CallMessage, encodeCall, MAX_DATA, takeCall } from './call-message.ts';
import { withNet } from './current.ts';
import { hostsOf } from './hosts.ts';
import { interfacesOf } from './interfaces.ts';
import { nameServersOf } from './name-servers.ts';
import { addOpenHandle, removeOpenHandle } from './open-handles.ts';
import { passSocket, receiveSocket } from './passed-sockets.ts';
import { reviveOption, reviveSockAddr } from './remote-address.ts';
import type { RemoteHello } from './remote-client.ts';
import { split } from './shared-socket.ts';
import type { ProgramSocket } from './system-calls.ts';
import { touchClock } from './touch-clock.ts';

const { setTimeout } = globalThis;

/** Sockets of one program; more give ENFILE. */
const MAX_SOCKETS = 16_384;
/** Bytes of replies that a program may leave unread: it waits for each of them. */
const MAX_UNREAD: number = 1 << 20;
/** Milliseconds that a program may live on without its namespace. */
const KILL_AFTER_MS = 3000;

/** A place in a namespace for one program. */
export interface Offer {
  /** Takes the place away: the program's sockets are closed, and it is told to end. */
  close(): void;
}

/** Where the programs that a program in a namespace starts find it. */
export type DoorOf = (net: NetNs) => string;

/** Whether a program that says it is `pid` may be ended by it: not a group, not everybody, not this process. */
export function namesAnother(pid: number): boolean {
  return Number.isSafeInteger(pid) && pid > 1 && pid !== process.pid;
}

/** Lets one program into `net`, which connects to the unix domain socket `path`. The file goes when it has. */
export async function offerPlace(net: NetNs, path: string, doorOf: DoorOf): Promise<Offer> {
  const place = new Place(net, doorOf);
  const server = withNet(null, () => createServer((connection) => place.accept(connection)));
  place.onFull = () => endListening(server, path);
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  server.unref();
  return {
    close: () => {
      endListening(server, path);
      place.close();
    },
  };
}

function endListening(server: Server, path: string): void {
  server.close();
  rmSync(path, { force: true });
}

class Place {
  readonly net: NetNs;
  private readonly doorOf: DoorOf;
  /** Both connections are there. */
  onFull: (() => void) | undefined = undefined;
  private readonly sockets: Map<number, ProgramSocket> = new Map();
  private lastId = 0;
  private readonly connections: Set<Connection> = new Set();
  private calls: Connection | undefined = undefined;
  private events: Connection | undefined = undefined;
  private readonly ready: Map<number, number> = new Map();
  private pid = 0;
  private closed = false;

  constructor(net: NetNs, doorOf: DoorOf) {
    this.net = net;
    this.doorOf = doorOf;
    addOpenHandle(this);
  }

  accept(connection: Connection): void {
    this.connections.add(connection);
    // A program that ends by itself does not wait for those in its namespace.
    connection.unref();
    const queue = new ByteQueue();
    connection.on('error', () => {});
    connection.on('data', (chunk: Buffer) => {
      queue.push(chunk);
      try {
        for (let m = takeCall(queue); m !== undefined; m = takeCall(queue))
          this.serve(connection, m);
        queue.settle();
      } catch {
        // The other end is not trusted: what is no call ends it.
        connection.destroy();
      }
    });
    connection.once('close', () => {
      this.connections.delete(connection);
      if (connection === this.calls || connection === this.events) this.close();
    });
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    removeOpenHandle(this);
    touchClock(this.net);
    for (const socket of this.sockets.values()) socket.close();
    this.sockets.clear();
    for (const connection of this.connections) connection.end();
    if (this.connections.size === 0 || this.pid === 0) return;
    // Who still holds a connection after that is alive, and does not listen.
    setTimeout(() => this.kill(), KILL_AFTER_MS).unref();
  }

  private kill(): void {
    if (this.connections.size === 0) return;
    for (const connection of this.connections) connection.destroy();
    try {
      process.kill(this.pid, 'SIGKILL');
    } catch {
      // It ended in this very moment.
    }
  }

  private serve(connection: Connection, message: CallMessage): void {
    const [name, id, ...args] = message.head;
    if (this.calls !== connection) {
      this.take(connection, name);
      if (name === 'events') return;
    }
    touchClock(this.net);
    const result = this.answer(String(name), id, args, message.data);
    const ready = this.sockets.get(Number(id))?.poll() ?? 0;
    if (typeof result === 'object' && result !== null && 'fullLen' in result) {
      const { fullLen, from, flags, data } = result as Received;
      connection.write(encodeCall([{ fullLen, from, flags }, ready], data));
    } else connection.write(encodeCall([result, ready]));
    if (connection.writableLength > MAX_UNREAD) throw new Error('replies are not read');
  }

  /** A connection says first which of the two it is. */
  private take(connection: Connection, name: unknown): void {
    if (name === 'events' && this.events === undefined) this.events = connection;
    else if (name === 'hello' && this.calls === undefined) this.calls = connection;
    else throw new Error('the place is taken');
    if (this.events !== undefined && this.calls !== undefined) this.onFull?.();
    this.tellEvents();
  }

  private answer(name: string, id: unknown, args: readonly unknown[], data: Buffer): unknown {
    if (name === 'hello') return this.hello(Number(id));
    if (name === 'interfaces') return interfacesOf(this.net);
    if (name === 'door') return this.doorOf(this.net);
    if (name === 'receive') return this.receive(String(id));
    if (name === 'socket') return this.create(Number(id), Number(args[0]));
    const socket = this.sockets.get(Number(id));
    if (socket === undefined) return -EBADF;
    if (name === 'pass') return this.pass(Number(id), socket);
    if (name === 'close') this.sockets.delete(Number(id));
    if (name === 'accept') {
      if (this.sockets.size >= MAX_SOCKETS) return -ENFILE;
      const child = socket.accept();
      return typeof child === 'number' ? child : this.adopt(child);
    }
    const call = Object.hasOwn(CALLS, name) ? CALLS[name] : undefined;
    if (call === undefined) throw new Error(`no such call: ${name}`);
    return call(socket, args, data);
  }

  private hello(pid: number): RemoteHello {
    if (namesAnother(pid)) this.pid = pid;
    const hosts = Object.fromEntries(hostsOf(this.net));
    return { name: this.net.hostname, hosts, nameServers: nameServersOf(this.net) };
  }

  /** Gives another program a descriptor of a socket. */
  private pass(id: number, socket: ProgramSocket): string {
    const [mine, other] = split(socket);
    this.sockets.set(id, mine);
    this.watch(id, mine);
    return passSocket(other);
  }

  private receive(token: string): number {
    const socket = receiveSocket(token);
    return socket === undefined ? -EBADF : this.adopt(socket);
  }

  private create(family: number, type: number): number {
    if (this.closed || this.sockets.size >= MAX_SOCKETS) return -ENFILE;
    const socket = Socket.create(this.net, family, type);
    return typeof socket === 'number' ? socket : this.adopt(socket);
  }

  private adopt(socket: ProgramSocket): number {
    const id = ++this.lastId;
    this.sockets.set(id, socket);
    this.watch(id, socket);
    return id;
  }

  private watch(id: number, socket: ProgramSocket): void {
    // Inside the stack: only noted, and told when it has come to rest.
    socket.onEvent = (events) => {
      if (this.ready.size === 0) queueMicrotask(() => this.tellEvents());
      this.ready.set(id, (this.ready.get(id) ?? 0) | events);
    };
  }

  private tellEvents(): void {
    const { events, ready } = this;
    if (events === undefined || ready.size === 0 || this.closed) return;
    if (events.writableNeedDrain) {
      // A program that computes: what comes meanwhile is added up, not queued.
      if (events.listenerCount('drain') === 0) events.once('drain', () => this.tellEvents());
      return;
    }
    const head = [...ready];
    ready.clear();
    events.write(encodeCall(head));
  }
}

type Call = (socket: ProgramSocket, args: readonly unknown[], data: Buffer) => unknown;

/** The calls on a socket. What comes from outside is brought into shape first. */
const CALLS: Readonly<Record<string, Call>> = {
  bind: (s, [to]) => s.bind(reviveSockAddr(to)),
  connect: (s, [to]) => s.connect(reviveSockAddr(to)),
  listen: (s, [backlog]) => s.listen(Number(backlog) | 0),
  send: (s, [flags], data) => s.send(data, Number(flags) | 0),
  sendto: (s, [flags, to], data) =>
    s.sendto(data, Number(flags) | 0, to === null ? null : reviveSockAddr(to)),
  recv: (s, [max, flags]) =>
    s.recv(Math.max(0, Math.min(MAX_DATA, Number(max) | 0)), Number(flags) | 0),
  shutdown: (s, [how]) => s.shutdown(Number(how) | 0),
  close: (s) => s.close(),
  setsockopt: (s, [level, name, value]) =>
    value === null || value === undefined
      ? -EINVAL
      : s.setsockopt(Number(level), Number(name), reviveOption(value) as OptionValue),
  getsockopt: (s, [level, name]) => s.getsockopt(Number(level), Number(name)),
  getsockname: (s) => s.getsockname(),
  getpeername: (s) => s.getpeername(),
  poll: (s) => s.poll(),
};
