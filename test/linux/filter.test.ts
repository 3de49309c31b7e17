/** Programs of classic BPF: which the kernel takes, and what it makes of packets, on every kind of socket (E1). */
import { test } from 'node:test';
import { compareScripts, type Script, type Step } from './script-world.ts';
import { PYTHON, skipReason, toolsMissing } from './tools.ts';

const skip = skipReason(
  process.getuid?.() === 0 ? toolsMissing(['ip', PYTHON]) : 'root is needed to make namespaces',
);

type Insn = readonly [code: number, jt: number, jf: number, k: number];
const DGRAM = 2;
const [PACKET, RAW, LOCAL] = [17, 3, 0x88b5];
const B_MAC = '02000000000b';
const i = (code: number, k = 0, jt = 0, jf = 0): Insn => [code, jt, jf, k >>> 0];
const RET_A = i(0x16);
const RET_X = [i(0x87), RET_A];
const AD = -0x1000;

/** Their result is how many bytes of a frame are kept: of 0102…28, made of 40 bytes. */
const RESULTS: readonly (readonly Insn[])[] = [
  [i(0x06, 5)],
  [i(0x06, 0)],
  [i(0x06, -1)],
  // Loads: word, half, byte; absolute, by index, of the length; from the network and the link-layer header.
  [i(0x20, 0), i(0x54, 31), RET_A],
  [i(0x20, 36), i(0x54, 31), RET_A],
  [i(0x20, 37), i(0x06, 9)],
  [i(0x28, 38), i(0x54, 31), RET_A],
  [i(0x28, 39), i(0x06, 9)],
  [i(0x30, 39), i(0x54, 31), RET_A],
  [i(0x30, 40), i(0x06, 9)],
  [i(0x80), i(0x74, 1), RET_A],
  [i(0x81), i(0x87), i(0x14, 3), RET_A],
  [i(0x01, 8), i(0x50, 2), RET_A],
  [i(0x01, 8), i(0x48, 2), i(0x54, 15), RET_A],
  [i(0x01, 40), i(0x50, 0), i(0x06, 9)],
  [i(0x01, 6), i(0x50, -1), RET_A],
  [i(0x01, 0), i(0x50, -1), i(0x06, 9)],
  [i(0x01, -2), i(0x40, 6), i(0x54, 31), RET_A],
  [i(0xb1, 16), ...RET_X],
  [i(0xb1, 60), i(0x06, 9)],
  [i(0x30, -0x100000 + 3), RET_A],
  [i(0x30, -0x100000 + 100), i(0x06, 9)],
  [i(0x30, -0x200000 + 5), RET_A],
  [i(0x28, -0x200000 + 12), i(0x54, 31), RET_A],
  [i(0x30, -0x200001), i(0x06, 9)],
  [i(0x30, -0x300000), i(0x06, 9)],
  // Memory.
  [i(0x00, 7), i(0x02, 3), i(0x00, 1), i(0x60, 3), RET_A],
  [i(0x01, 11), i(0x03, 15), i(0x01, 1), i(0x61, 15), ...RET_X],
  // Arithmetic with constants and with the index.
  [i(0x00, 5), i(0x04, 6), RET_A],
  [i(0x00, 5), i(0x14, -6), RET_A],
  [i(0x00, 5), i(0x24, 3), RET_A],
  [i(0x00, 65537), i(0x24, 65537), i(0x74, 13), RET_A],
  [i(0x00, 50), i(0x34, 7), RET_A],
  [i(0x00, -1), i(0x34, 0x10000000), RET_A],
  [i(0x00, 50), i(0x94, 17), RET_A],
  [i(0x00, 5), i(0x44, 8), RET_A],
  [i(0x00, 29), i(0x54, 11), RET_A],
  [i(0x00, 3), i(0x64, 2), RET_A],
  [i(0x00, -1), i(0x74, 27), RET_A],
  [i(0x00, -9), i(0x84), RET_A],
  [i(0x00, 29), i(0xa4, 11), RET_A],
  [i(0x01, 4), i(0x00, 20), i(0x0c), RET_A],
  [i(0x01, 4), i(0x00, 20), i(0x1c), RET_A],
  [i(0x01, 2), i(0x00, 9), i(0x2c), RET_A],
  [i(0x01, 4), i(0x00, 50), i(0x3c), RET_A],
  [i(0x01, 0), i(0x00, 50), i(0x3c), i(0x06, 9)],
  [i(0x01, 0), i(0x00, 50), i(0x9c), i(0x06, 9)],
  [i(0x01, 7), i(0x00, 50), i(0x9c), RET_A],
  [i(0x01, 33), i(0x00, 5), i(0x6c), RET_A],
  [i(0x01, 33), i(0x00, 50), i(0x7c), RET_A],
  [i(0x01, 12), i(0x00, 10), i(0x4c), RET_A],
  [i(0x01, 12), i(0x00, 10), i(0x5c), RET_A],
  [i(0x01, 12), i(0x00, 10), i(0xac), RET_A],
  // Jumps: equal, greater, not less, a bit; unsigned.
  ...[0x15, 0x25, 0x35, 0x45].flatMap((code) =>
    [4, 5, 6].map((k) => [i(0x00, 5), i(code, k, 0, 1), i(0x06, 7), i(0x06, 8)]),
  ),
  ...[0x1d, 0x2d, 0x3d, 0x4d].map((code) => [
    i(0x01, -1),
    i(0x00, 1),
    i(code, 0, 0, 1),
    i(0x06, 7),
    i(0x06, 8),
  ]),
  [i(0x05, 1), i(0x06, 7), i(0x06, 8)],
  // What is known of the packet.
  ...[0, 4, 8, 20, 24, 28, 44, 48, 60].map((n) => [i(0x20, AD + n), i(0x54, 63), RET_A]),
  [i(0x01, 9), i(0x00, 3), i(0x20, AD + 40), RET_A],
  [i(0x20, AD + 52), i(0x04, 3), RET_A],
  [i(0x01, 2), i(0x00, 0), i(0x20, AD + 12), i(0x04, 3), RET_A],
  [i(0x20, AD + 56), i(0x06, 9)],
  [i(0x30, AD + 4), i(0x04, 3), RET_A],
];

