/**
 * The congestion control of sockets. Scripts expect cubic, and many machines have another default. A new
 * namespace inherits it and may choose among the unrestricted ones only (tcp_allowed_congestion_control,
 * which is the whole machine's to say); CAP_NET_ADMIN lets each socket choose any that is there.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { AF_INET, AF_INET6 } from './abi.ts';
import type { Ffi } from './ffi.ts';
import type { Arena } from './memory.ts';

const FILE = '/proc/sys/net/ipv4/tcp_congestion_control';
const SOCK_TYPE_MASK = 0xf;
const SOCK_STREAM = 1;
const IPPROTO_TCP = 6;
const TCP_CONGESTION = 13;

/** What scripts expect. */
export const SUBSTITUTED = 'cubic';

export class CongestionDefault {
  /** The default that the namespace was born with. */
  readonly inherited: string = read();
  private readonly ffi: Ffi;
  private readonly option: { readonly address: number };
  private readonly refused: boolean;

  constructor(ffi: Ffi, arena: Arena) {
    this.ffi = ffi;
    this.option = arena.copy(Buffer.from(SUBSTITUTED));
    this.refused = !write(SUBSTITUTED);
  }

  /** Gives a new socket what the namespace could not be given. */
  apply(fd: number, domain: number, type: number, protocol: number): void {
    if (!this.refused || (domain !== AF_INET && domain !== AF_INET6)) return;
    if ((type & SOCK_TYPE_MASK) !== SOCK_STREAM || ![0, IPPROTO_TCP].includes(protocol)) return;
    // The script may have chosen another one for the namespace.
    if (read() !== this.inherited) return;
    const { syscall, nr } = this.ffi;
    const length = SUBSTITUTED.length;
    syscall(nr.setsockopt, fd, IPPROTO_TCP, TCP_CONGESTION, this.option.address, length);
  }
}

function read(): string {
  return readFileSync(FILE, 'utf8').trim();
}

function write(name: string): boolean {
  try {
    writeFileSync(FILE, name);
    return true;
  } catch {
    return false;
  }
}
