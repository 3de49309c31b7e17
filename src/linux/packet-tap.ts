/**
 * Watches what leaves through the tun device, on a packet socket (packet(7)) that notes when the kernel
 * sent each packet: what the engine is late to look at has its right time all the same.
 */
import { foldChecksum, sum16 } from '../core/wire/checksum.ts';
import type { LeftPacket } from '../sim/packetdrill/target.ts';
import {
  AF_PACKET,
  ENETDOWN,
  ETH_P_ALL,
  MSG_DONTWAIT,
  PACKET_OUTGOING,
  PACKET_VNET_HDR,
  SO_ATTACH_FILTER,
  SO_RCVBUFFORCE,
  SO_TIMESTAMPNS,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_PACKET,
  SOL_SOCKET,
} from './abi.ts';
import { LinuxTargetError } from './error.ts';
import { type Ffi, monotonicUs } from './ffi.ts';
import type { Arena, Block } from './memory.ts';
import { decodeControl, decodeMessage, encodeIovecs, encodeMessage } from './message.ts';

const ETH_P_ALL_BE = ETH_P_ALL << 8;
const SOCKADDR_LL_BYTES = 20;
/** `struct virtio_net_hdr` */
const VNET_HDR_BYTES = 10;
const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
const MAX_PACKET = 65535;
const CONTROL_BYTES = 128;
const RCVBUF_BYTES = 32 << 20;
const CLOCK_REALTIME = 0;
const SAME_MOMENT_US = 20;
const CLOCK_TRIES = 5;
const SIOCGIFINDEX = 0x8933;

/** `struct sock_filter` each: keeps what left, drops what was injected. */
const OUTGOING_ONLY: readonly (readonly [code: number, jt: number, jf: number, k: number])[] = [
  [0x28, 0, 0, 0xffff_f000 + 4], // ldh [SKF_AD_OFF + SKF_AD_PKTTYPE]
  [0x15, 0, 1, PACKET_OUTGOING], // jeq
  [0x06, 0, 0, 0xffff_ffff], // ret all
  [0x06, 0, 0, 0], // ret nothing
];

export class PacketTap {
  readonly fd: number;
  private readonly ffi: Ffi;
  private readonly room: Block;
  private readonly control: Block;
  private readonly message: Block;
  private readonly clock: Block;

