/**
 * The calls that scripts make: from words to a call of the target, and from what came back to a verdict. All
 * of a script is compiled before it runs, so that what is not understood is refused by name and nothing has
 * happened yet.
 */
import { formatAddress, sameBytes } from './address.ts';
import { epollEvent, iovecs, messageHeader, pollFds } from './call-structs.ts';
import { optionCheck, optionValue } from './option-words.ts';
import type { CallAction, Position, Value } from './script.ts';
import { ERRNOS, nameOfErrno } from './symbols.ts';
import type { Address, Call, CallBuffer, CallResult } from './target.ts';
import type { Words } from './values.ts';

/** Largest buffer that a call may have. */
const MAX_BUFFER = 64 << 20;
/** Numbers that are no file descriptor of the script: the target must not know them either. */
const FOREIGN_FD = 1_000_000;

/** File descriptors of the script and what they are live. */
export class Fds {
  private readonly live: Map<number, number> = new Map();

  set(script: number, live: number): void {
    this.live.set(script, live);
  }

  delete(script: number): void {
    this.live.delete(script);
  }

  get(script: number): number {
    return this.live.get(script) ?? (script < 0 ? script : FOREIGN_FD + script);
  }

  /** The script's number of a live one. */
  scriptOf(live: number): number {
    for (const [script, l] of this.live) if (l === live) return script;
    return live;
  }
}

export interface Compiled {
  readonly name: string;
  /** The call with live descriptors. Null: the runner does it by itself. */
  readonly start: (fds: Fds) => Call | null;
  /** One sentence per difference. */
  readonly check: (result: CallResult, fds: Fds) => string[];
}

/** What a row of the table gives back: the call, and what to check beside the result. */
interface Made {
  readonly start: (fds: Fds) => Call | null;
  readonly check?: (result: CallResult, fds: Fds) => string[];
  /** The result is a new file descriptor. */
  readonly givesFd?: boolean;
  /** This descriptor of the script ends with the call. */
  readonly closes?: number;
}

/** The arguments of one call. */
class Args {
  readonly words: Words;
  readonly name: string;
  readonly list: readonly Value[];
  readonly position: Position;

  constructor(words: Words, action: CallAction, position: Position) {
    this.words = words;
    this.name = action.name;
    this.list = action.args;
    this.position = position;
  }

  count(min: number, max: number = min): void {
    const n = this.list.length;
    if (n >= min && n <= max) return;
    const many = min === max ? `${min}` : `${min} to ${max}`;
    this.words.fail(this.position, `${this.name}() takes ${many} arguments, not ${n}`);
  }

  at(i: number): Value {
    const value = this.list[i];
    if (value === undefined)
      return this.words.fail(this.position, `${this.name}() needs argument ${i + 1}`);
    return value;
  }

  number(i: number, what: string): number {
    return this.words.number(this.at(i), what);
  }

  fd(i = 0): number {
    return this.number(i, 'a file descriptor');
  }

  length(i: number): number {
    const n = this.number(i, 'a length');
    if (n > MAX_BUFFER)
      this.words.fail(this.at(i).position, `a buffer has at most ${MAX_BUFFER} bytes`);
    return n;
  }

  /** Bytes of a buffer to send: a text filled with zeros, or zeros. */
  buffer(i: number, length: number): CallBuffer {
    return filled(this.words, this.at(i), length);
  }

  /** A buffer to be filled that is a null pointer. */
  isBad(i: number): boolean {
    return isNull(this.at(i));
  }

  /** What a buffer must have been filled with; null: anything. */
  expected(i: number): Uint8Array | null {
    const value = this.at(i);
    if (value.kind === 'any' || isNull(value)) return null;
    if (value.kind === 'text') return value.bytes;
    return this.words.fail(value.position, 'a buffer is "..." or a text');
  }

  text(i: number, what: string): string {
    const value = this.at(i);
    if (value.kind !== 'text') return this.words.fail(value.position, `${what} is a text`);
    return String.fromCharCode(...value.bytes.subarray(0, 4096));
  }

