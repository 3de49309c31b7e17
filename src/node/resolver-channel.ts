/**
 * The native channel of Node's resolvers (c-ares) inside a namespace: `queryA(req, name)` and its kin ask the
 * namespace's servers. One channel of Node's serves every namespace that it is used in, with settings for each.
 */
import { AsyncResource } from 'node:async_hooks';
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import type { NetNs } from '../core/net.ts';
import { currentNet } from './current.ts';
import {
  DEFAULT_QUERY,
  DnsQuery,
  type DnsServer,
  type Outcome,
  type QueryOptions,
} from './dns-client.ts';
import { type DnsRecord, TYPES } from './dns-message.ts';
import { namesOf } from './hosts.ts';
import { type DnsChannel, internals } from './internals.ts';
import { nameServersOf } from './name-servers.ts';
import { uv } from './uv.ts';

const { setImmediate } = globalThis;

const PORT = 53;
/** `DNS_ESETSRVPENDING` of Node's. */
const PENDING = -1000;
/** Types in the order in which Node lists what `resolveAny` found. */
const ANY_ORDER = [
  'A',
  'CNAME',
  'AAAA',
  'MX',
  'NS',
  'TXT',
  'SRV',
  'PTR',
  'NAPTR',
  'SOA',
  'TLSA',
  'CAA',
];

interface QueryRequest {
  oncomplete?: (error: string | null, result?: unknown, ttls?: readonly number[]) => void;
}

/** What a channel is in one namespace. */
class ChannelState {
  servers: readonly DnsServer[] | undefined = undefined;
  options: QueryOptions;
  readonly pending: Set<DnsQuery> = new Set();

  constructor(options: QueryOptions) {
    this.options = options;
  }
}

/** How a channel was made. */
const made: WeakMap<object, QueryOptions> = new WeakMap();
const states: WeakMap<NetNs, WeakMap<object, ChannelState>> = new WeakMap();

function stateOf(netns: NetNs, channel: object): ChannelState {
  const all = states.get(netns) ?? new WeakMap<object, ChannelState>();
  states.set(netns, all);
  const state = all.get(channel) ?? new ChannelState(made.get(channel) ?? DEFAULT_QUERY);
  all.set(channel, state);
  return state;
}

/** A resolver without configuration asks the host itself, as c-ares does. */
function serversOf(netns: NetNs, state: ChannelState): readonly DnsServer[] {
  if (state.servers !== undefined) return state.servers;
  const named = nameServersOf(netns);
  return (named.length === 0 ? ['127.0.0.1'] : named).map((address) => ({ address, port: PORT }));
}

/** One question; the answer comes in no particular asynchronous context. */
export function query(
  netns: NetNs,
  name: string,
  type: number,
  done: (outcome: Outcome) => void,
): DnsQuery {
  const servers = nameServersOf(netns).map((address) => ({ address, port: PORT }));
  return new DnsQuery(netns, servers, DEFAULT_QUERY, [name, type], done);
}

/** Installs the patches of the native class. */
export function patchChannel(): void {
  const { dns } = internals();
  const Original = dns.ChannelWrap as unknown as new (...args: number[]) => object;
  const proto = dns.ChannelWrap.prototype;
  function ChannelWrap(...args: number[]): object {
    const channel = Reflect.construct(Original, args, new.target ?? Original);
    const [timeout = -1, tries = DEFAULT_QUERY.tries, maxTimeout = 0] = args;
    made.set(channel, { ...DEFAULT_QUERY, timeout, tries, maxTimeout });
    return channel;
  }
  ChannelWrap.prototype = proto;
  dns.ChannelWrap = ChannelWrap as unknown as typeof dns.ChannelWrap;
  for (const name of Object.getOwnPropertyNames(proto)) {
    const type = TYPES[name.replace('query', '').toUpperCase()];
    if (name.startsWith('query') && type !== undefined) patchQuery(proto, name, type);
  }
  patchReverse(proto);
  patchSettings(proto);
}

function patchQuery(proto: DnsChannel, method: string, type: number): void {
  const original = proto[method] as (...args: unknown[]) => unknown;
  proto[method] = function query(this: object, ...args: unknown[]): unknown {
    const netns = currentNet();
    if (netns === undefined) return original.apply(this, args);
    ask(netns, this, args[0] as QueryRequest, [String(args[1]), type], (tell, outcome) =>
      tellRecords(tell, outcome, type),
    );
    return 0;
  };
}

type Tell = NonNullable<QueryRequest['oncomplete']>;

function ask(
  netns: NetNs,
  channel: object,
  req: QueryRequest,
  [name, type]: readonly [string, number],
  answer: (tell: Tell, outcome: Outcome) => void,
): void {
  const state = stateOf(netns, channel);
  const resource = new AsyncResource('QUERYWRAP');
  const tell: Tell = (...result) =>
    resource.runInAsyncScope(() => req.oncomplete?.(...result), undefined);
  const ascii = /^[\0-\x7f]*$/.test(name) ? name : domainToASCII(name);
  const question = new DnsQuery(
    netns,
    serversOf(netns, state),
    state.options,
    [ascii, type],
    (outcome) => {
      state.pending.delete(question);
      answer(tell, outcome);
    },
  );
  state.pending.add(question);
}

