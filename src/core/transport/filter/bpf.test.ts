/** Classic BPF: programs that pass the check end, and read nothing that is not theirs (E1). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Packet } from '../../packet.ts';
import { Random } from '../../util/random.ts';
import { BPF_MAXINSNS, type BpfInsn, programBytes, programOf } from './bpf.ts';
import { checkProgram } from './bpf-check.ts';
import { type BpfPacket, runProgram } from './bpf-run.ts';
import { findAttribute, findNested } from './netlink-attribute.ts';

function packet(bytes: Uint8Array): BpfPacket {
  return {
    bytes,
    start: 14,
    network: 14,
    mac: 0,
    len: bytes.length - 14,
    pkt: new Packet(1, 0x800, [], 0),
    ancillary: (number) => number,
  };
}

const insn = (code: number, k = 0, jt = 0, jf = 0): BpfInsn => ({ code, jt, jf, k: k >>> 0 });
const DATA = Uint8Array.from({ length: 64 }, (_, i) => i);

test('E1: whatever passes the check ends within its length, with a number of 32 bits', () => {
  const random = new Random(3, 'bpf');
  const CODES = [
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0c, 0x14, 0x15, 0x16, 0x1c, 0x1d, 0x20, 0x24,
    0x25, 0x28, 0x2c, 0x2d, 0x30, 0x34, 0x35, 0x3c, 0x3d, 0x40, 0x44, 0x45, 0x48, 0x4c, 0x4d, 0x50,
    0x54, 0x5c, 0x60, 0x61, 0x64, 0x6c, 0x74, 0x7c, 0x80, 0x81, 0x84, 0x87, 0x94, 0x9c, 0xa4, 0xac,
    0xb1, 0xff, 0x106, 0x61,
  ];
  const KS = [0, 1, 2, 5, 15, 16, 31, 32, 63, 64, 0x7fffffff, -1, -0x1000, -0x1000 + 20, -0x100000];
  let passed = 0;
  for (let round = 0; round < 30_000; round++) {
    const program: BpfInsn[] = [];
    const length = 1 + random.below(6);
    for (let i = 0; i < length; i++)
      program.push(
        insn(
          CODES[random.below(CODES.length)] as number,
          KS[random.below(KS.length)],
          random.below(3),
          random.below(3),
        ),
      );
    program.push(insn(0x16));
    if (checkProgram(program) !== 0) continue;
    passed++;
    const result = runProgram(program, packet(DATA));
    assert.ok(Number.isInteger(result) && result >= 0 && result <= 0xffffffff, `${result}`);
  }
  assert.ok(passed > 3000, `${passed}`);
});

test('E1: the longest program runs, one longer or none is refused', () => {
  const long = Array.from({ length: BPF_MAXINSNS - 1 }, () => insn(0x04, 1));
  const program = [...long, insn(0x16)];
  assert.equal(checkProgram(program), 0);
  assert.equal(runProgram(program, packet(DATA)), BPF_MAXINSNS - 1);
  assert.equal(checkProgram([insn(0x04), ...program]), -22);
  assert.equal(checkProgram([]), -22);
});

test('E1: loads outside of the packet, and divisions by zero, end a program with 0', () => {
  const run = (...program: BpfInsn[]): number => {
    assert.equal(checkProgram(program), 0);
    return runProgram(program, packet(DATA));
  };
  assert.equal(run(insn(0x20, 46), insn(0x16)), 0x3c3d3e3f);
  assert.equal(run(insn(0x20, 47), insn(0x06, 7)), 0);
  assert.equal(run(insn(0x30, -0x200000), insn(0x06, 7)), 7);
  assert.equal(run(insn(0x30, -0x200000 - 1), insn(0x06, 7)), 0);
  assert.equal(run(insn(0x50, -1), insn(0x06, 7)), 0);
  assert.equal(run(insn(0x00, 5), insn(0x3c), insn(0x06, 7)), 0);
});

test('E1: a program survives its bytes', () => {
  const program = [insn(0x28, 12), insn(0x15, 0x800, 0, 1), insn(0x06, -1), insn(0x06)];
  assert.deepEqual(programOf(programBytes(program)), program);
  assert.equal(programOf(new Uint8Array(9)), null);
});

test('E1: attributes of netlink are found, inside others too, and broken ones are not followed', () => {
  // Type 1 of 8 bytes, type 2 of 12 that holds type 3.
  const bytes = Uint8Array.of(8, 0, 1, 0, 9, 9, 9, 9, 12, 0, 2, 0, 8, 0, 3, 0, 7, 7, 7, 7);
  assert.equal(findAttribute(bytes, 0, 2), 8);
  assert.equal(findAttribute(bytes, 8, 1), 0);
  assert.equal(findNested(bytes, 8, 3), 12);
  assert.equal(findNested(bytes, 18, 3), 0);
  assert.equal(findAttribute(Uint8Array.of(0, 0, 1, 0, 8, 0, 2, 0), 0, 2), 0);
});
