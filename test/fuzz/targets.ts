/** Every parser that reads what came from outside. To add one: a row in `TARGETS`. */
import assert from 'node:assert/strict';
import { parseNetem } from '../../src/core/control/netem-words.ts';
import { NetError } from '../../src/core/errno.ts';
import { NO_PAYLOAD, Packet } from '../../src/core/packet.ts';
import { parseIpv6 } from '../../src/core/util/ip6-addr.ts';
import { parseArp } from '../../src/core/wire/arp.ts';
import {
  flatten,
  frameBytes,
  parseFrame,
  parseIpv4Packet,
  parseIpv6Packet,
  parseL4,
} from '../../src/core/wire/frame.ts';
import { parseIcmp } from '../../src/core/wire/icmp.ts';
import { Ipv4Header, parseIpv4 } from '../../src/core/wire/ipv4.ts';
import { Ipv6Header, nextHeaderOffset, parseIpv6Header } from '../../src/core/wire/ipv6.ts';
import { parseNdOptions } from '../../src/core/wire/ndisc.ts';
import { parseTcp, parseTcpOptions, putTcpOptions } from '../../src/core/wire/tcp.ts';
import { parseUdp } from '../../src/core/wire/udp.ts';
import { compileScript, configure, parseScript, ScriptError } from '../../src/sim/index.ts';
import { CodeError } from '../../src/sim/packetdrill/code-lex.ts';
import { parseCode } from '../../src/sim/packetdrill/code-parse.ts';
import { AssertionFailed, runCode } from '../../src/sim/packetdrill/code-run.ts';
import { parsePacketBytes } from '../../src/sim/packetdrill/packet.ts';
import { ShellSyntaxError } from '../../src/sim/packetdrill/shell-parse.ts';
import { type ShellHost, ShellRun } from '../../src/sim/packetdrill/shell-run.ts';
import { TEXT_PROGRAMS } from '../../src/sim/packetdrill/shell-text.ts';
import { readTcpOptions } from '../../src/sim/packetdrill/tcp-options.ts';
import type { FuzzTarget } from './fuzz.ts';
import { HOSTILE_CODE, HOSTILE_COMMANDS, HOSTILE_SCRIPTS } from './scripts.ts';

/** Frames that Linux sent. */
const FRAMES: readonly Uint8Array[] = [
  // ARP request
  'ffffffffffff020000000001080600010800060400010200000000010a0000010000000000000a000002',
  // UDP, and with an IP option
  '02000000000202000000000108004500001f290540004011fdc60a0000010a000002b4fd0009000b726c616263',
  '020000000002020000000001080046000021291c4000401168a90a0000010a00000294040000b4fd00090009bed278',
  // SYN with timestamps, without, with a request for a fast-open cookie
  '02000000000202000000000108004500003ca3464000400683730a0000010a0000029f6a005069f9c45b00000000a002faf0503b0000020405b40402080ad6ea43d4000000000103030a',
  '020000000002020000000001080045000034d35340004006536e0a0000010a0000029f780050ff4f1fcd000000008002faf0a1350000020405b4010104020103030a',
  '020000000002020000000001080045000040f24840004006346d0a0000010a000002cc1e0051dda17dd500000000b002faf0efed0000020405b40402080a7cb97174000000000103030a22020101',
  // Echo request
  '0200000000020200000000010800450000208747400040019f930a0000010a0000020800bde63814000100010203',
].map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')));

