/**
 * What a packetdrill script runs against: a host with a tun device, time, and a process that makes
 * system calls. Two exist: a Warren namespace in virtual time, and the Linux kernel in real time. Both
 * speak bytes: IP packets at the device, C layouts (x86-64, little endian) in socket options and control
 * messages, so that one engine checks both in the same words.
 */

/** `struct sockaddr` of any family, taken apart. */
export interface Address {
  /** `AF_*` */
  readonly family: number;
  /** 4 or 16 bytes in network order; empty for AF_UNSPEC. */
  readonly addr: Uint8Array;
  /** Host order. */
  readonly port: number;
  /** `sin6_flowinfo` and `sin6_scope_id`, host order; 0 elsewhere. */
  readonly flowinfo: number;
  readonly scopeId: number;
}

/** `struct cmsghdr` with its data. */
export interface ControlMessage {
  readonly level: number;
  readonly type: number;
  readonly data: Uint8Array;
}

/** A buffer at address 0: what the kernel would copy from it or to it is EFAULT. */
export interface BadBuffer {
  readonly bad: number;
}

export type CallBuffer = Uint8Array | BadBuffer;

export function isBad(data: CallBuffer): data is BadBuffer {
  return 'bad' in data;
}

export interface PollFd {
  readonly fd: number;
  readonly events: number;
}

/** `data` is the 64-bit `epoll_data` as its low 32 bits, which is all that scripts use. */
export interface EpollEvent {
  readonly events: number;
  readonly data: number;
}

/** A system call with its arguments. `null` stands for a null pointer. */
export type Call =
  | {
      readonly name: 'socket';
      readonly domain: number;
      readonly type: number;
      readonly protocol: number;
    }
  | { readonly name: 'bind' | 'connect'; readonly fd: number; readonly addr: Address }
  | { readonly name: 'listen'; readonly fd: number; readonly backlog: number }
  | { readonly name: 'accept'; readonly fd: number; readonly flags: number }
  | { readonly name: 'shutdown'; readonly fd: number; readonly how: number }
  | { readonly name: 'close'; readonly fd: number }
  | { readonly name: 'getsockname' | 'getpeername'; readonly fd: number }
  | { readonly name: 'read'; readonly fd: number; readonly len: number; readonly isBad?: boolean }
  | { readonly name: 'write'; readonly fd: number; readonly data: CallBuffer }
  | { readonly name: 'readv'; readonly fd: number; readonly lens: readonly number[] }
  | { readonly name: 'writev'; readonly fd: number; readonly data: readonly CallBuffer[] }
  | {
      readonly name: 'recvfrom';
      readonly fd: number;
      readonly len: number;
      readonly flags: number;
      readonly isBad?: boolean;
    }
  | {
      readonly name: 'sendto';
      readonly fd: number;
      readonly data: CallBuffer;
      readonly flags: number;
      readonly to: Address | null;
    }
  | {
      readonly name: 'recvmsg';
      readonly fd: number;
      readonly lens: readonly number[];
      readonly flags: number;
      /** Room for control messages in bytes; 0: no buffer. */
      readonly controlLen: number;
    }
  | {
      readonly name: 'sendmsg';
      readonly fd: number;
      readonly data: readonly CallBuffer[];
      readonly flags: number;
      readonly to: Address | null;
      readonly control: readonly ControlMessage[];
    }
  | { readonly name: 'open'; readonly path: string; readonly flags: number; readonly mode: number }
  | {
      readonly name: 'sendfile';
      readonly fd: number;
      readonly from: number;
      /** Null: where the file is. */
      readonly offset: number | null;
      readonly len: number;
    }
  | { readonly name: 'pipe'; readonly flags: number }
  | {
      readonly name: 'splice';
      readonly from: number;
      readonly to: number;
      readonly len: number;
      readonly flags: number;
    }
  | {
      readonly name: 'setsockopt';
      readonly fd: number;
      readonly level: number;
      readonly option: number;
      readonly value: Uint8Array;
    }
  | {
      readonly name: 'getsockopt';
      readonly fd: number;
      readonly level: number;
      readonly option: number;
      readonly len: number;
      /** What the buffer holds before the call: some options read it. */
      readonly value?: Uint8Array;
    }
  | { readonly name: 'fcntl'; readonly fd: number; readonly command: number; readonly arg: number }
  | { readonly name: 'ioctl'; readonly fd: number; readonly request: number; readonly arg: number }
  | { readonly name: 'poll'; readonly fds: readonly PollFd[]; readonly timeoutMs: number }
  | { readonly name: 'epoll_create'; readonly flags: number }
  | {
      readonly name: 'epoll_ctl';
      readonly epfd: number;
      readonly op: number;
      readonly fd: number;
      readonly event: EpollEvent | null;
    }
  | {
      readonly name: 'epoll_wait';
      readonly epfd: number;
      readonly maxEvents: number;
      readonly timeoutMs: number;
    };

