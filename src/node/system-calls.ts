/**
 * Where the system calls of a namespace go: into the stack of this process, or to the process that holds
 * the namespace (`remote-client.ts`).
 */
import type { NetworkInterfaceInfo } from 'node:os';
import type { NetNs } from '../core/net.ts';
import { Socket } from '../core/socket/socket.ts';
import type { Sock } from '../core/transport/sock.ts';
import { interfacesOf } from './interfaces.ts';
import { passSocket, receiveSocket } from './passed-sockets.ts';
import { originalOf } from './shared-socket.ts';

type Calls =
  | 'bind'
  | 'connect'
  | 'listen'
  | 'send'
  | 'sendto'
  | 'recv'
  | 'shutdown'
  | 'close'
  | 'setsockopt'
  | 'getsockopt'
  | 'getsockname'
  | 'getpeername'
  | 'poll'
  | 'onEvent';

/** What the handles need of a socket. */
export type ProgramSocket = Pick<Socket, Calls> & {
  /** Absent when the stack is in another process. */
  readonly sk?: Sock | undefined;
  accept(): ProgramSocket | number;
};

/** The system calls of a namespace that another process holds. */
export interface RemoteCalls {
  socket(family: number, type: number): ProgramSocket | number;
  interfaces(): NodeJS.Dict<NetworkInterfaceInfo[]>;
  /** Path of the namespace's door (`place-door.ts`). */
  door(): string;
  /** Hands another descriptor of `socket` to whoever calls `receive` with the result. */
  pass(socket: ProgramSocket): string;
  receive(token: string): ProgramSocket | undefined;
}

let remote: { readonly net: NetNs; readonly calls: RemoteCalls } | undefined;

/** From now on `net` only stands for a namespace that another process holds. */
export function setRemote(net: NetNs, calls: RemoteCalls): void {
  remote = { net, calls };
}

/** socket(2): a new socket in `net`, or `-errno`. */
export function createSocket(net: NetNs, family: number, type: number): ProgramSocket | number {
  return remote !== undefined && remote.net === net
    ? remote.calls.socket(family, type)
    : Socket.create(net, family, type);
}

/** True for the one namespace that another process holds. */
export function isRemote(net: NetNs): boolean {
  return remote?.net === net;
}

/** The calls of the one namespace that another process holds; undefined: `net` is not that. */
export function remoteCalls(net: NetNs): RemoteCalls | undefined {
  return isRemote(net) ? remote?.calls : undefined;
}

/** The name under which another program in `net` gets a descriptor of `socket`: `socket` stays. */
export function passDescriptor(net: NetNs, socket: ProgramSocket, other: ProgramSocket): string {
  if (remote === undefined || remote.net !== net) return passSocket(other);
  other.close();
  return remote.calls.pass(originalOf(socket));
}

/** The other end of `passDescriptor`. */
export function receiveDescriptor(net: NetNs, token: string): ProgramSocket | undefined {
  return remote !== undefined && remote.net === net
    ? remote.calls.receive(token)
    : receiveSocket(token);
}

/** getifaddrs(3), as `os.networkInterfaces` gives it. */
export function networkInterfaces(net: NetNs): NodeJS.Dict<NetworkInterfaceInfo[]> {
  return remote !== undefined && remote.net === net ? remote.calls.interfaces() : interfacesOf(net);
}
