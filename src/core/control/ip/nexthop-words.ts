/** `ip nexthop` (iproute2 `ip/ipnexthop.c`). */
import { errnoText, NetError } from '../../errno.ts';
import { parseIpv4 } from '../../util/address.ts';
import { parseIpv6 } from '../../util/ip6-addr.ts';
import { protocolNumber } from '../names.ts';
import type { NexthopGroupEntry, NexthopObjectInfo, NexthopObjectSpec } from '../nexthop.ts';
import { printList } from './entry.ts';
import type { IpContext } from './ip.ts';
import { bucketEntry, nexthopEntry } from './nexthop-show.ts';
import { vrfWord } from './vrf-word.ts';
import {
  abbreviates,
  CommandError,
  EXIT_PARSE,
  EXIT_USAGE,
  notImplemented,
  parseUnsigned,
  type Words,
  wrongArgument,
} from './words.ts';

const USAGE = `Usage: ip nexthop { list | flush } [ protocol ID ] SELECTOR
       ip nexthop { add | replace } id ID NH [ protocol ID ]
       ip nexthop { get | del } id ID
       ip nexthop bucket list BUCKET_SELECTOR
       ip nexthop bucket get id ID index INDEX
SELECTOR := [ id ID ] [ dev DEV ] [ vrf NAME ] [ master DEV ] [ groups ]
BUCKET_SELECTOR := SELECTOR | [ nhid ID ]
NH := { blackhole | [ via ADDRESS ] [ dev DEV ] [ onlink ] |
        group GROUP [ type TYPE [ TYPE_ARGS ] ] }
GROUP := [ <id[,weight]>/<id[,weight]>/... ]
TYPE := { mpath | resilient }
TYPE_ARGS := [ buckets BUCKETS ] [ idle_timer IDLE ] [ unbalanced_timer UNBALANCED ]`;

export function ipNexthop(ctx: IpContext, words: Words): string {
  if (words.empty) return list(ctx, words);
  const word = words.next();
  if (abbreviates(word, 'add')) return modify(ctx, words, 'add');
  if (abbreviates(word, 'replace')) return modify(ctx, words, 'replace');
  if (abbreviates(word, 'delete')) return modify(ctx, words, 'del');
  if (abbreviates(word, 'list') || abbreviates(word, 'show') || word === 'lst')
    return list(ctx, words);
  if (abbreviates(word, 'get')) return get(ctx, words);
  if (abbreviates(word, 'flush')) return flush(ctx, words);
  if (abbreviates(word, 'bucket')) return bucket(ctx, words);
  if (abbreviates(word, 'help')) throw usage();
  throw new CommandError(`Command "${word}" is unknown, try "ip nexthop help".`, EXIT_USAGE);
}

