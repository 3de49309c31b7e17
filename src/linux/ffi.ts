/**
 * The way out of JavaScript: libc's `syscall` and `errno`, through the package koffi. All that the
 * target asks of the kernel goes through here with plain numbers, so that one thread can prepare a
 * call and another make it.
 */
import { type SyscallNumbers, syscallNumbers } from './abi.ts';
import { LinuxTargetError } from './error.ts';
import { Arena } from './memory.ts';

const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const ARENA_BYTES = 256 * 1024;

export interface Ffi {
  readonly nr: SyscallNumbers;
  /** Makes a system call in this thread: what it returned, or -errno. */
  readonly syscall: (nr: number, ...args: readonly number[]) => number;
  readonly newArena: () => Arena;
  /** The address of a function of libc. */
  readonly addressOf: (name: string) => number;
  /** sigaction(3) of libc, which fills in what the system call wants besides. */
  readonly sigaction: (signal: number, action: number) => void;
}

type Koffi = typeof import('koffi');

async function loadKoffi(): Promise<Koffi> {
  try {
    const module = await import('koffi');
    return (module as unknown as { readonly default: Koffi }).default;
  } catch (cause) {
    throw new LinuxTargetError(
      'the Linux target makes its system calls through the package koffi, which is missing: npm install koffi',
      { cause },
    );
  }
}

export async function loadFfi(): Promise<Ffi> {
  if (process.platform !== 'linux')
    throw new LinuxTargetError(`the Linux target needs Linux; this is ${process.platform}`);
  const nr = syscallNumbers(process.arch);
  const koffi = await loadKoffi();
  const libc = koffi.load(null);
  const raw = libc.func(
    'long syscall(long nr, intptr_t a, intptr_t b, intptr_t c, intptr_t d, intptr_t e, intptr_t f)',
  );
  const syscall: Ffi['syscall'] = (number, ...args) => {
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
    const value = Number(raw(number, a, b, c, d, e, f));
    return value === -1 ? -koffi.errno() : value;
  };
  const map = (length: number): { address: number; buffer: ArrayBuffer } => {
    const address = syscall(nr.mmap, 0, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
    if (address < 0) throw new LinuxTargetError(`cannot map ${length} bytes (errno ${-address})`);
    return { address, buffer: koffi.view(BigInt(address), length) };
  };
  const sigaction = libc.func('int sigaction(int signal, intptr_t action, intptr_t old)');
  const dlsym = libc.func('intptr_t dlsym(intptr_t handle, const char *name)');
  return {
    nr,
    syscall,
    newArena: () => new Arena(map, ARENA_BYTES),
    sigaction: (signal, action) => {
      if (Number(sigaction(signal, action, 0)) !== 0)
        throw new LinuxTargetError(`sigaction(${signal}) failed (errno ${koffi.errno()})`);
    },
    addressOf: (name) => {
      const address = Number(dlsym(0, name));
      if (address === 0) throw new LinuxTargetError(`libc has no ${name}`);
      return address;
    },
  };
}

/** CLOCK_MONOTONIC in µs, which is what Node's hrtime reads. */
export function monotonicUs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + nanoseconds / 1e3;
}
