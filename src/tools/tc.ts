/** `tc` (iproute2): the queues of devices, netem or fq, and what looks at packets (`clsact`, `tc-filter.ts`). */

import { formatJson, type Json } from '../core/control/ip/entry.ts';
import { failure, type ToolContext, type ToolResult } from '../core/control/ip/ip.ts';
import { nearestOf } from '../core/control/ip/nearest.ts';
import {
  abbreviates,
  CommandError,
  EXIT_PARSE,
  EXIT_USAGE,
  noDevice,
  notImplemented,
  Words,
} from '../core/control/ip/words.ts';
import type { FqFlows, QdiscInfo } from '../core/control/qdisc.ts';
import { NetError, type NetemOptions } from '../core/index.ts';
import { filterCommand } from './tc-filter.ts';

const OBJECTS: readonly string[] = ['class', 'chain', 'action', 'monitor', 'exec'];
const COMMANDS: readonly string[] = ['add', 'change', 'replace', 'delete', 'show'];
const KINDS: readonly string[] = [
  'bfifo',
  'cake',
  'cbq',
  'codel',
  'ets',
  'fq_codel',
  'hfsc',
  'htb',
  'mqprio',
  'pfifo',
  'pfifo_fast',
  'pie',
  'prio',
  'red',
  'sfq',
  'tbf',
];

const NO_ATTRIBUTES: readonly string[] = [
  'handle',
  'parent',
  'ingress_block',
  'egress_block',
  'estimator',
  'stab',
];

interface Options {
  stats: boolean;
  json: boolean;
  pretty: boolean;
}

/** Runs `tc` with the words that follow its name. */
export function tcTool(ctx: ToolContext, argv: readonly string[]): ToolResult {
  try {
    const words = new Words(argv);
    const { options, ns } = parseOptions(ctx, words);
    const object = words.empty ? '' : words.next();
    if (object === '')
      throw new CommandError(
        'Usage: tc [ OPTIONS ] { qdisc | filter } { COMMAND | help }',
        EXIT_USAGE,
      );
    if (abbreviates(object, 'filter'))
      return { stdout: filterCommand({ ...ctx, ns }, words, options), stderr: '', code: 0 };
    if (!abbreviates(object, 'qdisc')) {
      if (OBJECTS.some((o) => abbreviates(object, o)))
        throw notImplemented(`tc ${object}`, 'there are "tc qdisc" and "tc filter"');
      throw new CommandError(
        `Object "${object}" is unknown, try "tc help".\nDid you mean "tc qdisc"?`,
        EXIT_USAGE,
      );
    }
    return { stdout: qdisc({ ...ctx, ns }, words, options), stderr: '', code: 0 };
  } catch (e) {
    // What netem's own words refuse is the parser's, not the kernel's.
    const ofWords = e instanceof NetError && e.syscall === 'netem';
    return failure(ofWords ? wordError(e.detail) : e, '');
  }
}

/** LINUX: tc asks `What is "x"?`; what may stand there comes behind. */
function wordError(detail: string): CommandError {
  const word = /^what is ("[^"]*")/.exec(detail)?.[1];
  return new CommandError(word === undefined ? detail : `What is ${word}?\n${detail}`, EXIT_PARSE);
}

function parseOptions(ctx: ToolContext, words: Words): { options: Options; ns: ToolContext['ns'] } {
  const options: Options = { stats: false, json: false, pretty: false };
  let { ns } = ctx;
  while (words.peek.startsWith('-')) {
    const word = words.next();
    if (abbreviates(word, '-statistics')) options.stats = true;
    else if (abbreviates(word, '-json')) options.json = true;
    else if (abbreviates(word, '-pretty')) options.pretty = true;
    else if (abbreviates(word, '-netns')) {
      const name = words.next();
      const found = ctx.findNetns(name);
      if (found === undefined)
        throw new CommandError(
          `Cannot open network namespace "${name}": No such file or directory`,
          EXIT_USAGE,
        );
      ns = found;
    } else if (!abbreviates(word, '-details'))
      throw new CommandError(`Option "${word}" is unknown, try "tc -help".`, EXIT_USAGE);
  }
  return { options, ns };
}

