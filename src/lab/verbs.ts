/** What can be asked of a lab that is up: the verbs of the command, words in, text out. */
import { resolve } from 'node:path';
import { parseNetem } from '../core/control/netem-words.ts';
import { formatIpv4 } from '../core/util/address.ts';
import { nearest } from '../core/util/nearest.ts';
import type { CommandIo } from './command-io.ts';
import { LabError } from './file.ts';
import type { Lab } from './lab.ts';
import type { LabNode } from './node.ts';
import { parseOptions } from './options.ts';
import { monitorAll, tree } from './supervisor.ts';
import { formatTable } from './table.ts';

/** Where the words were typed, and how the lab is taken down. */
export interface VerbContext {
  readonly cwd: string;
  down(): void;
}

type Verb = (lab: Lab, args: readonly string[], io: CommandIo, at: VerbContext) => Promise<number>;

const VERBS: Readonly<Record<string, Verb>> = {
  ps: async (lab, _args, io) => {
    io.out(`${listNodes(lab)}\n`);
    return 0;
  },
  tree: async (lab, _args, io) => {
    io.out(await tree(lab, io));
    return 0;
  },
  exec: (lab, args, io, at) => {
    const [node, dashes, ...command] = args;
    if (node === undefined || dashes !== '--' || command.length === 0)
      throw new LabError('usage: warren exec NODE -- COMMAND…');
    return lab.exec(node, command, io, at.cwd);
  },
  ping: (lab, args, io) => {
    const [from, ...rest] = args;
    if (from === undefined || rest.length === 0)
      throw new LabError('usage: warren ping A B [options]');
    return lab.command(from, ['ping', ...rest], io);
  },
  traceroute: (lab, args, io) => {
    const [from, ...rest] = args;
    if (from === undefined || rest.length === 0) throw new LabError('usage: warren traceroute A B');
    return lab.command(from, ['traceroute', ...rest], io);
  },
  ip: (lab, args, io) => (isAll(args) ? ipAll(lab, args, io) : inNode(lab, 'ip', args, io)),
  ss: (lab, args, io) => inNode(lab, 'ss', args, io),
  tc: (lab, args, io) => inNode(lab, 'tc', args, io),
  bridge: (lab, args, io) => inNode(lab, 'bridge', args, io),
  sysctl: (lab, args, io) => inNode(lab, 'sysctl', args, io),
  cat: (lab, args, io) => inNode(lab, 'cat', args, io),
  ls: (lab, args, io) => inNode(lab, 'ls', args, io),
  write: (lab, args, io) => inNode(lab, 'write', args, io),
  cut: async (lab, args) => {
    const [a, b, more] = withoutArrow(args);
    if (a === undefined || b === undefined || more !== undefined)
      throw new LabError('usage: warren cut A B, or: warren cut A NETWORK');
    lab.cut(a, b);
    return 0;
  },
  heal: async (lab, args) => {
    const [a, b, more] = withoutArrow(args);
    if (a === undefined) lab.healAll();
    else if (b === undefined || more !== undefined)
      throw new LabError('usage: warren heal [A B], or: warren heal A NETWORK');
    else lab.heal(a, b);
    return 0;
  },
  netem,
  capture,
  logs: async (lab, args, io) => {
    const [name] = args;
    if (name === undefined) throw new LabError('usage: warren logs NODE');
    for (const line of lab.node(name).log.lines) io.out(`${line}\n`);
    return 0;
  },
  down: async (_lab, _args, _io, at) => {
    at.down();
    return 0;
  },
};

/** Runs one command line; resolves with its exit code, rejects with `LabError` for wrong words. */
export async function runVerb(
  lab: Lab,
  argv: readonly string[],
  io: CommandIo,
  at: VerbContext,
): Promise<number> {
  const [verb = '', ...args] = argv;
  const run = VERBS[verb];
  if (run === undefined || !Object.hasOwn(VERBS, verb)) {
    const near = nearest(verb, Object.keys(VERBS));
    const hint = near === undefined ? 'see warren --help' : `did you mean "${near}"?`;
    throw new LabError(`"${verb}" is not a verb; ${hint}`);
  }
  return run(lab, args, io, at);
}

/** The table of what is up. */
export function listNodes(lab: Lab): string {
  const rows = [...lab.nodes.values()].map((node) => {
    const addresses = node.plan.interfaces.map((i) => `${formatIpv4(i.address)}/${i.prefixLen}`);
    const kind = node.plan.router ? 'router' : 'host';
    return [
      node.plan.name,
      kind,
      stateOf(lab, node),
      node.program,
      'real',
      addresses.join(' ') || '-',
    ];
  });
  return formatTable([['NODE', 'KIND', 'STATE', 'PROGRAM', 'CLOCK', 'ADDRESSES'], ...rows]);
}

