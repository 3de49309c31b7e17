/**
 * Errors in Node's shape. The core speaks Linux's numbers on every platform; Node's handles and errors
 * speak libuv's of the platform they run on.
 */
import { getSystemErrorMap } from 'node:util';
import { errnoName } from '../core/errno.ts';

/** libuv's number of errors that have none of their own (`UV_UNKNOWN`). */
const UNKNOWN = -4094;

const numbers: ReadonlyMap<string, number> = new Map(
  [...getSystemErrorMap()].map(([errno, [name]]) => [name, errno]),
);
const fromLinux: number[] = [];

/** libuv's negative number for a Linux one, positive or negated. */
export function uvErrno(linux: number): number {
  const n = Math.abs(linux);
  let uv = fromLinux[n];
  if (uv === undefined) {
    uv = numbers.get(errnoName(n)) ?? UNKNOWN;
    fromLinux[n] = uv;
  }
  return uv;
}

/** libuv's negative number for a name: `uv('EINVAL')`. */
export function uv(name: string): number {
  return numbers.get(name) ?? UNKNOWN;
}

/** An error as Node's own streams make it: message `read ECONNRESET`, with errno, code and syscall. */
export function uvException(errno: number, syscall: string): NodeJS.ErrnoException {
  const code = getSystemErrorMap().get(errno)?.[0] ?? `Unknown system error ${errno}`;
  const error: NodeJS.ErrnoException = new Error(`${syscall} ${code}`);
  error.errno = errno;
  error.code = code;
  error.syscall = syscall;
  return error;
}
