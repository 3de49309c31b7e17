/** `ip addr add|change|replace|del|flush|show` (iproute2 `ip/ipaddress.c`). */
import { EOPNOTSUPP, NetError } from '../../errno.ts';
import { formatIpv4, maskOf } from '../../util/address.ts';
import type { AddressFilter, AddressSpec } from '../addr.ts';
import type { AddressInfo } from '../info.ts';
import { scopeName, scopeNumber } from '../names.ts';
import { addrEntry } from './addr-show.ts';
import { isSelected6, modifyAddress6, selector6 } from './addr6-words.ts';
import { type PrintOptions, printList } from './entry.ts';
import type { IpContext } from './ip.ts';
import { nearestOf } from './nearest.ts';
import {
  abbreviates,
  CommandError,
  duplicateArgument,
  EXIT_PARSE,
  garbageArgument,
  noDevice,
  notImplemented,
  type Prefix,
  prefixOf,
  unknownCommand,
  type Words,
  wrongArgument,
} from './words.ts';

const COMMANDS: readonly string[] = ['add', 'change', 'replace', 'delete', 'show', 'flush'];
const WORDS: readonly string[] = [
  'peer',
  'broadcast',
  'scope',
  'dev',
  'label',
  'metric',
  'local',
  'valid_lft',
  'preferred_lft',
  'noprefixroute',
];
const UNIMPLEMENTED: readonly string[] = [
  'anycast',
  'home',
  'mngtmpaddr',
  'nodad',
  'optimistic',
  'autojoin',
  'proto',
];

export function ipAddr(ctx: IpContext, words: Words): string {
  if (words.empty) return showAddresses(ctx, words);
  const word = words.next();
  if (abbreviates(word, 'add')) return modify(ctx, words, 'add');
  if (abbreviates(word, 'change') || word === 'chg') return modify(ctx, words, 'change');
  if (abbreviates(word, 'replace')) return modify(ctx, words, 'replace');
  if (abbreviates(word, 'delete')) return modify(ctx, words, 'del');
  if (abbreviates(word, 'show') || word === 'lst' || abbreviates(word, 'list'))
    return showAddresses(ctx, words);
  if (abbreviates(word, 'flush')) return flushAddresses(ctx, words);
  throw unknownCommand(word, 'address', COMMANDS);
}

interface Parsed {
  local: Prefix | undefined;
  peer: Prefix | undefined;
  device: string | undefined;
  broadcast: string | undefined;
  scope: string | undefined;
  label: string | undefined;
  metric: number | undefined;
  validLft: number | undefined;
  preferredLft: number | undefined;
  noprefixroute: boolean;
}

function parse(words: Words): Parsed {
  const p: Parsed = {
    local: undefined,
    peer: undefined,
    device: undefined,
    broadcast: undefined,
    scope: undefined,
    label: undefined,
    metric: undefined,
    validLft: undefined,
    preferredLft: undefined,
    noprefixroute: false,
  };
  while (!words.empty) attribute(words.next(), words, p);
  return p;
}

function attribute(word: string, words: Words, p: Parsed): void {
  switch (word) {
    case 'peer':
    case 'remote':
      if (p.peer !== undefined) throw duplicateArgument('peer', words.next());
      p.peer = words.prefix();
      return;
    case 'broadcast':
    case 'brd':
      p.broadcast = broadcastWord(words, p);
      return;
    case 'scope': {
      const scope = words.next();
      if (scopeNumber(scope) === undefined) throw wrongArgument('invalid scope value.', scope);
      p.scope = scope;
      return;
    }
    case 'dev':
      p.device = words.next();
      return;
    case 'label':
      p.label = words.next();
      return;
    case 'metric':
    case 'priority':
    case 'preference':
      p.metric = words.unsigned('"metric" value is invalid');
      return;
    case 'valid_lft':
    case 'preferred_lft':
      p[word === 'valid_lft' ? 'validLft' : 'preferredLft'] = lifetime(word, words);
      return;
    case 'noprefixroute':
      p.noprefixroute = true;
      return;
    default:
      localWord(word, words, p);
  }
}

function localWord(word: string, words: Words, p: Parsed): void {
  if (UNIMPLEMENTED.includes(word))
    throw notImplemented(`ip addr … ${word}`, `the nearest word is "${nearestOf(word, WORDS)}"`);
  const text = word === 'local' ? words.next() : word;
  if (p.local !== undefined) throw garbageArgument('local', text, WORDS);
  p.local = prefixOf(text);
}

/** `+` and `-`: computed from the prefix, and none. */
function broadcastWord(words: Words, p: Parsed): string {
  if (p.broadcast !== undefined) throw duplicateArgument('broadcast', words.next());
  if (words.peek === '+' || words.peek === '-') return words.next();
  return formatIpv4(words.address());
}

