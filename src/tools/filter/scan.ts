/** Words of a packet filter (`scanner.l` of libpcap): at each place the longest word that fits. */
import { CONSTANTS } from './names.ts';

export type TokenKind =
  | 'end'
  | 'word'
  /** A name that stands for itself: `\tcp`, or whatever is no word of the language. */
  | 'id'
  | 'number'
  /** `10.1`, `10.0.0.1` */
  | 'dotted'
  | 'ipv6'
  | 'mac'
  | 'operator';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Of numbers and constants. */
  readonly value: number;
  /** 0-based, of the first character and of the one behind. */
  readonly at: number;
  readonly end: number;
}

/** What is wrong with a filter, and where. */
export class FilterError extends Error {
  /** 1-based column. */
  readonly column: number;

  constructor(message: string, at: number) {
    super(`${message}, at column ${at + 1}`);
    this.name = 'FilterError';
    this.column = at + 1;
  }
}

/** Longer filters are refused. */
const MAX_LENGTH = 8192;

/** Words with a meaning of their own; the rest are names. */
export const WORDS: ReadonlySet<string> = new Set([
  ...['and', 'or', 'not', 'src', 'dst', 'host', 'net', 'mask', 'port', 'portrange', 'proto'],
  ...['gateway', 'protochain', 'less', 'greater', 'len', 'length', 'broadcast', 'multicast'],
  ...['inbound', 'outbound', 'vlan', 'ether', 'link', 'ip', 'ip6', 'arp', 'rarp', 'tcp', 'udp'],
  ...[
    'icmp',
    'icmp6',
    'igmp',
    'igrp',
    'sctp',
    'pim',
    'vrrp',
    'carp',
    'ah',
    'esp',
    'aarp',
    'decnet',
  ],
  ...['lat', 'mopdl', 'moprc', 'sca', 'stp'],
]);

const SPACE = /[ \t\r\n]+/y;
const IDENTIFIER = /[A-Za-z0-9](?:[-_.A-Za-z0-9]*[.A-Za-z0-9])?/y;
const ESCAPED = /\\[^ !()\n\t]+/y;
const NUMBER = /0[xX][0-9A-Fa-f]+|\d+/y;
const DOTTED = /\d+(?:\.\d+){1,3}/y;
const MAC =
  /(?:[0-9A-Fa-f]{1,2}:){5}[0-9A-Fa-f]{1,2}|(?:[0-9A-Fa-f]{1,2}-){5}[0-9A-Fa-f]{1,2}|(?:[0-9A-Fa-f]{1,2}\.){5}[0-9A-Fa-f]{1,2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}|[0-9A-Fa-f]{12}/y;
/** Two colons at least, or it is a size between brackets. */
const IPV6 = /(?:[0-9A-Fa-f]{0,4}:){2,7}(?:\d+\.\d+\.\d+\.\d+|[0-9A-Fa-f]{0,4})/y;
const OPERATOR = /&&|\|\||[!=<>]=|<<|>>|[-!=<>&|^+*/%()[\]:]/y;

const ALIASES: Readonly<Record<string, string>> = { '&&': 'and', '||': 'or', '!': 'not' };

/** All words, with one of kind `end` at the end. */
export function scan(text: string): Token[] {
  if (text.length > MAX_LENGTH)
    throw new FilterError(`a filter has at most ${MAX_LENGTH} characters`, MAX_LENGTH);
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    at += match(SPACE, text, at)?.length ?? 0;
    if (at >= text.length) break;
    const token = next(text, at);
    tokens.push(token);
    at = token.end;
  }
  tokens.push({ kind: 'end', text: '', value: 0, at: text.length, end: text.length });
  return tokens;
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

/** Kinds in the order of preference among equally long ones. */
const KINDS: readonly (readonly [TokenKind, RegExp])[] = [
  ['number', NUMBER],
  ['dotted', DOTTED],
  ['mac', MAC],
  ['ipv6', IPV6],
  ['id', IDENTIFIER],
];

function next(text: string, at: number): Token {
  const escaped = match(ESCAPED, text, at);
  if (escaped !== undefined)
    return { kind: 'id', text: escaped.slice(1), value: 0, at, end: at + escaped.length };
  let best: { kind: TokenKind; text: string } | undefined;
  for (const [kind, pattern] of KINDS) {
    const found = match(pattern, text, at);
    if (found !== undefined && found.length > (best?.text.length ?? 0))
      best = { kind, text: found };
  }
  if (best !== undefined) return classified(best.kind, best.text, at);
  const operator = match(OPERATOR, text, at);
  if (operator === undefined)
    throw new FilterError(`${JSON.stringify(text[at])} has no meaning in a filter`, at);
  const alias = ALIASES[operator];
  const kind = alias === undefined ? 'operator' : 'word';
  return { kind, text: alias ?? operator, value: 0, at, end: at + operator.length };
}

function classified(kind: TokenKind, text: string, at: number): Token {
  const end = at + text.length;
  if (kind === 'number') {
    // As C reads it: a leading zero makes it octal.
    const value = /^0\d/.test(text) ? Number.parseInt(text, 8) : Number(text);
    if (!(value <= 0xffffffff)) throw new FilterError(`${text} is no 32-bit number`, at);
    return { kind, text, value, at, end };
  }
  if (kind !== 'id') return { kind, text, value: 0, at, end };
  const constant = CONSTANTS.get(text);
  if (constant !== undefined) return { kind: 'number', text, value: constant, at, end };
  return { kind: WORDS.has(text) ? 'word' : 'id', text, value: 0, at, end };
}