function stateOf(lab: Lab, node: LabNode): string {
  if (node.exit !== undefined) return `exited (${node.exit})`;
  if (node.state !== 'idle' || node.program === '-') return node.state;
  const before = node.plan.after.filter((name) => lab.node(name).state !== 'ready');
  return before.length === 0 ? 'starting' : `waits for ${before.join(', ')}`;
}

/** `ip -n NODE …`: the node is named by -n, as iproute2 has it. */
function inNode(lab: Lab, tool: string, args: readonly string[], io: CommandIo): Promise<number> {
  const at = args.findIndex((a) => a === '-n' || a === '--node');
  const name = args[at + 1];
  if (at < 0 || name === undefined)
    throw new LabError(
      `which node? warren ${tool} -n NODE …; the nodes are ${[...lab.nodes.keys()].join(', ')}`,
    );
  return lab.command(name, [tool, ...args.slice(0, at), ...args.slice(at + 2)], io);
}

/** `-all` or `-a` among ip's options, which stand before its object. */
function isAll(args: readonly string[]): boolean {
  const options = args.slice(0, args.findIndex((a) => !a.startsWith('-')) + 1 || args.length);
  return options.some((o) => o === '-all' || o === '-a');
}

/** `warren ip -all link`: the listing of every node under its name; JSON becomes one list. */
async function ipAll(lab: Lab, args: readonly string[], io: CommandIo): Promise<number> {
  const words = args.filter((a) => a !== '-all' && a !== '-a');
  const object = words.find((w) => !w.startsWith('-'));
  // A single m is maddress.
  if (object !== undefined && object.length > 1 && 'monitor'.startsWith(object))
    return monitorAll(lab, words, io);
  const json = words.some((w) => w === '-j' || w === '-json');
  const objects: unknown[] = [];
  let worst = 0;
  for (const [name, node] of lab.nodes) {
    let text = '';
    const out = (piece: string): void => {
      text += piece;
    };
    const quiet = { out, err: (piece: string) => io.err(piece), signal: io.signal };
    try {
      worst = Math.max(worst, await node.command(['ip', ...words], quiet));
    } catch (e) {
      // One node that cannot answer does not hide the others.
      io.err(`${name}: ${e instanceof Error ? e.message : String(e)}\n`);
      worst = 1;
      continue;
    }
    if (!json) io.out(`\nnetns: ${name}\n${text}`);
    else if (text !== '')
      for (const object of JSON.parse(text) as object[]) objects.push({ netns: name, ...object });
  }
  if (json) io.out(`${JSON.stringify(objects)}\n`);
  return worst;
}

async function netem(lab: Lab, args: readonly string[], io: CommandIo): Promise<number> {
  const [node, ...rest] = args;
  const words = rest.at(-1);
  const towards = rest.length > 1 ? rest[0] : undefined;
  if (node === undefined || words === undefined || rest.length > 2)
    throw new LabError("usage: warren netem NODE [TOWARDS] 'delay 100ms loss 1%', or off");
  const dev = lab.interfaceOf(node, towards);
  if (words === 'off') return lab.command(node, ['tc', 'qdisc', 'del', 'dev', dev, 'root'], io);
  parseNetem(words);
  const argv = ['tc', 'qdisc', 'replace', 'dev', dev, 'root', 'netem', ...words.split(/\s+/)];
  return lab.command(node, argv, io);
}

async function capture(
  lab: Lab,
  args: readonly string[],
  io: CommandIo,
  at: VerbContext,
): Promise<number> {
  const { values, positionals } = parseOptions('capture', {
    args: [...args],
    allowPositionals: true,
    options: {
      node: { type: 'string', short: 'n' },
      interface: { type: 'string', short: 'i' },
      write: { type: 'string', short: 'w' },
      count: { type: 'string', short: 'c' },
    },
  });
  if (values.write === undefined)
    throw new LabError('usage: warren capture [-n NODE] [-i NETWORK] -w FILE [FILTER]');
  const limit = values.count === undefined ? Number.POSITIVE_INFINITY : Number(values.count);
  if (Number.isNaN(limit)) throw new LabError(`-c takes a number, not "${values.count}"`);
  const running = lab.capture(resolve(at.cwd, values.write), {
    node: values.node,
    wire: values.interface,
    filter: positionals.join(' '),
  });
  io.err(`capturing to ${values.write}; Ctrl-C ends it\n`);
  await new Promise<void>((done) => {
    io.signal.addEventListener('abort', () => done(), { once: true });
    if (Number.isFinite(limit)) {
      const poll = setInterval(() => {
        if (running.packets() < limit && !io.signal.aborted) return;
        clearInterval(poll);
        done();
      }, 20);
    }
  });
  io.err(`${running.packets()} packets captured\n`);
  await running.stop();
  return 0;
}

/** `cut a <-> b` is `cut a b`. */
function withoutArrow(args: readonly string[]): readonly string[] {
  return args.filter((a) => a !== '<->');
}