function qdisc(ctx: ToolContext, words: Words, options: Options): string {
  if (words.empty) return show(ctx, words, options);
  const word = words.next();
  if (abbreviates(word, 'add')) return modify(ctx, words, 'add');
  if (abbreviates(word, 'change')) return modify(ctx, words, 'change');
  if (abbreviates(word, 'replace')) return modify(ctx, words, 'replace');
  if (abbreviates(word, 'delete')) return modify(ctx, words, 'del');
  if (abbreviates(word, 'list') || abbreviates(word, 'show') || word === 'lst')
    return show(ctx, words, options);
  throw new CommandError(
    `Command "${word}" is unknown, try "tc qdisc help".\nDid you mean "tc qdisc ${nearestOf(word, COMMANDS)}"?`,
    EXIT_USAGE,
  );
}

function modify(
  ctx: ToolContext,
  words: Words,
  verb: 'add' | 'change' | 'replace' | 'del',
): string {
  let dev: string | undefined;
  let root = false;
  let kind: string | undefined;
  let netem: readonly string[] = [];
  while (!words.empty && kind === undefined) {
    const word = words.next();
    if (word === 'dev') dev = words.next();
    else if (word === 'root') root = true;
    else if (NO_ATTRIBUTES.includes(word))
      throw notImplemented(`tc qdisc … ${word}`, 'a device here has one queue, its root');
    else kind = word;
  }
  netem = words.rest();
  if (dev !== undefined && !ctx.ns.link.has(dev)) throw noDevice(dev);
  if (dev === undefined)
    throw new CommandError('Command line is not complete. Try option "help"', EXIT_PARSE);
  if (kind === 'clsact' || kind === 'ingress') {
    attach(ctx, dev, kind, verb);
    return '';
  }
  if (verb === 'del') {
    if (!root) throw new NetError(22, 'rtnetlink', 'Cannot delete qdisc with handle of zero.');
    ctx.ns.qdisc.del(dev);
    return '';
  }
  if (!root) throw new NetError(2, 'rtnetlink', 'Handle cannot be zero.');
  if (kind === undefined) throw new NetError(2, 'rtnetlink', 'Qdisc kind must be specified.');
  if (kind === 'fq') {
    ctx.ns.qdisc[verb](dev, netem.join(' '), 'fq');
    return '';
  }
  if (kind !== 'netem') {
    if (KINDS.includes(kind)) throw notImplemented(`qdisc ${kind}`, 'there are "netem" and "fq"');
    throw new NetError(2, 'rtnetlink', 'Specified qdisc kind is unknown.');
  }
  ctx.ns.qdisc[verb](dev, netem.join(' '));
  return '';
}

/** `tc qdisc add dev DEV clsact`, or the older `ingress`. */
function attach(
  ctx: ToolContext,
  dev: string,
  kind: 'clsact' | 'ingress',
  verb: 'add' | 'change' | 'replace' | 'del',
): void {
  const { filter } = ctx.ns;
  const has = filter.attached(dev);
  if (verb === 'del') {
    if (has !== null && has !== kind)
      throw new NetError(22, 'rtnetlink', 'Invalid qdisc name: must match existing qdisc.');
    filter.detach(dev);
  } else if (verb === 'add' || has === null) filter.attach(dev, kind);
}

function show(ctx: ToolContext, words: Words, options: Options): string {
  let dev: string | undefined;
  let only: string | undefined;
  while (!words.empty) {
    const word = words.next();
    if (word === 'dev') dev = words.next();
    else if (word === 'clsact' || word === 'ingress') only = word;
    else if (word !== 'root')
      throw notImplemented(`tc qdisc show ${word}`, 'the selectors are dev and root');
  }
  if (dev !== undefined && !ctx.ns.link.has(dev)) throw noDevice(dev);
  const list = ctx.ns.qdisc.list().filter((q) => dev === undefined || q.dev === dev);
  const edge = (q: QdiscInfo): string | null => ctx.ns.filter.attached(q.dev);
  const shown = only === undefined ? list : list.filter((q) => edge(q) === only);
  if (options.json)
    return `${formatJson(
      shown.flatMap((q) => {
        const name = dev === undefined ? { dev: q.dev } : {};
        const kind = edge(q);
        const atEdge =
          kind === null
            ? []
            : [{ kind, handle: 'ffff:', ...name, parent: 'ffff:fff1', options: {} }];
        const { options } = q;
        const queue = {
          kind: q.kind,
          handle: handleOf(q),
          ...name,
          root: true,
          refcnt: 2,
          options: options === null ? {} : netemJson(options),
        };
        return only === undefined && q.kind !== 'noop' ? [queue, ...atEdge] : atEdge;
      }),
      options.pretty,
    )}\n`;
  return shown
    .map((q) => {
      const queue =
        only === undefined && q.kind !== 'noop' ? line(q, dev === undefined, options.stats) : '';
      return queue + edgeLine(q.dev, edge(q), dev === undefined, options.stats);
    })
    .join('');
}

