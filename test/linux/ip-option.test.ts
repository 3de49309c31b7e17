/** Options of level SOL_IP and what they make of datagrams, the kernel's and ours (E1, S15). */
import { test } from 'node:test';
import { compareScripts, type Script, type Step } from './script-world.ts';
import { PYTHON, skipReason, toolsMissing } from './tools.ts';

const skip = skipReason(
  process.getuid?.() === 0 ? toolsMissing(['ip', PYTHON]) : 'root is needed to make namespaces',
);

const [STREAM, DGRAM, RAW] = [1, 2, 3];
const ERRQUEUE = 0x2000;

/** Every option of the level by number: read, set to some values, read again. */
const numbers = Array.from({ length: 53 }, (_, n) => n + 1).filter(
  (n) => ![4, 9, 16, 17, 18, 25, 32, 35, 36, 41, 48, 50].includes(n) && !(n >= 37 && n <= 47),
);
/** 9, 16 to 18: structures; 25 is not here; 50: by the bytes of an index, not by a number. */
const table = (type: number, protocol: number): Script => [
  ['sock', 's', 'A', 2, type, protocol],
  ...numbers.flatMap((n): Step[] => [
    ['gethex', 's', 0, n, 4],
    ...[0, 1, 2, 5, 255, 256, -1].map((v): Step => ['set', 's', 0, n, v]),
    ['gethex', 's', 0, n, 4],
    ['sethex', 's', 0, n, '01'],
    ['sethex', 's', 0, n, ''],
  ]),
];

/** Datagrams with everything that can be asked for about them. */
const received: Script = [
  ['sock', 's', 'A', 2, DGRAM, 0],
  ['sock', 'r', 'B', 2, DGRAM, 0],
  ['bind', 's', '10.0.0.1', 1000],
  ['bind', 'r', '0.0.0.0', 2000],
  ...[8, 12, 13, 6, 7, 20].map((n): Step => ['set', 'r', 0, n, 1]),
  ['sendto', 's', '616263', '10.0.0.2', 2000],
  ['recv', 'r', 100],
  ['set', 's', 0, 1, 0x10],
  ['set', 's', 0, 2, 7],
  ['sendto', 's', '616263', '10.0.0.2', 2000],
  ['recv', 'r', 100],
  // Record route, a timestamp, a router alert; a source route is refused by whom it is for.
  ['sethex', 's', 0, 4, '07070400000000'],
  ['gethex', 's', 0, 4, 40],
  ['sendto', 's', '616263', '10.0.0.2', 2000],
  ['recv', 'r', 100],
  ['sethex', 's', 0, 4, '94040000'],
  ['sendto', 's', '616263', '10.0.0.2', 2000],
  ['recv', 'r', 100],
  ['sethex', 's', 0, 4, '0107040000'],
  ['sethex', 's', 0, 4, '00'.repeat(41)],
  ['sethex', 's', 0, 4, ''],
  ['gethex', 's', 0, 4, 40],
  // What one message says of itself.
  ['sendmsg', 's', '616263', '10.0.0.2', 2000, [[0, 2, '05000000']]],
  ['recv', 'r', 100],
  ['sendmsg', 's', '616263', '10.0.0.2', 2000, [[0, 1, '08']]],
  ['recv', 'r', 100],
  ['sendmsg', 's', '616263', '10.0.0.2', 2000, [[0, 7, '94040000']]],
  ['recv', 'r', 100],
  ['sendmsg', 's', '616263', '10.0.0.2', 2000, [[0, 8, '000000000a0000010a000002']]],
  ['recv', 'r', 100],
  ['sendmsg', 's', '616263', '10.0.0.2', 2000, [[0, 2, '00000000']]],
  ['sendmsg', 's', '616263', '10.0.0.2', 2000, [[0, 99, '00000000']]],
];

