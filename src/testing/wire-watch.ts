/** Counts the frames on a network's wires that a filter chooses. */
import type { NetDevice, PacketTap } from '../core/link/net-device.ts';
import type { Packet } from '../core/packet.ts';
import { LabError } from '../lab/file.ts';
import { type PacketTest, packetFilter } from '../lab/packet-filter.ts';
import type { Net } from './net.ts';
import type { Segment } from './segment.ts';

/** The frames that were seen so far. */
export interface PacketCount {
  readonly count: number;
  /** When the first and the last came, milliseconds; undefined: none did. */
  readonly firstMs: number | undefined;
  readonly lastMs: number | undefined;
}

class WireWatch implements PacketTap, PacketCount {
  count = 0;
  firstMs: number | undefined;
  lastMs: number | undefined;
  private readonly net: Net;
  private readonly segment: Segment;
  private readonly test: PacketTest;
  private readonly host: string | undefined;
  private readonly sum: WireWatch | undefined;

  constructor(net: Net, segment: Segment, test: PacketTest, host?: string, sum?: WireWatch) {
    this.net = net;
    this.segment = segment;
    this.test = test;
    this.host = host;
    this.sum = sum;
    const { wire } = segment;
    wire.taps = wire.taps === null ? [this] : [...wire.taps, this];
  }

  /** What leaves a host comes in at the switch; without a host each frame counts there, once. */
  tap(pkt: Packet, dev: NetDevice, outgoing: boolean): void {
    const owner = this.segment.ownerOf(dev.name);
    if (owner === undefined) return;
    if (this.host === undefined ? outgoing : owner !== this.host) return;
    if (this.test(pkt, dev, !outgoing)) (this.sum ?? this).seen(this.net.now());
  }

  private seen(ms: number): void {
    this.count++;
    this.firstMs ??= ms;
    this.lastMs = ms;
  }
}

/** `on`: a host, whose frames count both ways, or a segment; all segments when absent. */
export function watchWires(
  net: Net,
  segments: readonly Segment[],
  filter: string | PacketTest,
  on: string | undefined,
): PacketCount {
  const test =
    typeof filter === 'string' ? packetFilter(filter, (name) => addressesOf(net, name)) : filter;
  const host = on === undefined ? undefined : net.hosts.get(on);
  const chosen = segments.filter((s) =>
    host === undefined ? on === undefined || s.name === on : s.hosts.includes(host),
  );
  const [first, ...rest] = chosen;
  if (first === undefined) throw new LabError(`there is no host or segment "${on ?? ''}"`);
  const sum = new WireWatch(net, first, test, host?.name);
  for (const segment of rest) new WireWatch(net, segment, test, host?.name, sum);
  return sum;
}

function addressesOf(net: Net, name: string): readonly string[] | undefined {
  return net.hosts.get(name)?.addresses;
}
