/**
 * Takes over `node:dns` inside a namespace. `lookup` knows numeric addresses and the namespace's own
 * names; `resolve*` and `reverse` find no server, and say so, rather than ask the host's.
 */
import { AsyncResource } from 'node:async_hooks';
import dns from 'node:dns';
import dnsPromises from 'node:dns/promises';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import type { NetNs } from '../core/net.ts';
import { currentNet } from './current.ts';
import { type HostAddress, nameOf, resolveHost } from './hosts.ts';
import { type DnsChannel, internals } from './internals.ts';
import { inLaterTurn } from './loop.ts';


/** `UV_EAI_NONAME`, which Node shows as ENOTFOUND. */
const EAI_NONAME = -3008;
/** A resolver without configuration asks the host itself. */
const NO_SERVER: readonly [string, number] = ['127.0.0.1', 53];
/** Names that `getnameinfo` finds for ports. */
const SERVICES: Readonly<Record<number, string>> = {
  22: 'ssh',
  25: 'smtp',
  53: 'domain',
  80: 'http',
  443: 'https',
};

interface LookupOptions {
  readonly family?: unknown;
  readonly all?: boolean;
  readonly order?: string;
  readonly verbatim?: boolean;
}
type LookupCallback = (error: Error | null, address?: unknown, family?: number) => void;
type Lookup = (host: unknown, options?: unknown, callback?: unknown) => unknown;

/** Installs the patches of `node:dns`. */
export function patchDns(): void {
  patchLookup();
  patchLookupService();
  patchChannel(internals().DnsChannel.prototype);
}

function notFound(syscall: string, hostname: string): Error {
  const error = new Error(`${syscall} ENOTFOUND ${hostname}`);
  return Object.assign(error, { errno: EAI_NONAME, code: 'ENOTFOUND', syscall, hostname });
}

function familyOf(family: unknown): number {
  if (family === 4 || family === 'IPv4') return 4;
  return family === 6 || family === 'IPv6' ? 6 : 0;
}

/** Is it a name that the namespace must answer for? Everything else is Node's: arguments, literals. */
function isOurs(net: NetNs | undefined, host: unknown): host is string {
  return net !== undefined && typeof host === 'string' && host !== '' && isIP(host) === 0;
}

function patchLookup(): void {
  const original = dns.lookup as unknown as Lookup;
  const originalPromise = dnsPromises.lookup as unknown as Lookup;
  function lookup(this: unknown, ...args: [unknown, unknown?, unknown?]): unknown {
    const net = currentNet();
    const [host, second, third] = args;
    const callback = typeof second === 'function' ? second : third;
    if (net === undefined || !isOurs(net, host) || typeof callback !== 'function')
      return original.apply(this, args);
    // Node checks the options, with an address that needs no look-up.
    if (typeof second !== 'function') original.call(this, '127.0.0.1', second, () => undefined);
    const options = lookupOptions(second);
    const tell = AsyncResource.bind(callback as LookupCallback);
    inLaterTurn(() => answer(net, host, options, tell));
    return {};
  }
  function lookupPromise(this: unknown, ...args: [unknown, unknown?]): unknown {
    const net = currentNet();
    const [host, second] = args;
    if (net === undefined || !isOurs(net, host)) return originalPromise.apply(this, args);
    void (originalPromise.call(this, '127.0.0.1', second) as Promise<unknown>);
    const options = lookupOptions(second);
    return new Promise((resolve, reject) => {
      const tell: LookupCallback = (error, address, family) => {
        if (error !== null) reject(error);
        else resolve(options.all === true ? address : { address, family });
      };
      inLaterTurn(() => answer(net, host, options, tell));
    });
  }
  // `promisify(dns.lookup)` gives `{ address, family }` by Node's own private symbol.
  for (const symbol of Object.getOwnPropertySymbols(original))
    Object.defineProperty(
      lookup,
      symbol,
      Object.getOwnPropertyDescriptor(original, symbol) as PropertyDescriptor,
    );
  Object.defineProperty(lookup, promisify.custom, {
    value: (...args: [unknown, unknown?]) => lookupPromise(...args),
  });
  Object.defineProperty(lookupPromise, 'name', { value: 'lookup' });
  Object.assign(dns, { lookup });
  Object.assign(dnsPromises, { lookup: lookupPromise });
}

