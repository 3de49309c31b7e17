/**
 * Connections that Node keeps for later requests must not pass from one namespace to another: the HTTP
 * agents' by their key, those of `fetch` and `WebSocket` by an agent of each namespace's own.
 */
import http from 'node:http';
import type { NetNs } from '../core/net.ts';
import { currentNet, processNetwork, withNet } from './current.ts';

/** Installs the patches. */
export function patchAgents(): void {
  patchAgentKeys();
  patchFetch();
}

/** Numbers for keys: ids are unique within one kernel only. */
const numbers: WeakMap<NetNs, number> = new WeakMap();
let lastNumber = 0;

function numberOf(net: NetNs): number {
  const known = numbers.get(net);
  if (known !== undefined) return known;
  numbers.set(net, ++lastNumber);
  return lastNumber;
}

function patchAgentKeys(): void {
  const proto = http.Agent.prototype as unknown as { getName(options?: unknown): string };
  const original = proto.getName;
  proto.getName = function getName(options) {
    const net = currentNet();
    const name = original.call(this, options);
    // Where the whole process is, names are what Node says that they are.
    if (net === processNetwork()) return name;
    return net === undefined ? `${name}:host` : `${name}:netns${numberOf(net)}`;
  };
}

/** What undici registers globally: one agent for all of `fetch`, `WebSocket`, `EventSource`. */
interface Dispatcher {
  dispatch(...args: unknown[]): unknown;
}

const AGENT = /^undici\.globalDispatcher\.\d+$/;

function patchFetch(): void {
  const original = globalThis.fetch;
  const separated = new Set<symbol>();
  function fetch(...args: Parameters<typeof original>): ReturnType<typeof original> {
    separateDispatchers(separated);
    return original(...args);
  }
  Object.assign(globalThis, { fetch });
  // Loaded already: then others than `fetch` may use it first.
  if (Object.getOwnPropertySymbols(globalThis).some((s) => AGENT.test(s.description ?? '')))
    separateDispatchers(separated);
}

/** Puts a switch in the place of the global agent. The agent registers itself when `Response` is first read. */
function separateDispatchers(done: Set<symbol>): void {
  if (done.size > 0) return;
  void globalThis.Response;
  const slots = globalThis as unknown as Record<symbol, Dispatcher>;
  for (const symbol of Object.getOwnPropertySymbols(globalThis)) {
    const agent = slots[symbol];
    if (!AGENT.test(symbol.description ?? '') || agent === undefined) continue;
    done.add(symbol);
    slots[symbol] = separated(agent);
  }
}

/** An agent like `outer`, whose requests go to the current namespace's own. */
function separated(outer: Dispatcher): Dispatcher {
  const agents: WeakMap<NetNs, Dispatcher> = new WeakMap();
  return new Proxy(outer, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (key !== 'dispatch' || typeof value !== 'function') {
        return typeof value === 'function' && key !== 'constructor' ? value.bind(target) : value;
      }
      return (...args: unknown[]) => {
        const net = currentNet();
        if (net === undefined) return target.dispatch(...args);
        let agent = agents.get(net);
        if (agent === undefined) {
          const Agent = target.constructor as new () => Dispatcher;
          agent = withNet(net, () => new Agent());
          agents.set(net, agent);
        }
        return agent.dispatch(...args);
      };
    },
  });
}
