/**
 * Runs a classic BPF program that `bpf-check.ts` has passed (Linux `bpf_convert_filter`, `___bpf_prog_run`): at most
 * as many steps as it has instructions. A load outside of the packet and a division by zero end it with 0.
 */
import type { Packet } from '../../packet.ts';
import {
  BPF_ADD,
  BPF_AND,
  BPF_B,
  BPF_DIV,
  BPF_H,
  BPF_IMM,
  BPF_JA,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_LD,
  BPF_LDX,
  BPF_LEN,
  BPF_LSH,
  BPF_MEM,
  BPF_MEMWORDS,
  BPF_MISC,
  BPF_MOD,
  BPF_MSH,
  BPF_MUL,
  BPF_NEG,
  BPF_OR,
  BPF_RSH,
  BPF_ST,
  BPF_STX,
  BPF_SUB,
  BPF_TXA,
  BPF_X,
  type BpfInsn,
  type BpfProgram,
  SKF_AD_ALU_XOR_X,
  SKF_AD_OFF,
  SKF_LL_OFF,
  SKF_NET_OFF,
} from './bpf.ts';
import { isAncillary } from './bpf-check.ts';

/** What a program sees of a packet. */
export interface BpfPacket {
  readonly bytes: Uint8Array;
  /** Where offset 0, the network header and the link-layer header are; -1: there is none. */
  readonly start: number;
  readonly network: number;
  readonly mac: number;
  /** Bytes from `start` on, though not all may be there (`skb->len`). */
  readonly len: number;
  readonly pkt: Packet;
  /** `SKF_AD_*`; null ends the program. */
  ancillary(number: number, a: number, x: number): number | null;
}

const CLASS = 0x07;
const OPERATION = 0xf0;
const SIZE = 0x18;
const MODE = 0xe0;
const RET_K = 0x06;
const INDIRECT = 0x40;
const ALU = 0x04;
const JMP = 0x05;
const RET = 0x06;

/** The program's result, an unsigned number: how many bytes to keep, 0: none. */
export function runProgram(program: BpfProgram, packet: BpfPacket): number {
  const memory = new Array<number>(BPF_MEMWORDS).fill(0);
  let a = 0;
  let x = 0;
  for (let pc = 0; pc < program.length; pc++) {
    const insn = program[pc] as BpfInsn;
    const { code, k } = insn;
    switch (code & CLASS) {
      case BPF_LD: {
        const value = load(insn, packet, memory, a, x);
        if (value === null) return 0;
        a = value;
        break;
      }
      case BPF_LDX: {
        const value = loadIndex(insn, packet, memory);
        if (value === null) return 0;
        x = value;
        break;
      }
      case BPF_ST:
        memory[k] = a;
        break;
      case BPF_STX:
        memory[k] = x;
        break;
      case ALU: {
        const value = arithmetic(code & OPERATION, a, (code & BPF_X) === 0 ? k : x);
        if (value === null) return 0;
        a = value;
        break;
      }
      case JMP:
        pc += jump(insn, a, x);
        break;
      case RET:
        return code === RET_K ? k : a;
      case BPF_MISC:
        if (code === (BPF_MISC | BPF_TXA)) a = x;
        else x = a;
        break;
      default:
        return 0;
    }
  }
  return 0;
}

function load(
  { code, k }: BpfInsn,
  packet: BpfPacket,
  memory: readonly number[],
  a: number,
  x: number,
): number | null {
  switch (code & MODE) {
    case BPF_IMM:
      return k;
    case BPF_MEM:
      return memory[k] as number;
    case BPF_LEN:
      return packet.len;
    case INDIRECT:
      return loadAt(packet, (x + k) | 0, code & SIZE);
    default: {
      if (!isAncillary(k)) return loadAt(packet, k | 0, code & SIZE);
      const number = (k | 0) - SKF_AD_OFF;
      return number === SKF_AD_ALU_XOR_X ? (a ^ x) >>> 0 : packet.ancillary(number, a, x);
    }
  }
}

function loadIndex(
  { code, k }: BpfInsn,
  packet: BpfPacket,
  memory: readonly number[],
): number | null {
  switch (code & MODE) {
    case BPF_IMM:
      return k;
    case BPF_MEM:
      return memory[k] as number;
    case BPF_LEN:
      return packet.len;
    default: {
      if ((code & MODE) !== BPF_MSH) return null;
      const byte = loadAt(packet, k | 0, BPF_B);
      return byte === null ? null : (byte & 15) << 2;
    }
  }
}

/** Linux `bpf_internal_load_pointer_neg_helper`: negative offsets begin at a header. */
function loadAt(packet: BpfPacket, offset: number, size: number): number | null {
  const { bytes } = packet;
  let at = packet.start + offset;
  if (offset < 0) {
    if (offset >= SKF_NET_OFF) at = packet.network + offset - SKF_NET_OFF;
    else if (offset >= SKF_LL_OFF && packet.mac >= 0) at = packet.mac + offset - SKF_LL_OFF;
    else return null;
  }
  if (size === BPF_B) return at + 1 > bytes.length ? null : (bytes[at] as number);
  if (size === BPF_H)
    return at + 2 > bytes.length ? null : ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  if (at + 4 > bytes.length) return null;
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}

/** On unsigned numbers of 32 bits; null: a division by zero. */
function arithmetic(operation: number, a: number, b: number): number | null {
  switch (operation) {
    case BPF_ADD:
      return (a + b) >>> 0;
    case BPF_SUB:
      return (a - b) >>> 0;
    case BPF_MUL:
      return Math.imul(a, b) >>> 0;
    case BPF_DIV:
      return b === 0 ? null : Math.floor(a / b);
    case BPF_MOD:
      return b === 0 ? null : a % b;
    case BPF_OR:
      return (a | b) >>> 0;
    case BPF_AND:
      return (a & b) >>> 0;
    // LINUX: of a distance the lowest five bits count.
    case BPF_LSH:
      return (a << b) >>> 0;
    case BPF_RSH:
      return a >>> b;
    case BPF_NEG:
      return -a >>> 0;
    default:
      return (a ^ b) >>> 0;
  }
}

/** How many instructions are skipped. */
function jump({ code, jt, jf, k }: BpfInsn, a: number, x: number): number {
  const b = (code & BPF_X) === 0 ? k : x;
  switch (code & OPERATION) {
    case BPF_JA:
      return k;
    case BPF_JEQ:
      return a === b ? jt : jf;
    case BPF_JGT:
      return a > b ? jt : jf;
    case BPF_JGE:
      return a >= b ? jt : jf;
    default:
      return (a & b) !== 0 ? jt : jf;
  }
}
