/** `ip rule show` and `flush`: the selector (iproute2 `iprule_list_flush_or_save`, `filter_nlmsg`). */
import { maskOf } from '../../util/address.ts';
import { samePrefix } from '../../util/ip6-addr.ts';
import { tableNumber } from '../names.ts';
import type { RuleInfo } from '../rule.ts';
import { printList } from './entry.ts';
import type { IpContext } from './ip.ts';
import { ipProtoWord, markWord, portsWord, protocolWord, tosWord } from './rule-parse.ts';
import { ruleEntry } from './rule-show.ts';
import {
  abbreviates,
  CommandError,
  EXIT_PARSE,
  notImplemented,
  prefix6Of,
  prefixOf,
  type Words,
  wrongArgument,
} from './words.ts';

type Filter = (rule: RuleInfo) => boolean;

/** @param flushing of `protocol`, a listing takes no notice */
function parse(ctx: IpContext, words: Words, flushing: boolean): Filter {
  const is6 = ctx.options.family === 'inet6';
  const filters: Filter[] = [];
  while (!words.empty) filters.push(filterWord(words, is6, flushing));
  return (rule) => filters.every((f) => f(rule));
}

function filterWord(words: Words, is6: boolean, flushing: boolean): Filter {
  const word = words.next();
  if (
    abbreviates(word, 'preference') ||
    abbreviates(word, 'order') ||
    abbreviates(word, 'priority')
  ) {
    const priority = words.unsigned('preference value is invalid');
    return (r) => r.priority === priority;
  }
  switch (word) {
    case 'not':
      return (r) => r.not;
    case 'tos':
    case 'dsfield': {
      const tos = tosWord(words);
      return (r) => r.tos === tos;
    }
    case 'fwmark':
      return markFilter(words.next());
    case 'dev':
    case 'iif': {
      const name = words.next();
      return (r) => r.iif === name;
    }
    case 'oif': {
      const name = words.next();
      return (r) => r.oif === name;
    }
    case 'l3mdev':
      return (r) => r.l3mdev;
    case 'ipproto': {
      const protocol = ipProtoWord(words);
      return (r) => r.ipproto === protocol;
    }
    case 'sport':
    case 'dport':
      return portsFilter(word, words.next());
    case 'uidrange':
    case 'tun_id':
      throw notImplemented(`ip rule show ${word}`, 'no rule here is about it');
    default:
      return otherWord(word, words, is6, flushing);
  }
}

function otherWord(word: string, words: Words, is6: boolean, flushing: boolean): Filter {
  if (word === 'lookup' || abbreviates(word, 'table')) {
    const name = words.next();
    const table = name === 'all' ? 0 : tableNumber(name);
    if (table === undefined) throw wrongArgument('table id value is invalid\n', name);
    return (r) => table === 0 || r.table === table;
  }
  if (word === 'from') return prefixFilter('src', words.next(), is6);
  if (abbreviates(word, 'protocol')) {
    const protocol = protocolWord(words);
    return (r) => !flushing || r.protocol === protocol;
  }
  const isTo = word === 'to' || abbreviates(word, 'dst');
  return prefixFilter('dst', isTo ? words.next() : word, is6);
}

function markFilter(word: string): Filter {
  const wish: { fwmark?: number; fwmask?: number } = {};
  markWord(word, wish);
  return (r) => r.fwmark === wish.fwmark && (wish.fwmask === undefined || r.fwmask === wish.fwmask);
}

function portsFilter(key: 'sport' | 'dport', word: string): Filter {
  const wish = portsWord(word);
  return (r) => r[key]?.start === wish.start && r[key]?.end === wish.end;
}

/** Rules whose prefix lies in this one. */
function prefixFilter(key: 'src' | 'dst', word: string, is6: boolean): Filter {
  try {
    if (is6) {
      const { addr, len } = prefix6Of(word);
      return (r) => within(r, key, len, (own) => samePrefix(prefix6Of(own).addr, addr, len));
    }
    const { addr, len } = prefixOf(word);
    const mask = maskOf(len);
    return (r) => within(r, key, len, (own) => ((prefixOf(own).addr ^ addr) & mask) === 0);
  } catch (e) {
    if (!(e instanceof CommandError) || is6) throw e;
    throw new CommandError(`Error: inet prefix is expected rather than "${word}".`, EXIT_PARSE);
  }
}

function within(
  r: RuleInfo,
  key: 'src' | 'dst',
  len: number,
  same: (own: string) => boolean,
): boolean {
  const own = r[key];
  if (len === 0) return true;
  return own !== null && r[`${key}Len`] >= len && same(own);
}

export function listRules(ctx: IpContext, words: Words): string {
  const filter = parse(ctx, words, false);
  const rules = ctx.options.family === 'inet6' ? ctx.ns.rule6 : ctx.ns.rule;
  const entries = rules
    .list()
    .filter(filter)
    .map((r) => ruleEntry(r, ctx.options));
  return printList(entries, ctx.options);
}

/** LINUX: a rule of priority 0 is never flushed, it has no attribute that says its priority. */
export function flushRules(ctx: IpContext, words: Words): string {
  const filter = parse(ctx, words, true);
  const rules = ctx.options.family === 'inet6' ? ctx.ns.rule6 : ctx.ns.rule;
  rules.flush((r) => r.priority !== 0 && filter(r));
  return '';
}
