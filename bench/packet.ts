/**
 * How to hold a packet: header objects nested in the packet, or one flat object; fresh or from a pool.
 * Each form carries a UDP datagram from a sender through a router's work (lookups, TTL) to a receiver's
 * queue, 64 at a time, as the stack does. Figures: `docs/notes/packet.md`.
 */
import { EthHeader } from '../src/core/wire/ethernet.ts';
import { Ipv4Header } from '../src/core/wire/ipv4.ts';
import { UdpHeader } from '../src/core/wire/udp.ts';
import { best, type Result } from './measure.ts';

const BURST = 64;
const PAYLOAD = Object.freeze([new Uint8Array(22)]);
const HH = [new EthHeader(1, 2, 0x0800), new EthHeader(3, 4, 0x0800)] as const;

class Nested {
  id = 0;
  dev: object | null = null;
  proto = 0x0800;
  pktType = 0;
  eth: EthHeader | null = null;
  arp: object | null = null;
  ip: Ipv4Header | null = null;
  tcp: object | null = null;
  udp: UdpHeader | null = null;
  icmp: object | null = null;
  data: readonly Uint8Array[] = PAYLOAD;
  len = 22;
  flags = 0;
  gsoSize = 0;
  mark = 0;
  priority = 0;
  route: object | null = null;
  timeUs = 0;
}

class Flat {
  id = 0;
  dev: object | null = null;
  proto = 0x0800;
  pktType = 0;
  eth: EthHeader | null = null;
  src = 0;
  dst = 0;
  protocol = 17;
  ttl = 64;
  tos = 0;
  ipId = 0;
  frag = 0x4000;
  options: Uint8Array | null = null;
  sport = 0;
  dport = 0;
  l4 = 0;
  data: readonly Uint8Array[] = PAYLOAD;
  len = 22;
  flags = 0;
  gsoSize = 0;
  mark = 0;
  priority = 0;
  route: object | null = null;
  timeUs = 0;
}

const DEVS = [{ name: 'a' }, { name: 'b' }] as const;

function nested(n: number, pool: Nested[] | null): number {
  const queue: Nested[] = [];
  let sum = 0;
  for (let i = 0; i < n; i += BURST) {
    for (let k = 0; k < BURST; k++) {
      const recycled = pool?.pop();
      const p = recycled ?? new Nested();
      p.id = i + k;
      p.eth = HH[0];
      if (recycled === undefined) {
        p.ip = new Ipv4Header(0x0a000001, 0x0a000100 + k, 17, 64, 0);
        p.udp = new UdpHeader(4000 + k, 53);
      } else {
        const ip = p.ip as Ipv4Header;
        ip.src = 0x0a000001;
        ip.dst = 0x0a000100 + k;
        ip.ttl = 64;
      }
      p.dev = DEVS[0];
      queue.push(p);
    }
    for (const p of queue) {
      const ip = p.ip as Ipv4Header;
      if (p.proto === 0x0800 && p.pktType === 0 && ip.ttl > 1) {
        ip.ttl -= 1;
        p.eth = HH[1];
        p.dev = DEVS[1];
        p.route = DEVS[1];
      }
    }
    for (const p of queue) {
      sum += (p.ip as Ipv4Header).dst + (p.udp as UdpHeader).sport + p.len;
      pool?.push(p);
    }
    queue.length = 0;
  }
  return sum;
}

function flat(n: number, pool: Flat[] | null): number {
  const queue: Flat[] = [];
  let sum = 0;
  for (let i = 0; i < n; i += BURST) {
    for (let k = 0; k < BURST; k++) {
      const p = pool?.pop() ?? new Flat();
      p.id = i + k;
      p.eth = HH[0];
      p.src = 0x0a000001;
      p.dst = 0x0a000100 + k;
      p.ttl = 64;
      p.sport = 4000 + k;
      p.dport = 53;
      p.dev = DEVS[0];
      queue.push(p);
    }
    for (const p of queue) {
      if (p.proto === 0x0800 && p.pktType === 0 && p.ttl > 1) {
        p.ttl -= 1;
        p.eth = HH[1];
        p.dev = DEVS[1];
        p.route = DEVS[1];
      }
    }
    for (const p of queue) {
      sum += p.dst + p.sport + p.len;
      pool?.push(p);
    }
    queue.length = 0;
  }
  return sum;
}

function copied(n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) {
    const bytes = new Uint8Array(64);
    const view = new DataView(bytes.buffer);
    view.setInt32(26, 0x0a000001);
    view.setInt32(30, 0x0a000100 + (i & 63));
    view.setUint8(22, 64);
    view.setUint16(34, 4000);
    view.setUint8(22, view.getUint8(22) - 1);
    sum += view.getInt32(30) + view.getUint16(34);
  }
  return sum;
}

/** Million packets per second of each form; the reference is a fresh byte array per packet. */
export async function run(): Promise<Result[]> {
  const N = 1_000_000;
  const rate = (fn: (n: number) => number): number => N / best(() => fn(N), 5) / 1e6;
  const reference = rate(copied);
  const forms: [string, (n: number) => number][] = [
    ['nested headers, fresh', (n) => nested(n, null)],
    ['nested headers, pooled', (n) => nested(n, [])],
    ['flat, fresh', (n) => flat(n, null)],
    ['flat, pooled', (n) => flat(n, [])],
  ];
  return forms.map(([name, fn]) => {
    const value = rate(fn);
    return { name: `packet: ${name}`, unit: 'Mpps', reference, value, ratio: value / reference };
  });
}