/** Refused, or taken: each way of being wrong, beside the nearest that is right. */
const CHECKS: readonly (readonly Insn[])[] = [
  [],
  [i(0x00, 1)],
  [i(0x05, 0), i(0x06)],
  [i(0x05, 1), i(0x06)],
  [i(0x15, 0, 1, 0), i(0x06)],
  [i(0x15, 0, 0, 1), i(0x06)],
  [i(0x15, 0, 0, 0), i(0x06)],
  [i(0x34, 0), i(0x06)],
  [i(0x94, 0), i(0x06)],
  [i(0x64, 31), i(0x06)],
  [i(0x64, 32), i(0x06)],
  [i(0x74, 32), i(0x06)],
  [i(0x02, 15), i(0x06)],
  [i(0x02, 16), i(0x06)],
  [i(0x03, 16), i(0x06)],
  [i(0x60, 0), i(0x06)],
  [i(0x61, 0), i(0x06)],
  [i(0x02, 0), i(0x60, 1), i(0x06)],
  [i(0x15, 0, 1, 0), i(0x02, 2), i(0x60, 2), i(0x06)],
  [i(0x02, 2), i(0x15, 0, 1, 0), i(0x02, 1), i(0x60, 2), i(0x06)],
  [i(0x05, 1), i(0x02, 2), i(0x60, 2), i(0x06)],
  [i(0x20, AD + 64), i(0x06)],
  [i(0x20, AD + 60), i(0x06)],
  [i(0x20, AD + 2), i(0x06)],
  [i(0x20, -1), i(0x06)],
  [i(0x40, -1), i(0x06)],
  [i(0x20, AD - 1), i(0x06)],
  [i(0x0e), i(0x06)],
  [i(0x0f), i(0x06)],
  [i(0x08), i(0x06)],
  [i(0x18), i(0x06)],
  [i(0x38), i(0x06)],
  [i(0xa0), i(0x06)],
  [i(0x21), i(0x06)],
  [i(0xa1), i(0x06)],
  [i(0x8c), i(0x06)],
  [i(0xb4, 1), i(0x06)],
  [i(0x55), i(0x06)],
  [i(0x0d), i(0x06)],
  [i(0x97), i(0x06)],
  [i(0x1e), i(0x06)],
  [i(0x106), i(0x06)],
  [i(0x06), i(0x16), i(0x06)],
  [i(0x26), i(0x06)],
];

const FRAME = Array.from({ length: 40 }, (_, n) => (n + 1).toString(16).padStart(2, '0')).join('');

const results: Script = [
  ['sock', 's', 'A', PACKET, DGRAM, LOCAL],
  ['sock', 'r', 'B', PACKET, DGRAM, LOCAL],
  ...RESULTS.flatMap((program): Step[] => [
    ['program', 'r', program],
    ['sendll', 's', 'a0', LOCAL, B_MAC, FRAME],
    ['recv', 'r', 100],
  ]),
  ['gethex', 'r', 263, 6, 8],
];