function usage(): CommandError {
  return new CommandError(USAGE, EXIT_USAGE);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function modify(ctx: IpContext, words: Words, verb: 'add' | 'replace' | 'del'): string {
  const { family } = ctx.options;
  const spec: Mutable<NexthopObjectSpec> =
    family === 'inet' || family === 'inet6' ? { family } : {};
  while (!words.empty) nexthopWord(ctx, words.next(), words, spec);
  if (verb === 'del') ctx.ns.nexthop.del(spec.id ?? 0);
  else ctx.ns.nexthop[verb](spec);
  return '';
}

function nexthopWord(
  ctx: IpContext,
  word: string,
  words: Words,
  spec: Mutable<NexthopObjectSpec>,
): void {
  switch (word) {
    case 'id':
      spec.id = idWord(words.next(), 'invalid id value');
      return;
    case 'dev':
      Object.assign(spec, { dev: existing(ctx, words.next()) });
      return;
    case 'via':
      viaWord(words, spec);
      return;
    case 'fdb':
    case 'encap':
      throw notImplemented(
        `ip nexthop … ${word}`,
        'the words are via, dev, onlink, blackhole, group',
      );
    case 'blackhole':
      spec.blackhole = true;
      return;
    case 'onlink':
      spec.onlink = true;
      return;
    case 'group':
      spec.group = groupWord(words.next());
      return;
    case 'type':
      typeWords(words, spec);
      return;
    case 'help':
      throw usage();
    default:
      if (!abbreviates(word, 'protocol')) throw new CommandError(invalid(word), EXIT_USAGE);
      spec.protocol = protocolWord(words, '"protocol" value is invalid\n');
  }
}

function invalid(word: string): string {
  return `Error: argument "${word}" is wrong: `;
}

function idWord(word: string, message: string): number {
  const id = parseUnsigned(word);
  if (id === undefined || id > 0xffffffff) throw wrongArgument(message, word);
  return id;
}

/** The address has the family that was not said. */
function viaWord(words: Words, spec: Mutable<NexthopObjectSpec>): void {
  if (words.take('inet')) spec.family = 'inet';
  else if (words.take('inet6')) spec.family = 'inet6';
  const word = words.next();
  const is6 = word.includes(':');
  const addr = is6 ? parseIpv6(word) : parseIpv4(word);
  const wanted = spec.family ?? (is6 ? 'inet6' : 'inet');
  if (addr === undefined || (wanted === 'inet6') !== is6) {
    const kind = spec.family ?? 'any valid';
    throw new CommandError(`Error: ${kind} address is expected rather than "${word}".`, EXIT_PARSE);
  }
  spec.family = wanted;
  spec.via = word;
}

/** `1/2,5/3` */
function groupWord(text: string): NexthopGroupEntry[] {
  return text.split('/').map((part, i, all) => {
    const [id = '', weight] = part.split(',');
    const n = parseUnsigned(id);
    // LINUX: the parser has cut the text at what came before.
    if (n === undefined || n > 0xffffffff)
      throw wrongArgument('"group" value is invalid\n', i === 0 ? part : (all[0] ?? ''));
    if (weight === undefined) return { id: n };
    const w = parseUnsigned(weight);
    if (w === undefined || w === 0 || w > 256) throw wrongArgument('"weight" is invalid\n', weight);
    return { id: n, weight: w };
  });
}

function typeWords(words: Words, spec: Mutable<NexthopObjectSpec>): void {
  const word = words.next();
  if (word !== 'mpath' && word !== 'resilient')
    throw wrongArgument('"type" value is invalid\n', word);
  spec.type = word;
  if (word !== 'resilient') return;
  for (;;) {
    if (words.take('buckets')) spec.buckets = words.unsigned('buckets value is invalid', 0xffff);
    else if (words.take('idle_timer'))
      spec.idleTimer = words.unsigned('idle_timer value is invalid');
    else if (words.take('unbalanced_timer'))
      spec.unbalancedTimer = words.unsigned('unbalanced_timer value is invalid');
    else return;
  }
}

function existing(ctx: IpContext, name: string): string {
  if (!ctx.ns.link.has(name)) throw wrongArgument('Device does not exist\n', name);
  return name;
}

function protocolWord(words: Words, message: string): string {
  const word = words.next();
  if (protocolNumber(word) === undefined) throw wrongArgument(message, word);
  return word;
}

interface Selector {
  filter: (nh: NexthopObjectInfo) => boolean;
  /** One was asked for by its number. */
  id: number | undefined;
  /** Of buckets: the nexthop to which they lead. */
  nhid: number | undefined;
}

function selector(ctx: IpContext, words: Words, ofBuckets: boolean): Selector {
  const filters: ((nh: NexthopObjectInfo) => boolean)[] = [];
  const s: Selector = {
    filter: (nh) => filters.every((f) => f(nh)),
    id: undefined,
    nhid: undefined,
  };
  const { family } = ctx.options;
  if (family === 'inet' || family === 'inet6') filters.push((nh) => nh.family === family);
  while (!words.empty) {
    const word = words.next();
    if (word === 'dev') {
      const name = existing(ctx, words.next());
      filters.push((nh) => nh.dev === name);
    } else if (word === 'groups') filters.push((nh) => nh.group !== null);
    else if (word === 'master') filters.push(masterFilter(ctx, existing(ctx, words.next())));
    else if (word === 'vrf') {
      const name = words.next();
      vrfWord(ctx, name);
      filters.push(masterFilter(ctx, name));
    } else if (word === 'id') s.id = idWord(words.next(), 'invalid id value');
    else if (word === 'nhid' && ofBuckets)
      s.nhid = idWord(words.next(), 'invalid nexthop id value');
    else if (abbreviates(word, 'protocol')) {
      const protocol = numericProtocol(words.next());
      filters.push((nh) => protocolNumber(nh.protocol) === protocol);
    } else if (word === 'fdb')
      throw notImplemented('ip nexthop show fdb', 'no nexthop here is one');
    else if (word === 'help') throw usage();
    else throw new CommandError(invalid(word), EXIT_USAGE);
  }
  return s;
}

/** LINUX: a selector takes the protocol's number, not its name. */
function numericProtocol(word: string): number {
  const n = parseUnsigned(word);
  if (n === undefined || n > 255) throw wrongArgument('invalid protocol value', word);
  return n;
}

function masterFilter(ctx: IpContext, master: string): (nh: NexthopObjectInfo) => boolean {
  const index = ctx.ns.net.devs.find(master);
  return (nh) => {
    const dev = nh.dev === null ? undefined : ctx.ns.net.devs.find(nh.dev);
    return index !== undefined && dev?.master === index;
  };
}

function list(ctx: IpContext, words: Words): string {
  const s = selector(ctx, words, false);
  const all = s.id === undefined ? ctx.ns.nexthop.list() : [ctx.ns.nexthop.get(s.id)];
  const shown = s.id === undefined ? all.filter(s.filter) : all;
  return printList(
    shown.map((nh) => nexthopEntry(nh, ctx.options).add('\n')),
    ctx.options,
  );
}

function get(ctx: IpContext, words: Words): string {
  let id: number | undefined;
  while (!words.empty) {
    const word = words.next();
    if (word !== 'id') throw usage();
    id = idWord(words.next(), 'invalid id value');
  }
  if (id === undefined) throw usage();
  const entry = nexthopEntry(ctx.ns.nexthop.get(id), ctx.options).add('\n');
  return printList([entry], ctx.options);
}

function flush(ctx: IpContext, words: Words): string {
  const s = selector(ctx, words, false);
  const { nexthop } = ctx.ns;
  if (s.id !== undefined) {
    flushOne(ctx, s.id);
    return '';
  }
  const wanted = nexthop.list().filter(s.filter);
  // One may have gone with another; it counts.
  for (const nh of wanted) if (nexthop.list().some((left) => left.id === nh.id)) nexthop.del(nh.id);
  const count = wanted.length;
  return count === 0 ? 'Nothing to flush\n' : `Flushed ${count} nexthops\n`;
}

/** LINUX: with an exit code of its own. */
function flushOne(ctx: IpContext, id: number): void {
  try {
    ctx.ns.nexthop.del(ctx.ns.nexthop.get(id).id);
  } catch (e) {
    if (!(e instanceof NetError)) throw e;
    throw new CommandError(`RTNETLINK answers: ${errnoText(e.errno)}`, EXIT_PARSE, e.errno);
  }
}

function bucket(ctx: IpContext, words: Words): string {
  if (words.empty) return buckets(ctx, words);
  const word = words.next();
  if (abbreviates(word, 'list') || abbreviates(word, 'show') || word === 'lst')
    return buckets(ctx, words);
  if (abbreviates(word, 'get')) return oneBucket(ctx, words);
  if (abbreviates(word, 'help')) throw usage();
  throw new CommandError(`Command "${word}" is unknown, try "ip nexthop help".`, EXIT_USAGE);
}

function buckets(ctx: IpContext, words: Words): string {
  const s = selector(ctx, words, true);
  const known = ctx.ns.nexthop.list();
  const shown = ctx.ns.nexthop.buckets(s.id).filter((b) => {
    if (s.nhid !== undefined && b.nhid !== s.nhid) return false;
    const nh = known.find((one) => one.id === b.nhid);
    return nh !== undefined && s.filter(nh);
  });
  return printList(shown.map(bucketEntry), ctx.options);
}

function oneBucket(ctx: IpContext, words: Words): string {
  let id: number | undefined;
  let index: number | undefined;
  while (!words.empty) {
    const word = words.next();
    if (word === 'id') id = idWord(words.next(), 'invalid id value');
    else if (word === 'index') index = idWord(words.next(), 'invalid bucket index value');
    else throw usage();
  }
  if (id === undefined || index === undefined) throw usage();
  return printList([bucketEntry(ctx.ns.nexthop.bucket(id, index))], ctx.options);
}
