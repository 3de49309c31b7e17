/**
 * The grammar of packet filters, pcap-filter(7) (`grammar.y` of libpcap): `and` and `or` bind alike, from the left;
 * a name that follows one of them takes the qualifiers of the name before.
 */
import { nearestOf } from '../../core/control/ip/nearest.ts';
import { parseIpv4, parseIpv6 } from '../../core/index.ts';
import {
  type Arithmetic,
  access,
  binary,
  constant,
  frameLength,
  isRelation,
  negative,
  relation,
} from './arithmetic.ts';
import { both, either, negated, type Test } from './frame.ts';
import { IP_PROTOCOLS, LINK_WORDS } from './names.ts';
import { type Direction, type Kind, Primitives, type Qualifiers } from './primitives.ts';
import { FilterError, scan, type Token, type TokenKind, WORDS } from './scan.ts';

/** Brackets and negations inside each other. */
const MAX_DEPTH = 200;

const NAMES: readonly TokenKind[] = ['id', 'number', 'dotted', 'ipv6', 'mac'];
const KINDS: readonly string[] = ['host', 'net', 'port', 'portrange', 'proto'];
/** How tightly arithmetic binds; `%` and `^` have no rank in libpcap's grammar and take all that follows. */
const RANKS: Readonly<Record<string, number>> = {
  '|': 1,
  '&': 2,
  '<<': 3,
  '>>': 3,
  '+': 4,
  '-': 4,
  '*': 5,
  '/': 5,
};
const UNRANKED: readonly string[] = ['%', '^'];

/** Qualifiers of the last name; undefined: there was none to inherit from. */
type Inherited = Qualifiers | undefined;

type Value = { readonly test: Test; readonly q: Inherited } | { readonly number: Arithmetic };

export class Parser {
  private readonly tokens: readonly Token[];
  private readonly primitives: Primitives;
  private at = 0;
  private depth = 0;

  constructor(text: string, resolve?: (name: string) => readonly string[] | undefined) {
    this.tokens = scan(text);
    this.primitives = new Primitives(resolve);
  }

  parse(): Test {
    if (this.ended) return () => true;
    const value = this.expression(undefined);
    if (!this.ended) throw this.unexpected();
    if ('number' in value) throw this.expected('a comparison such as: > 5');
    return value.test;
  }

  // ---- words

  private get peek(): Token {
    return this.tokens[this.at] as Token;
  }

  private get ended(): boolean {
    return this.peek.kind === 'end';
  }

  private ahead(n: number): Token {
    return this.tokens[Math.min(this.at + n, this.tokens.length - 1)] as Token;
  }

  private take(): Token {
    const token = this.peek;
    if (token.kind !== 'end') this.at++;
    return token;
  }

  private is(text: string): boolean {
    return isWord(this.peek, text);
  }

  private accept(text: string): boolean {
    if (!this.is(text)) return false;
    this.at++;
    return true;
  }

  private expect(text: string): void {
    if (!this.accept(text)) throw this.expected(`"${text}"`);
  }

  private expected(what: string): FilterError {
    const { kind, text, at } = this.peek;
    return new FilterError(
      kind === 'end' ? `${what} is missing` : `${what} belongs where "${text}" is`,
      at,
    );
  }

  private unexpected(): FilterError {
    const { kind, text, at } = this.peek;
    if (kind === 'end') return new FilterError('the filter ends too early', at);
    const near = kind === 'id' ? nearestOf(text, [...WORDS]) : undefined;
    const hint = near === undefined || near === text ? '' : `; did you mean "${near}"?`;
    const escaped =
      kind === 'word' && (IP_PROTOCOLS.has(text) || LINK_WORDS.includes(text)) && this.at > 0
        ? `; as a name it is written \\${text}`
        : '';
    return new FilterError(`"${text}" does not fit here${hint}${escaped}`, at);
  }

  private deeper<T>(inner: () => T): T {
    if (++this.depth > MAX_DEPTH)
      throw new FilterError(`brackets are at most ${MAX_DEPTH} deep`, this.peek.at);
    const value = inner();
    this.depth--;
    return value;
  }