  address(i: number, ip: string, port: number): Address | null {
    const value = this.at(i);
    if (value.kind === 'any') return this.words.defaultAddress(ip, port);
    if (isNull(value)) return null;
    return this.words.sockaddr(value);
  }

  /** Null: not compared. */
  expectedAddress(i: number): Address | null {
    const value = this.list[i];
    if (value === undefined || value.kind === 'any' || isNull(value)) return null;
    return this.words.sockaddr(value);
  }
}

function isNull(value: Value): boolean {
  return (
    (value.kind === 'symbol' && value.name === 'NULL') ||
    (value.kind === 'int' && value.value === 0)
  );
}

export function filled(words: Words, value: Value, length: number): CallBuffer {
  if (isNull(value)) return { bad: Math.max(0, length) };
  const bytes = new Uint8Array(Math.max(0, length));
  if (value.kind === 'text') bytes.set(value.bytes.subarray(0, bytes.length));
  else if (value.kind !== 'any') words.fail(value.position, 'a buffer is "..." or a text');
  return bytes;
}

type Row = (a: Args) => Made;

const ROWS: Readonly<Record<string, Row>> = {
  socket: (a) => {
    a.count(3);
    const domain = a.words.numberOrAny(a.at(0), 'a family') ?? a.words.family;
    const type = a.number(1, 'a type');
    const protocol = a.number(2, 'a protocol');
    return { start: () => ({ name: 'socket', domain, type, protocol }), givesFd: true };
  },
  bind: (a) => withAddress(a, 'bind', a.words.config.localIp, a.words.config.bindPort),
  connect: (a) => withAddress(a, 'connect', a.words.config.remoteIp, a.words.config.connectPort),
  listen: (a) => {
    a.count(2);
    const fd = a.fd();
    const backlog = a.number(1, 'a backlog');
    return { start: (f) => ({ name: 'listen', fd: f.get(fd), backlog }) };
  },
  accept: (a) => {
    a.count(3);
    return accept(a, 0);
  },
  accept4: (a) => {
    a.count(4);
    return accept(a, a.number(3, 'flags'));
  },
  shutdown: (a) => {
    a.count(2);
    const fd = a.fd();
    const how = a.number(1, 'how');
    return { start: (f) => ({ name: 'shutdown', fd: f.get(fd), how }) };
  },
  close: (a) => {
    a.count(1);
    const fd = a.fd();
    return { start: (f) => ({ name: 'close', fd: f.get(fd) }), closes: fd };
  },
  getsockname: (a) => nameOf(a, 'getsockname'),
  getpeername: (a) => nameOf(a, 'getpeername'),
  read: (a) => {
    a.count(3);
    const fd = a.fd();
    const len = a.length(2);
    const expected = a.expected(1);
    return {
      start: (f) => ({ name: 'read', fd: f.get(fd), len, isBad: a.isBad(1) }),
      check: (r) => compareData(expected, r.data),
    };
  },
  write: (a) => {
    a.count(3);
    const fd = a.fd();
    const data = a.buffer(1, a.length(2));
    return { start: (f) => ({ name: 'write', fd: f.get(fd), data }) };
  },
  readv: (a) => {
    a.count(3);
    const fd = a.fd();
    const parts = iovecs(a.words, a.at(1));
    return {
      start: (f) => ({ name: 'readv', fd: f.get(fd), lens: parts.map((p) => p.len) }),
      check: (r) => compareData(joined(parts), r.data),
    };
  },
  writev: (a) => {
    a.count(3);
    const fd = a.fd();
    const data = iovecs(a.words, a.at(1)).map((p) => filled(a.words, p.base, p.len));
    return { start: (f) => ({ name: 'writev', fd: f.get(fd), data }) };
  },
  recv: (a) => {
    a.count(4);
    return receive(a);
  },
  recvfrom: (a) => {
    a.count(6);
    return receive(a);
  },
  send: (a) => {
    a.count(4);
    return send(a, null);
  },
  sendto: (a) => {
    a.count(6);
    return send(a, a.address(4, a.words.config.remoteIp, a.words.config.connectPort));
  },
  recvmsg,
  sendmsg: (a) => {
    a.count(3);
    const fd = a.fd();
    const m = messageHeader(a.words, a.at(1));
    const flags = a.number(2, 'flags');
    const data = m.iov.map((p) => filled(a.words, p.base, p.len));
    return {
      start: (f) => ({
        name: 'sendmsg',
        fd: f.get(fd),
        data,
        flags,
        to: m.name,
        control: m.control ?? [],
      }),
    };
  },
  sendfile: (a) => {
    a.count(4);
    const fd = a.fd();
    const from = a.fd(1);
    const offset = isNull(a.at(2)) ? null : (a.words.numberOrAny(a.at(2), 'an offset') ?? 0);
    const len = a.length(3);
    return {
      start: (f) => ({ name: 'sendfile', fd: f.get(fd), from: f.get(from), offset, len }),
    };
  },
  pipe: (a) => {
    a.count(1);
    return pipe(a, 0);
  },
  pipe2: (a) => {
    a.count(2);
    return pipe(a, a.number(1, 'flags'));
  },
  // The offsets are null pointers: neither a pipe nor a socket has any.
  splice: (a) => {
    a.count(6);
    const from = a.fd();
    const to = a.fd(2);
    const len = a.length(4);
    const flags = a.number(5, 'flags');
    return {
      start: (f) => ({ name: 'splice', from: f.get(from), to: f.get(to), len, flags }),
    };
  },
  open: (a) => {
    a.count(2, 3);
    const path = a.text(0, 'a path');
    const flags = a.number(1, 'flags');
    const mode = a.list.length > 2 ? a.number(2, 'a mode') : 0;
    return { start: () => ({ name: 'open', path, flags, mode }), givesFd: true };
  },
  setsockopt: (a) => {
    a.count(5);
    const fd = a.fd();
    const level = a.number(1, 'a level');
    const option = a.number(2, 'an option');
    const value = optionValue(a.words, a.at(3), a.length(4));
    return { start: (f) => ({ name: 'setsockopt', fd: f.get(fd), level, option, value }) };
  },
  getsockopt: (a) => {
    a.count(5);
    const fd = a.fd();
    const level = a.number(1, 'a level');
    const option = a.number(2, 'an option');
    const { len, check } = optionCheck(a.words, a.at(3), a.at(4));
    return {
      start: (f) => ({ name: 'getsockopt', fd: f.get(fd), level, option, len }),
      check: (r) => check(r.option ?? new Uint8Array(0)),
    };
  },
  fcntl: (a) => {
    a.count(2, 3);
    const fd = a.fd();
    const command = a.number(1, 'a command');
    const arg = a.list.length > 2 ? a.number(2, 'an argument') : 0;
    return { start: (f) => ({ name: 'fcntl', fd: f.get(fd), command, arg }) };
  },
  ioctl: (a) => {
    a.count(2, 3);
    const fd = a.fd();
    const request = a.number(1, 'a request');
    const expected = a.list.length > 2 ? a.words.numberOrAny(a.at(2), 'an argument') : null;
    return {
      start: (f) => ({ name: 'ioctl', fd: f.get(fd), request, arg: expected ?? 0 }),
      check: (r) => (expected === null ? [] : differs('the argument', expected, r.arg ?? 0)),
    };
  },
  poll: (a) => {
    a.count(3);
    const fds = pollFds(a.words, a.at(0));
    if (a.number(1, 'a count') !== fds.length)
      a.words.fail(a.at(1).position, `${fds.length} descriptors are listed`);
    const timeoutMs = a.number(2, 'a timeout');
    return {
      start: (f) => ({
        name: 'poll',
        fds: fds.map((p) => ({ fd: f.get(p.fd), events: p.events })),
        timeoutMs,
      }),
      check: (r) =>
        fds.flatMap((p, i) =>
          p.revents === null
            ? []
            : differsHex(`revents of ${p.fd}`, p.revents, r.revents?.[i] ?? 0),
        ),
    };
  },
  epoll_create: (a) => {
    a.count(1);
    const size = a.number(0, 'a size');
    // epoll_create(0) is EINVAL; the size means nothing otherwise.
    return {
      start: () => ({ name: 'epoll_create', flags: size > 0 ? 0 : -1 }),
      givesFd: true,
    };
  },
  epoll_create1: (a) => {
    a.count(1);
    const flags = a.number(0, 'flags');
    return { start: () => ({ name: 'epoll_create', flags }), givesFd: true };
  },
  epoll_ctl: (a) => {
    a.count(3, 4);
    const epfd = a.fd();
    const op = a.number(1, 'an operation');
    const fd = a.fd(2);
    const value = a.list[3];
    const event = value === undefined || isNull(value) ? null : epollEvent(a.words, value);
    return {
      start: (f) => ({
        name: 'epoll_ctl',
        epfd: f.get(epfd),
        op,
        fd: f.get(fd),
        event: event === null ? null : { events: event.events ?? 0, data: event.data ?? 0 },
      }),
    };
  },
  epoll_wait: (a) => {
    a.count(4);
    const epfd = a.fd();
    const value = a.at(1);
    const items = value.kind === 'list' ? value.items : value.kind === 'any' ? [] : [value];
    const expected = items.map((item) => epollEvent(a.words, item));
    const maxEvents = a.number(2, 'a count');
    const timeoutMs = a.number(3, 'a timeout');
    return {
      start: (f) => ({ name: 'epoll_wait', epfd: f.get(epfd), maxEvents, timeoutMs }),
      check: (r) => compareEpoll(expected, r),
    };
  },
};

