/**
 * Numbers of the Linux ABI that the target calls with: system calls (asm/unistd_64.h of x86-64,
 * asm-generic/unistd.h for arm64), ioctls of the tun driver (linux/if_tun.h), packet sockets
 * (linux/if_packet.h). Both architectures are little endian and have the same layouts but for
 * `struct epoll_event`, which x86-64 packs.
 */
import { LinuxTargetError } from './error.ts';

export type SyscallName =
  | 'read'
  | 'write'
  | 'close'
  | 'mmap'
  | 'munmap'
  | 'rt_sigaction'
  | 'ioctl'
  | 'pread64'
  | 'readv'
  | 'writev'
  | 'sched_yield'
  | 'getpid'
  | 'sendfile'
  | 'socket'
  | 'connect'
  | 'sendto'
  | 'recvfrom'
  | 'sendmsg'
  | 'recvmsg'
  | 'shutdown'
  | 'bind'
  | 'listen'
  | 'getsockname'
  | 'getpeername'
  | 'setsockopt'
  | 'getsockopt'
  | 'fcntl'
  | 'sched_setscheduler'
  | 'prctl'
  | 'mount'
  | 'gettid'
  | 'clock_gettime'
  | 'epoll_ctl'
  | 'tgkill'
  | 'openat'
  | 'ppoll'
  | 'unshare'
  | 'setns'
  | 'epoll_pwait'
  | 'accept4'
  | 'eventfd2'
  | 'epoll_create1'
  | 'splice'
  | 'pipe2'
  | 'memfd_create';

/** Each system call by its Linux name: [x86-64, arm64]. */
const NUMBERS: Readonly<Record<SyscallName, readonly [number, number]>> = {
  read: [0, 63],
  write: [1, 64],
  close: [3, 57],
  mmap: [9, 222],
  munmap: [11, 215],
  rt_sigaction: [13, 134],
  ioctl: [16, 29],
  pread64: [17, 67],
  readv: [19, 65],
  writev: [20, 66],
  sched_yield: [24, 124],
  getpid: [39, 172],
  sendfile: [40, 71],
  splice: [275, 76],
  pipe2: [293, 59],
  socket: [41, 198],
  connect: [42, 203],
  sendto: [44, 206],
  recvfrom: [45, 207],
  sendmsg: [46, 211],
  recvmsg: [47, 212],
  shutdown: [48, 210],
  bind: [49, 200],
  listen: [50, 201],
  getsockname: [51, 204],
  getpeername: [52, 205],
  setsockopt: [54, 208],
  getsockopt: [55, 209],
  fcntl: [72, 25],
  sched_setscheduler: [144, 119],
  prctl: [157, 167],
  mount: [165, 40],
  gettid: [186, 178],
  clock_gettime: [228, 113],
  epoll_ctl: [233, 21],
  tgkill: [234, 131],
  openat: [257, 56],
  ppoll: [271, 73],
  unshare: [272, 97],
  setns: [308, 268],
  epoll_pwait: [281, 22],
  accept4: [288, 242],
  eventfd2: [290, 19],
  epoll_create1: [291, 20],
  memfd_create: [319, 279],
};

export type SyscallNumbers = Readonly<Record<SyscallName, number>>;

/** The numbers of one of Node's architectures. */
export function syscallNumbers(arch: string): SyscallNumbers {
  if (arch !== 'x64' && arch !== 'arm64')
    throw new LinuxTargetError(
      `the Linux target knows the system calls of x64 and arm64, not ${arch}`,
    );
  const column = arch === 'x64' ? 0 : 1;
  const rows = Object.entries(NUMBERS).map(([name, row]) => [name, row[column]]);
  return Object.fromEntries(rows) as SyscallNumbers;
}

/** The size of `struct epoll_event`, and where its 64-bit data starts. */
export function epollEventLayout(arch: string): { readonly size: number; readonly data: number } {
  return arch === 'x64' ? { size: 12, data: 4 } : { size: 16, data: 8 };
}

export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_PACKET = 17;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0x800;
export const SOCK_CLOEXEC = 0x80000;

export const SOL_SOCKET = 1;
export const SO_LINGER = 13;
export const SO_ATTACH_FILTER = 26;
export const SO_RCVBUFFORCE = 33;
export const SO_TIMESTAMPNS = 35;
export const SOL_PACKET = 263;
export const PACKET_VNET_HDR = 15;
export const PACKET_OUTGOING = 4;
export const ETH_P_ALL = 3;

export const MSG_DONTWAIT = 0x40;
export const MSG_TRUNC = 0x20;
export const MSG_ERRQUEUE = 0x2000;
export const MSG_ZEROCOPY = 0x400_0000;

export const F_DUPFD = 0;
export const F_GETFL = 3;
export const F_DUPFD_CLOEXEC = 1030;
export const O_RDWR = 2;
export const O_NONBLOCK = 0x800;
export const O_CLOEXEC = 0x80000;
export const AT_FDCWD = -100;

export const POLLIN = 1;
export const EIO = 5;
export const EAGAIN = 11;
export const EBADFD = 77;
export const ENETDOWN = 100;

export const TUNSETIFF = 0x400454ca;
export const TUNSETOFFLOAD = 0x400454d0;
export const IFF_VNET_HDR = 0x4000;
export const IFF_TUN = 0x0001;
export const IFF_NO_PI = 0x1000;
export const TUN_F_CSUM = 0x01;
export const TUN_F_TSO4 = 0x02;
export const TUN_F_TSO6 = 0x04;
export const TUN_F_TSO_ECN = 0x08;

export const CLONE_NEWNS = 0x0002_0000;
export const CLONE_NEWNET = 0x4000_0000;
export const PR_SET_PDEATHSIG = 1;
export const PR_SET_TIMERSLACK = 29;
export const SCHED_FIFO = 1;
export const SCHED_RESET_ON_FORK = 0x4000_0000;