  // ---- expressions

  private expression(inherited: Inherited): Value {
    const first = this.term(inherited);
    if ('number' in first) return first;
    let { test, q } = first;
    while (this.is('and') || this.is('or')) {
      const join = this.take().text === 'and' ? both : either;
      if (this.isName(0)) test = join(test, this.name(this.inheriting(q)));
      else {
        const right = this.term(q);
        if ('number' in right) throw this.expected('a comparison such as: > 5');
        test = join(test, right.test);
        q = right.q;
      }
    }
    return { test, q };
  }

  private inheriting(q: Inherited): Qualifiers {
    if (q === undefined) throw this.unexpected();
    return q;
  }

  /** Does a name stand `n` words ahead that inherits qualifiers, behind brackets and negations? */
  private isName(n: number): boolean {
    let i = n;
    while (isWord(this.ahead(i), '(') || isWord(this.ahead(i), 'not')) i++;
    const token = this.ahead(i);
    if (!NAMES.includes(token.kind)) return false;
    if (token.kind !== 'number') return true;
    let after = this.ahead(i + 1);
    for (let k = i + 2; isWord(after, ')') && k < i + MAX_DEPTH; k++) after = this.ahead(k);
    return after.kind !== 'operator' || after.text === ')';
  }

  private term(inherited: Inherited): Value {
    if (this.accept('not'))
      return this.deeper(() => {
        if (this.isName(0) && !this.startsNumber())
          return { test: negated(this.name(this.inheriting(inherited))), q: inherited };
        const value = this.term(inherited);
        if ('number' in value) throw this.expected('a comparison such as: > 5');
        return { test: negated(value.test), q: value.q };
      });
    if (this.startsNumber()) return this.comparison(this.arithmetic(0));
    if (this.is('(')) return this.bracket(inherited);
    return this.primitive();
  }

  /** What stands in brackets is an expression or a number. */
  private bracket(inherited: Inherited): Value {
    return this.deeper(() => {
      this.expect('(');
      const value = this.expression(inherited);
      this.expect(')');
      if ('number' in value) return this.comparison(this.continued(value.number, 0));
      return { test: value.test, q: inherited };
    });
  }

  private comparison(left: Arithmetic): Value {
    if (!isRelation(this.peek.text) || this.peek.kind !== 'operator') return { number: left };
    const op = this.take().text;
    return { test: relation(op, left, this.arithmetic(0)), q: undefined };
  }

  // ---- numbers

  private startsNumber(): boolean {
    const { kind, text } = this.peek;
    if (kind === 'number' || text === '-' || text === 'len' || text === 'length')
      return kind !== 'id';
    return kind === 'word' && isProtocol(text) && isWord(this.ahead(1), '[');
  }

  private arithmetic(rank: number): Arithmetic {
    return this.continued(this.operand(), rank);
  }

  private continued(first: Arithmetic, rank: number): Arithmetic {
    let left = first;
    for (;;) {
      const { kind, text, at } = this.peek;
      if (kind !== 'operator') return left;
      const own = RANKS[text];
      if (UNRANKED.includes(text)) {
        this.take();
        left = binary(text, left, this.arithmetic(0), at);
      } else if (own !== undefined && own > rank) {
        this.take();
        left = binary(text, left, this.arithmetic(own), at);
      } else return left;
    }
  }

  private operand(): Arithmetic {
    return this.deeper(() => {
      const { kind, text, value } = this.peek;
      if (kind === 'number') {
        this.take();
        return constant(value);
      }
      if (this.accept('-')) return negative(this.operand());
      if (this.accept('len') || this.accept('length')) return frameLength;
      if (this.accept('(')) {
        const inner = this.arithmetic(0);
        this.expect(')');
        return inner;
      }
      if (kind === 'word' && isProtocol(text) && isWord(this.ahead(1), '[')) return this.access();
      throw this.expected('a number');
    });
  }

