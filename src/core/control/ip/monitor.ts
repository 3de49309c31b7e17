/**
 * `ip monitor` (iproute2 `ip/ipmonitor.c`): what happens in a namespace, or with `all-nsid` in every one
 * that has an id here, printed as it happens.
 */
import { EPERM } from '../../errno.ts';
import type { FdbInfo } from '../bridge-info.ts';
import type { LinkInfo } from '../info.ts';
import type { Namespace } from '../namespace.ts';
import type { WatchEvent } from '../watch.ts';
import { addrEntry } from './addr-show.ts';
import { type Entry, joinLines, type PrintOptions } from './entry.ts';
import { linkEntry } from './link-show.ts';
import { neighEntry } from './neigh-show.ts';
import { nexthopEntry } from './nexthop-show.ts';
import { NOTHING_FIXED, routeEntry } from './route-show.ts';
import { ruleEntry } from './rule-show.ts';
import {
  abbreviates,
  CommandError,
  EXIT_PARSE,
  EXIT_USAGE,
  notImplemented,
  type Words,
} from './words.ts';

/** Takes what is printed, piece by piece. */
export type Print = (text: string) => void;

type Group = 'link' | 'address' | 'route' | 'neigh' | 'rule' | 'nexthop' | 'nsid';

const GROUPS: readonly Group[] = ['link', 'address', 'route', 'neigh', 'rule', 'nexthop', 'nsid'];
/** What iproute2 can monitor and this stack has not. */
const OTHERS: readonly string[] = ['mroute', 'prefix', 'netconf', 'stats', 'file'];

const USAGE = `Usage: ip monitor [ all | OBJECTS ] [ label ] [ all-nsid ] [ dev DEVICE ]
OBJECTS :=  address | link | neigh | nexthop | nsid | route | rule`;

interface Wish {
  groups: Set<Group>;
  label: boolean;
  allNsid: boolean;
  device: string | undefined;
}

/** Starts to print; returns the function that ends it. The words are those behind `monitor`. */
export function monitor(
  ns: Namespace,
  words: Words,
  options: PrintOptions,
  print: Print,
): () => void {
  const wish = parse(words);
  if (wish.allNsid && ns.isInside)
    throw new CommandError('NETLINK_LISTEN_ALL_NSID: Operation not permitted', EXIT_PARSE, EPERM);
  const index = wish.device === undefined ? -1 : (ns.net.devs.find(wish.device)?.ifindex ?? -2);
  if (index === -2) throw new CommandError(`Device "${wish.device}" does not exist.`, EXIT_USAGE);
  return ns.kernel.watch((event) => {
    const group = groupOf(event);
    if (group === null || !wish.groups.has(group)) return;
    const nsid = event.netns.net === ns.net ? -1 : ns.net.nsids.find(event.netns.net);
    if (event.netns.net !== ns.net && (!wish.allNsid || nsid < 0)) return;
    if (!isOfFamily(event, options.family)) return;
    if (index > 0 && !isAbout(event, index, wish.device ?? '')) return;
    const where = wish.allNsid ? `[nsid ${nsid < 0 ? 'current' : nsid}]` : '';
    const label = wish.label ? `[${LABELS[group]}]` : '';
    print(where + label + textOf(event, options));
  });
}

const LABELS: Readonly<Record<Group, string>> = {
  link: 'LINK',
  address: 'ADDR',
  route: 'ROUTE',
  neigh: 'NEIGH',
  rule: 'RULE',
  nexthop: 'NEXTHOP',
  nsid: 'NSID',
};

function parse(words: Words): Wish {
  const wish: Wish = { groups: new Set(), label: false, allNsid: false, device: undefined };
  while (!words.empty) {
    const word = words.next();
    if (word === 'help') throw new CommandError(USAGE, 0);
    if (word === 'label') wish.label = true;
    else if (word === 'all-nsid') wish.allNsid = true;
    else if (word === 'dev') wish.device = words.next();
    else if (word === 'all') {
      for (const group of GROUPS) wish.groups.add(group);
      wish.label = true;
    } else wish.groups.add(groupWord(word));
  }
  if (wish.groups.size === 0) for (const group of GROUPS) wish.groups.add(group);
  return wish;
}

function groupWord(word: string): Group {
  const group = GROUPS.find((g) => abbreviates(word, g));
  if (group !== undefined) return group;
  if (OTHERS.some((o) => abbreviates(word, o)))
    throw notImplemented(`ip monitor ${word}`, `the objects are ${GROUPS.join(', ')}`);
  throw new CommandError(`Argument "${word}" is unknown, try "ip monitor help".`, EXIT_USAGE);
}

