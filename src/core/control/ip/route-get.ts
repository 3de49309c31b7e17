/** `ip route get` of both families (iproute2 `iproute_get`). */
import { NetError } from '../../errno.ts';
import type { RouteQuery } from '../route.ts';
import { type Entry, printList } from './entry.ts';
import type { IpContext } from './ip.ts';
import { anyPrefix, deviceWord } from './route-family.ts';
import { tosWord } from './route-parse.ts';
import { decision6Entry, decisionEntry, NOTHING_FIXED, routeEntry } from './route-show.ts';
import { ipProtoWord } from './rule-parse.ts';
import { vrfWord } from './vrf-word.ts';
import {
  CommandError,
  EXIT_PARSE,
  notImplemented,
  parseUnsigned,
  type Words,
  wrongArgument,
} from './words.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Question {
  query: Mutable<RouteQuery>;
  dst: string | undefined;
  fibmatch: boolean;
  /** Asked again from the source that the answer has. */
  connected: boolean;
}

export function getRoute(ctx: IpContext, words: Words, is6: boolean): string {
  const q: Question = { query: {}, dst: undefined, fibmatch: false, connected: false };
  while (!words.empty) questionWord(ctx, words.next(), words, q, is6);
  if (q.dst === undefined)
    throw new CommandError('need at least a destination address', EXIT_PARSE);
  const entry = answer(ctx, q.dst, q, is6);
  // LINUX: the first answer is printed too.
  return printList(q.connected ? [entry, entry] : [entry], ctx.options);
}

function answer(ctx: IpContext, dst: string, q: Question, is6: boolean): Entry {
  const { route, route6 } = ctx.ns;
  const { query } = q;
  if (q.fibmatch) {
    const found = is6 ? route6.match(dst, query) : route.match(dst, query);
    return routeEntry(found, ctx.options, NOTHING_FIXED);
  }
  if (!is6) return decisionEntry(route.get(dst, query), ctx.options);
  const decision = route6.get(dst, query);
  return decision6Entry(decision, matchOf(ctx, dst, query), ctx.options);
}

/** The route behind a decision; null: there is none, the destination is taken to be on the link. */
function matchOf(
  ctx: IpContext,
  dst: string,
  query: RouteQuery,
): ReturnType<IpContext['ns']['route6']['match']> | null {
  try {
    return ctx.ns.route6.match(dst, query);
  } catch (e) {
    if (e instanceof NetError) return null;
    throw e;
  }
}

function questionWord(ctx: IpContext, word: string, words: Words, q: Question, is6: boolean): void {
  const { query } = q;
  switch (word) {
    case 'from':
      query.from = addressOnly(ctx, words.next(), is6, q);
      return;
    case 'iif':
      query.iif = deviceWord(ctx, words.next());
      return;
    case 'oif':
    case 'dev':
      query.oif = deviceWord(ctx, words.next());
      return;
    case 'vrf': {
      const name = words.next();
      vrfWord(ctx, name);
      query.oif = name;
      return;
    }
    case 'tos':
    case 'dsfield':
      query.tos = tosWord(words, 'TOS value is invalid\n');
      return;
    case 'mark':
      query.mark = numberWord(words.next(), 'invalid mark value', 0xffffffff);
      return;
    case 'ipproto':
      query.ipproto = ipProtoWord(words);
      return;
    case 'sport':
    case 'dport':
      query[word] = numberWord(words.next(), `invalid ${word}\n`, 0xffff);
      return;
    case 'connected':
      q.connected = true;
      return;
    case 'fibmatch':
      q.fibmatch = true;
      return;
    case 'uid':
    case 'notify':
      throw notImplemented(`ip route get ${word}`, 'routes here do not depend on it');
    default:
      q.dst = addressOnly(ctx, word === 'to' ? words.next() : word, is6, q);
  }
}

function numberWord(word: string, message: string, max: number): number {
  const n = parseUnsigned(word);
  if (n === undefined || n > max) throw wrongArgument(message, word);
  return n;
}

/** An address; a length behind it is passed over, with a warning. */
function addressOnly(ctx: IpContext, word: string, is6: boolean, q: Question): string {
  let prefix: ReturnType<typeof anyPrefix>;
  try {
    prefix = anyPrefix(word, is6);
  } catch (e) {
    // The first address says of which family the others are.
    const known = ctx.options.family !== '' || q.dst !== undefined || q.query.from !== undefined;
    if (is6 || !known || !(e instanceof CommandError)) throw e;
    throw new CommandError(`Error: inet prefix is expected rather than "${word}".`, EXIT_PARSE);
  }
  const [address = ''] =
    prefix.text === 'default' ? [is6 ? '::' : '0.0.0.0'] : prefix.text.split('/');
  const [, length] = word.split('/');
  const whole = is6 ? 128 : 32;
  if (length !== undefined && !prefix.whole)
    ctx.warn(`Warning: /${length} as prefix is invalid, only /${whole} (or none) is supported.`);
  return address;
}
