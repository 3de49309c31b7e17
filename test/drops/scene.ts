/**
 * A place where packets die: a namespace `box` with a tun whose other end the test holds, and a wire to a
 * second one, in virtual time; the reasons of every drop are noted.
 */
import assert from 'node:assert/strict';
import { TunPort, tunAdd, tunAttach } from '../../src/core/device/tun.ts';
import type { DropReason } from '../../src/core/drop.ts';
import { devOpen } from '../../src/core/link/device-state.ts';
import { NetDevice } from '../../src/core/link/net-device.ts';
import type { NetNs } from '../../src/core/net.ts';
import { inet6AddrAdd } from '../../src/core/network/ipv6/addrconf.ts';
import { IFA_F_NODAD } from '../../src/core/network/ipv6/address.ts';
import type { Socket } from '../../src/core/socket/socket.ts';
import { ip6 } from '../../src/core/util/ip6-addr.ts';
import { KERNEL, PEER, type TcpOptions, tcp } from '../wire/build.ts';
import { KERNEL6 } from '../wire/build6.ts';
import { addAddress, at, openSocket, World } from '../world.ts';

/** Timestamps option of `val`, echoing `ecr`, behind two nops. */
export function timestamps(val: number, ecr: number): number[] {
  const word = (n: number): number[] => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
  return [1, 1, 8, 10, ...word(val), ...word(ecr)];
}

/** The peer's side of a connection: what to put into its next segment. */
export interface PeerSide {
  readonly child: Socket;
  /** Our next sequence number, and the first one of theirs that is not acknowledged. */
  readonly seq: number;
  readonly ack: number;
  /** Their timestamp of the SYN-ACK. */
  readonly tsVal: number;
}

export class Scene extends World {
  readonly box: NetNs;
  readonly tun: TunPort;
  readonly tunDev: NetDevice;
  readonly reasons: Set<DropReason> = new Set();
  readonly sent: Uint8Array[] = [];

  constructor() {
    super();
    this.kernel.tracer = {
      receive: () => {},
      transmit: () => {},
      drop: (_net, _pkt, reason) => this.reasons.add(reason),
    };
    this.box = this.addNet('box');
    const dev = tunAdd(this.box, 'tun0', { mode: 'tun', mtu: 1500 });
    assert.ok(dev instanceof NetDevice);
    const port = tunAttach(dev);
    assert.ok(port instanceof TunPort);
    addAddress(dev, `${KERNEL}/24`);
    devOpen(dev);
    port.onTransmit = (bytes) => this.sent.push(bytes);
    this.tun = port;
    this.tunDev = dev;
    this.run(1000);
  }

  /** The box's tun has IPv6, and `KERNEL6`. */
  enableIpv6(): void {
    const side = this.tunDev.ipv6!;
    side.conf = side.conf.with('disableIpv6', 0);
    inet6AddrAdd(this.tunDev, { addr: ip6(KERNEL6), prefixLen: 64, flags: IFA_F_NODAD });
    this.run(1000);
  }

  /** Packets in through the tun, one after the other. */
  inject(...packets: readonly Uint8Array[]): void {
    for (const bytes of packets) {
      assert.equal(this.tun.receive(bytes), bytes.length);
      this.run(1000);
    }
  }

  /** A listener on port 2000. */
  listen(backlog = 10): Socket {
    const socket = openSocket(this.box, 1);
    assert.equal(socket.bind(at('0.0.0.0', 2000)), 0);
    assert.equal(socket.listen(backlog), 0);
    return socket;
  }

  /** A segment from the peer, from port 1000 to 2000. */
  segment(flags: string, o: TcpOptions = {}): void {
    this.inject(tcp(flags, o));
  }

  /** A connection from the peer's port 1000, whose first sequence number is 1000; with timestamps if asked. */
  connection(withTimestamps = false, listener: Socket = this.listen()): PeerSide {
    const opts = (val: number, ecr: number): TcpOptions =>
      withTimestamps ? { tcpOpts: timestamps(val, ecr) } : {};
    this.sent.length = 0;
    this.segment('S', { seq: 1000, ...opts(100, 0) });
    const synAck = this.lastSent();
    const ack = (synAck.getUint32(24) + 1) >>> 0;
    const tsVal = withTimestamps ? timestampOf(synAck) : 0;
    this.segment('A', { seq: 1001, ack, ...opts(100, tsVal) });
    const child = listener.accept();
    assert.ok(typeof child !== 'number');
    return { child, seq: 1001, ack, tsVal };
  }

  /** The last packet that came out of the tun. */
  lastSent(): DataView {
    const bytes = this.sent.at(-1);
    assert.ok(bytes !== undefined, `nothing was sent to ${PEER}`);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

/** TSval of a segment: behind its options' kind and length. */
function timestampOf(segment: DataView): number {
  const end = 20 + (segment.getUint8(32) >> 4) * 4;
  for (let i = 40; i < end; ) {
    const kind = segment.getUint8(i);
    if (kind === 8) return segment.getUint32(i + 2);
    i += kind === 1 ? 1 : segment.getUint8(i + 1);
  }
  return 0;
}
