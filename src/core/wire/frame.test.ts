/** Bytes and fields are two forms of one thing: property tests, and frames of a real network. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  BAD_IP_CSUM,
  BAD_L3,
  BAD_L4,
  BAD_L4_CSUM,
  NO_PAYLOAD,
  NO_UDP_CSUM,
  Packet,
  type Payload,
} from '../packet.ts';
import { ArpHeader } from './arp.ts';
import { ETH_P_ARP, ETH_P_IP, EthHeader } from './ethernet.ts';
import {
  flatten,
  frameBytes,
  frameLength,
  ipBytes,
  l4Bytes,
  parseFrame,
  parseIpv4Packet,
  parseL4,
} from './frame.ts';
import { IcmpHeader } from './icmp.ts';
import { IP_MF, Ipv4Header } from './ipv4.ts';
import { TcpHeader, TcpOptions, tcpOptionsLen } from './tcp.ts';
import { UdpHeader } from './udp.ts';

const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const mac = fc.nat(2 ** 48 - 1);

const ip = fc
  .tuple(i32, i32, u8, u8, u8, u16, fc.constantFrom(0, 0x4000, 0x8000), fc.nat(3))
  .map(([src, dst, protocol, ttl, tos, id, frag, options]) => {
    const h = new Ipv4Header(src, dst, protocol, ttl, tos);
    h.id = id;
    h.frag = frag;
    if (options > 0) h.options = new Uint8Array(options * 4).fill(1);
    return h;
  });

const tcpOptions = fc
  .record({
    mss: u16,
    wscale: fc.integer({ min: -1, max: 14 }),
    sackPermitted: fc.boolean(),
    timestamps: fc.boolean(),
    tsVal: i32,
    tsEcr: i32,
    sack: fc.constantFrom(null, 1),
    cookie: fc.constantFrom(null, 0),
    fastOpenExp: fc.boolean(),
  })
  .map((r) => {
    const o = new TcpOptions();
    Object.assign(o, {
      ...r,
      tsVal: r.timestamps ? r.tsVal : 0,
      tsEcr: r.timestamps ? r.tsEcr : 0,
    });
    Reflect.deleteProperty(o, 'cookie');
    o.sack = r.sack === null ? null : [1, -5];
    o.fastOpenCookie = r.cookie === null ? null : new Uint8Array(0);
    o.fastOpenExp = r.cookie !== null && r.fastOpenExp;
    return o;
  });

const tcp = fc
  .tuple(u16, u16, i32, i32, fc.nat(0xfff), u16, u16, fc.option(tcpOptions))
  .map(([sport, dport, seq, ack, flags, window, urg, o]) => {
    const len = o === null ? 0 : tcpOptionsLen(o);
    const options = len === 0 ? null : o;
    return new TcpHeader(sport, dport, seq, ack, flags, window, urg, options, len);
  });

const payload: fc.Arbitrary<Payload> = fc
  .array(fc.uint8Array({ minLength: 1, maxLength: 90 }), { maxLength: 3 })
  .map((slices) => (slices.length === 0 ? NO_PAYLOAD : slices));

const packet: fc.Arbitrary<Packet> = fc
  .tuple(
    fc.constantFrom('tcp', 'udp', 'udp0', 'icmp', 'raw', 'arp'),
    fc.tuple(mac, mac),
    ip,
    tcp,
    fc.tuple(u16, u16, u8, u8, i32, mac, mac),
    payload,
  )
  .map(([kind, [dst, src], ip, tcp, [a, b, type, code, rest, sha, tha], data]) => {
    const pkt = new Packet(1, kind === 'arp' ? ETH_P_ARP : ETH_P_IP, data, 0);
    pkt.eth = new EthHeader(dst, src, pkt.proto);
    if (kind === 'arp') {
      pkt.arp = new ArpHeader(a, sha, rest, tha, ip.src);
      pkt.data = NO_PAYLOAD;
      return pkt;
    }
    pkt.len = data.reduce((n, s) => n + s.length, 0);
    pkt.ip = ip;
    if (kind === 'tcp') pkt.tcp = tcp;
    else if (kind === 'icmp') pkt.icmp = new IcmpHeader(type, code, rest);
    else if (kind !== 'raw') pkt.udp = new UdpHeader(a, b);
    if (kind === 'udp0') pkt.flags = NO_UDP_CSUM;
    ip.protocol = { tcp: 6, icmp: 1, udp: 17, udp0: 17, raw: 200 }[kind];
    return pkt;
  });

/** Everything that the bytes say. */
function content(pkt: Packet): object {
  const bytes = pkt.tcp?.options == null ? null : frameBytes(pkt);
  return {
    ...pkt,
    id: 0,
    data: [...flatten(pkt.data, pkt.len)],
    ip: pkt.ip === null ? null : { ...pkt.ip, options: [...(pkt.ip.options ?? [])] },
    tcp:
      pkt.tcp === null
        ? null
        : {
            ...pkt.tcp,
            options: pkt.tcp.options === null ? null : { ...pkt.tcp.options, raw: null },
            bytes,
          },
  };
}

