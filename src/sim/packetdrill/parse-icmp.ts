/** `icmp unreachable frag_needed mtu 1200 [1:1001(1000)]` */
import { ICMP4, ICMP6, type IcmpName } from './icmp-names.ts';
import { isInteger, parseInteger } from './parse-number.ts';
import type { Scanner } from './scanner.ts';
import type { IcmpSpec, QuoteSpec } from './script.ts';

/**
 * Types of both versions share their names: the script's version is known when it runs only, so the number
 * of a type that both have is IPv4's, and the engine asks `icmpNumbers`.
 */
export function parseIcmp(s: Scanner, early: QuoteSpec | null = null): IcmpSpec {
  s.skip();
  const start = s.at;
  const type = isInteger(s) ? String(parseInteger(s, 'a type', 0, 255)) : s.word();
  if (type === null) return s.fail(`a type of ICMP is missing; found ${s.found()}`);
  let code: string | null = null;
  if (isInteger(s)) code = String(parseInteger(s, 'a code', 0, 255));
  else if (!['mtu', null].includes(s.peekWord())) code = s.word();
  const numbers = icmpNumbers(4, type, code) ?? icmpNumbers(6, type, code);
  if (numbers === null)
    s.fail(`"${type}${code === null ? '' : ` ${code}`}" is no ICMP message`, s.position(start));
  const name = code === null ? type : `${type} ${code}`;
  const mtu = s.keyword('mtu') ? parseInteger(s, 'mtu', 0, 0xffffffff) : null;
  let quote = early;
  let len = 0;
  if (quote === null && s.sign('[')) quote = parseQuote(s);
  else if (s.sign('(')) {
    len = parseInteger(s, 'the length of the payload', 0, 65000);
    s.expectSign(')', 'after the length of the payload');
  }
  const [typeNumber, codeNumber] = numbers as readonly [number, number];
  return { proto: 'icmp', type: typeNumber, code: codeNumber, name, mtu, quote, len };
}

/** The numbers of a name in one version, or null. */
export function icmpNumbers(
  version: 4 | 6,
  type: string,
  code: string | null,
): readonly [number, number] | null {
  const table: Readonly<Record<string, IcmpName>> = version === 4 ? ICMP4 : ICMP6;
  const isNumber = /^\d+$/.test(type);
  const entry = isNumber ? undefined : Object.hasOwn(table, type) ? table[type] : undefined;
  if (!isNumber && entry === undefined) return null;
  const typeNumber = entry === undefined ? Number(type) : entry.type;
  if (code === null) return [typeNumber, 0];
  if (/^\d+$/.test(code)) return [typeNumber, Number(code)];
  const codes = entry?.codes ?? {};
  return Object.hasOwn(codes, code) ? [typeNumber, codes[code] as number] : null;
}

const QUOTE = /\[\s*(?:\d+\s*[:\]]|(?:udp|raw)\s*\(|\.\.\.)/y;

/** What stands in brackets before `icmp`: the packet that it quotes, as packetdrill has it. */
export function isQuote(s: Scanner): boolean {
  s.skip();
  const before = s.at;
  const found = s.take(QUOTE) !== null;
  s.at = before;
  return found;
}

/** After the opening bracket. */
export function parseQuote(s: Scanner): QuoteSpec | null {
  if (s.sign('...')) {
    s.expectSign(']', 'after "..."');
    return null;
  }
  let quote: QuoteSpec;
  const word = s.peekWord();
  if (word === 'udp' || word === 'raw') {
    s.word();
    s.expectSign('(', 'before a length');
    quote = { proto: word, len: parseInteger(s, 'a length', 0, 65535) };
    s.expectSign(')', 'after a length');
  } else {
    const seq = parseInteger(s, 'a sequence number');
    let len = 0;
    if (s.sign(':')) {
      const end = parseInteger(s, 'a sequence number');
      s.expectSign('(', 'before a length');
      len = parseInteger(s, 'a length', 0, 65535);
      s.expectSign(')', 'after a length');
      if ((seq + len) >>> 0 !== end) s.fail(`${seq}:${end}(${len}) does not add up`);
    }
    quote = { proto: 'tcp', seq, len };
  }
  s.expectSign(']', 'after what an ICMP message quotes');
  return quote;
}
