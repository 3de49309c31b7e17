/** `bridge` (iproute2 `bridge/`): ports, forwarding tables, groups and VLANs of bridges. */
import type { PrintOptions } from '../core/control/ip/entry.ts';
import { failure, type ToolContext, type ToolResult } from '../core/control/ip/ip.ts';
import { nearestOf } from '../core/control/ip/nearest.ts';
import {
  abbreviates,
  CommandError,
  EXIT_USAGE,
  notImplemented,
  Words,
} from '../core/control/ip/words.ts';
import { bridgeFdb } from './bridge-fdb.ts';
import { bridgeLink } from './bridge-link.ts';
import { bridgeMdb } from './bridge-mdb.ts';
import { bridgeVlan } from './bridge-vlan.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** How a listing of `bridge` is printed. */
export interface BridgeOptions extends PrintOptions {
  /** `-compressvlans`: ranges. */
  readonly compress: boolean;
}

type Run = (ctx: ToolContext, words: Words, options: BridgeOptions) => string;

const OBJECTS: readonly (readonly [string, Run])[] = [
  ['link', bridgeLink],
  ['fdb', bridgeFdb],
  ['mdb', bridgeMdb],
  ['vlan', bridgeVlan],
];

const USAGE = `Usage: bridge [ OPTIONS ] OBJECT { COMMAND | help }
where  OBJECT := { link | fdb | mdb | vlan | monitor }
       OPTIONS := { -s[tatistics] | -d[etails] | -o[neline] | -n[etns] name |
                    -c[ompressvlans] | -p[retty] | -j[son] }`;

/** Runs `bridge` with the words that follow its name. */
export function bridgeTool(ctx: ToolContext, argv: readonly string[]): ToolResult {
  try {
    const words = new Words(argv);
    const { options, ns } = parseBridge(ctx, words);
    const inner: ToolContext = { ...ctx, ns };
    const object = words.empty ? 'help' : words.next();
    const found = OBJECTS.find(([name]) => abbreviates(object, name));
    if (found !== undefined)
      return { stdout: found[1](inner, words, options), stderr: '', code: 0 };
    if (abbreviates(object, 'help')) throw new CommandError(USAGE, EXIT_USAGE);
    if (abbreviates(object, 'vni'))
      throw notImplemented('bridge vni', 'the objects are link, fdb, mdb and vlan');
    if (abbreviates(object, 'monitor'))
      throw notImplemented('bridge monitor', 'bridgeMonitor() of warren/tools runs it');
    const names = OBJECTS.map(([name]) => name);
    throw new CommandError(
      `Object "${object}" is unknown, try "bridge help".\nDid you mean "bridge ${nearestOf(object, names)}"?`,
      EXIT_USAGE,
    );
  } catch (e) {
    // LINUX: bridge(8) hands whatever went wrong to exit() as -1.
    return { ...failure(e, ''), code: EXIT_USAGE };
  }
}

/** The global options of `bridge`, and the namespace that they name. */
export function parseBridge(
  ctx: ToolContext,
  words: Words,
): { options: BridgeOptions; ns: ToolContext['ns'] } {
  const o: Mutable<BridgeOptions> = {
    json: false,
    pretty: false,
    brief: false,
    oneline: false,
    details: false,
    stats: 0,
    numeric: false,
    family: '',
    compress: false,
  };
  let { ns } = ctx;
  while (words.peek.startsWith('-')) {
    const word = words.next();
    if (abbreviates(word, '-statistics') || abbreviates(word, '-stats')) o.stats++;
    else if (abbreviates(word, '-details')) o.details = true;
    else if (abbreviates(word, '-json')) o.json = true;
    else if (abbreviates(word, '-pretty')) o.pretty = true;
    else if (abbreviates(word, '-oneline')) o.oneline = true;
    else if (abbreviates(word, '-compressvlans')) o.compress = true;
    else if (abbreviates(word, '-netns')) ns = netnsOption(ctx, words.next());
    else throw new CommandError(`Option "${word}" is unknown, try "bridge help".`, EXIT_USAGE);
  }
  return { options: o, ns };
}

function netnsOption(ctx: ToolContext, name: string): ToolContext['ns'] {
  const found = ctx.findNetns(name);
  if (found === undefined)
    throw new CommandError(
      `Cannot open network namespace "${name}": No such file or directory`,
      EXIT_USAGE,
    );
  return found;
}
