/** The configuration of radvd(8), as radvd.conf(5) has it: what a router says of itself, by interface. */

/** A prefix that is announced (RFC 4861 §4.6.2). Times in seconds; 0xffffffff: for ever. */
export interface RadvdPrefix {
  readonly prefix: string;
  readonly length: number;
  readonly AdvOnLink: boolean;
  readonly AdvAutonomous: boolean;
  readonly AdvRouterAddr: boolean;
  readonly AdvValidLifetime: number;
  readonly AdvPreferredLifetime: number;
}

/** A prefix to which the router leads (RFC 4191 §2.3). */
export interface RadvdRoute {
  readonly prefix: string;
  readonly length: number;
  /** -1: as MaxRtrAdvInterval says. */
  readonly AdvRouteLifetime: number;
  readonly AdvRoutePreference: Preference;
  /** It is told when the router stops that it leads there no more. */
  readonly RemoveRoute: boolean;
}

export interface RadvdDns {
  readonly values: readonly string[];
  /** -1: as MaxRtrAdvInterval says. */
  readonly lifetime: number;
  readonly flush: boolean;
}

export type Preference = 'low' | 'medium' | 'high';

/** What is said on one interface. */
export interface RadvdInterface {
  readonly name: string;
  readonly AdvSendAdvert: boolean;
  readonly UnicastOnly: boolean;
  readonly IgnoreIfMissing: boolean;
  readonly AdvManagedFlag: boolean;
  readonly AdvOtherConfigFlag: boolean;
  readonly AdvSourceLLAddress: boolean;
  readonly AdvCurHopLimit: number;
  readonly AdvReachableTime: number;
  readonly AdvRetransTimer: number;
  /** 0: nothing is said. */
  readonly AdvLinkMTU: number;
  readonly AdvDefaultPreference: Preference;
  /** Seconds; -1: three times MaxRtrAdvInterval. */
  readonly AdvDefaultLifetime: number;
  /** Seconds; of the least, -1: a third of the most. */
  readonly MaxRtrAdvInterval: number;
  readonly MinRtrAdvInterval: number;
  readonly MinDelayBetweenRAs: number;
  readonly prefixes: readonly RadvdPrefix[];
  readonly routes: readonly RadvdRoute[];
  readonly rdnss: readonly RadvdDns[];
  readonly dnssl: readonly RadvdDns[];
}

/** The file says something that it may not. */
export class RadvdConfigError extends Error {
  override readonly name = 'RadvdConfigError';
}

const INFINITY = 0xffffffff;

type Values = Record<string, string>;

/** A block `kind subject… { name value; … };` with what is inside. */
interface Block {
  readonly kind: string;
  readonly subject: readonly string[];
  readonly values: Values;
  readonly inner: readonly Block[];
}

