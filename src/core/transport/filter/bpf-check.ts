/**
 * May this program run (Linux `bpf_check_classic`, `chk_code_allowed`, `check_load_and_stores`)? What passes has no
 * loop, ends with a return, jumps to instructions of its own only, and reads no scratch memory that nobody wrote.
 */
import { EINVAL } from '../../errno.ts';
import {
  BPF_ABS,
  BPF_B,
  BPF_DIV,
  BPF_H,
  BPF_IMM,
  BPF_IND,
  BPF_JA,
  BPF_JEQ,
  BPF_JSET,
  BPF_LD,
  BPF_LDX,
  BPF_LEN,
  BPF_LSH,
  BPF_MAXINSNS,
  BPF_MEM,
  BPF_MEMWORDS,
  BPF_MISC,
  BPF_MOD,
  BPF_MSH,
  BPF_NEG,
  BPF_RSH,
  BPF_ST,
  BPF_STX,
  BPF_TAX,
  BPF_TXA,
  BPF_W,
  BPF_X,
  BPF_XOR,
  type BpfInsn,
  type BpfProgram,
  SKF_AD_MAX,
  SKF_AD_OFF,
} from './bpf.ts';

const CLASS = 0x07;
const OPERATION = 0xf0;
const RET_K = 0x06;
const RET_A = 0x16;
const ST_MEM: number = BPF_ST;
const ALU = 0x04;
const JMP = 0x05;

/** 0, or -EINVAL. */
export function checkProgram(program: BpfProgram): number {
  const { length } = program;
  if (length === 0 || length > BPF_MAXINSNS) return -EINVAL;
  for (let pc = 0; pc < length; pc++)
    if (!isAllowed(program[pc] as BpfInsn, pc, length)) return -EINVAL;
  const last = (program[length - 1] as BpfInsn).code;
  if (last !== RET_K && last !== RET_A) return -EINVAL;
  return readsWhatWasWritten(program) ? 0 : -EINVAL;
}

function isAllowed(insn: BpfInsn, pc: number, length: number): boolean {
  const { code, k } = insn;
  switch (code & CLASS) {
    case BPF_LD:
      return isLoad(code, k);
    case BPF_LDX:
      return isIndexLoad(code, k);
    case BPF_ST:
    case BPF_STX:
      return (code === BPF_ST || code === BPF_STX) && k < BPF_MEMWORDS;
    case ALU:
      return isArithmetic(code, k);
    case JMP:
      return isJump(insn, pc, length);
    case BPF_MISC:
      return code === (BPF_MISC | BPF_TAX) || code === (BPF_MISC | BPF_TXA);
    default:
      return code === RET_K || code === RET_A;
  }
}

function isLoad(code: number, k: number): boolean {
  switch (code) {
    case BPF_LD | BPF_W | BPF_ABS:
    case BPF_LD | BPF_H | BPF_ABS:
    case BPF_LD | BPF_B | BPF_ABS:
      return (k | 0) >= 0 || (k | 0) < SKF_AD_OFF || isAncillary(k);
    case BPF_LD | BPF_W | BPF_IND:
    case BPF_LD | BPF_H | BPF_IND:
    case BPF_LD | BPF_B | BPF_IND:
    case BPF_LD | BPF_W | BPF_LEN:
    case BPF_LD | BPF_IMM:
      return true;
    default:
      return code === (BPF_LD | BPF_MEM) && k < BPF_MEMWORDS;
  }
}

/** Does an absolute load name something about the packet (`bpf_anc_helper`)? */
export function isAncillary(k: number): boolean {
  const number = (k | 0) - SKF_AD_OFF;
  return number >= 0 && number < SKF_AD_MAX && number % 4 === 0;
}

function isIndexLoad(code: number, k: number): boolean {
  switch (code) {
    case BPF_LDX | BPF_W | BPF_LEN:
    case BPF_LDX | BPF_B | BPF_MSH:
    case BPF_LDX | BPF_IMM:
      return true;
    default:
      return code === (BPF_LDX | BPF_MEM) && k < BPF_MEMWORDS;
  }
}

function isArithmetic(code: number, k: number): boolean {
  if (code > 0xff) return false;
  const operation = code & OPERATION;
  if (operation === BPF_NEG) return code === (ALU | BPF_NEG);
  if (operation > BPF_XOR) return false;
  if ((code & BPF_X) !== 0) return true;
  if (operation === BPF_DIV || operation === BPF_MOD) return k !== 0;
  return (operation !== BPF_LSH && operation !== BPF_RSH) || k < 32;
}

function isJump({ code, jt, jf, k }: BpfInsn, pc: number, length: number): boolean {
  if (code === (JMP | BPF_JA)) return k < length - pc - 1;
  const operation = code & OPERATION;
  if (code > 0xff || operation < BPF_JEQ || operation > BPF_JSET) return false;
  return pc + jt + 1 < length && pc + jf + 1 < length;
}

/** Linux `check_load_and_stores`: on every way to a load of scratch memory somebody stored there. */
function readsWhatWasWritten(program: BpfProgram): boolean {
  const { length } = program;
  const all = (1 << BPF_MEMWORDS) - 1;
  /** Words that were written on every way that leads by a jump to each instruction. */
  const masks = new Array<number>(length).fill(all);
  let valid = 0;
  for (let pc = 0; pc < length; pc++) {
    const { code, jt, jf, k } = program[pc] as BpfInsn;
    valid &= masks[pc] as number;
    if (code === ST_MEM || code === BPF_STX) valid |= 1 << k;
    else if (code === (BPF_LD | BPF_MEM) || code === (BPF_LDX | BPF_MEM)) {
      if ((valid & (1 << k)) === 0) return false;
    } else if (code === (JMP | BPF_JA)) {
      masks[pc + 1 + k] = (masks[pc + 1 + k] as number) & valid;
      valid = all;
    } else if ((code & CLASS) === JMP) {
      masks[pc + 1 + jt] = (masks[pc + 1 + jt] as number) & valid;
      masks[pc + 1 + jf] = (masks[pc + 1 + jf] as number) & valid;
      valid = all;
    }
  }
  return true;
}
