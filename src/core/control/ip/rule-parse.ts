/** Words that selectors of rules are written with (iproute2 `ip/iprule.c`). */
import { dsfieldNumber, ipProtoNumber, protocolNumber } from '../names.ts';
import type { PortRangeSpec } from '../rule.ts';
import { anyPrefix } from './route-family.ts';
import { parseUnsigned, prefix6Of, type Words, wrongArgument } from './words.ts';

/** IFNAMSIZ */
const NAME_MAX = 15;

/** A prefix of either family, as it was written: the kernel says if it does not fit. */
export function rulePrefix(word: string, is6: boolean): string {
  if (!is6 && !word.includes(':')) {
    const { text } = anyPrefix(word, false);
    return text === 'default' ? '0.0.0.0/0' : text;
  }
  const { addr, len } = prefix6Of(word);
  return `${addr}/${len}`;
}

export function tosWord(words: Words): number {
  const word = words.next();
  const tos = dsfieldNumber(word);
  if (tos === undefined) throw wrongArgument('TOS value is invalid\n', word);
  return tos;
}

/** `7`, `0x10/0xf0` */
export function markWord(word: string, spec: { fwmark?: number; fwmask?: number }): void {
  const slash = word.indexOf('/');
  const [mark = '', mask] = slash < 0 ? [word] : [word.slice(0, slash), word.slice(slash + 1)];
  const value = parseUnsigned(mark);
  if (value === undefined || value > 0xffffffff)
    throw wrongArgument('fwmark value is invalid\n', mark);
  spec.fwmark = value;
  if (mask === undefined) return;
  const bits = parseUnsigned(mask);
  if (bits === undefined || bits > 0xffffffff)
    throw wrongArgument('fwmask value is invalid\n', mask);
  spec.fwmask = bits;
}

export function deviceName(name: string, which: string): string {
  if (name === '' || name.length > NAME_MAX || /[\s/]/.test(name))
    throw wrongArgument(`${which} not a valid ifname`, name);
  return name;
}

export function ipProtoWord(words: Words): number {
  const word = words.next();
  const n = ipProtoNumber(word);
  if (n === undefined) throw wrongArgument('Invalid "ipproto" value\n', word);
  return n;
}

/** `80`, `1000-2000`, and `0x1000/0xf000` as newer iproute2 has it; numbers are cut to 16 bits (`%hu`). */
export function portsWord(word: string): PortRangeSpec {
  const masked = /^(0x[0-9a-f]+|\d+)\/(0x[0-9a-f]+|\d+)$/i.exec(word);
  if (masked !== null) {
    const start = Number(masked[1]);
    return { start, end: start, mask: Number(masked[2]) };
  }
  const m = /^\s*[+-]?(\d+)(?:-(\d+))?/.exec(word);
  if (m === null) throw wrongArgument('invalid port range\n', word);
  const start = Number(m[1]) & 0xffff;
  return { start, end: m[2] === undefined ? start : Number(m[2]) & 0xffff };
}

export function protocolWord(words: Words): string {
  const word = words.next();
  if (protocolNumber(word) === undefined)
    throw wrongArgument('"protocol" value is invalid\n', word);
  return word;
}