function pipe(a: Args, flags: number): Made {
  const value = a.at(0);
  const ends = value.kind === 'list' ? value.items : [];
  const [read, write] = ends.map((end) => a.words.number(end, 'a file descriptor'));
  if (ends.length !== 2 || read === undefined || write === undefined)
    return a.words.fail(value.position, 'pipe() takes the two descriptors that it makes: [5, 6]');
  return {
    start: () => ({ name: 'pipe', flags }),
    check: (r, fds) => {
      if (r.fds === undefined) return ['no descriptors were made'];
      fds.set(read, r.fds[0]);
      fds.set(write, r.fds[1]);
      return [];
    },
  };
}

function withAddress(a: Args, name: 'bind' | 'connect', ip: string, port: number): Made {
  a.count(3);
  const fd = a.fd();
  const addr =
    a.address(1, ip, port) ?? a.words.fail(a.at(1).position, `${name}() needs an address`);
  return { start: (f) => ({ name, fd: f.get(fd), addr }) };
}

function accept(a: Args, flags: number): Made {
  const fd = a.fd();
  const expected = a.expectedAddress(1);
  return {
    start: (f) => ({ name: 'accept', fd: f.get(fd), flags }),
    check: (r) => compareAddress(expected, r.addr),
    givesFd: true,
  };
}

