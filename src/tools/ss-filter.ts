/** The filter of ss(8): `state …`, and expressions of sport, dport, src, dst with and, or, not, brackets. */

import { nearestOf } from '../core/control/ip/nearest.ts';
import { CommandError, EXIT_USAGE } from '../core/control/ip/words.ts';
import type { SocketInfo, SocketState } from '../core/control/sockets.ts';
import { parseIpv4, parseIpv6, samePrefix } from '../core/index.ts';
import { portNumber } from './ss-services.ts';

export type SocketFilter = (socket: SocketInfo) => boolean;

/** Names of states as ss reads them. */
const STATE_WORDS: Readonly<Record<string, readonly SocketState[]>> = {
  established: ['ESTAB'],
  'syn-sent': ['SYN-SENT'],
  'syn-recv': ['SYN-RECV'],
  'fin-wait-1': ['FIN-WAIT-1'],
  'fin-wait-2': ['FIN-WAIT-2'],
  'time-wait': ['TIME-WAIT'],
  unconnected: ['UNCONN'],
  closed: ['UNCONN'],
  'close-wait': ['CLOSE-WAIT'],
  'last-ack': ['LAST-ACK'],
  listen: ['LISTEN'],
  listening: ['LISTEN'],
  closing: ['CLOSING'],
};

const CONNECTED: readonly SocketState[] = [
  'ESTAB',
  'SYN-SENT',
  'SYN-RECV',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'TIME-WAIT',
  'CLOSE-WAIT',
  'LAST-ACK',
  'CLOSING',
];

export const ALL_STATES: readonly SocketState[] = [...CONNECTED, 'UNCONN', 'LISTEN'];

/** States that a word of ss stands for. */
export function statesOf(word: string): readonly SocketState[] {
  switch (word) {
    case 'all':
      return ALL_STATES;
    case 'connected':
      return CONNECTED;
    case 'synchronized':
      return CONNECTED.filter((s) => s !== 'SYN-SENT');
    case 'bucket':
      return ['SYN-RECV', 'TIME-WAIT'];
    case 'big':
      return ALL_STATES.filter((s) => s !== 'SYN-RECV' && s !== 'TIME-WAIT');
    default: {
      const states = STATE_WORDS[word];
      if (states === undefined)
        throw new CommandError(
          `ss: wrong state name: ${word}\nDid you mean "${nearestOf(word, Object.keys(STATE_WORDS))}"?`,
          EXIT_USAGE,
        );
      return states;
    }
  }
}

/** What the words behind the options choose. */
export interface Selection {
  /** Undefined: what the options say. */
  readonly states: readonly SocketState[] | undefined;
  readonly filter: SocketFilter;
}

export function parseFilter(words: readonly string[]): Selection {
  const tokens = words.flatMap((w) => w.match(/[()]|[^()\s]+/g) ?? []);
  const parser = new Parser(tokens);
  return parser.parse();
}

class Parser {
  private readonly tokens: readonly string[];
  private at = 0;

  constructor(tokens: readonly string[]) {
    this.tokens = tokens;
  }

  parse(): Selection {
    let states: SocketState[] | undefined;
    while (this.peek === 'state' || this.peek === 'exclude') {
      const isExcluded = this.next() === 'exclude';
      const named = statesOf(this.next());
      if (isExcluded) states = (states ?? [...ALL_STATES]).filter((s) => !named.includes(s));
      else states = [...(states ?? []), ...named];
    }
    const filter = this.peek === '' ? (): boolean => true : this.list();
    if (this.peek !== '') throw this.error();
    return { states, filter };
  }

  private get peek(): string {
    return this.tokens[this.at] ?? '';
  }

  private next(): string {
    const token = this.tokens[this.at];
    if (token === undefined) throw this.error();
    this.at++;
    return token;
  }

  private error(): CommandError {
    return new CommandError(
      `ss: bison bellows (while parsing filter): "syntax error!" near "${this.peek || 'the end'}"; the words are sport, dport, src, dst, and, or, not`,
      EXIT_USAGE,
    );
  }

  /** LINUX: `or` and `and` bind alike, from the left (`ssfilter.y`). */
  private list(): SocketFilter {
    let left = this.not();
    for (;;) {
      const word = this.peek;
      if (word === '' || word === ')') return left;
      const isOr = ['or', '|', '||'].includes(word);
      if (isOr || ['and', '&', '&&'].includes(word)) this.next();
      const [a, b] = [left, this.not()];
      left = isOr ? (s) => a(s) || b(s) : (s) => a(s) && b(s);
    }
  }

