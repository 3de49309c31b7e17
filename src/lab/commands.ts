/** The commands that `exec` has: Warren's own tools, run inside a namespace of this process. */
import {
  type AppIo,
  dhcp,
  dns,
  ping,
  type RunningApp,
  radvd,
  tracepath,
  traceroute,
} from '../app/index.ts';
import type { ToolContext } from '../core/control/ip/ip.ts';
import type { Namespace } from '../core/control/namespace.ts';
import { nearest } from '../core/util/nearest.ts';
import { hostsOf, runIn } from '../node/index.ts';
import { bridgeTool } from '../tools/bridge.ts';
import { bridgeMonitor, isBridgeMonitor } from '../tools/bridge-monitor.ts';
import { catTool, lsTool, writeTool } from '../tools/files.ts';
import { ipTool } from '../tools/ip.ts';
import { isMonitor, type MonitorOutcome, monitorTool } from '../tools/monitor.ts';
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
  ip,
  ss: tool(ssTool),
  tc: tool(tcTool),
  bridge,
  sysctl: tool(sysctlTool),
  cat: streamed(catTool),
  ls: streamed(lsTool),
  write: tool(writeTool),
  ping: app(ping),
  traceroute: app(traceroute),
  tracepath: app(tracepath),
  radvd: app(radvd),
  dhcp: app(dhcp),
  dns: app(dns),
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

/** `ip`, and `ip monitor`, which goes on until it is interrupted. */
function ip(ns: Namespace, argv: readonly string[], io: CommandIo): Promise<number> {
  const context = contextOf(ns);
  if (!isMonitor(context, argv)) return tool(ipTool)(ns, argv, io);
  return untilInterrupted(
    monitorTool(context, argv, (text) => io.out(text)),
    io,
  );
}

/** `bridge`, and `bridge monitor`. */
function bridge(ns: Namespace, argv: readonly string[], io: CommandIo): Promise<number> {
  const context = contextOf(ns);
  if (!isBridgeMonitor(context, argv)) return tool(bridgeTool)(ns, argv, io);
  return untilInterrupted(
    bridgeMonitor(context, argv, (text) => io.out(text)),
    io,
  );
}

function untilInterrupted(outcome: MonitorOutcome, io: CommandIo): Promise<number> {
  if (!('stop' in outcome)) {
    if (outcome.stdout !== '') io.out(outcome.stdout);
    if (outcome.stderr !== '') io.err(outcome.stderr);
    return Promise.resolve(outcome.code);
  }
  return new Promise((resolve) => {
    const stop = (): void => {
      outcome.stop();
      resolve(0);
    };
    if (io.signal.aborted) stop();
    else io.signal.addEventListener('abort', stop, { once: true });
  });
}

function contextOf(ns: Namespace): ToolContext {
  const { netns } = ns.kernel;
  return { ns, findNetns: (name) => netns.find(name), listNetns: () => netns.list() };
}

function tool(run: Tool): Command {
  return async (ns, argv, io) => {
    const { stdout, stderr, code } = run(contextOf(ns), argv);
    if (stdout !== '') io.out(stdout);
    if (stderr !== '') io.err(stderr);
    return code;
  };
}

/** A tool whose output goes out in pieces. */
function streamed(run: typeof catTool): Command {
  return async (ns, argv, io) => {
    const { stderr, code } = run(contextOf(ns), argv, (text) => io.out(text));
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
