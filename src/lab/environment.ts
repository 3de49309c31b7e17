/**
 * Environment variables of the modules of a lab: they share one process, and each node has its own besides. What a
 * module sets is its node's alone.
 */
import type { NetNs } from '../core/net.ts';
import { currentNet } from '../node/index.ts';

type Variables = Map<string, string | undefined>;

const environments: WeakMap<NetNs, Variables> = new WeakMap();
let installed = false;

/** From now on what runs in `net` sees these variables beside those of the process. */
export function setEnvironment(net: NetNs, variables: Readonly<Record<string, unknown>>): void {
  environments.set(net, new Map(Object.entries(variables).map(([k, v]) => [k, String(v)])));
  if (installed) return;
  installed = true;
  process.env = layered(process.env);
}

function own(): Variables | undefined {
  const net = currentNet();
  return net === undefined ? undefined : environments.get(net);
}

function layered(outer: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return new Proxy(outer, {
    get(target, key) {
      const variables = typeof key === 'string' ? own() : undefined;
      return variables?.has(key as string) === true
        ? variables.get(key as string)
        : Reflect.get(target, key);
    },
    set(target, key, value) {
      const variables = typeof key === 'string' ? own() : undefined;
      if (variables === undefined) return Reflect.set(target, key, value);
      variables.set(key as string, String(value));
      return true;
    },
    has(target, key) {
      const variables = typeof key === 'string' ? own() : undefined;
      return variables?.has(key as string) === true
        ? variables.get(key as string) !== undefined
        : Reflect.has(target, key);
    },
    deleteProperty(target, key) {
      const variables = typeof key === 'string' ? own() : undefined;
      if (variables === undefined) return Reflect.deleteProperty(target, key);
      variables.set(key as string, undefined);
      return true;
    },
    ownKeys(target) {
      const keys = new Set(Reflect.ownKeys(target));
      for (const [key, value] of own() ?? [])
        if (value === undefined) keys.delete(key);
        else keys.add(key);
      return [...keys];
    },
    getOwnPropertyDescriptor(target, key) {
      const variables = typeof key === 'string' ? own() : undefined;
      if (variables?.has(key as string) !== true)
        return Reflect.getOwnPropertyDescriptor(target, key);
      const value = variables.get(key as string);
      if (value === undefined) return undefined;
      return { value, configurable: true, enumerable: true, writable: true };
    },
  });
}
