/** The fast-open option of our SYN (RFC 7413 §4.1.1; Linux `struct tcp_fastopen_request`). */
import { type TcpOptions, tcpOptionsLen } from '../../wire/tcp.ts';
import { MAX_OPTION_SPACE } from './options.ts';
import type { TcpSock } from './sock.ts';

export const EMPTY: Uint8Array = new Uint8Array(0); // tidy: constant

/** A SYN with the option is to be sent, or was (Linux `struct tcp_fastopen_request`). */
export class FastOpenRequest {
  readonly data: Uint8Array;
  /** Length 0: asks for a cookie; null: no option. */
  cookie: Uint8Array | null = EMPTY;
  exp = false;
  /** Bytes of `data` that the SYN took. */
  copied = 0;

  constructor(data: Uint8Array) {
    this.data = data;
  }
}

/** Puts the option into a SYN, if there is one and room for it (the end of `tcp_syn_options`). */
export function addFastOpenOption(sk: TcpSock, o: TcpOptions): void {
  const req = sk.fastOpenReq;
  if (req === null || req.cookie === null) return;
  const need = (req.cookie.length + (req.exp ? 4 : 2) + 3) & ~3;
  if (MAX_OPTION_SPACE - tcpOptionsLen(o) < need) return;
  o.fastOpenCookie = req.cookie;
  o.fastOpenExp = req.exp;
  sk.synFastOpen = true;
  sk.synFastOpenExp = req.exp;
}
