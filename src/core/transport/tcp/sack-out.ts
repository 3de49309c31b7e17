/** The SACK blocks that we report (RFC 2018 §4, RFC 2883; Linux `tcp_sack_new_ofo_skb`, `tcp_dsack_set`). */
import { MIB } from '../../mib.ts';
import { seqGe, seqGt, seqLt } from '../../util/seq.ts';
import { count } from './count.ts';
import { compressedSendAck } from './delack.ts';
import { TCP_NUM_SACKS } from './options.ts';
import type { TcpSock } from './sock.ts';

/** `TCP_SACK_BLOCKS_EXPECTED`: fewer fit into an ACK with timestamps and a D-SACK. */
const SACK_BLOCKS_EXPECTED = 2;

/** Reports a duplicate in the next ACK. */
export function dsackSet(sk: TcpSock, seq: number, endSeq: number): void {
  if (sk.sackOk === 0 || sk.net.sysctl.tcpDsack === 0) return;
  count(sk.net, seqLt(seq, sk.rcvNxt) ? MIB.TcpExtTCPDSACKOldSent : MIB.TcpExtTCPDSACKOfoSent);
  sk.dsackPending = true;
  sk.dsackStart = seq;
  sk.dsackEnd = endSeq;
}

/** The same, joined to a duplicate that is waiting already. */
export function dsackExtend(sk: TcpSock, seq: number, endSeq: number): void {
  if (!sk.dsackPending) {
    dsackSet(sk, seq, endSeq);
    return;
  }
  if (seqGt(seq, sk.dsackEnd) || seqGt(sk.dsackStart, endSeq)) return;
  if (seqLt(seq, sk.dsackStart)) sk.dsackStart = seq;
  if (seqGt(endSeq, sk.dsackEnd)) sk.dsackEnd = endSeq;
}

/** Widens block `i` by [seq, endSeq) if they touch. */
function extend(blocks: number[], i: number, seq: number, endSeq: number): boolean {
  const start = blocks[i] as number;
  const end = blocks[i + 1] as number;
  if (seqGt(seq, end) || seqGt(start, endSeq)) return false;
  if (seqLt(seq, start)) blocks[i] = seq;
  if (seqGt(endSeq, end)) blocks[i + 1] = endSeq;
  return true;
}

/** A segment arrived out of order: its block comes first. */
export function sackNewOfo(sk: TcpSock, seq: number, endSeq: number): void {
  const blocks = sk.sackBlocks;
  for (let i = 0; i < blocks.length; i += 2) {
    if (!extend(blocks, i, seq, endSeq)) continue;
    if (i >> 1 >= SACK_BLOCKS_EXPECTED) compressedSendAck(sk);
    const start = blocks[i] as number;
    const end = blocks[i + 1] as number;
    blocks.copyWithin(2, 0, i);
    blocks[0] = start;
    blocks[1] = end;
    coalesceFirst(blocks);
    return;
  }
  if (blocks.length >> 1 >= SACK_BLOCKS_EXPECTED) compressedSendAck(sk);
  if (blocks.length >= 2 * TCP_NUM_SACKS) blocks.length -= 2;
  blocks.unshift(seq, endSeq);
}

/** Swallows the blocks that the first one now touches (`tcp_sack_maybe_coalesce`). */
function coalesceFirst(blocks: number[]): void {
  for (let i = 2; i < blocks.length; ) {
    if (extend(blocks, 0, blocks[i] as number, blocks[i + 1] as number)) blocks.splice(i, 2);
    else i += 2;
  }
}

/** RCV.NXT moved: forget blocks that it passed (`tcp_sack_remove`). */
export function sackRemove(sk: TcpSock): void {
  const blocks = sk.sackBlocks;
  if (sk.receiveQueue.ofo.length === 0) {
    blocks.length = 0;
    return;
  }
  for (let i = 0; i < blocks.length; ) {
    if (seqGe(sk.rcvNxt, blocks[i] as number)) blocks.splice(i, 2);
    else i += 2;
  }
}

/** Linux `tcp_sack_reset` */
export function sackReset(sk: TcpSock): void {
  sk.sackBlocks.length = 0;
  sk.dsackPending = false;
}