/** The same over IPv6. */
const FRAMES6: readonly Uint8Array[] = [
  // MLDv2 report with a hop-by-hop option, DAD probe with a nonce, router solicitation
  '33330000001602000000000186dd6000000000240001fe80000000000000000000fffe000001ff0200000000000000000000000000163a000502000001008f0072070000000104000000ff0200000000000000000001ff000001',
  '3333ff00000102000000000186dd6000000000203aff00000000000000000000000000000000ff0200000000000000000001ff00000187005f3900000000fe80000000000000000000fffe0000010e010a443490d10e',
  '33330000000202000000000186dd6000000000103afffe80000000000000000000fffe000001ff02000000000000000000000000000285007b2c000000000101020000000001',
  // Neighbour solicitation and advertisement, echo request
  '3333ff00000202000000000186dd6000000000203afffd000000000000000000000000000001ff0200000000000000000001ff00000287007d9700000000fd0000000000000000000000000000020101020000000001',
  '02000000000102000000000286dd6000000000203afffd000000000000000000000000000002fd00000000000000000000000000000188001c9a60000000fd0000000000000000000000000000020201020000000002',
  '02000000000202000000000186dd6009b91a00103a40fd000000000000000000000000000001fd0000000000000000000000000000028000021b778400010001020304050607',
  // Last fragment of an echo request
  '02000000000202000000000186dd6009b91a00442c40fd000000000000000000000000000001fd0000000000000000000000000000023a0005a80b19532ca0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadb',
  // UDP, port unreachable, UDP behind destination options, SYN
  '02000000000202000000000186dd6009e3d0000d1140fd000000000000000000000000000001fd000000000000000000000000000002e4600009000dfa22726c616263',
  '02000000000102000000000286dd60048d57003d3a40fd000000000000000000000000000002fd00000000000000000000000000000101049fea000000006009e3d0000d1140fd000000000000000000000000000001fd000000000000000000000000000002e4600009000dfa22726c616263',
  '02000000000202000000000186dd6009e3d000143c40fd000000000000000000000000000001fd0000000000000000000000000000021100010400000000e4600009000c3d846f707473',
  '02000000000202000000000186dd600a9d2a00280640fd000000000000000000000000000001fd0000000000000000000000000000029d460050b562375800000000a002fd20fa320000020405a00402080a3fc38ada000000000103030a',
].map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')));

const PACKETS6 = FRAMES6.map((f) => f.subarray(14));

const PACKETS = FRAMES.slice(1).map((f) => f.subarray(14));
/** With 20 bytes of IP header. */
const L4 = PACKETS.filter((p) => p[0] === 0x45).map((p) => p.subarray(20));

