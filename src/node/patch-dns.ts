/**
 * Takes over `node:dns` inside a namespace, below Node's own code: what `getaddrinfo` and `getnameinfo` find,
 * and whom the resolvers ask. Names come from the namespace's table (`hosts.ts`), then from its DNS servers.
 */
import { AsyncResource } from 'node:async_hooks';
import dns from 'node:dns';
import { isIP } from 'node:net';
import type { NetNs } from '../core/net.ts';
import { currentNet } from './current.ts';
import type { Outcome } from './dns-client.ts';
import { TYPES } from './dns-message.ts';
import { namesOf, resolveHost } from './hosts.ts';
import { internals } from './internals.ts';
import { inLaterTurn } from './loop.ts';
import { nameServersOf } from './name-servers.ts';
import { patchChannel, query } from './resolver-channel.ts';

/** `UV_EAI_NONAME`, `UV_EAI_AGAIN`: Node shows them as ENOTFOUND and EAI_AGAIN. */
const EAI_NONAME = -3008;
const EAI_AGAIN = -3001;
/** What Node passes for `order`. */
const IPV4_FIRST = 1;
const IPV6_FIRST = 2;
/** Names that `getnameinfo` finds for ports. */
const SERVICES: Readonly<Record<number, string>> = {
  21: 'ftp',
  22: 'ssh',
  23: 'telnet',
  25: 'smtp',
  53: 'domain',
  80: 'http',
  110: 'pop3',
  143: 'imap2',
  443: 'https',
};

/** What Node makes for a look-up. */
interface LookupRequest {
  oncomplete?: (error: number | null, ...found: unknown[]) => void;
}

/** Installs the patches of `node:dns`. */
export function patchDns(): void {
  const wasLoaded = (process as unknown as { moduleLoadList: string[] }).moduleLoadList.includes(
    'NativeModule internal/dns/promises',
  );
  patchGetaddrinfo();
  patchGetnameinfo();
  patchChannel();
  if (wasLoaded) patchPromises();
}

function tellOf(req: LookupRequest, type: string): NonNullable<LookupRequest['oncomplete']> {
  const resource = new AsyncResource(type);
  return (...args) => resource.runInAsyncScope(() => req.oncomplete?.(...args), undefined);
}

function patchGetaddrinfo(): void {
  const binding = internals().dns;
  const original = binding.getaddrinfo;
  binding.getaddrinfo = function getaddrinfo(req, name, family, hints, order) {
    const net = currentNet();
    if (net === undefined) return original.call(this, req, name, family, hints, order);
    const tell = tellOf(req as LookupRequest, 'GETADDRINFOREQWRAP');
    const answer = (found: readonly string[], error: number): void => {
      const list = ordered(ofFamily(found, family, hints), order);
      if (list.length > 0) tell(null, list);
      else tell(found.length > 0 ? EAI_NONAME : error);
    };
    const found = resolveHost(net, name, 0).map((a) => a.address);
    if (found.length > 0 || nameServersOf(net).length === 0)
      inLaterTurn(() => answer(found, EAI_NONAME));
    else askServers(net, name, family, answer);
    return 0;
  };
}

/** The addresses of a family (0: any); `hints` may turn those of IPv4 into mapped ones. */
function ofFamily(found: readonly string[], family: number, hints: number): readonly string[] {
  if (family !== 4 && family !== 6) return found;
  const own = found.filter((a) => isIP(a) === family);
  if (family === 4 || (hints & dns.V4MAPPED) === 0) return own;
  if (own.length > 0 && (hints & dns.ALL) === 0) return own;
  return [...own, ...found.filter((a) => isIP(a) === 4).map((a) => `::ffff:${a}`)];
}

/** Which family comes first. */
function ordered(found: readonly string[], order: unknown): readonly string[] {
  if (order !== IPV4_FIRST && order !== IPV6_FIRST) return found;
  const first = order === IPV6_FIRST ? 6 : 4;
  return [...found.filter((a) => isIP(a) === first), ...found.filter((a) => isIP(a) !== first)];
}

/** Asks the namespace's DNS servers for the addresses of a name. */
function askServers(
  net: NetNs,
  name: string,
  family: number,
  answer: (found: readonly string[], error: number) => void,
): void {
  const types = [family === 6 ? [] : ['A'], family === 4 ? [] : ['AAAA']].flat();
  const found = types.map((): string[] => []);
  let left = types.length;
  let error = EAI_NONAME;
  types.forEach((type, i) => {
    query(net, name, TYPES[type] as number, (outcome: Outcome) => {
      if (typeof outcome === 'object')
        found[i] = outcome.records
          .filter((r) => r.type === TYPES[type])
          .map((r) => String(r.value));
      else if (outcome !== 'ENOTFOUND') error = EAI_AGAIN;
      if (--left === 0) answer(found.flat(), error);
    });
  });
}

function patchGetnameinfo(): void {
  const binding = internals().dns;
  const original = binding.getnameinfo;
  binding.getnameinfo = function getnameinfo(req, address, port) {
    const net = currentNet();
    if (net === undefined) return original.call(this, req, address, port);
    const tell = tellOf(req as LookupRequest, 'GETNAMEINFOREQWRAP');
    const [name] = namesOf(net, address);
    inLaterTurn(() => {
      if (name === undefined) tell(EAI_NONAME);
      else tell(null, name, SERVICES[port] ?? String(port));
    });
    return 0;
  };
}

type Lookup = (...args: unknown[]) => unknown;

/** `dns.promises` was loaded before us and holds Node's own functions: in a namespace it asks `dns` instead. */
function patchPromises(): void {
  const { promises } = dns as unknown as { promises: { lookup: Lookup; lookupService: Lookup } };
  const original = { lookup: promises.lookup, lookupService: promises.lookupService };
  function lookup(this: unknown, ...args: [unknown, unknown?]): unknown {
    const [host, options] = args;
    const isName = typeof host === 'string' && host !== '' && isIP(host) === 0;
    if (currentNet() === undefined || !isName) return original.lookup.apply(this, args);
    // Node checks the options, with an address that needs no look-up.
    const checked = original.lookup.call(this, '127.0.0.1', options) as Promise<unknown>;
    const all = (options as { all?: unknown } | undefined)?.all === true;
    const found = (resolve: (value: unknown) => void, reject: (error: Error) => void): void => {
      const done = (error: Error | null, address: unknown, family: unknown): void => {
        if (error !== null) reject(error);
        else resolve(all ? address : { address, family });
      };
      const ask = dns.lookup as unknown as Lookup;
      if (options === undefined) ask(host, done);
      else ask(host, options, done);
    };
    return checked.then(() => new Promise(found));
  }
  function lookupService(this: unknown, ...args: [unknown, unknown]): unknown {
    if (currentNet() === undefined) return original.lookupService.apply(this, args);
    // Wrong arguments are thrown, not a rejection.
    let settle: (error: Error | null, hostname: string, service: string) => void = () => {};
    (dns.lookupService as unknown as Lookup)(
      ...args,
      (error: Error | null, hostname: string, service: string) => settle(error, hostname, service),
    );
    return new Promise((resolve, reject) => {
      settle = (error, hostname, service) => {
        if (error !== null) reject(error);
        else resolve({ hostname, service });
      };
    });
  }
  Object.assign(promises, { lookup, lookupService });
}