  private not(): SocketFilter {
    if (this.peek === 'not' || this.peek === '!') {
      this.next();
      const inner = this.not();
      return (s) => !inner(s);
    }
    if (this.peek === '(') {
      this.next();
      const inner = this.list();
      if (this.next() !== ')') throw this.error();
      return inner;
    }
    return this.condition();
  }

  private condition(): SocketFilter {
    const word = this.next();
    switch (word) {
      case 'sport':
      case 'dport': {
        const test = this.portTest();
        return (s) => test((word === 'sport' ? s.local : s.peer).port);
      }
      case 'src':
      case 'dst': {
        // LINUX: addresses are equal or not asked for; `src !=` is a syntax error.
        if (this.peek === '=' || this.peek === '==' || this.peek === 'eq') this.next();
        else if (Object.hasOwn(OPERATORS, this.peek)) throw this.error();
        const test = addressTest(this.next());
        return (s) => test(word === 'src' ? s.local : s.peer);
      }
      default:
        this.at--;
        throw this.error();
    }
  }

  private portTest(): (port: number) => boolean {
    let operator = this.next();
    // `sport :80` has no operator.
    if (/^:?\w/.test(operator) && !(operator in OPERATORS)) {
      this.at--;
      operator = '=';
    }
    const compare = OPERATORS[operator];
    if (compare === undefined) throw this.error();
    const text = this.next().replace(/^(?:inet6?:)?\*?:/, '');
    if (text === '*') return () => true;
    const port = portNumber(text);
    if (port === undefined)
      throw new CommandError(`Error: an inet prefix is expected rather than ":${text}".`, 1);
    return (p) => compare(p, port);
  }
}

const OPERATORS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '=': (a, b) => a === b,
  '==': (a, b) => a === b,
  eq: (a, b) => a === b,
  '!=': (a, b) => a !== b,
  ne: (a, b) => a !== b,
  neq: (a, b) => a !== b,
  '>=': (a, b) => a >= b,
  ge: (a, b) => a >= b,
  geq: (a, b) => a >= b,
  '<=': (a, b) => a <= b,
  le: (a, b) => a <= b,
  leq: (a, b) => a <= b,
  '>': (a, b) => a > b,
  gt: (a, b) => a > b,
  '<': (a, b) => a < b,
  lt: (a, b) => a < b,
};

type EndTest = (end: { readonly address: string; readonly port: number }) => boolean;

/** `10.0.0.0/8`, `10.0.0.1:80`, `:80`, `[fd00::1]:80`, `[fd00::]/8`. */
function addressTest(written: string): EndTest {
  const text = written.replace(/^inet:/, '').replace(/^inet6:(?=\[)/, '');
  if (text === '*' || text === '*:*') return () => true;
  if (text.startsWith('*:')) return addressTest(text.slice(1));
  if (text.startsWith('[')) return addressTest6(text);
  const m = /^([\d.]*)(?:\/(\d{1,2}))?(?::(\w+))?$/.exec(text);
  const addr = m?.[1] === '' || m?.[1] === undefined ? 0 : parseIpv4(m[1]);
  const length = m?.[1] === '' ? 0 : Number(m?.[2] ?? 32);
  const port = m?.[3] === undefined ? undefined : portNumber(m[3]);
  if (m === null || addr === undefined || length > 32)
    throw new CommandError(`Error: an inet prefix is expected rather than "${text}".`, 1);
  const mask = length === 0 ? 0 : -1 << (32 - length);
  return (end) => {
    if (port !== undefined && end.port !== port) return false;
    // LINUX: a rule of IPv4 selects mapped addresses too (`inet_diag_bc_run`).
    const own = parseIpv4(end.address.replace(/^::ffff:(?=.*\.)/, ''));
    return length === 0 || (own !== undefined && (own & mask) === (addr & mask));
  };
}

function addressTest6(text: string): EndTest {
  const m = /^\[([\da-fA-F:.]*)\](?:\/(\d{1,3}))?(?::(\w+))?$/.exec(text);
  const addr = parseIpv6(m?.[1] ?? '');
  const length = Number(m?.[2] ?? 128);
  const port = m?.[3] === undefined ? undefined : portNumber(m[3]);
  if (m === null || addr === undefined || length > 128)
    throw new CommandError(`Error: an inet prefix is expected rather than "${text}".`, 1);
  return (end) => {
    if (port !== undefined && end.port !== port) return false;
    const own = parseIpv6(end.address);
    return own !== undefined && end.address.includes(':') && samePrefix(own, addr, length);
  };
}