function tellRecords(tell: Tell, outcome: Outcome, type: number): void {
  if (typeof outcome === 'string') {
    tell(outcome);
    return;
  }
  const any = type === TYPES['ANY'];
  const found = any
    ? ANY_ORDER.flatMap((t) => outcome.records.filter((r) => r.type === TYPES[t]))
    : outcome.records.filter((r) => r.type === type);
  if (found.length === 0) tell('ENODATA');
  else if (any) tell(null, found.map(withType));
  else if (type === TYPES['A'] || type === TYPES['AAAA'])
    tell(
      null,
      found.map((r) => r.value),
      found.map((r) => r.ttl),
    );
  else if (type === TYPES['SOA']) tell(null, typed(found[0] as DnsRecord));
  else tell(null, found.map(typed));
}

/** Since Node 24 the objects of some records tell of what type they are, and of some that they do not. */
const TELL_TYPES: boolean = Number.parseInt(process.versions.node, 10) >= 24;
const TOLD: Readonly<Record<string, string | undefined>> = {
  MX: 'MX',
  SRV: 'SRV',
  CAA: 'CAA',
  SOA: undefined,
  NAPTR: undefined,
};

function typed({ type, value }: DnsRecord): unknown {
  const name = TELL_TYPES ? Object.keys(TOLD).find((t) => TYPES[t] === type) : undefined;
  return name === undefined ? value : { ...(value as object), type: TOLD[name] };
}

/** A record of `resolveAny`. */
function withType(record: DnsRecord): object {
  const type = ANY_ORDER.find((t) => TYPES[t] === record.type);
  if (type === 'A' || type === 'AAAA') return { address: record.value, ttl: record.ttl, type };
  if (type === 'TXT') return { entries: record.value, type };
  return typeof record.value === 'string'
    ? { value: record.value, type }
    : { ...(record.value as object), type };
}

/** The hosts table first, then the name below in-addr.arpa or ip6.arpa (RFC 1035 §3.5, RFC 3596 §2.5). */
function patchReverse(proto: DnsChannel): void {
  const original = proto['getHostByAddr'] as (...args: unknown[]) => unknown;
  proto['getHostByAddr'] = function getHostByAddr(this: object, ...args: unknown[]): unknown {
    const netns = currentNet();
    if (netns === undefined) return original.apply(this, args);
    const [req, address] = [args[0] as QueryRequest, String(args[1])];
    if (isIP(address) === 0) return uv('EINVAL');
    const names = namesOf(netns, address);
    if (names.length > 0) {
      const tell = AsyncResource.bind(() => req.oncomplete?.(null, names));
      setImmediate(tell);
      return 0;
    }
    const type = TYPES['PTR'] as number;
    ask(netns, this, req, [pointerName(address), type], (tell, outcome) => {
      if (typeof outcome === 'string') tell(outcome === 'ENODATA' ? 'ENOTFOUND' : outcome);
      else tellRecords(tell, outcome, type);
    });
    return 0;
  };
}

function pointerName(address: string): string {
  if (isIP(address) === 4) return `${address.split('.').reverse().join('.')}.in-addr.arpa`;
  const [left = '', right = ''] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [head, tail] = [groups(left), groups(right)];
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0');
  const digits = [...head, ...zeros, ...tail].map((g) => g.padStart(4, '0')).join('');
  return `${[...digits].reverse().join('.')}.ip6.arpa`;
}

function patchSettings(proto: DnsChannel): void {
  const { getServers, setServers, cancel, setLocalAddress } = proto;
  proto['getServers'] = function get(this: object): unknown {
    const netns = currentNet();
    if (netns === undefined) return getServers?.call(this);
    return serversOf(netns, stateOf(netns, this)).map(({ address, port }) => [address, port]);
  };
  proto['setServers'] = function set(this: object, ...args: unknown[]): unknown {
    const netns = currentNet();
    if (netns === undefined) return setServers?.apply(this, args);
    const state = stateOf(netns, this);
    if (state.pending.size > 0) return PENDING;
    const list = args[0] as [number, string, number][];
    // As c-ares keeps it.
    state.servers = list.map(([, address, port]) => ({ address, port: port & 0xffff }));
    return 0;
  };
  proto['cancel'] = function cancelAll(this: object, ...args: unknown[]): unknown {
    const netns = currentNet();
    if (netns === undefined) return cancel?.apply(this, args);
    for (const question of stateOf(netns, this).pending) question.cancel();
    return undefined;
  };
  proto['setLocalAddress'] = function set(this: object, ...args: unknown[]): unknown {
    const netns = currentNet();
    // Node's own throws on what is no address.
    const result = setLocalAddress?.apply(this, args);
    if (netns === undefined) return result;
    const state = stateOf(netns, this);
    const own = args.filter((a): a is string => typeof a === 'string' && isIP(a) !== 0);
    const localAddress = own.find((a) => isIP(a) === 4 && a !== '0.0.0.0');
    const localAddress6 = own.find((a) => isIP(a) === 6 && a !== '::0' && a !== '::');
    state.options = { ...state.options, localAddress, localAddress6 };
    return result;
  };
}
