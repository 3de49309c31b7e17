/** Arguments of calls as numbers, bytes, addresses and structures. */
import { mapped, parseAddress } from './address.ts';
import type { Config } from './config.ts';
import { ScriptError } from './scanner.ts';
import type { Position, Value } from './script.ts';
import { ERRNOS, SYMBOLS } from './symbols.ts';
import type { Address } from './target.ts';

const AF_UNSPEC = 0;
const AF_INET = 2;
const AF_INET6 = 10;

/** What the words of a script mean in one run of it. */
export class Words {
  readonly file: string;
  readonly config: Config;
  /** When the script began, µs since 1970: what absolute times are told from. */
  startEpochUs = 0;

  constructor(file: string, config: Config) {
    this.file = file;
    this.config = config;
  }

  fail(position: Position, sentence: string): never {
    throw new ScriptError(this.file, position, sentence);
  }

  /** A number; `...` is refused. */
  number(value: Value, what: string): number {
    switch (value.kind) {
      case 'int':
        return value.value;
      case 'symbol': {
        const number = SYMBOLS.get(value.name) ?? ERRNOS.get(value.name);
        if (number === undefined) this.fail(value.position, `"${value.name}" is not known`);
        return number as number;
      }
      case 'or':
        return value.parts.reduce((bits, part) => (bits | this.number(part, what)) >>> 0, 0);
      case 'apply':
        return this.apply(value.name, value.args, value.position);
      case 'list':
        if (value.items.length === 1) return this.number(value.items[0] as Value, what);
        return this.fail(value.position, `${what} must be one number`);
      default:
        return this.fail(value.position, `${what} must be a number`);
    }
  }

  /** A number, or null for `...`. */
  numberOrAny(value: Value, what: string): number | null {
    if (value.kind === 'list' && value.items.length === 1 && value.items[0]?.kind === 'any')
      return null;
    return value.kind === 'any' ? null : this.number(value, what);
  }

  private apply(name: string, args: readonly Value[], position: Position): number {
    const [arg] = args;
    if (args.length !== 1 || arg === undefined) this.fail(position, `${name}() takes one argument`);
    switch (name) {
      case 'htons':
      case 'ntohs':
      case 'htonl':
      case 'ntohl':
        return this.number(arg as Value, name);
      case 'inet_addr': {
        const bytes = this.addressOf(arg as Value);
        return bytes.reduce((n, byte) => n * 256 + byte, 0);
      }
      default:
        return this.fail(position, `"${name}()" is not known`);
    }
  }

  private addressOf(value: Value): Uint8Array {
    if (value.kind !== 'text') return this.fail(value.position, 'an address is a text');
    const text = String.fromCharCode(...value.bytes.subarray(0, 64));
    return parseAddress(text) ?? this.fail(value.position, `"${text}" is no address`);
  }

  /** A field by its name, or by its place; undefined: it is not there. */
  field(
    value: Value & { readonly kind: 'struct' },
    place: number,
    ...names: readonly string[]
  ): Value | undefined {
    const byName = value.fields.find((f) => f.name !== null && names.includes(f.name));
    if (byName !== undefined) return byName.value;
    const byPlace = value.fields[place];
    return byPlace !== undefined && byPlace.name === null ? byPlace.value : undefined;
  }

  /** Refuses fields that are not in `names`. */
  onlyFields(
    value: Value & { readonly kind: 'struct' },
    what: string,
    names: readonly string[],
  ): void {
    for (const { name, value: v } of value.fields)
      if (name !== null && !names.includes(name))
        this.fail(v.position, `"${name}" is no field of ${what}`);
    if (value.fields.length > names.length)
      this.fail(value.position, `${what} has ${names.length} fields`);
  }

  structure(value: Value, what: string): Value & { readonly kind: 'struct' } {
    if (value.kind === 'list' && value.items.length === 1)
      return this.structure(value.items[0] as Value, what);
    if (value.kind !== 'struct') return this.fail(value.position, `${what} is written in braces`);
    return value;
  }

  /** `{sa_family = AF_INET, sin_port = htons(8080), sin_addr = inet_addr("192.0.2.1")}` */
  sockaddr(value: Value): Address {
    const s = this.structure(value, 'an address');
    this.onlyFields(s, 'an address', [
      'sa_family',
      'sin_family',
      'sin6_family',
      'sin_port',
      'sin6_port',
      'sin_addr',
      'sin6_addr',
      'sin6_flowinfo',
      'sin6_scope_id',
    ]);
    const family = this.field(s, 0, 'sa_family', 'sin_family', 'sin6_family');
    if (family === undefined) return this.fail(s.position, 'an address has "sa_family"');
    const number = this.number(family, 'sa_family');
    const portValue = this.field(s, 1, 'sin_port', 'sin6_port');
    const port = portValue === undefined ? 0 : this.number(portValue, 'a port');
    const isV6 = number === AF_INET6;
    const flow = isV6 ? this.field(s, 2, 'sin6_flowinfo') : undefined;
    const scope = isV6 ? this.field(s, 4, 'sin6_scope_id') : undefined;
    const addr = this.field(s, isV6 ? 3 : 2, 'sin_addr', 'sin6_addr');
    if (addr === undefined && number !== AF_UNSPEC)
      return this.fail(s.position, 'an address has "sin_addr"');
    return {
      family: number,
      addr: addr === undefined ? new Uint8Array(0) : this.addressBytes(addr, isV6 ? 16 : 4),
      port: port & 0xffff,
      flowinfo: flow === undefined ? 0 : this.number(flow, 'sin6_flowinfo'),
      scopeId: scope === undefined ? 0 : this.number(scope, 'sin6_scope_id'),
    };
  }

  /** `inet_addr("…")`, `inet_pton(AF_INET6, "…")`, a text, a number. */
  private addressBytes(value: Value, length: number): Uint8Array {
    if (value.kind === 'apply' && ['inet_addr', 'inet_pton'].includes(value.name)) {
      const last = value.args.at(-1);
      if (last !== undefined) return this.ofLength(this.addressOf(last), length, value.position);
    }
    if (value.kind === 'text') return this.ofLength(this.addressOf(value), length, value.position);
    const number = this.number(value, 'an address');
    const bytes = new Uint8Array(length);
    new DataView(bytes.buffer).setUint32(length - 4, number);
    return bytes;
  }

  private ofLength(bytes: Uint8Array, length: number, position: Position): Uint8Array {
    if (bytes.length === length) return bytes;
    if (bytes.length === 4) return mapped(bytes);
    return this.fail(position, 'an address of the other version');
  }

  /** What `...` stands for where a call wants an address. */
  defaultAddress(ip: string, port: number): Address {
    const bytes = parseAddress(ip) ?? new Uint8Array(4);
    const isV4 = this.config.ipVersion === 'ipv4';
    const addr = isV4 || bytes.length === 16 ? bytes : mapped(bytes);
    return { family: isV4 ? AF_INET : AF_INET6, addr, port, flowinfo: 0, scopeId: 0 };
  }

  /** The family that `...` stands for in socket(). */
  get family(): number {
    return this.config.ipVersion === 'ipv4' ? AF_INET : AF_INET6;
  }
}