/** LINUX: `ingress` has a row of dashes for options. */
function edgeLine(dev: string, kind: string | null, withDev: boolean, stats: boolean): string {
  if (kind === null) return '';
  const name = withDev ? `dev ${dev} ` : '';
  const text = `qdisc ${kind} ffff: ${name}parent ffff:fff1 ${kind === 'ingress' ? '---------------- ' : ''}\n`;
  if (!stats) return text;
  return `${text} Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) \n backlog 0b 0p requeues 0\n`;
}

/** As tc(8) tells netem with -j: times in seconds, probabilities as fractions, rates in bytes. */
function netemJson(o: NetemOptions): { [key: string]: Json } {
  const chance = (key: string, c: NetemOptions['duplicate']): { [key: string]: Json } =>
    c.probability === 0 ? {} : { [key]: { [key]: c.probability, correlation: c.correlation } };
  const { loss } = o;
  return {
    limit: o.limit,
    ...(o.delayUs > 0
      ? {
          delay: {
            delay: o.delayUs / 1e6,
            jitter: o.jitterUs / 1e6,
            correlation: o.delayCorrelation,
          },
        }
      : {}),
    ...(loss?.model === 'random'
      ? { 'loss-random': { loss: loss.probability, correlation: loss.correlation } }
      : {}),
    ...(loss?.model === 'state' ? { 'loss-state': { ...loss, model: 'state' } } : {}),
    ...(loss?.model === 'gemodel' ? { 'loss-gemodel': { ...loss, model: 'gemodel' } } : {}),
    ...chance('duplicate', o.duplicate),
    ...chance('reorder', o.reorder),
    ...chance('corrupt', o.corrupt),
    ...(o.rate > 0
      ? {
          rate: {
            rate: o.rate,
            packetoverhead: o.packetOverhead,
            cellsize: o.cellSize,
            celloverhead: o.cellOverhead,
          },
        }
      : {}),
    ecn: o.ecn,
    gap: o.gap,
  };
}

/** LINUX: handles count from 8001: on; a queue that nobody asked for has 0:. */
function handleOf(q: QdiscInfo): string {
  return q.kind === 'noqueue' || q.kind === 'noop' ? '0:' : '8001:';
}

function line(q: QdiscInfo, withDev: boolean, stats: boolean): string {
  const dev = withDev ? `dev ${q.dev} ` : '';
  const text = `qdisc ${q.kind} ${handleOf(q)} ${dev}root refcnt 2 ${q.words}\n`;
  if (!stats) return text;
  const s = q.stats;
  return `${text} Sent ${s?.sentBytes ?? 0} bytes ${s?.sentPackets ?? 0} pkt (dropped ${s?.dropped ?? 0}, overlimits ${s?.overlimits ?? 0} requeues ${s?.requeues ?? 0}) \n backlog ${s?.backlogBytes ?? 0}b ${s?.backlogPackets ?? 0}p requeues ${s?.requeues ?? 0}\n${q.flows === null ? '' : fqStats(q.flows)}`;
}

/** What `tc -s` tells of fq. */
function fqStats(f: FqFlows): string {
  const over = f.overLimit === 0 ? '' : ` flows_plimit ${f.overLimit}`;
  const horizon = f.horizonDrops === 0 ? '' : ` horizon_drops ${f.horizonDrops}`;
  return (
    `  flows ${f.count} (inactive ${f.inactive} throttled ${f.throttled})\n` +
    `  gc 0 highprio 0 throttled ${f.throttledTimes}${over}${horizon}\n`
  );
}
