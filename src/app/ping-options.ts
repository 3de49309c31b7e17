/** The words of ping(8) (iputils) that are implemented, and what they refuse. */
import { parseIpv4 } from '../core/index.ts';
import { parseTarget6, type Target6 } from './echo6.ts';

export interface PingOptions {
  /** Echo requests to send (`-c`); 0: until stopped. */
  readonly count: number;
  /** Seconds between requests (`-i`). */
  readonly intervalS: number;
  /** Seconds to wait for a first reply after the last request (`-W`). */
  readonly lingerS: number;
  /** Seconds after which everything ends (`-w`); 0: none. */
  readonly deadlineS: number;
  /** Bytes behind the ICMP header (`-s`). */
  readonly size: number;
  /** `-t`; 0: the namespace's default. */
  readonly ttl: number;
  /** `-Q`: the TOS byte. */
  readonly tos: number;
  /** Source address or device (`-I`); '': chosen. */
  readonly source: string;
  /** `-M`: `do` sets DF and refuses what is too long, `dont` clears it, `want` fragments locally. */
  readonly pmtudisc: 'do' | 'want' | 'dont';
  /** `-q`: the summary only. */
  readonly quiet: boolean;
  /** `-4`, `-6`; 0: whichever the target is. */
  readonly family: 0 | 4 | 6;
  /** `-b`: a broadcast address may be pinged. */
  readonly broadcast: boolean;
}

export const PING_DEFAULTS: PingOptions = {
  count: 0,
  intervalS: 1,
  lingerS: 10,
  deadlineS: 0,
  size: 56,
  ttl: 0,
  tos: 0,
  source: '',
  pmtudisc: 'want',
  quiet: false,
  broadcast: false,
  family: 0,
};

/** A refusal of the words: text for standard error, exit code. */
export interface Refusal {
  readonly text: string;
  readonly code: number;
}

export interface PingCommand {
  readonly target: string;
  readonly options: PingOptions;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const FLAGS = 'nqbv46';
const VALUES = 'ciWwstIMQ';

/** Reads the words that follow `ping`. Letters may stand together, and values at their letter. */
export function parsePing(argv: readonly string[]): PingCommand | Refusal {
  const options: Mutable<PingOptions> = { ...PING_DEFAULTS };
  let target: string | undefined;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] as string;
    if (!word.startsWith('-') || word === '-') {
      target = word;
      continue;
    }
    const refusal = setLetters(options, word.slice(1), () => argv[++i]);
    if (refusal !== undefined) return { text: `ping: ${refusal}`, code: 1 };
  }
  if (target === undefined)
    return { text: 'ping: usage error: Destination address required', code: 1 };
  return { target, options };
}

/** `qc3`: flags, and at the end perhaps a letter with its value. */
function setLetters(
  o: Mutable<PingOptions>,
  letters: string,
  next: () => string | undefined,
): string | undefined {
  for (let at = 0; at < letters.length; at++) {
    const letter = letters[at] as string;
    if (FLAGS.includes(letter)) {
      if (letter === 'q') o.quiet = true;
      if (letter === 'b') o.broadcast = true;
      if (letter === '4' || letter === '6') o.family = letter === '4' ? 4 : 6;
      continue;
    }
    if (!VALUES.includes(letter))
      return `-${letter} is not implemented here; the options are -4 -6 -b -c -i -I -M -n -q -Q -s -t -w -W`;
    const value = letters.slice(at + 1) || next();
    if (value === undefined) return `option requires an argument -- '${letter}'`;
    return setOption(o, letter, value);
  }
  return undefined;
}

function setOption(o: Mutable<PingOptions>, letter: string, value: string): string | undefined {
  switch (letter) {
    case 'c':
      return number(value, 1, Number.MAX_SAFE_INTEGER, (n) => {
        o.count = n;
      });
    case 's':
      return number(value, 0, 65507, (n) => {
        o.size = n;
      });
    case 't':
      return number(value, 0, 255, (n) => {
        o.ttl = n;
      });
    case 'Q':
      return number(value, 0, 255, (n) => {
        o.tos = n;
      });
    case 'i':
      return seconds(value, 0.002, (n) => {
        o.intervalS = n;
      });
    case 'W':
      return seconds(value, 0, (n) => {
        o.lingerS = n === 0 ? 10 : n;
      });
    case 'w':
      return seconds(value, 0, (n) => {
        o.deadlineS = n;
      });
    case 'I':
      o.source = value;
      return undefined;
    default:
      if (value !== 'do' && value !== 'want' && value !== 'dont')
        return `invalid -M argument: ${value}`;
      o.pmtudisc = value;
      return undefined;
  }
}

function number(
  text: string,
  min: number,
  max: number,
  set: (n: number) => void,
): string | undefined {
  const n = /^(0x[0-9a-f]+|-?\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(n)) return `invalid argument: '${text}'`;
  const top = max === Number.MAX_SAFE_INTEGER ? '9223372036854775807' : String(max);
  if (n < min || n > max)
    return `invalid argument: '${text}': out of range: ${min} <= value <= ${top}`;
  set(n);
  return undefined;
}

function seconds(text: string, min: number, set: (n: number) => void): string | undefined {
  const n = /^\d*\.?\d+$|^\d+\.$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(n)) return `bad timing interval: ${text}`;
  if (n < min) return `cannot flood, minimal interval for user must be >= ${min * 1000} ms`;
  set(n);
  return undefined;
}

/** The address that a word writes or names. */
export function resolveTarget(
  target: string,
  resolve: ((name: string) => string | undefined) | undefined,
): number | undefined {
  return parseIpv4(target) ?? parseIpv4(resolve?.(target) ?? '');
}

/** The destination of a ping command, of the family that `-4` or `-6` asks for. */
export function resolvePing(
  { target, options }: PingCommand,
  resolve: ((name: string) => string | undefined) | undefined,
): number | Target6 | undefined {
  const four = options.family === 6 ? undefined : resolveTarget(target, resolve);
  if (four !== undefined || options.family === 4) return four;
  return parseTarget6(target) ?? parseTarget6(resolve?.(target) ?? '');
}