function groupOf(event: WatchEvent): Group | null {
  switch (event.kind) {
    case 'newlink':
    case 'dellink':
      return 'link';
    case 'newaddr':
    case 'deladdr':
      return 'address';
    case 'newroute':
    case 'delroute':
      return 'route';
    case 'newneigh':
    case 'delneigh':
    case 'newfdb':
    case 'delfdb':
      return 'neigh';
    case 'newrule':
    case 'delrule':
      return 'rule';
    case 'newnexthop':
    case 'delnexthop':
      return 'nexthop';
    case 'newnsid':
    case 'delnsid':
      return 'nsid';
    default:
      return null;
  }
}

/** `-4`, `-6`: of addresses, routes and neighbours. */
function isOfFamily(event: WatchEvent, family: PrintOptions['family']): boolean {
  if (family !== 'inet' && family !== 'inet6') return true;
  if ('address' in event) return event.address.family === family;
  if ('route' in event) return event.route.family === family;
  if ('rule' in event) return event.rule.family === family;
  // AF_BRIDGE is neither.
  if ('fdb' in event) return false;
  return !('neighbour' in event) || event.neighbour.family === family;
}

/** `dev DEVICE`: by index for links and addresses, by name for the rest. */
function isAbout(event: WatchEvent, index: number, name: string): boolean {
  switch (event.kind) {
    case 'newlink':
    case 'dellink':
      return event.link.ifindex === index;
    case 'newaddr':
    case 'deladdr':
      return event.address.ifindex === index;
    case 'newroute':
    case 'delroute':
      return event.route.nexthops.some((n) => n.dev === name);
    case 'newneigh':
    case 'delneigh':
      return event.neighbour.dev === name;
    case 'newfdb':
    case 'delfdb':
      return event.fdb.dev === name;
    default:
      return true;
  }
}

function textOf(event: WatchEvent, options: PrintOptions): string {
  const entry = entryOf(event, options);
  const text = (event.kind.startsWith('del') ? 'Deleted ' : '') + entry;
  return options.oneline ? joinLines(text) : text;
}

function entryOf(event: WatchEvent, options: PrintOptions): string {
  switch (event.kind) {
    case 'newlink':
    case 'dellink': {
      const moved = event.movedTo === null ? '' : movedText(event.netns, event.movedTo);
      return linkText(event.link, options, moved);
    }
    case 'newaddr':
    case 'deladdr': {
      // Each address is shown with its device, as with -oneline.
      const o = { ...options, oneline: true };
      return addrEntry({} as LinkInfo, [event.address], o, false).text;
    }
    case 'newroute':
    case 'delroute':
      return routeEntry(event.route, options, NOTHING_FIXED).text;
    case 'newneigh':
    case 'delneigh':
      return neighEntry(event.neighbour, options, false).text;
    case 'newfdb':
    case 'delfdb':
      return fdbText(event.fdb);
    case 'newrule':
    case 'delrule':
      return ruleEntry(event.rule, options).text;
    case 'newnexthop':
    case 'delnexthop':
      return nexthopEntry(event.nexthop, options).add('\n').text;
    case 'newnsid':
    case 'delnsid':
      return nsidText(event.nsid, event.peer.name);
    default:
      return '';
  }
}

/** An address of a bridge's table is a neighbour without an address of IP (`print_neigh`, `fdb_to_nud`). */
function fdbText({ dev, mac, state, externLearn }: FdbInfo): string {
  const nud = { permanent: 'PERMANENT', static: 'NOARP', '': 'REACHABLE' }[state];
  return `dev ${dev} lladdr ${mac} ${externLearn ? 'extern_learn ' : ''}${nud} \n`;
}

function linkText(link: LinkInfo, options: PrintOptions, moved: string): string {
  const entry: Entry = linkEntry(link, { ...options, stats: 0 }, 'monitor', moved);
  return entry.text;
}

function movedText(
  from: Namespace,
  to: { readonly netns: Namespace; readonly ifindex: number },
): string {
  const { name } = to.netns;
  const where =
    name === null ? `new-netnsid ${from.net.nsids.find(to.netns.net)}` : `new-netns ${name}`;
  return ` ${where} new-ifindex ${to.ifindex}`;
}

/** One line of `ip netns list-id`, and of the monitor. */
export function nsidText(nsid: number, name: string | null): string {
  return `nsid ${nsid} ${name === null ? '' : `(iproute2 netns name: ${name})`}\n`;
}
