/**
 * One socket with several descriptors, as dup(2) and a passed handle make them: all hear of its events, any
 * may accept or read, and it is closed with the last of them.
 */
import { EBADF } from '../core/errno.ts';
import type { Sock } from '../core/transport/sock.ts';
import type { ProgramSocket } from './system-calls.ts';

/** What the descriptors have in common. */
class Description {
  readonly socket: ProgramSocket;
  readonly users: Set<SharedSocket> = new Set();

  constructor(socket: ProgramSocket) {
    this.socket = socket;
    socket.onEvent = (events) => {
      for (const user of this.users) user.onEvent?.(events);
    };
  }
}

class SharedSocket implements ProgramSocket {
  onEvent: ((events: number) => void) | null = null;
  readonly description: Description;
  private readonly socket: ProgramSocket;

  constructor(description: Description) {
    this.description = description;
    this.socket = description.socket;
    description.users.add(this);
  }

  get sk(): Sock | undefined {
    return this.socket.sk;
  }

  accept(): ProgramSocket | number {
    return this.socket.accept();
  }

  bind(...args: Parameters<ProgramSocket['bind']>): number {
    return this.socket.bind(...args);
  }

  connect(...args: Parameters<ProgramSocket['connect']>): number {
    return this.socket.connect(...args);
  }

  listen(backlog: number): number {
    return this.socket.listen(backlog);
  }

  send(...args: Parameters<ProgramSocket['send']>): number {
    return this.socket.send(...args);
  }

  sendto(...args: Parameters<ProgramSocket['sendto']>): number {
    return this.socket.sendto(...args);
  }

  recv(...args: Parameters<ProgramSocket['recv']>): ReturnType<ProgramSocket['recv']> {
    return this.socket.recv(...args);
  }

  shutdown(how: number): number {
    return this.socket.shutdown(how);
  }

  close(): number {
    const { users } = this.description;
    if (!users.delete(this)) return -EBADF;
    this.onEvent = null;
    return users.size > 0 ? 0 : this.socket.close();
  }

  setsockopt(...args: Parameters<ProgramSocket['setsockopt']>): number {
    return this.socket.setsockopt(...args);
  }

  getsockopt(
    ...args: Parameters<ProgramSocket['getsockopt']>
  ): ReturnType<ProgramSocket['getsockopt']> {
    return this.socket.getsockopt(...args);
  }

  getsockname(): ReturnType<ProgramSocket['getsockname']> {
    return this.socket.getsockname();
  }

  getpeername(): ReturnType<ProgramSocket['getpeername']> {
    return this.socket.getpeername();
  }

  poll(): number {
    return this.socket.poll();
  }
}

/** Two descriptors for the one of `socket`: the first takes its place, the second is new. */
export function split(socket: ProgramSocket): [mine: ProgramSocket, other: ProgramSocket] {
  const mine = socket instanceof SharedSocket ? socket : new SharedSocket(new Description(socket));
  return [mine, new SharedSocket(mine.description)];
}

/** What the descriptors are of. */
export function originalOf(socket: ProgramSocket): ProgramSocket {
  return socket instanceof SharedSocket ? socket.description.socket : socket;
}