function nameOf(a: Args, name: 'getsockname' | 'getpeername'): Made {
  a.count(3);
  const fd = a.fd();
  const expected = a.expectedAddress(1);
  return {
    start: (f) => ({ name, fd: f.get(fd) }),
    check: (r) => compareAddress(expected, r.addr),
  };
}

function receive(a: Args): Made {
  const fd = a.fd();
  const len = a.length(2);
  const flags = a.number(3, 'flags');
  const expected = a.expected(1);
  const from = a.expectedAddress(4);
  return {
    start: (f) => ({ name: 'recvfrom', fd: f.get(fd), len, flags, isBad: a.isBad(1) }),
    check: (r) => [...compareData(expected, r.data), ...compareAddress(from, r.addr)],
  };
}

function send(a: Args, to: Address | null): Made {
  const fd = a.fd();
  const data = a.buffer(1, a.length(2));
  const flags = a.number(3, 'flags');
  return { start: (f) => ({ name: 'sendto', fd: f.get(fd), data, flags, to }) };
}

function recvmsg(a: Args): Made {
  a.count(3);
  const fd = a.fd();
  const m = messageHeader(a.words, a.at(1));
  const flags = a.number(2, 'flags');
  const controlLen = m.control === null ? 0 : 4096;
  return {
    start: (f) => ({
      name: 'recvmsg',
      fd: f.get(fd),
      lens: m.iov.map((p) => p.len),
      flags,
      controlLen,
    }),
    check: (r) => [
      ...compareData(joined(m.iov), r.data),
      ...compareAddress(m.name, r.addr),
      ...(m.flags === null ? [] : differsHex('msg_flags', m.flags, r.msgFlags ?? 0)),
      ...m.checkControl(r.control ?? []),
    ],
  };
}