function newPacket(): Packet {
  return new Packet(1, 0, NO_PAYLOAD, 0);
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Lengths add up, and what is written is read back as the same bytes. */
function checkPacket(pkt: Packet, parse: (bytes: Uint8Array, pkt: Packet) => void): void {
  assert.equal(flatten(pkt.data, pkt.len).length, pkt.len);
  const bytes = frameBytes(pkt);
  const back = newPacket();
  parse(bytes, back);
  assert.equal(back.flags, pkt.flags);
  assert.equal(back.len, pkt.len);
  assert.deepEqual(frameBytes(back), bytes);
}

function runFrame(bytes: Uint8Array): void {
  const pkt = newPacket();
  parseFrame(bytes, pkt);
  checkPacket(pkt, parseFrame);
}

function runIpv4(bytes: Uint8Array): void {
  const pkt = newPacket();
  parseIpv4Packet(bytes, pkt);
  checkPacket(pkt, parseIpv4Packet);
}

function runIpv6(bytes: Uint8Array): void {
  const pkt = newPacket();
  parseIpv6Packet(bytes, pkt);
  checkPacket(pkt, parseIpv6Packet);
  const { ip6 } = pkt;
  if (ip6 === null) return;
  assert.ok(ip6 instanceof Ipv6Header && nextHeaderOffset(ip6) < ip6.headerLen());
  assert.equal(ip6.headerLen() & 7, 0);
}

/** As after reassembly: the same bytes, cut where the first byte says. */
function runL4(bytes: Uint8Array): void {
  const pkt = newPacket();
  const protocol = [1, 6, 17][(bytes[0] ?? 0) % 3] ?? 6;
  pkt.ip = new Ipv4Header(1, 2, protocol, 64, 0);
  const cut = Math.min(bytes.length, (bytes[1] ?? 0) % 64);
  pkt.data = [bytes.subarray(0, cut), bytes.subarray(cut)];
  pkt.len = bytes.length;
  parseL4(pkt);
  assert.equal(flatten(pkt.data, pkt.len).length, pkt.len);
  const whole = newPacket();
  whole.ip = pkt.ip;
  whole.data = [bytes];
  whole.len = bytes.length;
  parseL4(whole);
  assert.equal(pkt.flags, whole.flags);
  assert.deepEqual(flatten(pkt.data, pkt.len), flatten(whole.data, whole.len));
}

function runTcpOptions(input: Uint8Array): void {
  const bytes = input.subarray(0, 40);
  const o = parseTcpOptions(bytes);
  const out = new Uint8Array(bytes.length);
  assert.equal(putTcpOptions(out, view(out), 0, o), bytes.length);
  assert.deepEqual(out, Uint8Array.from(bytes));
}

/** What is an address at all is the same address again when it is written down. */
function runIpv6Text(bytes: Uint8Array): void {
  const addr = parseIpv6(Buffer.from(bytes).toString('latin1'));
  if (addr !== undefined) assert.ok(parseIpv6(String(addr))?.equals(addr));
}

/** Words made of bytes: only an error with a code may come of it. */
function runNetem(bytes: Uint8Array): void {
  try {
    parseNetem(Buffer.from(bytes).toString('latin1'));
  } catch (error) {
    if (!(error instanceof NetError)) throw error;
  }
}

/** A hostile script is refused with a place, or understood. */
function runScriptText(bytes: Uint8Array): void {
  try {
    const script = parseScript('fuzz.pkt', Buffer.from(bytes).toString('latin1'));
    compileScript(script, configure(script, [], 1));
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
  }
}

/** A shell on which every program repeats its words. */
const ECHO_HOST: ShellHost = {
  program: (name, args, input) => {
    const text = Object.hasOwn(TEXT_PROGRAMS, name) ? TEXT_PROGRAMS[name] : undefined;
    return text?.(args, input, ECHO_HOST) ?? { status: args.length & 1, output: args.join(' ') };
  },
  readFile: (path) => path,
  writeFile: () => {},
  exists: (path) => path.length > 3,
  size: (path) => path.length,
};

function runShellText(bytes: Uint8Array): void {
  try {
    new ShellRun(ECHO_HOST, new Map([['A', '1']])).run(Buffer.from(bytes).toString('latin1'));
  } catch (error) {
    if (!(error instanceof ShellSyntaxError)) throw error;
  }
}

function runCodeText(bytes: Uint8Array): void {
  const lookup = (name: string): number | undefined =>
    name.startsWith('tcpi_') ? name.length : undefined;
  try {
    const code = parseCode(Buffer.from(bytes).toString('latin1'), 1);
    runCode(code, { variables: new Map(), lookup, print: () => {}, steps: 1000 });
  } catch (error) {
    if (!(error instanceof CodeError) && !(error instanceof AssertionFailed)) throw error;
  }
}

function runScriptPacket(bytes: Uint8Array): void {
  const packet = parsePacketBytes(bytes);
  if (packet?.body.proto === 'tcp') readTcpOptions(packet.body.options);
}

export const TARGETS: readonly FuzzTarget[] = [
  { name: 'frame', seeds: [...FRAMES, ...FRAMES6], run: runFrame },
  { name: 'ipv6 packet', seeds: PACKETS6, run: runIpv6 },
  { name: 'ipv6', seeds: PACKETS6, run: (b) => parseIpv6Header(b, view(b), 0, b.length) },
  {
    name: 'ndisc options',
    seeds: PACKETS6.map((b) => b.subarray(64)),
    run: (b) => parseNdOptions(b, 0),
  },
  {
    name: 'ipv6 text',
    seeds: ['fe80::1', '::ffff:1.2.3.4', '1:2:3:4:5:6:7:8'].map((t) =>
      Uint8Array.from(Buffer.from(t)),
    ),
    run: runIpv6Text,
  },
  { name: 'ipv4 packet', seeds: PACKETS, run: runIpv4 },
  { name: 'transport after reassembly', seeds: L4, run: runL4 },
  {
    name: 'arp',
    seeds: [FRAMES[0]?.subarray(14) ?? new Uint8Array(0)],
    run: (b) => parseArp(view(b), 0, b.length),
  },
  { name: 'ipv4', seeds: PACKETS, run: (b) => parseIpv4(b, view(b), 0, b.length) },
  { name: 'udp', seeds: L4, run: (b) => parseUdp(view(b), 0, b.length) },
  { name: 'icmp', seeds: L4, run: (b) => parseIcmp(view(b), 0, b.length) },
  { name: 'tcp', seeds: L4, run: (b) => parseTcp(b, view(b), 0, b.length) },
  { name: 'tcp options', seeds: L4.map((b) => b.subarray(20)), run: runTcpOptions, maxLength: 40 },
  {
    name: 'netem words',
    seeds: [
      'delay 100ms 10ms 25% distribution normal loss random 1% 5% ecn',
      'loss gemodel 1% 10% 70% 0.1% rate 10mbit 14 48 5 limit 7',
      'delay 1s reorder 25% 50% gap 5 duplicate 1% corrupt 0.1% loss state 1 2 3 4 5',
    ].map((s) => Uint8Array.from(Buffer.from(s))),
    run: runNetem,
  },
  { name: 'packetdrill script', seeds: HOSTILE_SCRIPTS, run: runScriptText },
  {
    name: 'packetdrill command',
    seeds: HOSTILE_COMMANDS,
    run: runShellText,
  },
  { name: 'packetdrill code', seeds: HOSTILE_CODE, run: runCodeText },
  { name: 'packetdrill packet', seeds: PACKETS, run: runScriptPacket },
];