  constructor(ffi: Ffi, device: string) {
    this.ffi = ffi;
    const arena = ffi.newArena();
    this.room = arena.alloc(VNET_HDR_BYTES + MAX_PACKET);
    this.control = arena.alloc(CONTROL_BYTES);
    this.message = encodeMessage(arena, {
      name: null,
      iov: encodeIovecs(arena, this.room, [this.room.bytes.length]),
      iovCount: 1,
      control: this.control,
    });
    this.clock = arena.alloc(16);
    const { syscall, nr } = ffi;
    // Protocol 0: nothing is heard before the socket is bound to the device.
    this.fd = syscall(nr.socket, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (this.fd < 0)
      throw new LinuxTargetError(`no packet socket (errno ${-this.fd}): needs CAP_NET_RAW`);
    this.option(arena, SOL_PACKET, PACKET_VNET_HDR, 1);
    this.option(arena, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    this.option(arena, SOL_SOCKET, SO_RCVBUFFORCE, RCVBUF_BYTES);
    this.attachFilter(arena);
    const name = arena.alloc(SOCKADDR_LL_BYTES);
    name.view.setUint16(0, AF_PACKET, true);
    name.view.setUint16(2, ETH_P_ALL_BE, true);
    name.view.setInt32(4, this.deviceIndex(arena, device), true);
    this.must('bind', syscall(nr.bind, this.fd, name.address, SOCKADDR_LL_BYTES));
  }

  /** The next packet; null if there is none. */
  next(): LeftPacket | null {
    const { syscall, nr } = this.ffi;
    // That the device went down is told once, before the packets that were sent until then.
    let value = -ENETDOWN;
    while (value === -ENETDOWN) {
      this.message.view.setBigUint64(40, BigInt(CONTROL_BYTES), true);
      value = syscall(nr.recvmsg, this.fd, this.message.address, MSG_DONTWAIT);
    }
    if (value < VNET_HDR_BYTES) return null;
    const nowUs = this.readClocks();
    const atUs = nowUs - this.ageUs();
    const bytes = this.room.bytes.slice(VNET_HDR_BYTES, value);
    if (this.room.view.getUint8(0) & VIRTIO_NET_HDR_F_NEEDS_CSUM)
      completeChecksum(bytes, this.room.view.getUint16(6, true), this.room.view.getUint16(8, true));
    return { bytes, atUs };
  }

  close(): void {
    this.ffi.syscall(this.ffi.nr.close, this.fd);
  }

  /** Reads the clock of the stamps into `clock`, and gives the same moment on the target's. */
  private readClocks(): number {
    const { syscall, nr } = this.ffi;
    for (let tries = 1; ; tries++) {
      const beforeUs = monotonicUs();
      syscall(nr.clock_gettime, CLOCK_REALTIME, this.clock.address);
      const afterUs = monotonicUs();
      // Interrupted in between, the two are not of the same moment.
      if (afterUs - beforeUs < SAME_MOMENT_US || tries === CLOCK_TRIES)
        return (beforeUs + afterUs) / 2;
    }
  }

  /** How long before the time in `clock` the packet left that `message` holds. */
  private ageUs(): number {
    const { controlLen } = decodeMessage(this.message);
    const stamp = decodeControl(this.control, controlLen).find(
      (m) => m.level === SOL_SOCKET && m.type === SO_TIMESTAMPNS,
    );
    if (stamp === undefined) return 0;
    const view = new DataView(stamp.data.buffer, stamp.data.byteOffset);
    const seconds = Number(this.clock.view.getBigInt64(0, true) - view.getBigInt64(0, true));
    const ns = Number(this.clock.view.getBigInt64(8, true) - view.getBigInt64(8, true));
    // Below zero only if somebody set the clock in between.
    return Math.max(0, seconds * 1e6 + ns / 1e3);
  }

  private option(arena: Arena, level: number, option: number, value: number): void {
    const block = arena.alloc(4);
    block.view.setInt32(0, value, true);
    const { syscall, nr } = this.ffi;
    const result = syscall(nr.setsockopt, this.fd, level, option, block.address, 4);
    // A small buffer is good enough where a larger one is not allowed.
    if (option !== SO_RCVBUFFORCE) this.must(`setsockopt(${option})`, result);
  }

  private attachFilter(arena: Arena): void {
    const filter = arena.alloc(8 * OUTGOING_ONLY.length);
    OUTGOING_ONLY.forEach(([code, jt, jf, k], i) => {
      filter.view.setUint16(i * 8, code, true);
      filter.view.setUint8(i * 8 + 2, jt);
      filter.view.setUint8(i * 8 + 3, jf);
      filter.view.setUint32(i * 8 + 4, k, true);
    });
    const program = arena.alloc(16);
    program.view.setUint16(0, OUTGOING_ONLY.length, true);
    program.view.setBigUint64(8, BigInt(filter.address), true);
    const { syscall, nr } = this.ffi;
    this.must(
      'SO_ATTACH_FILTER',
      syscall(nr.setsockopt, this.fd, SOL_SOCKET, SO_ATTACH_FILTER, program.address, 16),
    );
  }

  private deviceIndex(arena: Arena, device: string): number {
    const ifreq = arena.alloc(40);
    ifreq.bytes.set(Buffer.from(device));
    this.must(
      'SIOCGIFINDEX',
      this.ffi.syscall(this.ffi.nr.ioctl, this.fd, SIOCGIFINDEX, ifreq.address),
    );
    return ifreq.view.getInt32(16, true);
  }

  private must(what: string, value: number): void {
    if (value >= 0) return;
    this.close();
    throw new LinuxTargetError(`${what} on the packet socket failed (errno ${-value})`);
  }
}

/** Does what a network card would: the field holds the sum of the pseudo-header (RFC 1071). */
function completeChecksum(bytes: Uint8Array, start: number, offset: number): void {
  const field = start + offset;
  if (field + 2 > bytes.length) return;
  const sum = foldChecksum(sum16(bytes, start, bytes.length, 0));
  // UDP: 0 means that there is none (RFC 768), and no TCP checksum is 0xffff when sent as 0.
  const value = sum === 0 && offset === 6 ? 0xffff : sum;
  bytes[field] = value >>> 8;
  bytes[field + 1] = value & 0xff;
}
