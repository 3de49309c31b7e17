/** `tc filter` (iproute2 `tc/tc_filter.c`): matchall, flower and fw with their actions, at `clsact` and `ingress`. */
import { failure, type ToolContext } from '../core/control/ip/ip.ts';
import {
  abbreviates,
  CommandError,
  EXIT_PARSE,
  EXIT_USAGE,
  noDevice,
  notImplemented,
  parseUnsigned,
  type Words,
  wrongArgument,
} from '../core/control/ip/words.ts';
import {
  type FilterAction,
  type FilterMatch,
  type FilterSpec,
  isMatch,
  NetError,
  parseIpProto,
} from '../core/index.ts';
import { type FilterOptions, PROTOCOLS, showFilters } from './tc-filter-show.ts';

const CLASSIFIERS: readonly string[] = ['basic', 'bpf', 'cgroup', 'flow', 'route', 'u32'];
const ACTIONS: readonly string[] = [
  'bpf',
  'connmark',
  'csum',
  'ct',
  'ctinfo',
  'gate',
  'ife',
  'mpls',
  'nat',
  'pedit',
  'police',
  'sample',
  'simple',
  'skbmod',
  'tunnel_key',
  'vlan',
  'xt',
];
const GACT: readonly string[] = ['pass', 'ok', 'drop', 'shot', 'pipe', 'continue'];

/** Runs `tc filter WORDS`; what the kernel refuses ends with tc's own line, as on Linux. */
export function filterCommand(ctx: ToolContext, words: Words, options: FilterOptions): string {
  const verb = words.empty ? 'show' : words.next();
  if (abbreviates(verb, 'show') || abbreviates(verb, 'list') || verb === 'lst') {
    const where = placeOf(ctx, words);
    if (where.dev === undefined) return '';
    return showFilters(ctx.ns.filter.list(where.dev, where.at), options);
  }
  for (const known of ['add', 'delete', 'replace', 'change', 'get'] as const) {
    if (!abbreviates(verb, known)) continue;
    if (known === 'replace' || known === 'change' || known === 'get')
      throw notImplemented(`tc filter ${known}`, 'the nearest are "add" and "delete"');
    try {
      modify(ctx, words, known);
      return '';
    } catch (e) {
      if (!(e instanceof NetError)) throw e;
      throw new CommandError(
        `${failure(e, '').stderr}We have an error talking to the kernel`,
        2,
        e.errno,
      );
    }
  }
  throw new CommandError(`Command "${verb}" is unknown, try "tc filter help".`, EXIT_USAGE);
}

interface Place {
  dev: string | undefined;
  at: 'ingress' | 'egress' | undefined;
  pref: number | undefined;
  handle: number | undefined;
  protocol: number | undefined;
  kind: string | undefined;
}

/** The words before the kind of filter. */
function placeOf(ctx: ToolContext, words: Words): Place {
  const place: Place = {
    dev: undefined,
    at: undefined,
    pref: undefined,
    handle: undefined,
    protocol: undefined,
    kind: undefined,
  };
  while (!words.empty && place.kind === undefined) {
    const word = words.next();
    if (word === 'dev') place.dev = words.next();
    else if (word === 'ingress' || word === 'egress') place.at = word;
    else if (word === 'pref' || word === 'prio' || word === 'priority')
      place.pref = prefOf(words.next());
    else if (word === 'handle') place.handle = numberOf(words.next(), 'handle');
    else if (abbreviates(word, 'protocol')) place.protocol = protocolOf(words.next());
    else if (['root', 'parent', 'chain', 'block', 'estimator'].includes(word))
      throw notImplemented(`tc filter … ${word}`, 'filters are at "ingress" and "egress"');
    else place.kind = word;
  }
  if (place.dev !== undefined && !ctx.ns.link.has(place.dev)) throw noDevice(place.dev);
  return place;
}

function prefOf(word: string): number {
  const value = parseUnsigned(word);
  if (value === undefined || value === 0 || value > 0xffff)
    throw wrongArgument('invalid priority value', word);
  return value;
}

function protocolOf(word: string): number {
  const value = PROTOCOLS.get(word) ?? (word.startsWith('0x') ? parseUnsigned(word) : undefined);
  if (value === undefined) throw wrongArgument('invalid protocol', word);
  return value;
}

function numberOf(word: string, what: string): number {
  const value = parseUnsigned(word);
  if (value === undefined) throw new CommandError(`Illegal "${what}"`, EXIT_PARSE);
  return value;
}

function modify(ctx: ToolContext, words: Words, verb: 'add' | 'delete'): void {
  const { dev, at, pref, handle, protocol, kind } = placeOf(ctx, words);
  const { filter } = ctx.ns;
  if (dev === undefined) throw new NetError(19, 'rtnetlink');
  if (at === undefined) throw new NetError(22, 'rtnetlink', 'Qdisc not classful.');
  const which = {
    at,
    ...(pref === undefined ? {} : { pref }),
    ...(handle === undefined ? {} : { handle }),
  };
  if (verb === 'delete') {
    filter.del(dev, which);
    return;
  }
  // LINUX: tc sends the filter before the kernel has a say, so the words are read first.
  const spec: FilterSpec =
    kind === undefined ? which : { ...which, ...filterWords(ctx, kind, words, handle) };
  const has = filter.attached(dev);
  if (has === null || (at === 'egress' && has === 'ingress'))
    throw new NetError(22, 'rtnetlink', "Parent Qdisc doesn't exists.");
  if (kind === undefined)
    throw new NetError(22, 'rtnetlink', 'Filter kind and protocol must be specified.');
  filter.add(dev, { ...spec, ...(protocol === undefined ? {} : { protocol }) });
}