  private access(): Arithmetic {
    const proto = this.take().text;
    this.expect('[');
    const index = this.arithmetic(0);
    let size = 1;
    if (this.accept(':')) {
      const { kind, value, at } = this.take();
      if (kind !== 'number' || ![1, 2, 4].includes(value))
        throw new FilterError('a size is 1, 2 or 4 bytes', at);
      size = value;
    }
    this.expect(']');
    return access(this.primitives, proto, index, size);
  }

  // ---- primitives

  private primitive(): Value {
    const { kind, text, at } = this.peek;
    if (kind !== 'word') throw this.unexpected();
    switch (text) {
      case 'less':
      case 'greater': {
        this.take();
        const length = this.integer();
        return {
          test: text === 'less' ? (f) => f.len <= length : (f) => f.len >= length,
          q: undefined,
        };
      }
      case 'inbound':
      case 'outbound':
        this.take();
        return { test: (f) => f.outgoing === (text === 'outbound'), q: undefined };
      case 'vlan':
        this.take();
        return { test: this.vlan(), q: undefined };
      case 'gateway':
      case 'protochain':
        throw new FilterError(`${text} is not implemented`, at);
      default:
        return this.qualified();
    }
  }

  private vlan(): Test {
    if (this.peek.kind !== 'number') return this.primitives.vlan(undefined);
    const { value, at } = this.take();
    if (value > 4095) throw new FilterError(`VLAN tag ${value} is greater than 4095`, at);
    return this.primitives.vlan(value);
  }

  private integer(): number {
    const token = this.take();
    if (token.kind !== 'number') {
      this.at--;
      throw this.expected('a number');
    }
    return token.value;
  }

  /** `[proto] [dir] [kind] name`, or a protocol alone. */
  private qualified(): Value {
    const { text: first, at } = this.peek;
    const proto = isProtocol(first) ? this.take().text : undefined;
    if (this.is('broadcast') || this.is('multicast')) {
      const word = this.take().text;
      const test =
        word === 'broadcast'
          ? this.primitives.broadcast(proto, at)
          : this.primitives.multicast(proto, at);
      return { test, q: undefined };
    }
    const dir = this.direction();
    const kind =
      KINDS.includes(this.peek.text) && this.peek.kind === 'word' ? this.take().text : '';
    if (dir === undefined && kind === '') {
      if (proto === undefined) throw this.unexpected();
      if (proto === 'ether' || proto === 'link') throw this.expected('host, proto or [');
      if (NAMES.includes(this.peek.kind)) throw this.unexpected();
      return { test: this.primitives.word(proto), q: undefined };
    }
    const q: Qualifiers = { proto, dir, kind: kind === '' ? undefined : (kind as Kind) };
    return { test: this.name(q), q };
  }

  private direction(): Direction | undefined {
    if (!this.is('src') && !this.is('dst')) return undefined;
    const first = this.take().text as Direction;
    const [join, second] = [this.peek, this.ahead(1)];
    const other = first === 'src' ? 'dst' : 'src';
    if ((isWord(join, 'or') || isWord(join, 'and')) && isWord(second, other)) {
      this.at += 2;
      return join.text as Direction;
    }
    return first;
  }

  // ---- names under qualifiers

  private name(q: Qualifiers): Test {
    return this.deeper(() => {
      if (this.accept('not')) return negated(this.name(q));
      if (!this.accept('(')) return this.single(q);
      let test = this.name(q);
      while (this.is('and') || this.is('or')) {
        const join = this.take().text === 'and' ? both : either;
        test = join(test, this.name(q));
      }
      this.expect(')');
      return test;
    });
  }

  private single(q: Qualifiers): Test {
    const token = this.take();
    const { kind, text, at } = token;
    switch (kind) {
      case 'id':
        return this.byName(text, q, at);
      case 'number':
        return this.byNumber(token, q);
      case 'dotted':
        return this.byAddress(text, q, at);
      case 'ipv6':
        return this.byAddress6(text, q, at);
      case 'mac':
        this.hostLike(q, at);
        return this.primitives.mac(text, q, at);
      default:
        if (kind !== 'end') this.at--;
        throw this.unexpected();
    }
  }

