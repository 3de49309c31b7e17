/** `ip rule add|del|show|flush` (iproute2 `ip/iprule.c`). */
import { ROUTE_TYPES, tableNumber } from '../names.ts';
import type { RuleAction, RuleSpec } from '../rule.ts';
import type { IpContext } from './ip.ts';
import { flushRules, listRules } from './rule-list.ts';
import {
  deviceName,
  ipProtoWord,
  markWord,
  portsWord,
  protocolWord,
  rulePrefix,
  tosWord,
} from './rule-parse.ts';
import {
  abbreviates,
  CommandError,
  EXIT_PARSE,
  EXIT_USAGE,
  notImplemented,
  parseUnsigned,
  unknownCommand,
  type Words,
  wrongArgument,
} from './words.ts';

const COMMANDS: readonly string[] = ['list', 'show', 'add', 'delete', 'flush'];
/** What this stack has not: marks of users, of tunnels, and the realms of routes. */
const ABSENT: readonly string[] = ['uidrange', 'tun_id', 'realms', 'realm', 'nat', 'map-to'];
export const RULE_USAGE = `Usage: ip rule { add | del } SELECTOR ACTION
       ip rule { flush | list } [ SELECTOR ]
SELECTOR := [ not ] [ from PREFIX ] [ to PREFIX ] [ tos TOS ] [ fwmark FWMARK[/MASK] ]
            [ iif STRING ] [ oif STRING ] [ pref NUMBER ] [ l3mdev ] [ ipproto PROTOCOL ]
            [ sport [ NUMBER | NUMBER-NUMBER ] [ dport [ NUMBER | NUMBER-NUMBER ] ]
ACTION := [ table TABLE_ID ] [ protocol PROTO ] [ goto NUMBER ] [ nop ] [ TYPE ]
          [ suppress_prefixlength NUMBER ] [ suppress_ifgroup DEVGROUP ]
TYPE := { blackhole | unreachable | prohibit }`;

export function ipRule(ctx: IpContext, words: Words): string {
  if (words.empty) return listRules(ctx, words);
  const word = words.next();
  if (abbreviates(word, 'list') || word === 'lst' || abbreviates(word, 'show'))
    return listRules(ctx, words);
  if (abbreviates(word, 'add')) return modify(ctx, words, 'add');
  if (abbreviates(word, 'delete')) return modify(ctx, words, 'del');
  if (abbreviates(word, 'flush')) return flushRules(ctx, words);
  if (abbreviates(word, 'save') || abbreviates(word, 'restore'))
    throw notImplemented(`ip rule ${word}`, 'the nearest is "ip -j rule"');
  if (abbreviates(word, 'help')) throw new CommandError(RULE_USAGE, EXIT_USAGE);
  throw unknownCommand(word, 'rule', COMMANDS);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function modify(ctx: IpContext, words: Words, verb: 'add' | 'del'): string {
  if (words.empty) throw new CommandError(`"ip rule ${verb}" requires arguments.`, EXIT_PARSE);
  const spec: Mutable<RuleSpec> = {};
  const is6 = ctx.options.family === 'inet6';
  while (!words.empty) if (!selectorWord(words, spec, is6)) actionWord(words.next(), words, spec);
  if (spec.l3mdev === true && spec.table !== undefined)
    throw new CommandError('table can not be specified for l3mdev rules', 22);
  (is6 ? ctx.ns.rule6 : ctx.ns.rule)[verb](spec);
  return '';
}

/** Which flows the rule is about; false: the next word is none of these. */
function selectorWord(words: Words, spec: Mutable<RuleSpec>, is6: boolean): boolean {
  const word = words.peek;
  const isPriority =
    abbreviates(word, 'preference') || abbreviates(word, 'order') || abbreviates(word, 'priority');
  if (words.take('not')) spec.not = true;
  else if (words.take('from')) spec.from = rulePrefix(words.next(), is6);
  else if (words.take('to')) spec.to = rulePrefix(words.next(), is6);
  else if (words.take('tos', 'dsfield')) spec.tos = tosWord(words);
  else if (words.take('fwmark')) markWord(words.next(), spec);
  else if (words.take('dev', 'iif')) spec.iif = deviceName(words.next(), '"iif"/"dev"');
  else if (words.take('oif')) spec.oif = deviceName(words.next(), '"oif"');
  else if (words.take('l3mdev')) spec.l3mdev = true;
  else if (words.take('ipproto')) spec.ipproto = ipProtoWord(words);
  else if (words.take('sport')) spec.sport = portsWord(words.next());
  else if (words.take('dport')) spec.dport = portsWord(words.next());
  else if (isPriority) {
    words.next();
    spec.priority = words.unsigned('preference value is invalid');
  } else return false;
  return true;
}

function actionWord(word: string, words: Words, spec: Mutable<RuleSpec>): void {
  if (ABSENT.includes(word))
    throw notImplemented(`ip rule … ${word}`, 'the selectors of ip-rule(8) but these are there');
  if (abbreviates(word, 'protocol')) spec.protocol = protocolWord(words);
  else if (abbreviates(word, 'table') || word === 'lookup') spec.table = tableWord(words.next());
  else if (word === 'suppress_prefixlength' || word === 'sup_pl')
    spec.suppressPrefixlength = signedWord(words.next(), 'suppress_prefixlength value is invalid');
  else if (word === 'suppress_ifgroup' || word === 'sup_group')
    spec.suppressIfgroup = groupWord(words.next());
  else typeWord(word === 'type' ? words.next() : word, words, spec);
}

/** `goto`, `nop`, or what a flow is refused with. */
function typeWord(word: string, words: Words, spec: Mutable<RuleSpec>): void {
  if (word === 'help') throw new CommandError(RULE_USAGE, EXIT_USAGE);
  if (word === 'goto') {
    const target = parseUnsigned(words.peek);
    if (target === undefined || target > 0xffffffff)
      throw wrongArgument('invalid target\n', words.next());
    words.next();
    spec.action = 'goto';
    spec.goto = target;
  } else if (['nop', 'blackhole', 'unreachable', 'prohibit'].includes(word))
    spec.action = word as RuleAction;
  else if (ROUTE_TYPES.includes(word))
    throw notImplemented(`ip rule … ${word}`, 'the types are blackhole, unreachable and prohibit');
  else throw wrongArgument('Failed to parse rule type', word);
}

function tableWord(word: string): number {
  const table = tableNumber(word);
  if (table === undefined) throw wrongArgument('invalid table ID\n', word);
  return table;
}

function signedWord(word: string, message: string): number {
  const value = parseUnsigned(word.replace(/^-/, ''));
  if (value === undefined || value > 0x7fffffff) throw wrongArgument(`${message}\n`, word);
  return word.startsWith('-') ? -value : value;
}

function groupWord(word: string): number {
  const value = word === 'default' ? 0 : parseUnsigned(word);
  if (value === undefined) throw wrongArgument('Invalid "suppress_ifgroup" value\n', word);
  return value;
}