const errors: Script = [
  ['sock', 's', 'A', 2, DGRAM, 0],
  ['set', 's', 0, 11, 1],
  ['sendto', 's', '616263', '10.0.0.2', 2001],
  ['recv', 's', 100],
  ['recv', 's', 100, ERRQUEUE],
  ['recv', 's', 100, ERRQUEUE],
  ['gethex', 's', 1, 4, 4],
  ['connect', 's', '10.0.0.2', 2001],
  ['send', 's', '6162636465'],
  ['send', 's', '6162636465'],
  ['recv', 's', 3, ERRQUEUE],
  ['set', 's', 0, 10, 2],
  ['sendto', 's', '61'.repeat(2000), '10.0.0.2', 2001],
  ['recv', 's', 100, ERRQUEUE],
  ['set', 's', 0, 11, 0],
  ['recv', 's', 100, ERRQUEUE],
];

const binding: Script = [
  ['sock', 's', 'A', 2, DGRAM, 0],
  ['bind', 's', '10.9.9.9', 3000],
  ['set', 's', 0, 15, 1],
  ['bind', 's', '10.9.9.9', 3000],
  ['sock', 't', 'A', 2, STREAM, 0],
  ['set', 't', 0, 19, 1],
  ['bind', 't', '10.9.9.8', 3000],
  ['sock', 'u', 'A', 2, DGRAM, 0],
  ['set', 'u', 0, 51, (4005 << 16) | 4005],
  ['bind', 'u', '0.0.0.0', 0],
  ['sock', 'v', 'A', 2, DGRAM, 0],
  ['set', 'v', 0, 51, (4005 << 16) | 4005],
  ['bind', 'v', '0.0.0.0', 0],
  ['set', 'v', 0, 51, (4000 << 16) | 4005],
  // Packets whose TTL is too small are not heard.
  ['sock', 'x', 'B', 2, DGRAM, 0],
  ['bind', 'x', '0.0.0.0', 3001],
  ['set', 'x', 0, 21, 65],
  ['sock', 'y', 'A', 2, DGRAM, 0],
  ['sendto', 'y', '61', '10.0.0.2', 3001],
  ['drain', 'x'],
  ['set', 'y', 0, 2, 65],
  ['sendto', 'y', '61', '10.0.0.2', 3001],
  ['drain', 'x'],
];

/** Raw sockets that write the header: what the kernel fills in. */
const header = (hex: string): Step => ['sendto', 's', hex, '10.0.0.2', 0];
const written: Script = [
  ['sock', 's', 'A', 2, RAW, 255],
  ['sock', 'r', 'B', 2, RAW, 200],
  ['ip', 'A', 'neigh add 10.0.0.2 lladdr 02:00:00:00:00:0b dev a0'],
  header('450000170001000040c800000a0000010a000002616263'),
  ['recv', 'r', 100],
  header('45000063000100004 0c800000a0000010a000002616263'.replace(' ', '')),
  ['recv', 'r', 100],
  header('450000170001000040c8ffff000000000a000002616263'),
  ['recv', 'r', 100],
  header('450000170001000040c800000a0909090a000002616263'),
  ['recv', 'r', 100],
  header('460000170001000040c800000a0000010a000002940400006162'),
  ['recv', 'r', 100],
  header('430000170001000040c800000a0000010a000002616263'),
  header('4f0000170001000040c800000a0000010a000002616263'),
  header('45'),
];

/** Numbers that are chosen at random. */
function plain(result: unknown, [op, id]: Step): unknown {
  if (op !== 'recv' || id !== 'r' || typeof result !== 'object' || result === null) return result;
  return result;
}

for (const [name, script] of Object.entries({
  udp: table(DGRAM, 0),
  tcp: table(STREAM, 0),
  raw: table(RAW, 200),
  received,
  errors,
  binding,
  written,
}))
  test(`E1: options of IP as the kernel's: ${name}`, { skip, timeout: 60_000 }, () =>
    compareScripts([script], plain),
  );