function lifetime(key: string, words: Words): number {
  if (words.take('forever')) return Number.POSITIVE_INFINITY;
  return words.unsigned(`"${key}" value is invalid`);
}

type Verb = 'add' | 'change' | 'replace' | 'del';

function modify(ctx: IpContext, words: Words, verb: Verb): string {
  if (ctx.options.family === 'inet6' || (ctx.options.family === '' && words.meansIpv6))
    return modifyAddress6(ctx, words, verb);
  const p = parse(words);
  if (p.device === undefined)
    throw new CommandError('Not enough information: "dev" argument is required.', EXIT_PARSE);
  if (!ctx.ns.link.has(p.device)) throw noDevice(p.device);
  if (verb === 'del') return remove(ctx, p, p.device);
  const local = p.local ?? p.peer;
  if (local === undefined) throw new NetError(EOPNOTSUPP, 'rtnetlink');
  ctx.ns.addr[verb](specOf(p, local, p.device));
  return '';
}

function specOf(p: Parsed, local: Prefix, dev: string): AddressSpec {
  const len = p.peer !== undefined && p.local !== undefined ? p.peer.len : local.len;
  return {
    local: `${formatIpv4(local.addr)}/${len}`,
    dev,
    ...(p.peer === undefined ? {} : { peer: formatIpv4(p.peer.addr) }),
    ...(p.broadcast === undefined ? {} : { broadcast: p.broadcast }),
    // LINUX: without a scope word, 127/8 is of scope host (`default_scope`).
    scope: p.scope ?? (local.addr >>> 24 === 127 ? 'host' : 'global'),
    ...(p.label === undefined ? {} : { label: p.label }),
    ...(p.metric === undefined ? {} : { metric: p.metric }),
    ...(p.validLft === undefined ? {} : { validLft: p.validLft }),
    ...(p.preferredLft === undefined ? {} : { preferredLft: p.preferredLft }),
    ...(p.noprefixroute ? { noprefixroute: true } : {}),
  };
}

function remove(ctx: IpContext, p: Parsed, dev: string): string {
  const local = p.local;
  const spec = {
    dev,
    ...(local === undefined ? {} : { local: formatIpv4(local.addr) }),
    // An address without a length deletes whatever has that address.
    ...(local === undefined || local.bare ? {} : { prefixLen: local.len }),
    ...(p.peer === undefined ? {} : { peer: formatIpv4(p.peer.addr) }),
    ...(p.label === undefined ? {} : { label: p.label }),
  };
  if (local?.bare === true && p.peer === undefined) {
    const text = formatIpv4(local.addr);
    ctx.warn(
      'Warning: Executing wildcard deletion to stay compatible with old scripts.\n' +
        `         Explicitly specify the prefix length (${text}/32) to avoid this warning.\n` +
        '         This special behaviour is likely to disappear in further releases,\n' +
        '         fix your scripts!',
    );
  }
  ctx.ns.addr.del(spec);
  return '';
}

/** Selector of `show` and `flush`. */
interface Selector {
  device: string | undefined;
  up: boolean;
  scope: string | undefined;
  label: string | undefined;
  to: Prefix | undefined;
  dynamic: boolean | undefined;
  primary: boolean | undefined;
  deprecated: boolean | undefined;
}

function selector(ctx: IpContext, words: Words): Selector {
  const s: Selector = {
    device: undefined,
    up: false,
    scope: undefined,
    label: undefined,
    to: undefined,
    dynamic: undefined,
    primary: undefined,
    deprecated: undefined,
  };
  while (!words.empty) selectorWord(words.next(), words, s);
  if (s.device !== undefined && !ctx.ns.link.has(s.device))
    throw new CommandError(`Device "${s.device}" does not exist.`, EXIT_PARSE);
  return s;
}

function selectorWord(word: string, words: Words, s: Selector): void {
  switch (word) {
    case 'up':
      s.up = true;
      return;
    case 'to':
      s.to = words.prefix();
      return;
    case 'scope': {
      const scope = words.next();
      if (scope === 'all') return;
      const n = scopeNumber(scope);
      if (n === undefined) throw wrongArgument('invalid "scope"\n', scope);
      s.scope = scopeName(n);
      return;
    }
    case 'label':
      s.label = words.next();
      return;
    case 'dynamic':
    case 'permanent':
      s.dynamic = word === 'dynamic';
      return;
    case 'primary':
    case 'secondary':
      s.primary = word === 'primary';
      return;
    case 'deprecated':
    case '-deprecated':
      s.deprecated = word === 'deprecated';
      return;
    case 'master':
    case 'vrf':
    case 'type':
    case 'group':
    case 'tentative':
    case 'dadfailed':
      throw notImplemented(
        `ip addr show ${word}`,
        `the nearest word is "${nearestOf(word, ['dev', 'up', 'scope', 'label', 'to', 'dynamic', 'primary'])}"`,
      );
    default: {
      const name = word === 'dev' ? words.next() : word;
      if (s.device !== undefined) throw garbageArgument('dev', name);
      s.device = name;
    }
  }
}

