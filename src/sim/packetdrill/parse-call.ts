/** `name(arguments) = result ERRNO (note)` */
import { parseInteger } from './parse-number.ts';
import type { Scanner } from './scanner.ts';
import type { CallAction, Position, Value } from './script.ts';

/** Deepest nesting of brackets. */
const MAX_DEPTH = 16;
/** Longest text that a script may write with `"x" * n` or by joining strings. */
const MAX_TEXT = 1 << 20;
const ERRNO = /E[A-Z0-9]+\b/y;
/** The dot of C's `.field = value`. */
const DESIGNATOR = /\.(?=[A-Za-z_])/y;
const STRING = /"((?:[^"\\\n]|\\[\s\S])*)"/y;

export function parseCall(s: Scanner, endUs: number | null): CallAction {
  const position = s.position();
  const name = s.word();
  if (name === null)
    return s.fail(`a packet, a call, a command or code is missing; found ${s.found()}`);
  if (!s.sign('(')) s.fail(`"${name}" is no event; a call has "(" after its name`, position);
  const args = parseList(s, ')', 0);
  s.expectSign('=', `after ${name}(…)`);
  const result = parseValue(s, 0);
  const errno = s.next(ERRNO)?.[0] ?? null;
  s.skip();
  if (s.lookingAt('(')) parseNote(s);
  return { kind: 'call', name, args, result, errno, endUs };
}

/** The words in parentheses after a result mean nothing. */
function parseNote(s: Scanner): void {
  const end = s.text.indexOf(')', s.at);
  const line = s.text.indexOf('\n', s.at);
  if (end < 0 || (line >= 0 && line < end)) s.fail('this note has no closing parenthesis');
  s.at = end + 1;
}

function parseList(s: Scanner, close: string, depth: number): Value[] {
  const items: Value[] = [];
  if (s.sign(close)) return items;
  do items.push(parseValue(s, depth + 1));
  while (s.sign(','));
  s.expectSign(close, 'at the end of a list');
  return items;
}

/** A value, or several joined by `|`. */
function parseValue(s: Scanner, depth: number): Value {
  if (depth > MAX_DEPTH) s.fail('these brackets are nested too deep');
  s.skip();
  const position = s.position();
  const first = parseSingle(s, depth, position);
  if (!s.sign('|')) return first;
  const parts = [first];
  do {
    s.skip();
    parts.push(parseSingle(s, depth, s.position()));
  } while (s.sign('|'));
  return { kind: 'or', parts, position };
}

function parseSingle(s: Scanner, depth: number, position: Position): Value {
  if (s.sign('...')) return { kind: 'any', position };
  if (s.sign('[')) return { kind: 'list', items: parseList(s, ']', depth), position };
  if (s.sign('{')) return parseStruct(s, depth, position);
  if (s.lookingAt('"')) return parseText(s, position);
  if (s.lookingAt('&')) {
    s.at++;
    return parseSingle(s, depth, position);
  }
  const name = s.word();
  if (name === null)
    return {
      kind: 'int',
      value: parseInteger(s, 'a value', -(2 ** 63), 2 ** 64),
      position,
    };
  if (s.sign('(')) return { kind: 'apply', name, args: parseList(s, ')', depth), position };
  return { kind: 'symbol', name, position };
}

/** `{a=1, b=2}`, `{1, 2}` */
function parseStruct(s: Scanner, depth: number, position: Position): Value {
  const fields: { name: string | null; value: Value }[] = [];
  if (s.sign('}')) return { kind: 'struct', fields, position };
  do {
    s.next(DESIGNATOR);
    fields.push({ name: parseFieldName(s, depth), value: parseValue(s, depth + 1) });
  } while (s.sign(','));
  s.expectSign('}', 'at the end of a structure');
  return { kind: 'struct', fields, position };
}

/** A field's name with its `=`; null when the value comes at once. */
function parseFieldName(s: Scanner, depth: number): string | null {
  s.skip();
  const before = s.at;
  const name = s.word();
  if (name !== null) {
    // `msg_iov(1)=` tells a length that the value has anyway.
    if (s.sign('(')) parseList(s, ')', depth);
    if (s.sign('=')) return name;
  }
  s.at = before;
  return null;
}

/** Strings that follow each other are one; `...` behind fills with zeros up to the length of the call. */
function parseText(s: Scanner, position: Position): Value {
  const bytes: number[] = [];
  for (let found = s.next(STRING); found !== null; found = s.next(STRING)) {
    putText(s, found[1] as string, bytes);
    if (bytes.length > MAX_TEXT) s.fail(`a text may have ${MAX_TEXT} bytes`, position);
  }
  if (bytes.length === 0 && s.lookingAt('"')) s.fail('this text has no closing quote', position);
  s.sign('...');
  return { kind: 'text', bytes: Uint8Array.from(bytes), position };
}

const ESCAPES: Readonly<Record<string, number>> = {
  n: 10,
  r: 13,
  t: 9,
  '0': 0,
  '\\': 92,
  '"': 34,
};

function putText(s: Scanner, text: string, out: number[]): void {
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    if (c !== '\\') {
      out.push(...utf8(text.codePointAt(i) as number));
      if ((text.codePointAt(i) as number) > 0xffff) i++;
      continue;
    }
    const letter = text[++i] as string;
    if (letter === 'x') {
      const hex = /^[0-9a-fA-F]{1,2}/.exec(text.slice(i + 1, i + 3))?.[0];
      if (hex === undefined) s.fail('"\\x" in a text needs hexadecimal digits');
      out.push(Number.parseInt(hex as string, 16));
      i += (hex as string).length;
    } else {
      const byte = ESCAPES[letter];
      if (byte === undefined) s.fail(`"\\${letter}" is not known in a text`);
      out.push(byte as number);
    }
  }
}

function utf8(code: number): number[] {
  if (code < 0x80) return [code];
  if (code < 0x800) return [0xc0 | (code >> 6), 0x80 | (code & 63)];
  if (code < 0x10000) return [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)];
  return [
    0xf0 | (code >> 18),
    0x80 | ((code >> 12) & 63),
    0x80 | ((code >> 6) & 63),
    0x80 | (code & 63),
  ];
}