function fresh(): Packet {
  return new Packet(1, 0, NO_PAYLOAD, 0);
}

function parsed(bytes: Uint8Array): Packet {
  const pkt = fresh();
  parseFrame(bytes, pkt);
  return pkt;
}

test('parse(put(packet)) is the packet, put(parse(bytes)) the bytes', () => {
  fc.assert(
    fc.property(packet, (pkt) => {
      const bytes = frameBytes(pkt);
      assert.equal(bytes.length, frameLength(pkt));
      const back = parsed(bytes);
      assert.deepEqual(content(back), content(pkt));
      assert.deepEqual(frameBytes(back), bytes);
    }),
    { numRuns: 500 },
  );
});

test('any changed bit of a header or of data is noticed, except by who has no checksum', () => {
  fc.assert(
    fc.property(packet, fc.nat(), (pkt, n) => {
      const bytes = frameBytes(pkt);
      const bit = n % ((bytes.length - 14) * 8);
      const at = 14 + (bit >> 3);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
      const back = parsed(bytes);
      if (pkt.arp !== null || at >= 14 + (pkt.ip?.headerLen() ?? 0)) return;
      assert.notEqual(back.flags & (BAD_IP_CSUM | BAD_L3), 0);
    }),
  );
});

test('padding of a short frame is not payload', () => {
  const pkt = fresh();
  pkt.proto = ETH_P_IP;
  pkt.eth = new EthHeader(1, 2, ETH_P_IP);
  pkt.ip = new Ipv4Header(1, 2, 17, 64, 0);
  pkt.udp = new UdpHeader(7, 9);
  const padded = new Uint8Array(60).fill(0xee);
  padded.set(frameBytes(pkt));
  const back = parsed(padded);
  assert.equal(back.len, 0);
  assert.equal(back.flags, 0);
});

test('a wrong checksum is kept wrong, a missing one missing', () => {
  fc.assert(
    fc.property(packet, (pkt) => {
      if (pkt.ip === null) return;
      pkt.flags |= BAD_IP_CSUM;
      if (pkt.tcp !== null || pkt.icmp !== null) pkt.flags |= BAD_L4_CSUM;
      const back = parsed(frameBytes(pkt));
      assert.equal(back.flags, pkt.flags);
      assert.equal(parsed(frameBytes(back)).flags, pkt.flags);
    }),
  );
});

