/**
 * Captures: every frame that passes a device, a namespace's devices or all devices, as a pcapng file
 * (what `tcpdump -w` does). Each device of each namespace is an interface of the file, named
 * `namespace/device`; a device that moves or is renamed becomes another one.
 */
import type { Kernel } from '../kernel.ts';
import type { NetNs } from '../net.ts';
import { ipLength, type Packet } from '../packet.ts';
import { EthHeader } from '../wire/ethernet.ts';
import { frameBytes } from '../wire/frame.ts';
import { IP_MAX_MTU } from '../wire/ipv4.ts';
import {
  LINKTYPE_ETHERNET,
  LINKTYPE_RAW,
  PCAPNG_INBOUND,
  PCAPNG_OUTBOUND,
  pcapngInterface,
  pcapngPacket,
  pcapngSection,
} from '../wire/pcapng.ts';
import { segment } from './gso.ts';
import type { NetDevice, PacketTap } from './net-device.ts';

/** tcpdump's default. */
const SNAPLEN = 262_144;

/** Takes the bytes of the file, in order. The array is the callee's own. */
export type CaptureSink = (bytes: Uint8Array) => void;

export interface CaptureOptions {
  /** Bytes kept of each frame; 262144 when absent. */
  readonly snaplen?: number;
  /** Only packets for which it is true are kept; must not change them. */
  readonly filter?: (pkt: Packet, dev: NetDevice, outgoing: boolean) => boolean;
  /** A remark to go with the packet; undefined: none. */
  readonly comment?: (pkt: Packet, dev: NetDevice, outgoing: boolean) => string | undefined;
}

/** What has taps: a device, a namespace or the kernel. */
export type TapOwner = Pick<NetDevice, 'taps'> | Pick<NetNs, 'taps'> | Pick<Kernel, 'taps'>;

/** An interface of the file. */
interface Described {
  readonly id: number;
  readonly net: NetNs;
  readonly name: string;
}

/** A capture that runs from its making until `close`. */
export class Capture implements PacketTap {
  /** Packets written. */
  packets = 0;
  private readonly owners: readonly TapOwner[];
  private readonly sink: CaptureSink;
  private readonly options: CaptureOptions;
  private readonly snaplen: number;
  private readonly interfaces: Map<NetDevice, Described> = new Map();
  private nextInterface = 0;

  /** @param owner whose frames: a device, a namespace, the kernel, or a list of these */
  constructor(
    owner: TapOwner | readonly TapOwner[],
    sink: CaptureSink,
    options: CaptureOptions = {},
  ) {
    this.owners = 'taps' in owner ? [owner] : owner;
    this.sink = sink;
    this.options = options;
    this.snaplen = options.snaplen ?? SNAPLEN;
    sink(pcapngSection('Warren'));
    for (const o of this.owners) o.taps = o.taps === null ? [this] : [...o.taps, this];
  }

  close(): void {
    for (const o of this.owners) {
      const taps = o.taps?.filter((t) => t !== this) ?? [];
      o.taps = taps.length === 0 ? null : taps;
    }
  }

  tap(pkt: Packet, dev: NetDevice, outgoing: boolean): void {
    const filter = this.options.filter;
    if (filter !== undefined && !filter(pkt, dev, outgoing)) return;
    // A packet whose length no IP header can say is shown as its segments.
    const tooLong = (pkt.ip !== null || pkt.ip6 !== null) && ipLength(pkt) > IP_MAX_MTU;
    if (!tooLong) this.write(pkt, dev, outgoing);
    else for (const part of segment(pkt.clone())) this.write(part, dev, outgoing);
  }

  private write(pkt: Packet, dev: NetDevice, outgoing: boolean): void {
    const kernel = dev.net.kernel;
    const bytes = bytesOn(pkt, dev);
    const comment = this.options.comment?.(pkt, dev, outgoing);
    this.packets++;
    const id = this.interfaceOf(dev);
    this.sink(
      pcapngPacket({
        interface: id,
        timeUs: kernel.env.epochUs + kernel.nowUs,
        bytes: bytes.length > this.snaplen ? bytes.subarray(0, this.snaplen) : bytes,
        length: bytes.length,
        direction: outgoing ? PCAPNG_OUTBOUND : PCAPNG_INBOUND,
        id: pkt.id,
        ...(comment === undefined ? {} : { comment }),
      }),
    );
  }

  /** The device's number in the file; describes it first if it is new, moved or renamed. */
  private interfaceOf(dev: NetDevice): number {
    const known = this.interfaces.get(dev);
    if (known !== undefined && known.net === dev.net && known.name === dev.name) return known.id;
    const id = this.nextInterface++;
    this.interfaces.set(dev, { id, net: dev.net, name: dev.name });
    this.sink(
      pcapngInterface({
        name: `${dev.net.name ?? dev.net.id}/${dev.name}`,
        linkType: dev.hardHeaderLen > 0 ? LINKTYPE_ETHERNET : LINKTYPE_RAW,
        snaplen: this.snaplen,
      }),
    );
    return id;
  }
}

/** The frame as the device's link type has it: lo's packets may come without Ethernet header. */
export function bytesOn(pkt: Packet, dev: NetDevice): Uint8Array {
  const hasHeader = pkt.eth !== null;
  if (hasHeader === dev.hardHeaderLen > 0) return frameBytes(pkt);
  const shown = pkt.clone();
  shown.eth = hasHeader ? null : new EthHeader(0, 0, pkt.proto);
  return frameBytes(shown);
}