function filterWords(
  ctx: ToolContext,
  kind: string,
  words: Words,
  handle: number | undefined,
): Pick<FilterSpec, 'match' | 'mark' | 'actions'> {
  if (kind === 'matchall') return { actions: actionWords(ctx, words) };
  if (kind === 'flower') return { match: flowerWords(words), actions: actionWords(ctx, words) };
  if (kind === 'fw') {
    if (handle === undefined) throw new NetError(22, 'rtnetlink');
    return { mark: handle, actions: actionWords(ctx, words) };
  }
  if (CLASSIFIERS.includes(kind))
    throw notImplemented(`filter ${kind}`, 'there are "matchall", "flower" and "fw"');
  throw new NetError(2, 'rtnetlink', 'TC classifier not found.');
}

const FLOWER_KEYS: Readonly<Record<string, keyof FilterMatch>> = {
  src_mac: 'srcMac',
  dst_mac: 'dstMac',
  src_ip: 'srcIp',
  dst_ip: 'dstIp',
  src_port: 'srcPort',
  dst_port: 'dstPort',
};

/** tc's names of keys that `flower` has on Linux and not here. */
const OTHER_KEYS =
  /^(indev|num_of_vlans|c?vlan_(prio|ethtype)|cvlan_id|ip_(tos|ttl|flags)|mpls.*|tcp_flags|type|code|arp_.*|enc_.*|ct_.*|skip_sw|skip_hw|verbose|classid|ppp.*)$/;

function flowerWords(words: Words): FilterMatch {
  const match: { -readonly [K in keyof FilterMatch]: FilterMatch[K] } = {};
  while (!words.empty && words.peek !== 'action') {
    const word = words.next();
    const key = FLOWER_KEYS[word];
    if (OTHER_KEYS.test(word))
      throw notImplemented(`flower ${word}`, 'there are addresses, ports, ip_proto and vlan_id');
    if (key !== undefined) Object.assign(match, flowerKey(word, key, words.next()));
    else if (word === 'vlan_id') match.vlanId = numberOf(words.next(), word);
    else if (word === 'ip_proto') {
      const proto = parseIpProto(words.next());
      if (proto === undefined) throw new CommandError('Illegal "ip_proto"', EXIT_PARSE);
      match.ipProto = proto;
    } else throw new CommandError(`What is "${word}"?`, EXIT_PARSE);
  }
  return match;
}

function flowerKey(word: string, key: keyof FilterMatch, value: string): FilterMatch {
  const match = { [key]: value };
  if (!isMatch(match)) throw new CommandError(`Illegal "${word}"`, EXIT_PARSE);
  return match;
}

function actionWords(ctx: ToolContext, words: Words): FilterAction[] {
  const out: FilterAction[] = [];
  while (!words.empty) {
    const word = words.next();
    if (word !== 'action') throw new CommandError(`What is "${word}"?`, EXIT_PARSE);
    out.push(actionOf(ctx, words, words.next()));
  }
  return out;
}

function actionOf(ctx: ToolContext, words: Words, kind: string): FilterAction {
  if (kind === 'gact') return actionOf(ctx, words, words.next());
  if (GACT.includes(kind)) {
    const verdict = kind === 'ok' ? 'pass' : kind === 'shot' ? 'drop' : kind;
    return { kind: verdict as 'pass' };
  }
  if (kind === 'mirred') return mirredWords(ctx, words);
  if (kind === 'skbedit') return skbeditWords(words);
  if (kind === 'netns') {
    const name = words.next();
    const netns = ctx.findNetns(name);
    if (netns === undefined)
      throw new CommandError(
        `Cannot open network namespace "${name}": No such file or directory`,
        EXIT_USAGE,
      );
    return { kind: 'netns', netns, ...(words.take('dev') ? { dev: words.next() } : {}) };
  }
  if (ACTIONS.includes(kind))
    throw notImplemented(`action ${kind}`, 'there are gact, mirred, skbedit and netns');
  throw new CommandError(`Bad action type ${kind}`, EXIT_USAGE);
}

function mirredWords(ctx: ToolContext, words: Words): FilterAction {
  let side: 'egress' | 'ingress' = 'egress';
  let mode: 'redirect' | 'mirror' | undefined;
  for (;;) {
    const word = words.next();
    if (word === 'egress' || word === 'ingress') side = word;
    else if (word === 'redirect' || word === 'mirror') mode = word;
    else if (word === 'dev' && mode !== undefined) break;
    else throw new CommandError('Command line is not complete. Try option "help"', EXIT_USAGE);
  }
  const dev = words.next();
  if (!ctx.ns.link.has(dev))
    throw new CommandError(`Cannot find device "${dev}"\nbad action parsing`, EXIT_PARSE);
  return { kind: 'mirred', mode, side, dev };
}

function skbeditWords(words: Words): FilterAction {
  let mark: number | undefined;
  let priority: number | undefined;
  while (!words.empty && words.peek !== 'action') {
    const word = words.next();
    if (word === 'mark') mark = numberOf(words.next(), word);
    else if (word === 'priority') priority = numberOf(words.next(), word);
    else if (!['pipe', 'index'].includes(word))
      throw notImplemented(`skbedit ${word}`, 'there are "mark" and "priority"');
  }
  return {
    kind: 'skbedit',
    ...(mark === undefined ? {} : { mark }),
    ...(priority === undefined ? {} : { priority }),
  };
}
