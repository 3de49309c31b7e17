/**
 * Calls that wait: the same as `Socket`'s, as promises that throw `NetError`. SO_RCVTIMEO, SO_SNDTIMEO and
 * SO_LINGER run on the kernel's timers, so that virtual time applies to them too.
 */
import { EAGAIN, EALREADY, EINPROGRESS, NetError } from '../errno.ts';
import type { NetNs } from '../net.ts';
import {
  AF_INET,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  MSG_DONTWAIT,
  MSG_FASTOPEN,
  MSG_OOB,
  MSG_PEEK,
  MSG_WAITALL,
  NO_RECEIVED,
  RCV_SHUTDOWN,
  type Received,
  type Sock,
  type SockAddr,
  type SockAddrIn,
} from '../transport/sock.ts';
import { TCPF_CLOSING, TCPF_FIN_WAIT1, TCPF_LAST_ACK } from '../transport/tcp/constants.ts';
import { TcpSock } from '../transport/tcp/sock.ts';
import type { Credentials } from './credentials.ts';
import { Socket } from './socket.ts';

/** States in which a closed stream still has something to tell its peer. */
const LINGERING: number = TCPF_FIN_WAIT1 | TCPF_CLOSING | TCPF_LAST_ACK;
/** How often a lingering close looks whether it is over, µs. */
const LINGER_STEP_US = 10_000;

const READABLE: number = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
const WRITABLE: number = EPOLLOUT | EPOLLHUP | EPOLLERR;

interface Waiter {
  readonly mask: number;
  readonly wake: (ready: boolean) => void;
}

export class BlockingSocket {
  readonly socket: Socket;
  private readonly net: NetNs;
  private waiters: Waiter[] = [];

  /** Takes over `socket.onEvent`. */
  constructor(socket: Socket) {
    this.socket = socket;
    this.net = socket.sk.net;
    socket.onEvent = (events) => this.notify(events);
  }

  /** @throws NetError what `socket()` fails with */
  static create(net: NetNs, type: number, protocol = 0, cred?: Credentials): BlockingSocket {
    const socket = Socket.create(net, AF_INET, type, protocol, cred);
    if (typeof socket === 'number') throw new NetError(socket, 'socket');
    return new BlockingSocket(socket);
  }

  bind(addr: SockAddr): void {
    check(this.socket.bind(addr), 'bind');
  }

  listen(backlog = 128): void {
    check(this.socket.listen(backlog), 'listen');
  }

  /** Rejects with EINPROGRESS when SO_SNDTIMEO is over first, as Linux does. */
  async connect(addr: SockAddr): Promise<void> {
    let result = this.socket.connect(addr);
    while (result === -EINPROGRESS || result === -EALREADY) {
      const ready = await this.wait(WRITABLE, this.socket.sk.sndTimeoutUs);
      if (!ready) throw new NetError(EINPROGRESS, 'connect');
      result = this.socket.connect(addr);
    }
    check(result, 'connect');
  }

  async accept(): Promise<BlockingSocket> {
    for (;;) {
      const child = this.socket.accept();
      if (typeof child !== 'number') return new BlockingSocket(child);
      await this.retry(child, 'accept', READABLE);
    }
  }

  /** At least one byte of a stream, at most `max`; none at its end. */
  async read(max: number, flags = 0): Promise<Uint8Array> {
    const got = await this.recv(max, flags);
    const [first] = got.data;
    if (first !== undefined && got.data.length === 1) return first;
    const all = new Uint8Array(got.len);
    let at = 0;
    for (const slice of got.data) {
      all.set(slice, at);
      at += slice.length;
    }
    return all;
  }

  /** A datagram with its sender. */
  recvfrom(max: number, flags = 0): Promise<Received> {
    return this.recv(max, flags);
  }

  private recv(max: number, flags: number): Promise<Received> {
    const { sk } = this.socket;
    const whole = (flags & MSG_WAITALL) !== 0 && (flags & (MSG_DONTWAIT | MSG_OOB)) === 0;
    const target = whole ? max : Math.min(sk.rcvlowat, max);
    return sk instanceof TcpSock && target > 1 && (flags & MSG_OOB) === 0
      ? this.recvTarget(max, target, flags)
      : this.recvSome(max, flags);
  }

  /** MSG_WAITALL, SO_RCVLOWAT: waits for `target` bytes, the end of the stream, an error or the time limit. */
  private async recvTarget(max: number, target: number, flags: number): Promise<Received> {
    const { sk } = this.socket;
    const data: Uint8Array[] = [];
    let len = 0;
    for (;;) {
      // What is only peeked at stays, and is looked at from the start each time.
      if ((flags & MSG_PEEK) !== 0) {
        data.length = 0;
        len = 0;
      }
      const got = this.socket.recv(max - len, flags);
      if (typeof got !== 'number') {
        data.push(...got.data);
        len += got.len;
        const enough = len >= target || got.len === 0 || isOver(sk);
        if (enough) return { ...got, data, len, fullLen: len };
      } else if (len === 0 && (got !== -EAGAIN || isOver(sk))) return this.recvSome(max, flags);
      else if (got !== -EAGAIN || isOver(sk)) return { ...NO_RECEIVED, data, len, fullLen: len };
      if (await this.wait(READABLE, sk.rcvTimeoutUs)) continue;
      if (len === 0) throw new NetError(EAGAIN, 'recv');
      return { ...NO_RECEIVED, data, len, fullLen: len };
    }
  }

