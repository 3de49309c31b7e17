/**
 * Where the system calls of a namespace go: into the stack of this process, or to the process that holds
 * the namespace (`remote-client.ts`).
 */
import type { NetworkInterfaceInfo } from 'node:os';
import type { NetNs } from '../core/net.ts';
import { Socket } from '../core/socket/socket.ts';
import type { Sock } from '../core/transport/sock.ts';
import { interfacesOf } from './interfaces.ts';

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
  readonly sk?: Sock;
  accept(): ProgramSocket | number;
};

/** The system calls of a namespace that another process holds. */
export interface RemoteCalls {
  socket(family: number, type: number): ProgramSocket | number;
  interfaces(): NodeJS.Dict<NetworkInterfaceInfo[]>;
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

/** getifaddrs(3), as `os.networkInterfaces` gives it. */
export function networkInterfaces(net: NetNs): NodeJS.Dict<NetworkInterfaceInfo[]> {
  return remote !== undefined && remote.net === net ? remote.calls.interfaces() : interfacesOf(net);
}
