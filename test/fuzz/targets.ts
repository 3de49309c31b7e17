/** Every parser that reads what came from outside. To add one: a row in `TARGETS`. */
import assert from 'node:assert/strict';
import { parseNetem } from '../../src/core/control/netem-words.ts';
import { NetError } from '../../src/core/errno.ts';
import { NO_PAYLOAD, Packet } from '../../src/core/packet.ts';
import { parseArp } from '../../src/core/wire/arp.ts';
import {
  flatten,
  frameBytes,
  parseFrame,
  parseIpv4Packet,
  parseL4,
} from '../../src/core/wire/frame.ts';
import { parseIcmp } from '../../src/core/wire/icmp.ts';
import { Ipv4Header, parseIpv4 } from '../../src/core/wire/ipv4.ts';
import { parseTcp, parseTcpOptions, putTcpOptions } from '../../src/core/wire/tcp.ts';
import { parseUdp } from '../../src/core/wire/udp.ts';
import { compileScript, configure, parseScript, ScriptError } from '../../src/sim/index.ts';
import { parsePacketBytes } from '../../src/sim/packetdrill/packet.ts';
import { parseShell, ShellSyntaxError } from '../../src/sim/packetdrill/shell-words.ts';
import { readTcpOptions } from '../../src/sim/packetdrill/tcp-options.ts';
import type { FuzzTarget } from './fuzz.ts';
import { HOSTILE_SCRIPTS } from './scripts.ts';

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

function runShellText(bytes: Uint8Array): void {
  try {
    parseShell(Buffer.from(bytes).toString('latin1'));
  } catch (error) {
    if (!(error instanceof ShellSyntaxError)) throw error;
  }
}

function runScriptPacket(bytes: Uint8Array): void {
  const packet = parsePacketBytes(bytes);
  if (packet?.body.proto === 'tcp') readTcpOptions(packet.body.options);
}

export const TARGETS: readonly FuzzTarget[] = [
  { name: 'frame', seeds: FRAMES, run: runFrame },
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
    seeds: [
      'sysctl -q a="b c" d=\\\n5 && ! nstat | grep -q "x y" || echo 1 > /proc/sys/x; [ 1 = 2 ]',
    ].map((s) => Uint8Array.from(Buffer.from(s))),
    run: runShellText,
  },
  { name: 'packetdrill packet', seeds: PACKETS, run: runScriptPacket },
];
