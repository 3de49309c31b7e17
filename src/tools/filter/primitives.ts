/**
 * The primitives of a filter: hosts, networks, ports and protocols under their qualifiers, as `gencode.c` of
 * libpcap makes them.
 */
import { type Ip6Addr, parseIpv4, parseIpv6 } from '../../core/index.ts';
import { both, either, type Frame, type Test } from './frame.ts';
import { ETHER_TYPES, IP_PROTOCOLS, portOf, protocolNumber } from './names.ts';
import { FilterError } from './scan.ts';

export type Kind = 'host' | 'net' | 'port' | 'portrange' | 'proto';
export type Direction = 'src' | 'dst' | 'or' | 'and';

/** What stands before a name; each may be absent. */
export interface Qualifiers {
  readonly proto: string | undefined;
  readonly dir: Direction | undefined;
  readonly kind: Kind | undefined;
}

const IP = 0x0800;
const ARP = 0x0806;
const RARP = 0x8035;
const IP6 = 0x86dd;
const TCP = 6;
const UDP = 17;
const SCTP = 132;
const FRAGMENT_HEADER = 44;
/** Highest length of IEEE 802.3; above it is an EtherType. */
const MAX_LENGTH_802 = 1500;

/** Makes the tests behind so many bytes of VLAN tags. */
export class Primitives {
  tags = 0;
  private readonly resolve: ((name: string) => readonly string[] | undefined) | undefined;

  constructor(resolve?: (name: string) => readonly string[] | undefined) {
    this.resolve = resolve;
  }

  // ---- protocols

  /** The EtherType, or below 1501 the SAP of an LLC frame. */
  linkType(type: number): Test {
    const { tags } = this;
    if (type > MAX_LENGTH_802) return (f) => f.type(tags) === type;
    return (f) =>
      f.ethernet && f.type(tags) <= MAX_LENGTH_802 && !f.bad && f.load(f.network(tags), 1) === type;
  }

  /** A protocol over IPv4, IPv6 or any of the two; behind IPv6's fragment header as well. */
  protocol(number: number, over: 'ip' | 'ip6' | 'both'): Test {
    const { tags } = this;
    const over4 = both(this.linkType(IP), (f) => f.load(f.network(tags) + 9, 1) === number);
    const over6 = both(this.linkType(IP6), (f) => {
      const next = f.load(f.network(tags) + 6, 1);
      if (next === number) return true;
      return next === FRAGMENT_HEADER && f.load(f.network(tags) + 40, 1) === number;
    });
    if (over === 'both') return either(over4, over6);
    return over === 'ip' ? over4 : over6;
  }

  /** A protocol that is a word of the language. */
  word(name: string): Test {
    const known = IP_PROTOCOLS.get(name);
    if (known !== undefined) return this.protocol(known[0], known[1]);
    return this.linkType(ETHER_TYPES.get(name) ?? 0);
  }

  /** The first piece of an IPv4 packet, or the whole: where the header behind it is. */
  get firstFragment(): Test {
    const { tags } = this;
    return (f) => (f.load(f.network(tags) + 6, 2) & 0x1fff) === 0;
  }

  // ---- addresses

  host4(address: number, mask: number, q: Qualifiers, at: number): Test {
    const offsets: [number, number, number][] = [];
    const { proto } = q;
    if (proto === undefined || proto === 'ip') offsets.push([IP, 12, 16]);
    if (proto === undefined || proto === 'arp') offsets.push([ARP, 14, 24]);
    if (proto === undefined || proto === 'rarp') offsets.push([RARP, 14, 24]);
    if (offsets.length === 0)
      throw new FilterError(`"${proto}" does not fit before ${q.kind ?? 'host'}`, at);
    const { tags } = this;
    return offsets
      .map(([type, src, dst]) => {
        const has =
          (offset: number): Test =>
          (f) =>
            mask === 0 || ((f.load(f.network(tags) + offset, 4) & mask) | 0) === (address & mask);
        return both(this.linkType(type), directed(q.dir, has(src), has(dst)));
      })
      .reduce(either);
  }

