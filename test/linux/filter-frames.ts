/** Frames of all sorts, byte by byte, for filters to be tried on. */

function u16(value: number): number[] {
  return [(value >> 8) & 255, value & 255];
}

const MACS = {
  a: [2, 0, 0, 0, 0, 0xa],
  b: [2, 0, 0, 0, 0, 0xb],
  all: [255, 255, 255, 255, 255, 255],
  group: [1, 0, 0x5e, 0, 0, 0xfb],
  group6: [0x33, 0x33, 0, 0, 0, 1],
  stp: [1, 0x80, 0xc2, 0, 0, 0],
} as const;

type Mac = keyof typeof MACS;

function ether(type: number, payload: readonly number[], dst: Mac = 'b', src: Mac = 'a'): number[] {
  return [...MACS[dst], ...MACS[src], ...u16(type), ...payload];
}

function tagged(tpid: number, id: number, frame: readonly number[]): number[] {
  return [...frame.slice(0, 12), ...u16(tpid), ...u16(id | 0x2000), ...frame.slice(12)];
}

interface Ip4 {
  readonly src?: string;
  readonly dst?: string;
  readonly frag?: number;
  readonly ttl?: number;
  readonly options?: readonly number[];
}

function address(text: string): number[] {
  return text.split('.').map(Number);
}

function ip4(proto: number, payload: readonly number[], o: Ip4 = {}): number[] {
  const options = o.options ?? [];
  const length = 20 + options.length + payload.length;
  const header = [0x45 + options.length / 4, 0, ...u16(length), 0, 1, ...u16(o.frag ?? 0)];
  const ends = [...address(o.src ?? '10.0.0.1'), ...address(o.dst ?? '10.0.0.2')];
  return ether(0x0800, [...header, o.ttl ?? 64, proto, 0, 0, ...ends, ...options, ...payload]);
}

function ip6(next: number, payload: readonly number[], dstLast = 2, dstFirst = 0xfd): number[] {
  const src = [0xfd, 0, ...Array<number>(13).fill(0), 1];
  const dst = [dstFirst, 0, ...Array<number>(13).fill(0), dstLast];
  return ether(
    0x86dd,
    [0x60, 0, 0, 0, ...u16(payload.length), next, 64, ...src, ...dst, ...payload],
    dstFirst === 0xff ? 'group6' : 'b',
  );
}

function tcp(src: number, dst: number, flags: number, data = 0): number[] {
  const head = [...u16(src), ...u16(dst), 0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 1, 0, 0, 0, 0, 0];
  return [...head, ...Array<number>(data).fill(0x61)];
}

function udp(src: number, dst: number, data = 8): number[] {
  return [...u16(src), ...u16(dst), ...u16(8 + data), 0, 0, ...Array<number>(data).fill(0x42)];
}

function arp(type: number, operation: number, from: string, to: string): number[] {
  const body = [...MACS.a, ...address(from), ...MACS.b, ...address(to)];
  return ether(type, [0, 1, 8, 0, 6, 4, ...u16(operation), ...body], 'all');
}

/** Every kind that the language has a word for, and pieces, tags and stumps of them. */
export function filterFrames(): Uint8Array[] {
  const flags = [2, 0x12, 0x10, 0x18, 0x11, 4, 0x14, 0xc2, 0, 0x29];
  const frames = [
    ...flags.map((f, i) => ip4(6, tcp(40000 + i, i % 2 === 0 ? 80 : 443, f, i * 50))),
    ip4(6, tcp(80, 40000, 0x12), { src: '10.0.0.2', dst: '10.0.0.1' }),
    ip4(6, tcp(22, 50000, 0x18, 900), { options: [7, 3, 4, 0] }),
    ip4(6, tcp(1, 2, 2), { frag: 0x2000 }),
    ip4(6, tcp(80, 80, 2), { frag: 0x2005 }),
    ip4(17, udp(5353, 53), { ttl: 3 }),
    ip4(17, udp(53, 5353, 200), { src: '192.168.1.7', dst: '172.16.0.9' }),
    ip4(17, udp(68, 67, 300), { src: '0.0.0.0', dst: '255.255.255.255' }),
    ip4(17, udp(6001, 6010, 0), { frag: 0x4000 }),
    ip4(17, udp(123, 123), { dst: '224.0.0.251' }),
    ...[0, 3, 5, 8, 11].map((type) => ip4(1, [type, 1, 0, 0, 0, 0, 0, 7], { ttl: type + 1 })),
    ip4(2, [0x16, 0, 0, 0, 224, 0, 0, 251], { dst: '224.0.0.251' }),
    ip4(132, [...u16(80), ...u16(9), 0, 0, 0, 0, 0, 0, 0, 0]),
    ip4(47, [0, 0, 8, 0]),
    ip4(50, [0, 0, 0, 1, 0, 0, 0, 1]),
    ip4(51, [6, 4, 0, 0, 0, 0, 0, 1]),
    ip4(103, [0x20, 0, 0, 0]),
    ip4(112, [0x21, 1, 100, 1]),
    ip6(6, tcp(40000, 80, 2)),
    ip6(6, tcp(443, 40000, 0x12), 9),
    ip6(17, udp(5353, 53)),
    ip6(44, [6, 0, 0, 0, 0, 0, 0, 1, ...tcp(1, 80, 2)]),
    ip6(44, [17, 0, 0, 8, 0, 0, 0, 1, 1, 2, 3, 4]),
    ...[128, 129, 133, 134, 135, 136, 1, 3].map((t) => ip6(58, [t, 0, 0, 0, 0, 0, 0, 1], 1, 0xff)),
    ip6(0, [58, 0, 5, 2, 0, 0, 1, 0, 143, 0, 0, 0], 22, 0xff),
    arp(0x0806, 1, '10.0.0.1', '10.0.0.2'),
    arp(0x0806, 2, '10.0.0.2', '10.0.0.1'),
    arp(0x8035, 3, '0.0.0.0', '10.0.0.2'),
    ether(38, [0x42, 0x42, 3, ...Array<number>(35).fill(0)], 'stp'),
    ether(6, [0xfe, 0xfe, 3, 0, 0, 0]),
    ether(0x6003, [1, 2, 3, 4]),
    ether(0x9000, [0, 0, 1, 0]),
    ether(0x88cc, [2, 7, 4, 2]),
  ];
  const plain = [
    ip4(6, tcp(40000, 80, 2)),
    ip4(17, udp(9, 53)),
    ip6(6, tcp(9, 22, 0x10)),
    ip6(58, [128, 0]),
  ];
  for (const frame of plain) {
    frames.push(tagged(0x8100, 5, frame), tagged(0x88a8, 100, tagged(0x8100, 200, frame)));
    frames.push(tagged(0x9100, 7, frame), frame.slice(0, 14), frame.slice(0, 23));
    frames.push(frame.slice(0, 30), frame.slice(0, 37), frame.slice(0, 54));
  }
  return frames.map((f) => Uint8Array.from(f));
}
