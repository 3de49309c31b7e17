/**
 * The words of a command of iproute2, read one after the other, and the errors that its parsers give
 * (iproute2 `lib/utils.c`): texts and exit codes are those of iproute2 6.1.
 */
import { EINVAL, EOPNOTSUPP } from '../../errno.ts';
import { maskOf, parseIpv4 } from '../../util/address.ts';
import { IN6ADDR_ANY, type Ip6Addr, parseIpv6 } from '../../util/ip6-addr.ts';
import { nearestOf } from './nearest.ts';

/** Exit code of what the parser refused by name (`exit(-1)`). */
export const EXIT_USAGE = 255;
/** Exit code of what the parser refused otherwise. */
export const EXIT_PARSE = 1;
/** Exit code of what the kernel refused. */
export const EXIT_KERNEL = 2;

/** Ends a command: `text` goes to standard error. */
export class CommandError extends Error {
  readonly text: string;
  readonly code: number;
  /** What it is to a caller that wants an errno. */
  readonly errno: number;

  constructor(text: string, code: number, errno: number = EINVAL) {
    super(text);
    this.name = 'CommandError';
    this.text = text;
    this.code = code;
    this.errno = errno;
  }
}

/** `argument "x" is wrong: …` (`invarg`). */
export function wrongArgument(message: string, argument: string): CommandError {
  return new CommandError(`Error: argument "${argument}" is wrong: ${message}`, EXIT_USAGE);
}

/** `duparg`: the same attribute twice. */
export function duplicateArgument(key: string, argument: string): CommandError {
  return new CommandError(
    `Error: duplicate "${key}": "${argument}" is the second value.`,
    EXIT_USAGE,
  );
}

/** `duparg2`: a word that is no attribute, where the object was named before; `words`: the attributes. */
export function garbageArgument(
  key: string,
  argument: string,
  words: readonly string[] = [],
): CommandError {
  const hint = words.length === 0 ? '' : `\nDid you mean "${nearestOf(argument, words)}"?`;
  return new CommandError(
    `Error: either "${key}" is duplicate, or "${argument}" is a garbage.${hint}`,
    EXIT_USAGE,
  );
}

/** `Cannot find device "x"` (`nodev`). */
export function noDevice(name: string): CommandError {
  return new CommandError(`Cannot find device "${name}"`, EXIT_PARSE);
}

/** What iproute2 knows and this stack does not do: never silently ignored. */
export function notImplemented(what: string, nearest: string): CommandError {
  return new CommandError(
    `Error: "${what}" is not implemented here; ${nearest}.`,
    EXIT_USAGE,
    EOPNOTSUPP,
  );
}

/** True if `word` abbreviates `full`, as iproute2 allows for most words (`matches`). */
export function abbreviates(word: string, full: string): boolean {
  return word.length > 0 && full.startsWith(word);
}

/** An address and a prefix length; `any` where the words said `default`, `any` or `all`. */
export interface Prefix {
  /** Signed 32-bit integer. */
  readonly addr: number;
  readonly len: number;
  /** No `/len` was written. */
  readonly bare: boolean;
}

/** The rest of a command line. */
export class Words {
  private readonly list: readonly string[];
  private at = 0;

  constructor(list: readonly string[]) {
    this.list = list;
  }

  get empty(): boolean {
    return this.at >= this.list.length;
  }

  /** The next word without taking it; `''` at the end. */
  get peek(): string {
    return this.list[this.at] ?? '';
  }

  /** Takes the next word (`NEXT_ARG`). */
  next(): string {
    const word = this.list[this.at];
    if (word === undefined)
      throw new CommandError('Command line is not complete. Try option "help"', EXIT_USAGE);
    this.at++;
    return word;
  }

  /** Takes the next word if it is one of `words`. */
  take(...words: readonly string[]): boolean {
    if (this.empty || !words.includes(this.peek)) return false;
    this.at++;
    return true;
  }

  rest(): readonly string[] {
    return this.list.slice(this.at);
  }

  /** Does any word from here on write an IPv6 address? MACs do not count, nor what names a device. */
  get meansIpv6(): boolean {
    return this.rest().some(
      (w, i, all) =>
        isIpv6Word(w) &&
        !['lladdr', 'dev', 'label'].includes(all[i - 1] ?? '') &&
        parseIpv6(w.split('/')[0] ?? '') !== undefined,
    );
  }

  /** An unsigned number of at most `max` (`get_unsigned`, base 0). */
  unsigned(message: string, max = 0xffffffff): number {
    const word = this.next();
    const value = parseUnsigned(word);
    if (value === undefined || value > max) throw wrongArgument(`${message}\n`, word);
    return value;
  }