/** What a call gave back. What does not apply is absent. */
export interface CallResult {
  /** The return value: -1 on failure. */
  readonly value: number;
  /** Linux's number when `value` is -1, else 0. */
  readonly errno: number;
  /** When it returned, µs of the target's clock. */
  readonly endUs: number;
  /** Bytes received by read, recv, readv, recvfrom, recvmsg. */
  readonly data?: Uint8Array;
  /** accept, getsockname, getpeername, recvfrom, recvmsg; null where Linux gives none. */
  readonly addr?: Address | null;
  readonly control?: readonly ControlMessage[];
  /** `msg_flags` of recvmsg. */
  readonly msgFlags?: number;
  /** getsockopt: the bytes written, as long as the returned length. */
  readonly option?: Uint8Array;
  /** ioctl: what the argument points to afterwards. */
  readonly arg?: number;
  /** poll: one `revents` for each entry. */
  readonly revents?: readonly number[];
  /** pipe: the end that reads, and the one that writes. */
  readonly fds?: readonly [number, number];
  /** epoll_wait */
  readonly events?: readonly EpollEvent[];
}

/** A call under way. */
export interface PendingCall {
  /** Set once the call has returned. */
  readonly result: CallResult | null;
}

/** One IP packet that left through the tun device. */
export interface LeftPacket {
  readonly bytes: Uint8Array;
  /** When it left, µs of the target's clock. */
  readonly atUs: number;
}

export interface ShellResult {
  readonly status: number;
  readonly output: string;
}

/** How the host under test is set up (packetdrill's options of the same names). */
export interface TargetConfig {
  readonly ipVersion: 'ipv4' | 'ipv4-mapped-ipv6' | 'ipv6';
  readonly localIp: string;
  readonly prefixLength: number;
  readonly gatewayIp: string;
  readonly remoteIp: string;
  readonly mtu: number;
  /** Seeds everything random in a virtual target. */
  readonly seed: number;
}

export interface Target {
  readonly kind: 'warren' | 'linux';
  /** Monotonic µs. */
  nowUs(): number;
  /** Time of day at 0 of `nowUs`, µs since 1970. */
  readonly epochUs: number;
  /**
   * Lets time pass until `atUs`, or until something happened: a packet left, or a call under way
   * returned. Returns at once when something waits to be looked at.
   */
  wait(atUs: number): Promise<void>;
  /**
   * An IP packet in through the tun device, now. `gsoSize`: it stands for several segments with so many bytes
   * of payload each, as a network card with GRO hands them up; 0: for itself.
   */
  inject(packet: Uint8Array, gsoSize?: number): void;
  /** The oldest packet that left and was not taken yet. */
  take(): LeftPacket | null;
  /** Starts a system call; the result is there at once unless it blocks. */
  call(call: Call): PendingCall;
  /**
   * A line between back-ticks. What a virtual target does not know is refused: it throws an error that
   * names the command.
   */
  shell(command: string): Promise<ShellResult>;
  /** Ends all sockets and gives everything back. */
  close(): Promise<void>;
}
