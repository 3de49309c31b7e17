/** `ip neigh add|change|replace|del|get|show|flush` (iproute2 `ip/ipneigh.c`). */
import { formatIpv4, maskOf, parseMac } from '../../util/address.ts';
import { samePrefix } from '../../util/ip6-addr.ts';
import type { NeighbourInfo } from '../info.ts';
import { NEIGH_STATES } from '../names.ts';
import { printList } from './entry.ts';
import type { IpContext } from './ip.ts';
import { neighEntry } from './neigh-show.ts';
import {
  abbreviates,
  CommandError,
  EXIT_PARSE,
  EXIT_USAGE,
  isIpv6Word,
  noDevice,
  notImplemented,
  type Prefix,
  type Prefix6,
  prefix6Of,
  prefixOf,
  unknownCommand,
  type Words,
  wrongArgument,
} from './words.ts';

const COMMANDS: readonly string[] = ['add', 'change', 'replace', 'delete', 'get', 'show', 'flush'];

export function ipNeigh(ctx: IpContext, words: Words): string {
  if (words.empty) return showNeighbours(ctx, words);
  const word = words.next();
  if (abbreviates(word, 'add')) return modify(ctx, words, 'add');
  if (abbreviates(word, 'change') || word === 'chg') return modify(ctx, words, 'change');
  if (abbreviates(word, 'replace')) return modify(ctx, words, 'replace');
  if (abbreviates(word, 'delete')) return modify(ctx, words, 'del');
  if (abbreviates(word, 'get')) return getNeighbour(ctx, words);
  if (abbreviates(word, 'show') || word === 'lst' || abbreviates(word, 'list'))
    return showNeighbours(ctx, words);
  if (abbreviates(word, 'flush')) return flushNeighbours(ctx, words);
  throw unknownCommand(word, 'neigh', COMMANDS);
}

type Verb = 'add' | 'change' | 'replace' | 'del';

interface Parsed {
  dst: string | undefined;
  device: string | undefined;
  lladdr: string | undefined;
  state: string;
}

const STATE_NAMES: readonly string[] = ['NONE', ...NEIGH_STATES.map(([, name]) => name)];

/** The state that `word` names, in capitals (`nud_state_a2n`). */
function stateWord(word: string): string {
  const state = word.toUpperCase();
  if (!STATE_NAMES.includes(state)) throw wrongArgument('nud state is bad', word);
  return state;
}

function parse(words: Words): Parsed {
  const p: Parsed = { dst: undefined, device: undefined, lladdr: undefined, state: 'PERMANENT' };
  while (!words.empty) {
    const word = words.next();
    if (word === 'lladdr') p.lladdr = words.next();
    else if (word === 'nud') p.state = stateWord(words.next());
    else if (word === 'dev') p.device = words.next();
    else if (STATE_NAMES.includes(word.toUpperCase()) && word === word.toLowerCase())
      p.state = word.toUpperCase();
    else if (
      ['proxy', 'router', 'extern_learn', 'use', 'managed', 'vni', 'protocol'].includes(word)
    )
      throw notImplemented(`ip neigh … ${word}`, 'the words are lladdr, nud and dev');
    else p.dst = addressText(word === 'to' ? words.next() : word);
  }
  return p;
}

function addressText(word: string): string {
  if (isIpv6Word(word)) return String(prefix6Of(word).addr);
  return formatIpv4(prefixOf(word).addr);
}

function modify(ctx: IpContext, words: Words, verb: Verb): string {
  const p = parse(words);
  if (p.dst === undefined || p.device === undefined)
    throw new CommandError('Device and destination are required arguments.', EXIT_USAGE);
  if (p.lladdr !== undefined && parseMac(p.lladdr) === undefined)
    throw new CommandError(`"${p.lladdr}" is invalid lladdr.`, EXIT_PARSE);
  if (!ctx.ns.link.has(p.device)) throw noDevice(p.device);
  if (verb === 'del') ctx.ns.neigh.del(p.dst, p.device);
  else
    ctx.ns.neigh[verb]({
      dst: p.dst,
      dev: p.device,
      state: p.state,
      ...(p.lladdr === undefined ? {} : { lladdr: p.lladdr }),
    });
  return '';
}

function getNeighbour(ctx: IpContext, words: Words): string {
  const p = parse(words);
  if (p.dst === undefined || p.device === undefined)
    throw new CommandError('Device and address are required arguments.', EXIT_PARSE);
  if (!ctx.ns.link.has(p.device)) throw noDevice(p.device);
  return printList(
    [neighEntry(ctx.ns.neigh.get(p.dst, p.device), ctx.options, false)],
    ctx.options,
  );
}

interface Selector {
  to: Prefix | undefined;
  to6: Prefix6 | undefined;
  device: string | undefined;
  /** Undefined: the default of the command. */
  states: string[] | undefined;
}

function selector(ctx: IpContext, words: Words): Selector {
  const s: Selector = { to: undefined, to6: undefined, device: undefined, states: undefined };
  while (!words.empty) {
    const word = words.next();
    if (word === 'dev') s.device = words.next();
    else if (word === 'nud') {
      const state = words.next();
      s.states ??= [];
      s.states.push(...(state === 'all' ? STATE_NAMES : [stateWord(state)]));
    } else if (['proxy', 'unused', 'vrf', 'master', 'nomaster', 'protocol'].includes(word))
      throw notImplemented(`ip neigh show ${word}`, 'the selectors are to, dev and nud');
    else {
      const text = word === 'to' ? words.next() : word;
      if (isIpv6Word(text)) s.to6 = prefix6Of(text);
      else s.to = prefixOf(text);
    }
  }
  if (s.device !== undefined && !ctx.ns.link.has(s.device)) throw noDevice(s.device);
  return s;
}

function isSelected(n: NeighbourInfo, s: Selector, hidden: readonly string[]): boolean {
  if (s.device !== undefined && n.dev !== s.device) return false;
  if (s.states !== undefined ? !s.states.includes(n.state) : hidden.includes(n.state)) return false;
  if (s.to6 !== undefined)
    return n.family === 'inet6' && samePrefix(prefix6Of(n.dst).addr, s.to6.addr, s.to6.len);
  if (s.to === undefined) return true;
  if (n.family !== 'inet') return false;
  const mask = maskOf(s.to.len);
  return (prefixOf(n.dst).addr & mask) === (s.to.addr & mask);
}

function showNeighbours(ctx: IpContext, words: Words): string {
  const s = selector(ctx, words);
  const { family } = ctx.options;
  const entries = ctx.ns.neigh
    .list(family === 'inet' || family === 'inet6' ? family : undefined)
    .filter((n) => isSelected(n, s, ['NONE', 'NOARP']))
    .map((n) => neighEntry(n, ctx.options, s.device !== undefined));
  return printList(entries, ctx.options);
}

function flushNeighbours(ctx: IpContext, words: Words): string {
  if (words.empty) throw new CommandError('Flush requires arguments.', EXIT_PARSE);
  const s = selector(ctx, words);
  const n = ctx.ns.neigh.flush(
    (one) => isWanted(ctx, one) && isSelected(one, s, ['NONE', 'NOARP', 'PERMANENT']),
  );
  if (ctx.options.stats === 0) return '';
  if (n === 0) return 'Nothing to flush.\n';
  return `\n*** Round 1, deleting ${n} entries ***\n*** Flush is complete after 1 round ***\n`;
}

/** Of the family that was asked for. */
function isWanted(ctx: IpContext, n: NeighbourInfo): boolean {
  const { family } = ctx.options;
  return (family !== 'inet' && family !== 'inet6') || n.family === family;
}