function isSelected(a: AddressInfo, s: Selector): boolean {
  if (s.device !== undefined && a.dev !== s.device) return false;
  if (s.scope !== undefined && a.scope !== s.scope) return false;
  if (s.label !== undefined && !labelMatches(s.label, a.label)) return false;
  if (s.dynamic !== undefined && s.dynamic !== isDynamic(a)) return false;
  if (s.primary !== undefined && s.primary === a.secondary) return false;
  if (s.deprecated !== undefined && s.deprecated !== a.deprecated) return false;
  return s.to === undefined || isInside(a.local, s.to);
}

function isDynamic(a: AddressInfo): boolean {
  if (a.family === 'inet6') return a.flags.includes('dynamic');
  return a.validLft !== Number.POSITIVE_INFINITY;
}

function isInside(address: string, prefix: Prefix): boolean {
  return (prefixOf(address).addr & maskOf(prefix.len)) === (prefix.addr & maskOf(prefix.len));
}

/** Shell patterns with `*` and `?` (`fnmatch`). */
function labelMatches(pattern: string, label: string): boolean {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replace(/\*/g, '.*').replace(/\?/g, '.')}$`).test(label);
}

/** `ip -6 addr show`; devices without an address are shown only when they are asked for by name. */
function showAddresses6(ctx: IpContext, words: Words): string {
  const s = selector6(ctx, words);
  const addresses = ctx.ns.addr6.list().filter((a) => isSelected6(a, s));
  // LINUX: of one device the link itself is asked for, and says all that it says to IPv4.
  const options: PrintOptions =
    s.device === undefined ? ctx.options : { ...ctx.options, family: 'inet' };
  const entries = ctx.ns.link
    .list()
    .filter((l) => (s.device === undefined || l.name === s.device) && (!s.up || l.up))
    .map((link) => ({ link, own: addresses.filter((a) => a.dev === link.name) }))
    .filter(({ own }) => own.length > 0)
    .map(({ link, own }) => addrEntry(link, own, options, true));
  return printList(entries, ctx.options);
}

/** IPv6 addresses follow those of IPv4, where both are asked for. */
function listed(ctx: IpContext, s: Selector): AddressInfo[] {
  const both = ctx.options.family === '' && s.to === undefined && s.label === undefined;
  const list = both ? [...ctx.ns.addr.list(), ...ctx.ns.addr6.list()] : ctx.ns.addr.list();
  return list.filter((a) => isSelected(a, s));
}

function showAddresses(ctx: IpContext, words: Words): string {
  if (ctx.options.family === 'inet6' || (ctx.options.family === '' && words.meansIpv6))
    return showAddresses6(ctx, words);
  const s = selector(ctx, words);
  const addresses = listed(ctx, s);
  const narrow =
    s.scope !== undefined || s.label !== undefined || s.to !== undefined || s.dynamic !== undefined;
  // A prefix says which family is meant.
  const options: PrintOptions =
    s.to === undefined ? ctx.options : { ...ctx.options, family: 'inet' };
  const hideBare = narrow || s.primary !== undefined || ctx.options.family === 'inet';
  const entries = ctx.ns.link
    .list()
    .filter((l) => (s.device === undefined || l.name === s.device) && (!s.up || l.up))
    .map((link) => ({ link, own: addresses.filter((a) => a.dev === link.name) }))
    .filter(({ own }) => own.length > 0 || !hideBare)
    .map(({ link, own }) => addrEntry(link, own, options, s.label === undefined));
  return printList(entries, ctx.options);
}

function flushAddresses(ctx: IpContext, words: Words): string {
  if (words.empty) throw new CommandError('Flush requires arguments.', EXIT_PARSE);
  if (ctx.options.family === 'inet6' || (ctx.options.family === '' && words.meansIpv6)) {
    const six = selector6(ctx, words);
    ctx.ns.addr6.flush((a) => isSelected6(a, six));
    return '';
  }
  const s = selector(ctx, words);
  const filter: AddressFilter = (a) => isSelected(a, s);
  const both = ctx.options.family === '' && s.to === undefined && s.label === undefined;
  const flush = (): number => ctx.ns.addr.flush(filter) + (both ? ctx.ns.addr6.flush(filter) : 0);
  let round = 0;
  let report = '';
  for (let n = flush(); n > 0; n = flush()) {
    round++;
    report += `\n*** Round ${round}, deleting ${n} addresses ***\n`;
  }
  if (ctx.options.stats === 0) return '';
  if (round === 0) return 'Nothing to flush.\n';
  return `${report}*** Flush is complete after ${round} round${round > 1 ? 's' : ''} ***\n`;
}