  private hostLike({ kind }: Qualifiers, at: number): void {
    if (kind !== undefined && kind !== 'host' && kind !== 'net')
      throw new FilterError(`an address does not fit behind ${kind}`, at);
  }

  private byName(name: string, q: Qualifiers, at: number): Test {
    switch (q.kind) {
      case 'port':
      case 'portrange':
        return this.primitives.namedPorts(name, q, at);
      case 'proto':
        return this.primitives.proto(name, q, at);
      case 'net':
        throw new FilterError(`unknown network "${name}"`, at);
      default:
        return this.primitives.named(name, q, at);
    }
  }

  private byNumber({ value, at }: Token, q: Qualifiers): Test {
    switch (q.kind) {
      case 'port':
      case 'portrange':
        if (value > 65535) throw new FilterError(`${value} is no port`, at);
        return this.primitives.ports(value, value, undefined, q, at);
      case 'proto':
        return this.primitives.proto(value, q, at);
      case 'net': {
        const length = this.prefixLength(32);
        if (length !== undefined) return this.network(value << 24, length, q, at);
        // LINUX: 10 is 10.0.0.0/8, 2561 is 10.1.0.0/16.
        let [address, mask] = [value, 0xffffffff];
        while (address !== 0 && address <= 0xffffff) {
          address *= 256;
          mask = (mask * 256) % 2 ** 32;
        }
        return this.primitives.host4(address | 0, mask | 0, q, at);
      }
      default:
        return this.primitives.host4(value | 0, -1, q, at);
    }
  }

  /** `/24`, if it follows. */
  private prefixLength(max: number): number | undefined {
    if (!this.accept('/')) return undefined;
    const { at } = this.peek;
    const length = this.integer();
    if (length > max) throw new FilterError(`a prefix has at most ${max} bits`, at);
    return length;
  }

  private byAddress(text: string, q: Qualifiers, at: number): Test {
    this.hostLike(q, at);
    const parts = text.split('.').map(Number);
    if (parts.some((p) => p > 255)) throw new FilterError(`"${text}" is no IPv4 address`, at);
    const address = parts.reduce((sum, p, i) => sum | (p << (24 - 8 * i)), 0);
    const length = this.prefixLength(32);
    if (length !== undefined) return this.network(address, length, q, at);
    if (this.accept('mask')) {
      const { text: mask, at: where } = this.take();
      const bits = parseIpv4(mask);
      if (bits === undefined) throw new FilterError(`"${mask}" is no mask`, where);
      return this.masked(address, bits, q, at);
    }
    return this.primitives.host4(address, maskOf(parts.length * 8), q, at);
  }

  private network(address: number, length: number, q: Qualifiers, at: number): Test {
    return this.masked(address, maskOf(length), q, at);
  }

  private masked(address: number, mask: number, q: Qualifiers, at: number): Test {
    if (q.kind !== 'net') throw new FilterError('a mask belongs to a network; write: net', at);
    if ((address & ~mask) !== 0)
      throw new FilterError('the network has bits set that its mask leaves out', at);
    return this.primitives.host4(address, mask, q, at);
  }

  private byAddress6(text: string, q: Qualifiers, at: number): Test {
    this.hostLike(q, at);
    const address = parseIpv6(text);
    if (address === undefined) throw new FilterError(`"${text}" is no IPv6 address`, at);
    const length = this.prefixLength(128);
    if (length !== undefined && q.kind !== 'net')
      throw new FilterError('a prefix belongs to a network; write: net', at);
    return this.primitives.host6(address, length ?? 128, q, at);
  }
}

function isWord(token: Token, text: string): boolean {
  return token.text === text && (token.kind === 'word' || token.kind === 'operator');
}

function isProtocol(word: string): boolean {
  return word === 'ether' || word === 'link' || IP_PROTOCOLS.has(word) || LINK_WORDS.includes(word);
}

function maskOf(length: number): number {
  return length === 0 ? 0 : -1 << (32 - length);
}