function lookupOptions(options: unknown): LookupOptions {
  if (typeof options === 'number') return { family: options };
  return typeof options === 'object' && options !== null ? (options as LookupOptions) : {};
}

function answer(net: NetNs, host: string, options: LookupOptions, tell: LookupCallback): void {
  const found = ordered(resolveHost(net, host, familyOf(options.family)), options);
  const [first] = found;
  if (first === undefined) tell(notFound('getaddrinfo', host));
  else if (options.all === true) tell(null, found);
  else tell(null, first.address, first.family);
}

/** `order` and `verbatim`: which family comes first. */
function ordered(found: HostAddress[], options: LookupOptions): HostAddress[] {
  const order =
    options.order ??
    (options.verbatim === false ? 'ipv4first' : options.verbatim ? 'verbatim' : undefined) ??
    dns.getDefaultResultOrder();
  if (order === 'verbatim') return found;
  const first = order === 'ipv6first' ? 6 : 4;
  return [...found.filter((a) => a.family === first), ...found.filter((a) => a.family !== first)];
}

function patchLookupService(): void {
  type LookupService = (address: unknown, port: unknown, callback?: unknown) => unknown;
  const original = dns.lookupService as unknown as LookupService;
  const originalPromise = dnsPromises.lookupService as unknown as LookupService;
  const isValid = (address: unknown, port: unknown): boolean =>
    typeof address === 'string' && isIP(address) !== 0 && Number(port) >= 0 && Number(port) < 65536;
  function lookupService(this: unknown, ...args: [unknown, unknown, unknown]): unknown {
    const net = currentNet();
    const [address, port, callback] = args;
    if (net === undefined || !isValid(address, port) || typeof callback !== 'function')
      return original.apply(this, args);
    const tell = AsyncResource.bind(callback as (...a: unknown[]) => void);
    const name = nameOf(net, address as string);
    inLaterTurn(() => {
      if (name === undefined) tell(notFound('getnameinfo', address as string));
      else tell(null, name, SERVICES[Number(port)] ?? String(Number(port)));
    });
    return {};
  }
  function lookupServicePromise(this: unknown, ...args: [unknown, unknown]): unknown {
    if (currentNet() === undefined || !isValid(...args)) return originalPromise.apply(this, args);
    return new Promise((resolve, reject) => {
      lookupService(...args, (error: Error | null, hostname: string, service: string) => {
        if (error !== null) reject(error);
        else resolve({ hostname, service });
      });
    });
  }
  Object.defineProperty(lookupServicePromise, 'name', { value: 'lookupService' });
  Object.assign(dns, { lookupService });
  Object.assign(dnsPromises, { lookupService: lookupServicePromise });
}

interface QueryRequest {
  oncomplete?: (error: unknown) => void;
}

/** All resolvers, with callbacks and with promises, go through this native class. */
function patchChannel(proto: DnsChannel): void {
  const servers: WeakMap<NetNs, WeakMap<object, unknown>> = new WeakMap();
  for (const name of Object.getOwnPropertyNames(proto)) {
    const original = proto[name];
    if (!/^(?:query|getHostByAddr)/.test(name) || typeof original !== 'function') continue;
    proto[name] = function query(this: object, ...args: unknown[]): unknown {
      if (currentNet() === undefined) return original.apply(this, args);
      const tell = AsyncResource.bind((code: string) =>
        (args[0] as QueryRequest).oncomplete?.(code),
      );
      inLaterTurn(() => tell('ECONNREFUSED'));
      return 0;
    };
  }
  const { getServers, setServers } = proto;
  proto['getServers'] = function get(this: object): unknown {
    const net = currentNet();
    if (net === undefined) return getServers?.call(this);
    return servers.get(net)?.get(this) ?? [[...NO_SERVER]];
  };
  proto['setServers'] = function set(this: object, ...args: unknown[]): unknown {
    const net = currentNet();
    if (net === undefined) return setServers?.apply(this, args);
    const own = servers.get(net) ?? new WeakMap<object, unknown>();
    servers.set(net, own);
    const list = args[0] as [number, string, number][];
    own.set(
      this,
      list.map(([, address, port]) => [address, port]),
    );
    return 0;
  };
}
