/** `ip netns` (iproute2 `ip/ipnetns.c`): names and ids of namespaces. */
import { EEXIST, EINVAL, ENOSPC, EPERM, NetError } from '../../errno.ts';
import type { Namespace } from '../namespace.ts';
import { Entry, formatJson, printList } from './entry.ts';
import type { IpContext } from './ip.ts';
import { nsidText } from './monitor.ts';
import {
  abbreviates,
  CommandError,
  EXIT_PARSE,
  EXIT_USAGE,
  notImplemented,
  type Words,
  wrongArgument,
} from './words.ts';

/** Commands that need processes, files or a shell, of which there are none here. */
const OTHERS: readonly string[] = ['exec', 'attach', 'monitor'];

const USAGE = `Usage:\tip netns list
\tip netns add NAME
\tip netns set NAME NETNSID
\tip [-all] netns delete [NAME]
\tip netns identify
\tip netns pids NAME
\tip netns list-id [target-nsid POSITIVE-INT] [nsid POSITIVE-INT]
NETNSID := auto | POSITIVE-INT`;

export function ipNetns(ctx: IpContext, words: Words): string {
  if (words.empty) return list(ctx);
  const word = words.next();
  if (word === 'help') throw new CommandError(USAGE, 0);
  if (abbreviates(word, 'list') || abbreviates(word, 'show') || word === 'lst') return list(ctx);
  if (word === 'list-id') return listIds(ctx, words);
  if (abbreviates(word, 'add')) return add(ctx, words);
  if (abbreviates(word, 'delete')) return del(ctx, words);
  if (abbreviates(word, 'identify')) return `${ctx.ns.name ?? ''}\n`;
  // LINUX: the processes inside; programs in a namespace here are no processes of the kernel.
  if (abbreviates(word, 'pids')) {
    existing(ctx, words);
    return '';
  }
  if (abbreviates(word, 'set')) return set(ctx, words);
  if (OTHERS.some((o) => abbreviates(word, o)))
    throw notImplemented(
      `ip netns ${word}`,
      'the commands are list, list-id, add, del, set, identify and pids; "warren exec" runs programs',
    );
  throw new CommandError(`Command "${word}" is unknown, try "ip netns help".`, EXIT_USAGE);
}

function list(ctx: IpContext): string {
  const named = ctx.listNetns().filter((ns) => ns.name !== null);
  const idOf = (ns: Namespace): number => ctx.ns.net.nsids.find(ns.net);
  if (ctx.options.json)
    return `${formatJson(
      named.map((ns) => (idOf(ns) < 0 ? { name: ns.name } : { name: ns.name, id: idOf(ns) })),
      ctx.options.pretty,
    )}\n`;
  return named.map((ns) => `${ns.name}${idOf(ns) < 0 ? '' : ` (id: ${idOf(ns)})`}\n`).join('');
}

/** Ids that namespaces have in this one, or in the one with the id `target-nsid`. */
function listIds(ctx: IpContext, words: Words): string {
  let { net } = ctx.ns;
  let only: number | undefined;
  while (!words.empty) {
    const word = words.next();
    if (word === 'target-nsid') {
      const target = net.nsids.lookup(nsidWord(words, '"target-nsid" value is invalid'));
      if (target === undefined)
        throw new CommandError(
          'Error: Invalid target network namespace id.\nDump terminated',
          EXIT_PARSE,
        );
      net = target;
    } else if (word === 'nsid') only = nsidWord(words, '"nsid" value is invalid');
    else throw new CommandError(USAGE, EXIT_USAGE);
  }
  if (only !== undefined && net.nsids.lookup(only) === undefined)
    throw new NetError(EINVAL, 'rtnetlink', 'Peer netns reference is invalid');
  const entries: Entry[] = [];
  for (const [peer, nsid] of [...net.nsids.list()].sort((a, b) => a[1] - b[1])) {
    if (only !== undefined && only !== nsid) continue;
    const entry = new Entry();
    entry.set('nsid', nsid);
    if (peer.name !== null) entry.set('name', peer.name);
    entries.push(entry.add(nsidText(nsid, peer.name)));
  }
  return printList(entries, ctx.options);
}

function nsidWord(words: Words, message: string): number {
  const word = words.next();
  const nsid = /^-?\d+$/.test(word) ? Number(word) : Number.NaN;
  if (nsid < 0) throw wrongArgument('"netnsid" value should be >= 0', word);
  if (!(nsid <= 0x7fffffff)) throw wrongArgument(message, word);
  return nsid;
}

function nameWord(words: Words): string {
  if (words.empty) throw new CommandError('No netns name specified', EXIT_PARSE);
  const name = words.next();
  if (name === '' || name === '.' || name === '..' || name.includes('/'))
    throw new CommandError(`Invalid netns name "${name}"`, EXIT_USAGE);
  return name;
}

function existing(ctx: IpContext, words: Words): Namespace {
  const name = nameWord(words);
  const ns = ctx.findNetns(name);
  if (ns === undefined)
    throw new CommandError(
      `Cannot open network namespace "${name}": No such file or directory`,
      EXIT_PARSE,
    );
  return ns;
}

function add(ctx: IpContext, words: Words): string {
  const name = nameWord(words);
  if (ctx.ns.isInside)
    throw new CommandError(
      'mount --make-shared /run/netns failed: Operation not permitted',
      EXIT_PARSE,
      EPERM,
    );
  if (ctx.findNetns(name) !== undefined)
    throw new CommandError(
      `Cannot create namespace file "/run/netns/${name}": File exists`,
      EXIT_PARSE,
    );
  ctx.ns.kernel.netns.add(name);
  return '';
}

/** `ip netns del NAME`, `ip -all netns del`. */
function del(ctx: IpContext, words: Words): string {
  if (ctx.all && words.empty && !ctx.ns.isInside) {
    for (const { name } of ctx.listNetns()) if (name !== null) ctx.ns.kernel.netns.del(name);
    return '';
  }
  const name = nameWord(words);
  if (ctx.ns.isInside)
    throw new CommandError(
      `Cannot remove namespace file "/run/netns/${name}": Operation not permitted`,
      EXIT_PARSE,
      EPERM,
    );
  if (ctx.findNetns(name) === undefined)
    throw new CommandError(
      `Cannot remove namespace file "/run/netns/${name}": No such file or directory`,
      EXIT_PARSE,
    );
  ctx.ns.kernel.netns.del(name);
  return '';
}

/** `ip netns set NAME NSID|auto`. */
function set(ctx: IpContext, words: Words): string {
  const name = nameWord(words);
  if (words.empty) throw new CommandError('No nsid specified', EXIT_PARSE);
  const auto = words.take('auto');
  const nsid = auto ? -1 : nsidWord(words, 'Invalid "netnsid" value\n');
  const ns = ctx.findNetns(name);
  if (ns === undefined)
    throw new CommandError(
      `Cannot open network namespace "${name}": No such file or directory`,
      EXIT_PARSE,
    );
  ctx.ns.checkChange([]);
  const errno = ctx.ns.net.nsids.assign(ns.net, nsid);
  if (errno < 0) throw new NetError(errno, 'rtnetlink', SENTENCES[-errno] ?? '');
  return '';
}

const SENTENCES: Readonly<Record<number, string>> = {
  [EEXIST]: 'Peer netns already has a nsid assigned',
  [ENOSPC]: 'The specified nsid is already used',
};
