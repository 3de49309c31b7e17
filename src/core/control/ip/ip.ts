/**
 * `ip` as a function: the words of ip(8) to the calls of `Namespace`, and their results to iproute2's
 * text or JSON. Options and texts are those of iproute2 6.1.
 */
import { EOPNOTSUPP, EPERM, errnoText, NetError } from '../../errno.ts';
import type { Namespace } from '../namespace.ts';
import { ipAddr } from './addr-words.ts';
import { ipAddrLabel } from './addrlabel-words.ts';
import { checkListing, forAll } from './all.ts';
import type { PrintOptions } from './entry.ts';
import { ipLink } from './link-words.ts';
import { ipMaddr } from './maddr-show.ts';
import { nearestOf } from './nearest.ts';
import { ipNeigh } from './neigh-words.ts';
import { ipNetns } from './netns-words.ts';
import { ipNexthop } from './nexthop-words.ts';
import { ipRoute } from './route-words.ts';
import { ipRule } from './rule-words.ts';
import { ipTcpMetrics } from './tcp-metrics.ts';
import {
  abbreviates,
  CommandError,
  EXIT_KERNEL,
  EXIT_PARSE,
  EXIT_USAGE,
  notImplemented,
  Words,
} from './words.ts';

/** What a tool printed, and its exit code. */
export interface ToolResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** The same, and why it failed; for callers that throw. */
export interface IpOutcome extends ToolResult {
  readonly error: NetError | null;
}

/** Where a tool works. */
export interface ToolContext {
  /** The namespace that the words are about, unless `-n` names another. */
  readonly ns: Namespace;
  /** A namespace by name; undefined: there is none. */
  readonly findNetns: (name: string) => Namespace | undefined;
  /** All namespaces, for `ip netns list`. */
  readonly listNetns: () => readonly Namespace[];
}

