/** `<mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>` */
import { parseInteger } from './parse-number.ts';
import type { Scanner } from './scanner.ts';
import type { EcnCounter, TcpOption } from './script.ts';
import { tcpOptionBytes } from './tcp-options.ts';

const HEX = /[0-9a-fA-F]+(?![\w])/y;
const BLOCK = /(\d+)\s*:\s*(\d+)/y;

/** Nothing written: no options; `<...>`: null, whatever they are. */
export function parseTcpOptions(s: Scanner): readonly TcpOption[] | null {
  s.skip();
  const position = s.position();
  if (!s.sign('<')) return [];
  if (s.sign('...')) {
    s.expectSign('>', 'after "..."');
    return null;
  }
  const options: TcpOption[] = [];
  if (s.sign('>')) return options;
  do options.push(parseOption(s));
  while (s.sign(','));
  s.expectSign('>', 'after the TCP options');
  if (tcpOptionBytes(options).length > 40)
    s.fail('these TCP options are longer than 40 bytes', position);
  return options;
}

function parseOption(s: Scanner): TcpOption {
  s.skip();
  const position = s.position();
  const word = s.word();
  switch (word) {
    case 'nop':
    case 'eol':
    case 'sackOK':
      return { kind: word };
    case 'mss':
      return { kind: 'mss', value: parseInteger(s, 'mss', 0, 65535) };
    case 'wscale':
      return { kind: 'wscale', value: parseInteger(s, 'wscale', 0, 255) };
    case 'sack':
      return parseSack(s);
    case 'TS':
      return parseTimestamp(s);
    case 'FO':
    case 'FOEXP':
    case 'md5':
      return { kind: word, bytes: parseHex(s, word) };
    case 'ECN':
      return parseEcn(s);
    default:
      return s.fail(
        word === null
          ? `a TCP option is missing; found ${s.found()}`
          : `"${word}" is no TCP option that scripts can name`,
        position,
      );
  }
}

function parseSack(s: Scanner): TcpOption {
  const blocks: [number, number][] = [];
  for (let found = s.next(BLOCK); found !== null; found = s.next(BLOCK)) {
    const block: [number, number] = [Number(found[1]), Number(found[2])];
    if (block[0] > 0xffffffff || block[1] > 0xffffffff) s.fail('a sequence number has 32 bits');
    blocks.push(block);
    if (blocks.length > 10) s.fail('a SACK option has few blocks');
  }
  if (blocks.length === 0) s.fail(`"sack" needs blocks as 1:2; found ${s.found()}`);
  return { kind: 'sack', blocks };
}

function parseTimestamp(s: Scanner): TcpOption {
  if (!s.keyword('val')) s.fail(`"TS" needs "val"; found ${s.found()}`);
  const val = parseInteger(s, 'TS val');
  if (!s.keyword('ecr')) s.fail(`"TS val" needs "ecr"; found ${s.found()}`);
  return { kind: 'TS', val, ecr: parseInteger(s, 'TS ecr') };
}

/** An even number of digits; none is an empty cookie. */
function parseHex(s: Scanner, what: string): Uint8Array {
  const digits = s.next(HEX)?.[0] ?? '';
  if (digits.length % 2 === 1) s.fail(`${what} needs an even number of hexadecimal digits`);
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** RFC 9768 §3.2.3: `ECN e1b 1 ceb 0 e0b 1`; the first counter says which option it is. */
function parseEcn(s: Scanner): TcpOption {
  const counters: [EcnCounter, number][] = [];
  for (;;) {
    const word = s.peekWord();
    if (word !== 'e0b' && word !== 'ceb' && word !== 'e1b') break;
    s.word();
    counters.push([word, parseInteger(s, word, 0, 0xffffff)]);
  }
  const order = counters[0]?.[0] === 'e1b' ? 1 : 0;
  const all: readonly EcnCounter[] = order === 1 ? ['e1b', 'ceb', 'e0b'] : ['e0b', 'ceb', 'e1b'];
  if (counters.length > 3 || counters.some(([name], i) => name !== all[i]))
    s.fail('ECN counters come as "e0b ceb e1b" or "e1b ceb e0b", or fewer from the end');
  return { kind: 'ECN', order, counters };
}
