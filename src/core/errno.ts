/**
 * Error numbers of Linux on every platform (`include/uapi/asm-generic/errno.h`), and the error object
 * that the control calls throw. The stack itself returns negated numbers.
 */

export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENODEV = 19;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
export const ENOSPC = 28;
export const ESPIPE = 29;
export const EFBIG = 27;
export const EPIPE = 32;
export const EDOM = 33;
export const ERANGE = 34;
export const ENOTSOCK = 88;
export const EDESTADDRREQ = 89;
export const EMSGSIZE = 90;
export const EPROTOTYPE = 91;
export const ENOPROTOOPT = 92;
export const EPROTONOSUPPORT = 93;
export const ESOCKTNOSUPPORT = 94;
export const ENOMSG = 42;
export const EOPNOTSUPP = 95;
export const EPFNOSUPPORT = 96;
export const EAFNOSUPPORT = 97;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ENETDOWN = 100;
export const ENETUNREACH = 101;
export const ECONNABORTED = 103;
export const ECONNRESET = 104;
export const ENOBUFS = 105;
export const EISCONN = 106;
export const ENOTCONN = 107;
export const ETIMEDOUT = 110;
export const ECONNREFUSED = 111;
export const EHOSTDOWN = 112;
export const EHOSTUNREACH = 113;
export const EALREADY = 114;
export const EINPROGRESS = 115;
export const ESRCH = 3;
export const E2BIG = 7;
export const ENFILE = 23;
export const ENOTTY = 25;
export const ENOTEMPTY = 39;
export const ELOOP = 40;
export const EXFULL = 54;
export const ENONET = 64;
export const EPROTO = 71;
export const EUSERS = 87;
export const ENETRESET = 102;

/** Name and text (as glibc's `strerror` has it) of each number. */
const TABLE: ReadonlyMap<number, readonly [name: string, text: string]> = new Map([
  [EPERM, ['EPERM', 'Operation not permitted']],
  [ENOENT, ['ENOENT', 'No such file or directory']],
  [ESRCH, ['ESRCH', 'No such process']],
  [EINTR, ['EINTR', 'Interrupted system call']],
  [EIO, ['EIO', 'Input/output error']],
  [ENXIO, ['ENXIO', 'No such device or address']],
  [E2BIG, ['E2BIG', 'Argument list too long']],
  [EBADF, ['EBADF', 'Bad file descriptor']],
  [EAGAIN, ['EAGAIN', 'Resource temporarily unavailable']],
  [ENOMEM, ['ENOMEM', 'Cannot allocate memory']],
  [EACCES, ['EACCES', 'Permission denied']],
  [EFAULT, ['EFAULT', 'Bad address']],
  [EBUSY, ['EBUSY', 'Device or resource busy']],
  [EEXIST, ['EEXIST', 'File exists']],
  [ENODEV, ['ENODEV', 'No such device']],
  [ENOTDIR, ['ENOTDIR', 'Not a directory']],
  [EISDIR, ['EISDIR', 'Is a directory']],
  [EINVAL, ['EINVAL', 'Invalid argument']],
  [ENFILE, ['ENFILE', 'Too many open files in system']],
  [ENOTTY, ['ENOTTY', 'Inappropriate ioctl for device']],
  [ENOSPC, ['ENOSPC', 'No space left on device']],
  [ESPIPE, ['ESPIPE', 'Illegal seek']],
  [EFBIG, ['EFBIG', 'File too large']],
  [EPIPE, ['EPIPE', 'Broken pipe']],
  [EDOM, ['EDOM', 'Numerical argument out of domain']],
  [ERANGE, ['ERANGE', 'Numerical result out of range']],
  [ENOTEMPTY, ['ENOTEMPTY', 'Directory not empty']],
  [ELOOP, ['ELOOP', 'Too many levels of symbolic links']],
  [EXFULL, ['EXFULL', 'Exchange full']],
  [ENONET, ['ENONET', 'Machine is not on the network']],
  [EPROTO, ['EPROTO', 'Protocol error']],
  [EUSERS, ['EUSERS', 'Too many users']],
  [ENOTSOCK, ['ENOTSOCK', 'Socket operation on non-socket']],
  [EDESTADDRREQ, ['EDESTADDRREQ', 'Destination address required']],
  [EMSGSIZE, ['EMSGSIZE', 'Message too long']],
  [EPROTOTYPE, ['EPROTOTYPE', 'Protocol wrong type for socket']],
  [ENOPROTOOPT, ['ENOPROTOOPT', 'Protocol not available']],
  [EPROTONOSUPPORT, ['EPROTONOSUPPORT', 'Protocol not supported']],
  [ESOCKTNOSUPPORT, ['ESOCKTNOSUPPORT', 'Socket type not supported']],
  [ENOMSG, ['ENOMSG', 'No message of desired type']],
  [EOPNOTSUPP, ['EOPNOTSUPP', 'Operation not supported']],
  [EPFNOSUPPORT, ['EPFNOSUPPORT', 'Protocol family not supported']],
  [EAFNOSUPPORT, ['EAFNOSUPPORT', 'Address family not supported by protocol']],
  [EADDRINUSE, ['EADDRINUSE', 'Address already in use']],
  [EADDRNOTAVAIL, ['EADDRNOTAVAIL', 'Cannot assign requested address']],
  [ENETDOWN, ['ENETDOWN', 'Network is down']],
  [ENETUNREACH, ['ENETUNREACH', 'Network is unreachable']],
  [ENETRESET, ['ENETRESET', 'Network dropped connection on reset']],
  [ECONNABORTED, ['ECONNABORTED', 'Software caused connection abort']],
  [ECONNRESET, ['ECONNRESET', 'Connection reset by peer']],
  [ENOBUFS, ['ENOBUFS', 'No buffer space available']],
  [EISCONN, ['EISCONN', 'Transport endpoint is already connected']],
  [ENOTCONN, ['ENOTCONN', 'Transport endpoint is not connected']],
  [ETIMEDOUT, ['ETIMEDOUT', 'Connection timed out']],
  [ECONNREFUSED, ['ECONNREFUSED', 'Connection refused']],
  [EHOSTDOWN, ['EHOSTDOWN', 'Host is down']],
  [EHOSTUNREACH, ['EHOSTUNREACH', 'No route to host']],
  [EALREADY, ['EALREADY', 'Operation already in progress']],
  [EINPROGRESS, ['EINPROGRESS', 'Operation now in progress']],
]);

/** `'EINVAL'` for 22 or -22. */
export function errnoName(errno: number): string {
  return TABLE.get(Math.abs(errno))?.[0] ?? `E${Math.abs(errno)}`;
}

/** `'Invalid argument'` for 22 or -22. */
export function errnoText(errno: number): string {
  return TABLE.get(Math.abs(errno))?.[1] ?? `Unknown error ${Math.abs(errno)}`;
}

/** A refused operation, in the shape of Node's SystemError, with Linux's number on every platform. */
export class NetError extends Error {
  /** `'EADDRINUSE'` */
  readonly code: string;
  /** Negated Linux number, as in libuv: -98. */
  readonly errno: number;
  readonly syscall: string;
  /** The sentence that says what is wrong: the kernel's extack text where Linux has one. */
  readonly detail: string;

  /** @param errno positive or negated Linux number */
  constructor(errno: number, syscall: string, detail = '') {
    const n = Math.abs(errno);
    super(`${syscall}: ${detail === '' ? errnoText(n) : detail} (${errnoName(n)})`);
    this.name = 'NetError';
    this.code = errnoName(n);
    this.errno = -n;
    this.syscall = syscall;
    this.detail = detail;
  }
}