  host6(address: Ip6Addr, length: number, q: Qualifiers, at: number): Test {
    if (q.proto !== undefined && q.proto !== 'ip6')
      throw new FilterError(`"${q.proto}" does not fit before an IPv6 address`, at);
    const words = [address.a, address.b, address.c, address.d];
    const { tags } = this;
    const has =
      (offset: number): Test =>
      (f) => {
        const base = f.network(tags) + offset;
        for (let i = 0; i * 32 < length; i++) {
          const bits = Math.min(32, length - i * 32);
          const mask = -1 << (32 - bits);
          const word = (f.load(base + i * 4, 4) & mask) | 0;
          if (word !== ((words[i] as number) & mask)) return false;
        }
        return true;
      };
    return both(this.linkType(IP6), directed(q.dir, has(8), has(24)));
  }

  mac(text: string, q: Qualifiers, at: number): Test {
    if (q.proto !== 'ether' && q.proto !== 'link')
      throw new FilterError(`${text} is an Ethernet address; write: ether host ${text}`, at);
    const digits = /^(?:[0-9A-Fa-f]{4}\.|[0-9A-Fa-f]{12})/.test(text)
      ? (text.replaceAll('.', '').match(/../g) ?? [])
      : text.split(/[-:.]/);
    const bytes = digits.map((d) => Number.parseInt(d, 16));
    const has =
      (offset: number): Test =>
      (f) => {
        for (let i = 0; i < 6; i++) if (f.load(offset + i, 1) !== bytes[i]) return false;
        return true;
      };
    return both((f) => f.ethernet, directed(q.dir, has(6), has(0)));
  }

  /** A host by name. */
  named(name: string, q: Qualifiers, at: number): Test {
    const addresses = this.resolve?.(name);
    if (addresses === undefined || addresses.length === 0)
      throw new FilterError(`unknown host "${name}"`, at);
    const tests = addresses.flatMap((text) => {
      const v4 = parseIpv4(text);
      const v6 = v4 === undefined ? parseIpv6(text) : undefined;
      if (v4 !== undefined) return q.proto === 'ip6' ? [] : [this.host4(v4, -1, q, at)];
      return v6 === undefined || (q.proto ?? 'ip6') !== 'ip6' ? [] : [this.host6(v6, 128, q, at)];
    });
    if (tests.length === 0) throw new FilterError(`"${name}" has no address of ${q.proto}`, at);
    return tests.reduce(either);
  }

  // ---- ports

  ports(
    from: number,
    to: number,
    only: 'tcp' | 'udp' | undefined,
    q: Qualifiers,
    at: number,
  ): Test {
    const protocols = this.portProtocols(q, only, at);
    const { tags } = this;
    const among =
      (where: (f: Frame) => number): Test =>
      (f) => {
        const port = f.load(where(f), 2);
        return port >= from && port <= to;
      };
    const behind4 = (f: Frame): number => f.network(tags) + 4 * (f.load(f.network(tags), 1) & 15);
    const behind6 = (f: Frame): number => f.network(tags) + 40;
    const of4 = directed(
      q.dir,
      among(behind4),
      among((f) => behind4(f) + 2),
    );
    const of6 = directed(
      q.dir,
      among(behind6),
      among((f) => behind6(f) + 2),
    );
    const over4 = both(
      both(this.linkType(IP), (f) => protocols.includes(f.load(f.network(tags) + 9, 1))),
      both(this.firstFragment, of4),
    );
    const over6 = both(
      both(this.linkType(IP6), (f) => protocols.includes(f.load(f.network(tags) + 6, 1))),
      of6,
    );
    return either(over6, over4);
  }

  private portProtocols(
    { proto, kind }: Qualifiers,
    only: 'tcp' | 'udp' | undefined,
    at: number,
  ): readonly number[] {
    if (proto !== undefined && !['tcp', 'udp', 'sctp'].includes(proto))
      throw new FilterError(`"${proto}" does not fit before ${kind}`, at);
    if (proto !== undefined && only !== undefined && proto !== only)
      throw new FilterError(`this ${kind} is one of ${only}`, at);
    switch (proto ?? only) {
      case 'tcp':
        return [TCP];
      case 'udp':
        return [UDP];
      case 'sctp':
        return [SCTP];
      default:
        return [TCP, UDP, SCTP];
    }
  }