/** Reads the text of a radvd.conf; throws `RadvdConfigError`. */
export function parseRadvdConfig(text: string): RadvdInterface[] {
  const tokens = text.replace(/#.*/g, '').match(/[{};]|[^\s{};]+/g) ?? [];
  const reader = new Reader(tokens);
  const list: RadvdInterface[] = [];
  while (!reader.done) {
    const block = reader.block(reader.next());
    if (block.kind !== 'interface') throw unknown(block.kind, ['interface']);
    list.push(interfaceOf(block));
  }
  return list;
}

class Reader {
  private readonly tokens: readonly string[];
  private i = 0;

  constructor(tokens: readonly string[]) {
    this.tokens = tokens;
  }

  get done(): boolean {
    return this.i >= this.tokens.length;
  }

  next(): string {
    const token = this.tokens[this.i++];
    if (token === undefined) throw new RadvdConfigError('the file ends within a block');
    return token;
  }

  /** What follows the word `kind` up to the semicolon behind its block. */
  block(kind: string): Block {
    const subject: string[] = [];
    for (let t = this.next(); t !== '{'; t = this.next()) subject.push(t);
    const values: Values = {};
    const inner: Block[] = [];
    for (let t = this.next(); t !== '}'; t = this.next()) {
      if (BLOCKS.includes(t)) inner.push(this.block(t));
      else this.value(t, values);
    }
    if (!this.done && this.tokens[this.i] === ';') this.i++;
    return { kind, subject, values, inner };
  }

  private value(name: string, values: Values): void {
    const value = this.next();
    const end = this.next();
    if (end !== ';') throw new RadvdConfigError(`"${name} ${value}" has no semicolon`);
    values[name] = value;
  }
}

const BLOCKS: readonly string[] = ['prefix', 'route', 'RDNSS', 'DNSSL'];

function unknown(name: string, known: readonly string[]): RadvdConfigError {
  return new RadvdConfigError(`"${name}" is not known here; there are ${known.join(', ')}`);
}

/** Values by name with their defaults; names that are left are unknown. */
class Settings {
  private readonly values: Values;
  private readonly asked: string[] = [];

  constructor(values: Values) {
    this.values = values;
  }

  flag(name: string, usual: boolean): boolean {
    const word = this.word(name);
    if (word === undefined) return usual;
    if (word !== 'on' && word !== 'off')
      throw new RadvdConfigError(`${name}: "${word}" is neither on nor off`);
    return word === 'on';
  }

  number(name: string, usual: number, min: number, max: number): number {
    const word = this.word(name);
    if (word === undefined) return usual;
    if (word === 'infinity' && max === INFINITY) return INFINITY;
    const n = Number(word);
    if (!(n >= min && n <= max))
      throw new RadvdConfigError(`${name}: "${word}" is not between ${min} and ${max}`);
    return n;
  }

  preference(name: string): Preference {
    const word = this.word(name) ?? 'medium';
    if (word !== 'low' && word !== 'medium' && word !== 'high')
      throw new RadvdConfigError(`${name}: "${word}" is neither low, medium nor high`);
    return word;
  }

  /** Throws for a name that nobody asked for. */
  end(): void {
    for (const name of Object.keys(this.values))
      if (!this.asked.includes(name)) throw unknown(name, this.asked);
  }

  private word(name: string): string | undefined {
    this.asked.push(name);
    return this.values[name];
  }
}

/** Intervals have the bounds and defaults of RFC 4861 §6.2.1. */
function interfaceOf(block: Block): RadvdInterface {
  const s = new Settings(block.values);
  const max = s.number('MaxRtrAdvInterval', 600, 4, 1800);
  const of = (kind: string): Block[] => block.inner.filter((b) => b.kind === kind);
  const out: RadvdInterface = {
    name: block.subject[0] ?? '',
    AdvSendAdvert: s.flag('AdvSendAdvert', false),
    UnicastOnly: s.flag('UnicastOnly', false),
    IgnoreIfMissing: s.flag('IgnoreIfMissing', true),
    AdvManagedFlag: s.flag('AdvManagedFlag', false),
    AdvOtherConfigFlag: s.flag('AdvOtherConfigFlag', false),
    AdvSourceLLAddress: s.flag('AdvSourceLLAddress', true),
    AdvCurHopLimit: s.number('AdvCurHopLimit', 64, 0, 255),
    AdvReachableTime: s.number('AdvReachableTime', 0, 0, 3_600_000),
    AdvRetransTimer: s.number('AdvRetransTimer', 0, 0, INFINITY),
    AdvLinkMTU: s.number('AdvLinkMTU', 0, 0, 131_072),
    AdvDefaultPreference: s.preference('AdvDefaultPreference'),
    AdvDefaultLifetime: s.number('AdvDefaultLifetime', -1, 0, 65_535),
    MaxRtrAdvInterval: max,
    MinRtrAdvInterval: s.number('MinRtrAdvInterval', -1, 3, 0.75 * max),
    MinDelayBetweenRAs: s.number('MinDelayBetweenRAs', 3, 0, 3),
    prefixes: of('prefix').map(prefixOf),
    routes: of('route').map(routeOf),
    rdnss: of('RDNSS').map((b) => dnsOf(b, 'RDNSS')),
    dnssl: of('DNSSL').map((b) => dnsOf(b, 'DNSSL')),
  };
  s.end();
  return out;
}

function split(block: Block): { prefix: string; length: number } {
  const [prefix = '', length = ''] = (block.subject[0] ?? '').split('/');
  const n = Number(length);
  if (length === '' || !(n >= 0 && n <= 128))
    throw new RadvdConfigError(`${block.kind}: "${block.subject[0] ?? ''}" is no prefix`);
  return { prefix, length: n };
}

function prefixOf(block: Block): RadvdPrefix {
  const s = new Settings(block.values);
  const out = {
    ...split(block),
    AdvOnLink: s.flag('AdvOnLink', true),
    AdvAutonomous: s.flag('AdvAutonomous', true),
    AdvRouterAddr: s.flag('AdvRouterAddr', false),
    AdvValidLifetime: s.number('AdvValidLifetime', 86_400, 0, INFINITY),
    AdvPreferredLifetime: s.number('AdvPreferredLifetime', 14_400, 0, INFINITY),
  };
  s.end();
  if (out.AdvPreferredLifetime > out.AdvValidLifetime)
    throw new RadvdConfigError('AdvPreferredLifetime is longer than AdvValidLifetime');
  return out;
}

function routeOf(block: Block): RadvdRoute {
  const s = new Settings(block.values);
  const out = {
    ...split(block),
    AdvRouteLifetime: s.number('AdvRouteLifetime', -1, 0, INFINITY),
    AdvRoutePreference: s.preference('AdvRoutePreference'),
    RemoveRoute: s.flag('RemoveRoute', true),
  };
  s.end();
  return out;
}

function dnsOf(block: Block, kind: 'RDNSS' | 'DNSSL'): RadvdDns {
  const s = new Settings(block.values);
  const out = {
    values: block.subject,
    lifetime: s.number(`Adv${kind}Lifetime`, -1, 0, INFINITY),
    flush: s.flag(`Flush${kind}`, true),
  };
  s.end();
  return out;
}
