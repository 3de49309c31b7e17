/** A UDP socket (RFC 768; Linux `net/ipv4/udp.c`). Sending is in `output.ts`, receiving in `input.ts`. */
import { EAGAIN, EINVAL, ENODEV, ENOPROTOOPT } from '../../errno.ts';
import { MIB } from '../../mib.ts';
import { MIB6 } from '../../mib6.ts';
import type { NetNs } from '../../net.ts';
import type { Packet, Payload } from '../../packet.ts';
import { IPPROTO_UDP } from '../../wire/ipv4.ts';
import type { UdpHeader } from '../../wire/udp.ts';
import { DatagramSock } from '../datagram.ts';
import { source6 } from '../inet6-cmsg.ts';
import {
  AF_INET,
  type ControlMessage,
  MSG_MORE,
  type OptionValue,
  SOCK_DGRAM,
  type SockAddrIn,
} from '../sock.ts';
import {
  SIOCINQ,
  SIOCOUTQ,
  UDP_CORK,
  UDP_NO_CHECK6_RX,
  UDP_NO_CHECK6_TX,
  UDP_SEGMENT,
} from '../sockopt-names.ts';
import type { Cork } from './cork.ts';
import { udpPushPending, udpSendmsg } from './output.ts';
import { type Cork6, udp6PushPending, udp6Sendmsg } from './output6.ts';
import { udpGetPort } from './port.ts';

export class UdpSock extends DatagramSock {
  // Links and keys of `table.ts`.
  hashed = false;
  hashedByPeer = false;
  /** IPv4 packets find it too: it is in the tables by address. */
  hashed4 = false;
  addrHashed = 0;
  daddrHashed = 0;
  dportHashed = 0;
  hashOrder = 0;
  nextByPort: UdpSock | null = null;
  nextByAddr: UdpSock | null = null;

  /** UDP_CORK */
  corked = false;
  /** The datagram that is being put together (`up->pending`). */
  cork: Cork | null = null;
  cork6: Cork6 | null = null;
  /** UDP_SEGMENT: bytes per datagram; 0: whole. */
  gsoSize = 0;
  /** The header of the last datagram: they are immutable, and most go where the last one went. */
  lastHeader: UdpHeader | null = null;
  /** Packets of the queue that the reader took over at once, and bytes it read without crediting them. */
  private readerBatch = 0;
  private deficit = 0;

  constructor(net: NetNs, family: number) {
    super(net, family, SOCK_DGRAM, IPPROTO_UDP);
  }

  override bind(addr: number, port: number): number {
    this.rcvSaddr = addr;
    this.saddr = addr;
    const err = udpGetPort(this, port);
    if (err < 0) {
      this.rcvSaddr = 0;
      this.saddr = 0;
      return err;
    }
    this.bindAddrLocked = addr !== 0;
    this.bindPortLocked = port !== 0;
    this.route = null;
    return 0;
  }

  override autobind(): number {
    return this.sport !== 0 || udpGetPort(this, 0) === 0 ? 0 : -EAGAIN;
  }

  override rehash(): void {
    this.net.udp.table.rehash(this);
  }

  protected override unhash(): void {
    this.net.udp.table.remove(this);
  }

  override sendmsg(
    data: Uint8Array,
    flags: number,
    to: SockAddrIn | null,
    control?: readonly ControlMessage[],
  ): number {
    const f = this.corked ? flags | MSG_MORE : flags;
    if (this.inet6 !== null) return udp6Sendmsg(this, data, f, to, control ?? null);
    return udpSendmsg(this, data, f, to, control ?? null);
  }

  protected override payloadOf(pkt: Packet): Payload {
    return pkt.data;
  }

  protected override sourceOf(pkt: Packet): SockAddrIn {
    const { ip, udp } = pkt;
    if (this.inet6 !== null) return source6(pkt, udp === null ? 0 : udp.sport);
    return {
      family: AF_INET,
      addr: ip === null ? 0 : ip.src,
      port: udp === null ? 0 : udp.sport,
    };
  }

  /** A packet that does not fit is taken only into an empty buffer (`__udp_enqueue_schedule_skb`). */
  protected override hasRoom(size: number): boolean {
    return this.rmemAlloc === 0 || this.rmemAlloc + size <= this.rcvbuf;
  }

  protected override delivered(_pkt: Packet): void {
    if (this.inet6 === null) this.net.mib[MIB.UdpInDatagrams]++;
    else this.net.ipv6.mib[MIB6.Udp6InDatagrams]++;
  }

  /**
   * Linux takes the whole queue over to the reader and gives the memory back in lumps of a quarter of
   * the buffer, or when the reader has seen it all (`udp_rmem_release`).
   */
  protected override release(size: number): void {
    if (this.readerBatch === 0) this.readerBatch = this.queue.length + 1;
    this.readerBatch--;
    this.deficit += size;
    if (this.readerBatch > 0 && this.deficit < this.rcvbuf >> 2) return;
    this.rmemAlloc -= this.deficit;
    this.deficit = 0;
  }

  override close(): void {
    this.cork = null;
    this.cork6 = null;
    this.readerBatch = 0;
    this.deficit = 0;
    super.close();
  }

  override setOption(name: number, value: OptionValue): number {
    if (typeof value !== 'number') return -EINVAL;
    switch (name) {
      case UDP_CORK:
        this.corked = value !== 0;
        if (this.corked) return 0;
        return this.cork6 === null ? udpPushPending(this) : udp6PushPending(this);
      case UDP_SEGMENT:
        if (value < 0 || value > 0xffff) return -EINVAL;
        this.gsoSize = value;
        return 0;
      case UDP_NO_CHECK6_TX:
      case UDP_NO_CHECK6_RX:
        return 0;
      default:
        return -ENOPROTOOPT;
    }
  }

  override getOption(name: number): OptionValue {
    switch (name) {
      case UDP_CORK:
        return this.corked ? 1 : 0;
      case UDP_SEGMENT:
        return this.gsoSize;
      case UDP_NO_CHECK6_TX:
      case UDP_NO_CHECK6_RX:
        return 0;
      default:
        return -ENOPROTOOPT;
    }
  }

  override ioctl(request: number): number {
    switch (request) {
      case SIOCINQ:
        return this.queue.peek()?.len ?? 0;
      case SIOCOUTQ:
        return 0;
      default:
        return -ENODEV;
    }
  }
}