  /** `http`, `80`, `http-90`, `6000-6010` */
  namedPorts(text: string, q: Qualifiers, at: number): Test {
    const whole = portOf(text);
    if (whole !== undefined) return this.ports(whole.port, whole.port, whole.only, q, at);
    if (q.kind === 'portrange') {
      // A name may have a hyphen: every one may be the one between.
      for (let i = text.indexOf('-'); i > 0; i = text.indexOf('-', i + 1)) {
        const [a, b] = [portOf(text.slice(0, i)), portOf(text.slice(i + 1))];
        if (a === undefined || b === undefined) continue;
        const [low, high] = a.port <= b.port ? [a.port, b.port] : [b.port, a.port];
        return this.ports(low, high, a.only === b.only ? a.only : undefined, q, at);
      }
    }
    throw new FilterError(`unknown ${q.kind} "${text}"`, at);
  }

  // ---- protocols by name or number

  proto(value: number | string, q: Qualifiers, at: number): Test {
    switch (q.proto) {
      case undefined:
        return this.protocol(this.number(value, at), 'both');
      case 'ip':
      case 'ip6':
        return this.protocol(this.number(value, at), q.proto);
      case 'ether':
      case 'link': {
        const type = typeof value === 'number' ? value : ETHER_TYPES.get(value);
        if (type === undefined) throw new FilterError(`unknown ether proto "${value}"`, at);
        return this.linkType(type);
      }
      default:
        throw new FilterError(`"${q.proto}" does not fit before proto`, at);
    }
  }

  private number(value: number | string, at: number): number {
    const number = typeof value === 'number' ? value : protocolNumber(value);
    if (number === undefined) throw new FilterError(`unknown ip proto "${value}"`, at);
    return number;
  }

  // ---- the rest

  broadcast(proto: string | undefined, at: number): Test {
    if (proto === undefined || proto === 'ether' || proto === 'link')
      return this.mac('ff:ff:ff:ff:ff:ff', { proto: 'ether', dir: 'dst', kind: 'host' }, at);
    if (proto !== 'ip') throw new FilterError(`"${proto}" does not fit before broadcast`, at);
    // LINUX: as tcpdump has it where it knows no network's mask: all zeros or all ones.
    const { tags } = this;
    return both(this.linkType(IP), (f) => {
      const to = f.load(f.network(tags) + 16, 4);
      return to === 0 || to === 0xffffffff;
    });
  }

  multicast(proto: string | undefined, at: number): Test {
    const { tags } = this;
    switch (proto) {
      case undefined:
      case 'ether':
      case 'link':
        return (f) => f.ethernet && (f.load(0, 1) & 1) !== 0;
      case 'ip':
        return both(this.linkType(IP), (f) => f.load(f.network(tags) + 16, 1) >= 224);
      case 'ip6':
        return both(this.linkType(IP6), (f) => f.load(f.network(tags) + 24, 1) === 255);
      default:
        throw new FilterError(`"${proto}" does not fit before multicast`, at);
    }
  }

  /** A tag, and all that follows in the expression is looked for behind it. */
  vlan(id: number | undefined): Test {
    const { tags } = this;
    this.tags += 4;
    return (f) => {
      if (!f.ethernet) return false;
      const type = f.load(12 + tags, 2);
      if (type !== 0x8100 && type !== 0x88a8 && type !== 0x9100) return false;
      return id === undefined || (f.load(14 + tags, 2) & 0xfff) === id;
    };
  }
}

function directed(dir: Direction | undefined, src: Test, dst: Test): Test {
  switch (dir) {
    case 'src':
      return src;
    case 'dst':
      return dst;
    case 'and':
      return both(src, dst);
    default:
      return either(src, dst);
  }
}
