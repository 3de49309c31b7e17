/** The commands that `exec` has: Warren's own tools, run inside a namespace of this process. */
import { type AppIo, ping, type RunningApp, tracepath, traceroute } from '../app/index.ts';
import type { Namespace } from '../core/control/namespace.ts';
import { nearest } from '../core/util/nearest.ts';
import { hostsOf, runIn } from '../node/index.ts';
import { bridgeTool } from '../tools/bridge.ts';
import { ipTool } from '../tools/ip.ts';
import { ssTool } from '../tools/ss.ts';
import { sysctlTool } from '../tools/sysctl.ts';
import { tcTool } from '../tools/tc.ts';
import type { CommandIo } from './command-io.ts';
import { curl } from './curl.ts';
import { LabError } from './file.ts';

type Command = (ns: Namespace, argv: readonly string[], io: CommandIo) => Promise<number>;
type Tool = typeof ipTool;
type App = (ns: Namespace, argv: readonly string[], io: AppIo) => RunningApp;

const COMMANDS: Readonly<Record<string, Command>> = {
  ip: tool(ipTool),
  ss: tool(ssTool),
  tc: tool(tcTool),
  bridge: tool(bridgeTool),
  sysctl: tool(sysctlTool),
  ping: app(ping),
  traceroute: app(traceroute),
  tracepath: app(tracepath),
  curl: (ns, argv, io) => runIn(ns.net, () => curl(argv, io)),
  hostname: async (ns, _argv, io) => {
    io.out(`${ns.hostname}\n`);
    return 0;
  },
};

/** Refuses what cannot run in a namespace, with the nearest that can. */
export function checkCommand(name: string): void {
  if (Object.hasOwn(COMMANDS, name)) return;
  const known = Object.keys(COMMANDS);
  // Of two letters everything is near.
  const near = name.length < 3 ? undefined : nearest(name, [...known, 'node']);
  const hint =
    near === undefined
      ? `Node programs can (node server.js, node -e …), and ${known.join(', ')}`
      : `did you mean "${near}"?`;
  throw new LabError(`exec: "${name}" cannot run in a node; ${hint}`);
}

/** Runs one command in `ns`; resolves with its exit code. */
export async function runCommand(
  ns: Namespace,
  argv: readonly string[],
  io: CommandIo,
): Promise<number> {
  const [name = '', ...args] = argv;
  checkCommand(name);
  return (COMMANDS[name] as Command)(ns, args, io);
}

function tool(run: Tool): Command {
  return async (ns, argv, io) => {
    const { netns } = ns.kernel;
    const context = {
      ns,
      findNetns: (name: string) => netns.find(name),
      listNetns: () => netns.list(),
    };
    const { stdout, stderr, code } = run(context, argv);
    if (stdout !== '') io.out(stdout);
    if (stderr !== '') io.err(stderr);
    return code;
  };
}

function app(start: App): Command {
  return (ns, argv, io) =>
    new Promise((resolve) => {
      let running: RunningApp | undefined;
      let ended = false;
      const stop = (): void => running?.stop();
      running = start(ns, argv, {
        out: (text) => io.out(text),
        err: (text) => io.err(text),
        resolve: (name) => hostsOf(ns.net)?.get(name)?.[0],
        exit: (code) => {
          ended = true;
          io.signal.removeEventListener('abort', stop);
          resolve(code);
        },
      });
      if (io.signal.aborted) stop();
      else if (!ended) io.signal.addEventListener('abort', stop, { once: true });
    });
}