/** What texts in an iovec expect; null: nothing. */
function joined(
  parts: readonly { readonly base: Value; readonly len: number }[],
): Uint8Array | null {
  if (parts.every((p) => p.base.kind !== 'text')) return null;
  return Uint8Array.from(parts.flatMap((p) => (p.base.kind === 'text' ? [...p.base.bytes] : [])));
}

function differs(what: string, expected: unknown, seen: unknown): string[] {
  return expected === seen ? [] : [`${what} ${String(expected)} expected, ${String(seen)} seen`];
}

function differsHex(what: string, expected: number, seen: number): string[] {
  return expected === seen
    ? []
    : [`${what} 0x${expected.toString(16)} expected, 0x${seen.toString(16)} seen`];
}

function compareData(expected: Uint8Array | null, seen: Uint8Array | undefined): string[] {
  if (expected === null || seen === undefined) return [];
  const same = expected.subarray(0, seen.length);
  const rest = seen.subarray(expected.length).every((byte) => byte === 0);
  return sameBytes(same, seen.subarray(0, same.length)) && rest ? [] : ['other bytes were read'];
}

function compareAddress(expected: Address | null, seen: Address | null | undefined): string[] {
  if (expected === null) return [];
  if (seen === null || seen === undefined) return ['an address expected, none seen'];
  const words = (a: Address): string => `${a.family} ${formatAddress(a.addr)} port ${a.port}`;
  return differs('address', words(expected), words(seen));
}

function compareEpoll(
  expected: readonly { readonly events: number | null; readonly data: number | null }[],
  r: CallResult,
): string[] {
  return expected.slice(0, Math.max(0, r.value)).flatMap((e, i) => {
    const seen = r.events?.[i];
    return [
      ...(e.events === null ? [] : differsHex('events', e.events, (seen?.events ?? 0) >>> 0)),
      ...(e.data === null ? [] : differs('data', e.data, seen?.data ?? 0)),
    ];
  });
}

export const CALL_NAMES: readonly string[] = Object.keys(ROWS);

/** @throws ScriptError what is not understood, by name */
export function compileCall(words: Words, action: CallAction, position: Position): Compiled {
  const row = Object.hasOwn(ROWS, action.name) ? ROWS[action.name] : undefined;
  if (row === undefined)
    return words.fail(position, `"${action.name}" is no system call that scripts can make here`);
  const made = row(new Args(words, action, position));
  const expected = words.numberOrAny(action.result, 'a result');
  const errno = action.errno === null ? null : ERRNOS.get(action.errno);
  if (errno === undefined) words.fail(position, `"${action.errno}" is no errno`);
  if (errno !== null && expected !== -1)
    words.fail(position, 'an errno comes with the result -1 only');
  return {
    name: action.name,
    start: made.start,
    check: (result, fds) => {
      const isFd = made.givesFd === true && expected !== null && expected >= 0;
      if (isFd && result.value >= 0) fds.set(expected, result.value);
      if (made.closes !== undefined && result.value === 0) fds.delete(made.closes);
      const differences = compareResult(expected, errno ?? null, result, isFd);
      if (result.value < 0 || made.check === undefined) return differences;
      return [...differences, ...made.check(result, fds)];
    },
  };
}

function compareResult(
  expected: number | null,
  errno: number | null,
  result: CallResult,
  isFd: boolean,
): string[] {
  if (expected === null) return [];
  const seen = result.value === -1 ? `-1 ${nameOfErrno(result.errno)}` : String(result.value);
  const matches = isFd ? result.value >= 0 : result.value === expected;
  if (matches && (errno === null || errno === result.errno)) return [];
  const wanted = errno === null ? String(expected) : `${expected} ${nameOfErrno(errno)}`;
  return [`result ${wanted} expected, ${seen} seen`];
}