/** What the objects of `ip` work with. */
export interface IpContext extends ToolContext {
  readonly options: PrintOptions;
  /** `-all` was said. */
  readonly all: boolean;
  /** Prints to standard error and goes on. */
  readonly warn: (text: string) => void;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Run = (ctx: IpContext, words: Words) => string;

/** In iproute2's order, which decides what an abbreviation means; null: not implemented. */
const OBJECTS: readonly (readonly [string, Run | null])[] = [
  ['address', ipAddr],
  ['addrlabel', ipAddrLabel],
  ['maddress', ipMaddr],
  ['route', ipRoute],
  ['rule', ipRule],
  ['neighbor', ipNeigh],
  ['neighbour', ipNeigh],
  ['ntable', null],
  ['ntbl', null],
  ['link', ipLink],
  ['l2tp', null],
  ['fou', null],
  ['ila', null],
  ['macsec', null],
  ['tunnel', null],
  ['tuntap', null],
  ['token', null],
  ['tcpmetrics', ipTcpMetrics],
  ['tcp_metrics', ipTcpMetrics],
  ['monitor', null],
  ['xfrm', null],
  ['mroute', null],
  ['mrule', null],
  ['netns', ipNetns],
  ['netconf', null],
  ['vrf', null],
  ['sr', null],
  ['nexthop', ipNexthop],
  ['mptcp', null],
  ['ioam', null],
  ['stats', null],
];

/** Runs `ip` with the words that follow its name. */
export function runIp(ctx: ToolContext, argv: readonly string[]): IpOutcome {
  let stderr = '';
  const warn = (text: string): void => {
    stderr += `${text}\n`;
  };
  try {
    const { options, ns, words, all } = parseIp(ctx, argv);
    if (words.empty) throw new CommandError(USAGE, EXIT_USAGE);
    const [object, run] = findObject(words.next());
    const context = { ...ctx, ns, options, warn };
    if (!all || object === 'netns')
      return { stdout: run({ ...context, all }, words), stderr, code: 0, error: null };
    if (ns.isInside) throw outOfReach('*');
    checkListing(object, words.peek);
    const rest = words.rest();
    const one = (each: Namespace): string =>
      run({ ...context, ns: each, all: false }, new Words(rest));
    return { stdout: forAll(ctx.listNetns(), options, one), stderr, code: 0, error: null };
  } catch (e) {
    return { ...failure(e, stderr), error: errorOf(e) };
  }
}

/** What a refusal by the words is to a caller of `Namespace.ip`: an errno with the same sentence. */
function errorOf(e: unknown): NetError | null {
  if (e instanceof NetError) return e;
  if (!(e instanceof CommandError) || e.code === 0) return null;
  return new NetError(e.errno, 'ip', e.text.trimEnd().replace(/^Error: /, ''));
}

/** What iproute2 prints for a refusal. */
export function failure(e: unknown, stderr: string): ToolResult {
  if (e instanceof CommandError) {
    // Help that was asked for is no error.
    if (e.code === 0) return { stdout: `${e.text}\n`, stderr, code: 0 };
    return { stdout: '', stderr: `${stderr}${e.text}\n`, code: e.code };
  }
  if (e instanceof NetError)
    return { stdout: '', stderr: `${stderr}${refusal(e)}\n`, code: EXIT_KERNEL };
  throw e;
}

/** `Error: <extack>.`, or `RTNETLINK answers: <errno>` where the kernel gives no sentence. */
function refusal(e: NetError): string {
  if (e.detail === '') return `RTNETLINK answers: ${errnoText(e.errno)}`;
  return `Error: ${e.detail}${e.detail.endsWith('.') ? '' : '.'}`;
}

const USAGE = `Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }
where  OBJECT := { address | link | maddress | neighbour | netns | nexthop |
                    route | rule }
       OPTIONS := { -s[tatistics] | -d[etails] | -o[neline] | -br[ief] | -j[son] | -p[retty] |
                    -4 | -6 | -N[umeric] | -n[etns] NAME | -a[ll] }`;

function findObject(word: string): readonly [string, Run] {
  if (abbreviates(word, 'help')) throw new CommandError(USAGE, 0);
  const names = OBJECTS.filter(([, run]) => run !== null).map(([name]) => name);
  const found = OBJECTS.find(([name]) => abbreviates(word, name));
  if (found === undefined)
    throw new CommandError(
      `Object "${word}" is unknown, try "ip help".\nDid you mean "ip ${nearestOf(word, names)}"?`,
      EXIT_PARSE,
    );
  if (found[0] === 'monitor')
    throw new CommandError(
      'Error: "ip monitor" goes on: kernel.watch() and monitorTool() of warren/tools run it.',
      EXIT_USAGE,
      EOPNOTSUPP,
    );
  if (found[1] === null)
    throw notImplemented(`ip ${found[0]}`, `the nearest is "ip ${nearestOf(found[0], names)}"`);
  return [found[0], found[1]];
}

interface Options {
  readonly options: PrintOptions;
  readonly ns: Namespace;
  readonly all: boolean;
}

/** The global options of `ip`, and the words behind them. */
export function parseIp(
  ctx: ToolContext,
  argv: readonly string[],
): Options & { readonly words: Words } {
  const words = new Words(argv);
  return { ...parseOptions(ctx, words), words };
}

function parseOptions(ctx: ToolContext, words: Words): Options {
  const o: Mutable<PrintOptions> = {
    json: false,
    pretty: false,
    brief: false,
    oneline: false,
    details: false,
    stats: 0,
    numeric: false,
    family: '',
  };
  let ns = ctx.ns;
  let all = false;
  while (words.peek.startsWith('-')) {
    const word = words.next().replace(/^--/, '-');
    if (word === '-') break;
    if (abbreviates(word, '-netns')) ns = netnsOption(ctx, words.next());
    else if (word === '-f' || abbreviates(word, '-family')) familyOption(o, words.next());
    else if (word === '-a' || abbreviates(word, '-all')) all = true;
    else printOption(o, word);
  }
  return { options: o, ns, all };
}

function netnsOption(ctx: ToolContext, name: string): Namespace {
  const ns = ctx.findNetns(name);
  if (ns !== undefined && ctx.ns.isInside) throw outOfReach(name);
  if (ns === undefined)
    throw new CommandError(
      `Cannot open network namespace "${name}": No such file or directory`,
      EXIT_USAGE,
    );
  return ns;
}

/** Who is inside of a namespace cannot enter another (setns(2) needs CAP_SYS_ADMIN). */
function outOfReach(name: string): CommandError {
  const text = `setting the network namespace "${name}" failed: Operation not permitted`;
  return new CommandError(text, EXIT_USAGE, EPERM);
}

function familyOption(o: Mutable<PrintOptions>, family: string): void {
  if (family === 'inet' || family === 'inet6' || family === 'link') o.family = family;
  else throw notImplemented(`-family ${family}`, 'the families are inet, inet6 and link');
}

function printOption(o: Mutable<PrintOptions>, word: string): void {
  if (word === '-4') o.family = 'inet';
  else if (word === '-0') o.family = 'link';
  else if (word === '-6') o.family = 'inet6';
  else if (abbreviates(word, '-statistics') || abbreviates(word, '-stats')) o.stats++;
  else if (abbreviates(word, '-details')) o.details = true;
  else if (abbreviates(word, '-oneline')) o.oneline = true;
  else if (abbreviates(word, '-brief') && word.length > 2) o.brief = true;
  else if (abbreviates(word, '-json')) o.json = true;
  else if (abbreviates(word, '-pretty')) o.pretty = true;
  else if (abbreviates(word, '-Numeric')) o.numeric = true;
  else if (abbreviates(word, '-Version'))
    throw new CommandError('ip of Warren, after iproute2 6.1', 0);
  else if (abbreviates(word, '-resolve') || abbreviates(word.replace(/=.*/, ''), '-color')) return;
  else if (['-batch', '-force', '-timestamp', '-rcvbuf', '-human', '-iec', '-b'].includes(word))
    throw notImplemented(`ip ${word}`, 'the options are -s -d -o -br -j -p -4 -6 -N and -n');
  else throw new CommandError(`Option "${word}" is unknown, try "ip -help".`, EXIT_USAGE);
}
