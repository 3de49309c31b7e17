/** Classic BPF: instructions, their codes, and programs as C has them (`include/uapi/linux/filter.h`, `bpf_common.h`). */

/** Classes, in the lowest three bits. */
export const BPF_LD = 0x00;
export const BPF_LDX = 0x01;
export const BPF_ST = 0x02;
export const BPF_STX = 0x03;
export const BPF_ALU = 0x04;
export const BPF_JMP = 0x05;
export const BPF_RET = 0x06;
export const BPF_MISC = 0x07;
/** Sizes of loads. */
export const BPF_W = 0x00;
export const BPF_H = 0x08;
export const BPF_B = 0x10;
/** Where loads load from. */
export const BPF_IMM = 0x00;
export const BPF_ABS = 0x20;
export const BPF_IND = 0x40;
export const BPF_MEM = 0x60;
export const BPF_LEN = 0x80;
export const BPF_MSH = 0xa0;
/** Arithmetic, and jumps. */
export const BPF_ADD = 0x00;
export const BPF_SUB = 0x10;
export const BPF_MUL = 0x20;
export const BPF_DIV = 0x30;
export const BPF_OR = 0x40;
export const BPF_AND = 0x50;
export const BPF_LSH = 0x60;
export const BPF_RSH = 0x70;
export const BPF_NEG = 0x80;
export const BPF_MOD = 0x90;
export const BPF_XOR = 0xa0;
export const BPF_JA = 0x00;
export const BPF_JEQ = 0x10;
export const BPF_JGT = 0x20;
export const BPF_JGE = 0x30;
export const BPF_JSET = 0x40;
/** The operand: a constant, or the index register. */
export const BPF_K = 0x00;
export const BPF_X = 0x08;
export const BPF_A = 0x10;
export const BPF_TAX = 0x00;
export const BPF_TXA = 0x80;

/** Longest program; words of scratch memory. */
export const BPF_MAXINSNS = 4096;
export const BPF_MEMWORDS = 16;

/** Offsets from here up, seen as signed numbers, name something about the packet (`SKF_AD_*`). */
export const SKF_AD_OFF = -0x1000;
export const SKF_AD_PROTOCOL = 0;
export const SKF_AD_PKTTYPE = 4;
export const SKF_AD_IFINDEX = 8;
export const SKF_AD_NLATTR = 12;
export const SKF_AD_NLATTR_NEST = 16;
export const SKF_AD_MARK = 20;
export const SKF_AD_QUEUE = 24;
export const SKF_AD_HATYPE = 28;
export const SKF_AD_RXHASH = 32;
export const SKF_AD_CPU = 36;
export const SKF_AD_ALU_XOR_X = 40;
export const SKF_AD_VLAN_TAG = 44;
export const SKF_AD_VLAN_TAG_PRESENT = 48;
export const SKF_AD_PAY_OFFSET = 52;
export const SKF_AD_RANDOM = 56;
export const SKF_AD_VLAN_TPID = 60;
export const SKF_AD_MAX = 64;
/** From the network header, and from the link-layer header, on. */
export const SKF_NET_OFF = -0x100000;
export const SKF_LL_OFF = -0x200000;

/** `struct sock_filter`; `k` is an unsigned number of 32 bits. */
export interface BpfInsn {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

export type BpfProgram = readonly BpfInsn[];

/** Bytes of an instruction. */
const INSN = 8;

/** A program from the bytes of its instructions, as C has them in memory; null: that is none. */
export function programOf(bytes: Uint8Array): BpfProgram | null {
  if (bytes.length % INSN !== 0) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const program: BpfInsn[] = [];
  for (let at = 0; at < bytes.length; at += INSN)
    program.push({
      code: view.getUint16(at, true),
      jt: view.getUint8(at + 2),
      jf: view.getUint8(at + 3),
      k: view.getUint32(at + 4, true),
    });
  return program;
}

export function programBytes(program: BpfProgram): Uint8Array {
  const bytes = new Uint8Array(INSN * program.length);
  const view = new DataView(bytes.buffer);
  program.forEach((insn, i) => {
    view.setUint16(INSN * i, insn.code, true);
    view.setUint8(INSN * i + 2, insn.jt);
    view.setUint8(INSN * i + 3, insn.jf);
    view.setUint32(INSN * i + 4, insn.k, true);
  });
  return bytes;
}
