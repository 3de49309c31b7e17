/**
 * The tun device of the host under test (linux Documentation/networking/tuntap.rst). Packets written to
 * it have arrived; what the host sends is watched by `packet-tap.ts`, so what is read here is thrown
 * away. As with packetdrill the device offers TSO and checksum offload: segments of up to 64 KiB leave whole.
 */
import {
  AT_FDCWD,
  EAGAIN,
  EBADFD,
  EIO,
  IFF_NO_PI,
  IFF_TUN,
  IFF_VNET_HDR,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDWR,
  TUN_F_CSUM,
  TUN_F_TSO_ECN,
  TUN_F_TSO4,
  TUN_F_TSO6,
  TUNSETIFF,
  TUNSETOFFLOAD,
} from './abi.ts';
import { LinuxTargetError } from './error.ts';
import type { Ffi } from './ffi.ts';
import type { Block } from './memory.ts';

export const TUN_NAME = 'tun0';

const IFREQ_BYTES = 40;
const IFNAMSIZ = 16;
const OFFLOADS = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
const MAX_PACKET = 65535;
/** `struct virtio_net_hdr`, before each packet */
const VNET_HDR_BYTES = 10;
const VIRTIO_NET_HDR_F_DATA_VALID = 2;
const VIRTIO_NET_HDR_GSO_TCPV4 = 1;
const VIRTIO_NET_HDR_GSO_TCPV6 = 4;
/** The rest of a packet that is longer is lost, which is what is wanted. */
const DRAIN_BYTES = 64;

export class Tun {
  private readonly ffi: Ffi;
  private readonly fd: number;
  private readonly packet: Block;

  constructor(ffi: Ffi) {
    this.ffi = ffi;
    const arena = ffi.newArena();
    this.packet = arena.alloc(VNET_HDR_BYTES + MAX_PACKET);
    const path = arena.copy(Buffer.from('/dev/net/tun\0'));
    const { syscall, nr } = ffi;
    this.fd = syscall(nr.openat, AT_FDCWD, path.address, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (this.fd < 0)
      throw new LinuxTargetError(
        `cannot open /dev/net/tun (errno ${-this.fd}): needs root, and the tun driver`,
      );
    const ifreq = arena.alloc(IFREQ_BYTES);
    ifreq.bytes.set(Buffer.from(TUN_NAME));
    ifreq.view.setInt16(IFNAMSIZ, IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, true);
    this.must('TUNSETIFF', syscall(nr.ioctl, this.fd, TUNSETIFF, ifreq.address));
    this.must('TUNSETOFFLOAD', syscall(nr.ioctl, this.fd, TUNSETOFFLOAD, OFFLOADS));
  }

  /** `gsoSize`: the packet stands for several TCP segments with so many bytes of payload each. */
  inject(packet: Uint8Array, gsoSize: number): void {
    if (packet.length > MAX_PACKET) throw new RangeError(`a packet of ${packet.length} bytes`);
    this.packet.bytes.fill(0, 0, VNET_HDR_BYTES);
    if (gsoSize > 0) putGso(this.packet.view, packet, gsoSize);
    this.packet.bytes.set(packet, VNET_HDR_BYTES);
    const { syscall, nr } = this.ffi;
    const length = VNET_HDR_BYTES + packet.length;
    const value = syscall(nr.write, this.fd, this.packet.address, length);
    // A device that the script has taken down loses packets, as a cable does.
    if (value < 0 && value !== -EIO)
      throw new LinuxTargetError(`${TUN_NAME} did not take a packet (errno ${-value})`);
  }

  /** Makes room in the device's queue. */
  drain(): void {
    const { syscall, nr } = this.ffi;
    let value = 0;
    while (value !== -EAGAIN && value !== -EIO && value !== -EBADFD)
      value = syscall(nr.read, this.fd, this.packet.address, DRAIN_BYTES);
  }

  close(): void {
    this.ffi.syscall(this.ffi.nr.close, this.fd);
  }

  private must(what: string, value: number): void {
    if (value >= 0) return;
    this.close();
    throw new LinuxTargetError(
      `${what} failed (errno ${-value}): needs CAP_NET_ADMIN in the namespace`,
    );
  }
}

/** What a card that joined segments says of them (virtio v1.2 §5.1.6.4); their checksum is right. */
function putGso(header: DataView, packet: Uint8Array, gsoSize: number): void {
  const is4 = (packet[0] ?? 0) >> 4 === 4;
  const at = is4 ? ((packet[0] ?? 0) & 15) * 4 : 40;
  header.setUint8(0, VIRTIO_NET_HDR_F_DATA_VALID);
  header.setUint8(1, is4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6);
  header.setUint16(2, at + ((packet[at + 12] ?? 0) >> 4) * 4, true);
  header.setUint16(4, gsoSize, true);
}