  private async recvSome(max: number, flags: number): Promise<Received> {
    for (;;) {
      const got = this.socket.recv(max, flags);
      if (typeof got !== 'number') return got;
      const { shutdownMask } = this.socket.sk;
      if (got === -EAGAIN && (shutdownMask & RCV_SHUTDOWN) !== 0) return NO_RECEIVED;
      await this.retry(got, 'recv', READABLE);
    }
  }

  /** All of `data`, or what went before SO_SNDTIMEO was over. */
  async write(data: Uint8Array, flags = 0): Promise<number> {
    let sent = 0;
    do {
      const n = this.socket.send(sent === 0 ? data : data.subarray(sent), flags);
      if (n >= 0) sent += n;
      else if (n === -EINPROGRESS) await this.wait(WRITABLE, this.socket.sk.sndTimeoutUs);
      else if (sent > 0 && n !== -EAGAIN) return sent;
      else if (n !== -EAGAIN) throw new NetError(n, 'write');
      else if (!(await this.wait(WRITABLE, this.socket.sk.sndTimeoutUs))) {
        if (sent > 0) return sent;
        throw new NetError(EAGAIN, 'write');
      }
    } while (sent < data.length);
    return sent;
  }

  async sendto(data: Uint8Array, to: SockAddrIn | null, flags = 0): Promise<number> {
    for (;;) {
      const n = this.socket.sendto(data, flags, to);
      if (n >= 0) return n;
      // A fast open whose SYN took nothing: an ordinary connection is being set up.
      if (n === -EINPROGRESS) {
        if (!(await this.wait(WRITABLE, this.socket.sk.sndTimeoutUs)))
          throw new NetError(n, 'sendto');
        return this.write(data, flags & ~MSG_FASTOPEN);
      }
      if (n !== -EAGAIN) throw new NetError(n, 'sendto');
      if (!(await this.wait(WRITABLE, this.socket.sk.sndTimeoutUs)))
        throw new NetError(EAGAIN, 'sendto');
    }
  }

  /** Waits for SO_LINGER's time until the peer has everything; whoever waits in another call is woken. */
  async close(): Promise<void> {
    const { sk } = this.socket;
    const { lingerUs } = sk;
    check(this.socket.close(), 'close');
    for (const w of this.waiters.splice(0)) w.wake(true);
    if (!(sk instanceof TcpSock) || lingerUs <= 0) return;
    for (let waited = 0; waited < lingerUs; waited += LINGER_STEP_US) {
      if (((1 << sk.state) & LINGERING) === 0) return;
      await this.sleep(Math.min(LINGER_STEP_US, lingerUs - waited));
    }
  }

  /** Throws `err`, or waits when it is -EAGAIN. */
  private async retry(err: number, call: string, mask: number): Promise<void> {
    if (err !== -EAGAIN) throw new NetError(err, call);
    if (!(await this.wait(mask, this.socket.sk.rcvTimeoutUs))) throw new NetError(EAGAIN, call);
  }

  private notify(events: number): void {
    const { waiters } = this;
    if (waiters.length === 0) return;
    this.waiters = [];
    for (const w of waiters) {
      if ((w.mask & events) !== 0) w.wake(true);
      else this.waiters.push(w);
    }
  }

  /** True: something of `mask` may be true now. False: `timeoutUs` (0: none, negative: now) is over. */
  private wait(mask: number, timeoutUs: number): Promise<boolean> {
    if (timeoutUs < 0) return Promise.resolve(false);
    return new Promise((resolve) => {
      const { kernel } = this.net;
      const timer =
        timeoutUs === 0
          ? null
          : kernel.timer(() => {
              this.waiters = this.waiters.filter((w) => w !== waiter);
              resolve(false);
            });
      const waiter: Waiter = {
        mask,
        wake: (ready) => {
          timer?.clear();
          resolve(ready);
        },
      };
      timer?.set(kernel.env.nowUs() + timeoutUs);
      this.waiters.push(waiter);
    });
  }

  private sleep(us: number): Promise<void> {
    const { kernel } = this.net;
    return new Promise((resolve) => {
      kernel.timer(resolve).set(kernel.env.nowUs() + us);
    });
  }
}

/** Nothing more will come (the checks of `tcp_recvmsg_locked` before it waits). */
function isOver(sk: Sock): boolean {
  return sk.err !== 0 || (sk.shutdownMask & RCV_SHUTDOWN) !== 0 || (sk as TcpSock).doneReceiving;
}

function check(result: number, call: string): void {
  if (result < 0) throw new NetError(result, call);
}
