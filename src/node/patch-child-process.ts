/**
 * Programs that a program in a namespace starts. Those that are Node's, however deep below shells, belong to
 * the same namespace: their sockets' calls go to the process that holds it. What is not Node's has the
 * host's network. A `…Sync` call stops the process that would have to answer: if that holds the
 * namespace, the program gets one of its own that has nothing but `lo`.
 */
import childProcess, { ChildProcess } from 'node:child_process';
import { currentNet } from './current.ts';
import { passToChild } from './pass-handles.ts';
import { doorPath } from './place-door.ts';
import { placeEnvironment, withPreload } from './place-environment.ts';
import { isRemote } from './system-calls.ts';

interface SpawnOptions {
  envPairs?: string[];
}
type Spawn = (this: ChildProcess, options: SpawnOptions) => number;

/** Installs the patches of `node:child_process`. */
export function patchChildProcess(): void {
  const proto = ChildProcess.prototype as unknown as { spawn: Spawn };
  const original = proto.spawn;
  proto.spawn = function spawn(options) {
    const net = currentNet();
    if (net === undefined || !Array.isArray(options?.envPairs)) return original.call(this, options);
    const env = placeEnvironment(fromPairs(options.envPairs), doorPath(net));
    const envPairs = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const result = original.call(this, { ...options, envPairs });
    passToChild(this, net);
    return result;
  };
  for (const name of ['spawnSync', 'execFileSync', 'execSync'] as const) patchSync(name);
}

function fromPairs(pairs: readonly string[]): Record<string, string> {
  // Windows has names that begin with "=".
  const entries = pairs.map((pair): [string, string] => {
    const at = pair.indexOf('=', 1);
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  return Object.fromEntries(entries);
}

type SyncCall = (...args: unknown[]) => unknown;

function patchSync(name: 'spawnSync' | 'execFileSync' | 'execSync'): void {
  const module = childProcess as unknown as Record<string, SyncCall>;
  const original = module[name] as SyncCall;
  const call = function (this: unknown, ...args: unknown[]): unknown {
    const net = currentNet();
    if (net === undefined) return original.apply(this, args);
    const last = args.length - 1;
    const hasOptions = last > 0 && typeof args[last] === 'object' && !Array.isArray(args[last]);
    const options = ((hasOptions ? args[last] : undefined) ?? {}) as { env?: NodeJS.ProcessEnv };
    const base = options.env ?? process.env;
    const env = isRemote(net)
      ? placeEnvironment(base, doorPath(net))
      : withPreload(base, { WARREN_NETNS: net.hostname });
    const given = hasOptions ? args.slice(0, last) : args;
    return original.apply(this, [...given, { ...options, env }]);
  };
  Object.defineProperty(call, 'name', { value: name });
  module[name] = call;
}