  /** `on` or `off` (`parse_on_off`). */
  onOff(key: string): boolean {
    const word = this.next();
    if (word !== 'on' && word !== 'off')
      throw new CommandError(
        `Error: argument of "${key}" must be "on" or "off", not "${word}"`,
        EXIT_PARSE,
      );
    return word === 'on';
  }

  /** An IPv4 address (`get_addr32`). */
  address(): number {
    return addressOf(this.next());
  }

  /** ADDRESS or ADDRESS/LEN or `default` (`get_prefix`). */
  prefix(): Prefix {
    return prefixOf(this.next());
  }
}

/** A number as `strtoul(…, 0)` reads it. */
export function parseUnsigned(word: string): number | undefined {
  if (/^0x[0-9a-f]+$/i.test(word)) return Number.parseInt(word, 16);
  if (/^0[0-7]*$/.test(word)) return Number.parseInt(word, 8);
  return /^\d+$/.test(word) ? Number(word) : undefined;
}

/** `10`, `10.1` and `0x0a.1.2` are addresses too: missing octets are 0 (`get_addr_ipv4`). */
function looseAddress(word: string): number | undefined {
  const octets = word.split('.').map(parseUnsigned);
  if (octets.length > 4) return undefined;
  let addr = 0;
  for (let i = 0; i < 4; i++) {
    const octet = i < octets.length ? octets[i] : 0;
    if (octet === undefined || octet > 255) return undefined;
    addr = (addr << 8) | octet;
  }
  return addr;
}

/** The IPv4 address that `word` writes; throws iproute2's sentence if it writes none. */
export function addressOf(word: string): number {
  const addr = looseAddress(word);
  if (addr === undefined)
    throw new CommandError(`Error: inet address is expected rather than "${word}".`, EXIT_PARSE);
  return addr;
}

/** The prefix that `word` writes; throws iproute2's sentence if it writes none. */
export function prefixOf(word: string): Prefix {
  if (word === 'default' || word === 'any' || word === 'all')
    return { addr: 0, len: 0, bare: true };
  const slash = word.indexOf('/');
  const addr = looseAddress(slash < 0 ? word : word.slice(0, slash));
  const len = slash < 0 ? 32 : maskLength(word.slice(slash + 1));
  if (addr === undefined || len === undefined)
    throw new CommandError(
      `Error: any valid prefix is expected rather than "${word}".`,
      EXIT_PARSE,
    );
  return { addr, len, bare: slash < 0 };
}

/** An IPv6 address and a prefix length. */
export interface Prefix6 {
  readonly addr: Ip6Addr;
  readonly len: number;
  /** No `/len` was written. */
  readonly bare: boolean;
}

/** Does a word write an IPv6 address, where both families are possible? */
export function isIpv6Word(word: string): boolean {
  return word.includes(':');
}

/** The IPv6 prefix that `word` writes; throws iproute2's sentence if it writes none. */
export function prefix6Of(word: string): Prefix6 {
  if (word === 'default' || word === 'any' || word === 'all')
    return { addr: IN6ADDR_ANY, len: 0, bare: true };
  const [text = '', length] = word.split('/');
  const addr = parseIpv6(text);
  const len = length === undefined ? 128 : parseUnsigned(length);
  if (addr === undefined || len === undefined || len > 128)
    throw new CommandError(`Error: inet6 prefix is expected rather than "${word}".`, EXIT_PARSE);
  return { addr, len, bare: length === undefined };
}

/** The IPv6 address that `word` writes. */
export function address6Word(word: string): string {
  const addr = parseIpv6(word);
  if (addr === undefined)
    throw new CommandError(`Error: inet6 address is expected rather than "${word}".`, EXIT_PARSE);
  return String(addr);
}

/** `'default'`, `'fd00::/64'`, `'fd00::1'`. */
export function prefix6Text(prefix: Prefix6): string {
  if (prefix.len === 0) return 'default';
  return prefix.len === 128 ? String(prefix.addr) : `${prefix.addr}/${prefix.len}`;
}

/** A prefix length, written as a number or as a netmask. */
function maskLength(word: string): number | undefined {
  const n = parseUnsigned(word);
  if (n !== undefined) return n <= 32 ? n : undefined;
  const mask = parseIpv4(word);
  if (mask === undefined) return undefined;
  const len = Math.clz32(~mask);
  return maskOf(len) === mask ? len : undefined;
}

/** `Command "x" is unknown, try "ip link help".`, and the command that was probably meant. */
export function unknownCommand(
  word: string,
  object: string,
  commands: readonly string[],
): CommandError {
  return new CommandError(
    `Command "${word}" is unknown, try "ip ${object} help".\nDid you mean "ip ${object} ${nearestOf(word, commands)}"?`,
    EXIT_USAGE,
  );
}