test('a fragment keeps its bytes raw until parseL4', () => {
  fc.assert(
    fc.property(packet, fc.array(fc.nat(200)), (pkt, cuts) => {
      if (pkt.ip === null) return;
      pkt.ip.frag = IP_MF;
      const back = fresh();
      parseIpv4Packet(ipBytes(pkt), back);
      assert.ok(back.tcp === null && back.udp === null && back.icmp === null);
      const whole = flatten(back.data, back.len);
      assert.deepEqual(whole, flatten(l4Bytes(pkt), back.len));
      // As after reassembly: cut anywhere.
      const at = [0, ...cuts.filter((c) => c < whole.length), whole.length].sort((a, b) => a - b);
      back.data = at.slice(1).map((end, i) => whole.subarray(at[i], end));
      parseL4(back);
      back.eth = pkt.eth;
      assert.deepEqual(content(back), content(pkt));
    }),
    { numRuns: 300 },
  );
});

test('what does not parse stays raw, with a flag', () => {
  const cases: [string, string, number][] = [
    ['too short for Ethernet', '0102', BAD_L3],
    ['IP header cut off', `${'00'.repeat(12)}0800${'45'}00`, BAD_L3],
    ['version 6', `${'00'.repeat(12)}0800${'65'}${'00'.repeat(19)}`, BAD_L3],
    ['ARP for something else', `${'00'.repeat(12)}0806${'00'.repeat(28)}`, BAD_L3],
    ['unknown EtherType', `${'00'.repeat(12)}88b5${'11'.repeat(9)}`, 0],
  ];
  for (const [name, hex, flags] of cases) {
    const bytes = Uint8Array.from(Buffer.from(hex, 'hex'));
    const pkt = parsed(bytes);
    assert.equal(pkt.flags, flags, name);
    assert.equal(pkt.ip, null, name);
    assert.deepEqual(frameBytes(pkt), bytes, name);
  }
});

test('a TCP header that is cut off stays raw behind its IP header', () => {
  const pkt = fresh();
  pkt.proto = ETH_P_IP;
  pkt.ip = new Ipv4Header(1, 2, 6, 64, 0);
  pkt.data = [new Uint8Array(19)];
  pkt.len = 19;
  const back = fresh();
  parseIpv4Packet(ipBytes(pkt), back);
  assert.equal(back.flags, BAD_L4);
  assert.equal(back.len, 19);
});

const LINUX_FRAMES: readonly (readonly [name: string, hex: string])[] = [
  [
    'ARP request',
    'ffffffffffff020000000001080600010800060400010200000000010a0000010000000000000a000002',
  ],
  [
    'UDP, 3 bytes',
    '02000000000202000000000108004500001f290540004011fdc60a0000010a000002b4fd0009000b726c616263',
  ],
  [
    'UDP with router alert',
    '020000000002020000000001080046000021291c4000401168a90a0000010a00000294040000' +
      'b4fd00090009bed278',
  ],
  [
    'SYN',
    '02000000000202000000000108004500003ca3464000400683730a0000010a0000029f6a005069f9c45b' +
      '00000000a002faf0503b0000020405b40402080ad6ea43d4000000000103030a',
  ],
  [
    'SYN without timestamps',
    '020000000002020000000001080045000034d35340004006536e0a0000010a0000029f780050ff4f1fcd' +
      '000000008002faf0a1350000020405b4010104020103030a',
  ],
  [
    'SYN with a request for a fast-open cookie',
    '020000000002020000000001080045000040f24840004006346d0a0000010a000002cc1e0051dda17dd5' +
      '00000000b002faf0efed0000020405b40402080a7cb97174000000000103030a22020101',
  ],
  [
    'echo request',
    '0200000000020200000000010800450000208747400040019f930a0000010a0000020800bde63814000100010203',
  ],
];

test('frames that Linux 6.18 sent are valid, and written back are the same', () => {
  for (const [name, hex] of LINUX_FRAMES) {
    const bytes = Uint8Array.from(Buffer.from(hex, 'hex'));
    const pkt = parsed(bytes);
    assert.equal(pkt.flags, 0, name);
    assert.deepEqual(frameBytes(pkt), bytes, name);
    // From the fields alone: order and padding of options are Linux's.
    if (pkt.tcp?.options != null) pkt.tcp.options.raw = null;
    assert.deepEqual(frameBytes(pkt), bytes, name);
  }
});