const checks: Script = [
  ['sock', 's', 'A', 2, DGRAM, 0],
  ...CHECKS.map((program): Step => ['program', 's', program]),
  // To take it off, and to lock it.
  ['sock', 't', 'A', 2, DGRAM, 0],
  ['set', 't', 1, 27, 0],
  ['program', 't', [i(0x06, 1)]],
  ['set', 't', 1, 27, 0],
  ['set', 't', 1, 27, 0],
  ['gethex', 't', 1, 44, 4],
  ['program', 't', [i(0x06, 1)]],
  ['set', 't', 1, 44, 0],
  ['set', 't', 1, 44, 5],
  ['gethex', 't', 1, 44, 4],
  ['set', 't', 1, 44, 0],
  ['set', 't', 1, 27, 0],
  ['program', 't', [i(0x06, 1)]],
  ['sethex', 't', 1, 26, '0102'],
];

/** UDP and raw sockets: what the program sees begins at the transport header, or at that of IP. */
const kinds: Script = [
  ['sock', 'u', 'A', 2, DGRAM, 0],
  ['bind', 'u', '0.0.0.0', 0x1234],
  ['sock', 'v', 'B', 2, DGRAM, 0],
  ['bind', 'v', '0.0.0.0', 0x0708],
  ['sock', 'w', 'B', 2, RAW, 17],
  ...[
    [i(0x28, 0), i(0x15, 0x1234, 0, 1), i(0x06, -1), i(0x06, 0)],
    [i(0x28, 0), i(0x15, 0x1235, 0, 1), i(0x06, -1), i(0x06, 0)],
    [i(0x06, 12)],
    [i(0x06, 3)],
    [i(0x20, -0x100000 + 12), i(0x15, 0x0a000001, 0, 1), i(0x06, -1), i(0x06, 0)],
    [i(0x30, -0x200000 + 5), i(0x15, 0x0b, 0, 1), i(0x06, -1), i(0x06, 0)],
    [i(0x20, AD + 52), i(0x15, 8, 0, 1), i(0x06, -1), i(0x06, 0)],
    [i(0x80), i(0x15, 14, 0, 1), i(0x06, -1), i(0x06, 0)],
  ].flatMap((program): Step[] => [
    ['program', 'v', program],
    ['sendto', 'u', '616263646566', '10.0.0.2', 0x0708],
    ['recv', 'v', 100],
  ]),
  ['drain', 'w'],
  ...[
    [i(0x30, 0), i(0x15, 0x45, 0, 1), i(0x06, -1), i(0x06, 0)],
    [i(0xb1, 0), i(0x48, 0), i(0x15, 0x1234, 0, 1), i(0x06, -1), i(0x06, 0)],
    [i(0x30, 9), i(0x15, 6, 0, 1), i(0x06, -1), i(0x06, 0)],
  ].flatMap((program): Step[] => [
    ['program', 'w', program],
    ['sendto', 'u', '616263646566', '10.0.0.2', 0x0708],
    ['drain', 'w'],
  ]),
];

/** TCP: who may connect to a listener, and what a connection reads. */
const stream: Script = [
  ['sock', 'l', 'B', 2, 1, 0],
  ['bind', 'l', '0.0.0.0', 80],
  ['listen', 'l', 5],
  ['sock', 'c', 'A', 2, 1, 0],
  ['bind', 'c', '0.0.0.0', 4000],
  ['program', 'l', [i(0x28, 0), i(0x15, 4000, 0, 1), i(0x06, -1), i(0x06, 0)]],
  ['connect', 'c', '10.0.0.2', 80],
  ['wait', 0.05],
  ['accept', 'l', 'd'],
  ['set', 'd', 1, 27, 0],
  ['program', 'd', [i(0x06, 0)]],
  ['send', 'c', '616263'],
  ['recv', 'd', 100],
  ['set', 'd', 1, 27, 0],
  ['wait', 0.4],
  ['recv', 'd', 100],
  ['sock', 'e', 'A', 2, 1, 0],
  ['bind', 'e', '0.0.0.0', 4001],
  ['connect', 'e', '10.0.0.2', 80],
  ['wait', 0.05],
  ['accept', 'l', 'f'],
];

/** Identifiers of packets are chosen at random; a connection's peer is told or not. */
function plain(result: unknown, [op]: Step): unknown {
  if (op !== 'recv' || typeof result !== 'object' || result === null) return result;
  const { data } = result as { data: string };
  return data;
}

test('E1: 90 programs keep of a frame what the kernel keeps', { skip, timeout: 60_000 }, () =>
  compareScripts([results], plain),
);

test('E1: the kernel refuses the same programs', { skip, timeout: 60_000 }, () =>
  compareScripts([checks], plain),
);

test('E1: programs of UDP, raw and TCP sockets', { skip, timeout: 60_000 }, () =>
  compareScripts([kinds, stream], plain),
);
