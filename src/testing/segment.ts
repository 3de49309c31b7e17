/** An Ethernet segment: a namespace with a bridge, and a port with a `FaultPort` for each host. */
import type { Namespace } from '../core/control/namespace.ts';
import { formatIpv4, maskOf, parseIpv4 } from '../core/util/address.ts';
import { FaultPort } from '../sim/faults.ts';
import type { Host } from './host.ts';
import type { Net } from './net.ts';

export class Segment {
  readonly subnet: string;
  readonly hosts: Host[] = [];
  readonly prefixLen: number;
  private readonly net: Net;
  private readonly ns: Namespace;
  private readonly base: number;
  private last = 0;
  private ports = 0;

  constructor(net: Net, subnet: string) {
    const [address = '', length = '24'] = subnet.split('/');
    const parsed = parseIpv4(address);
    if (parsed === undefined) throw new RangeError(`"${subnet}" is no IPv4 subnet`);
    this.net = net;
    this.subnet = subnet;
    this.prefixLen = Number(length);
    this.base = parsed & maskOf(this.prefixLen);
    this.ns = net.kernel.netns.add(null);
    net.kernel.bridge({ netns: this.ns, name: 'br0', up: true });
  }

  /** The next free address, with the prefix length. */
  nextAddress(): string {
    return `${formatIpv4((this.base + ++this.last) | 0)}/${this.prefixLen}`;
  }

  /** Joins `host` by an interface `name`; returns its MAC address. */
  plug(host: Host, name: string, address: string, mac: string | undefined): string {
    const port = `port${++this.ports}`;
    const [link] = this.net.kernel.veth(
      { netns: host.ns, name, address, up: true, ...(mac === undefined ? {} : { mac }) },
      { netns: this.ns, name: port },
    );
    this.ns.link.set(port, { master: 'br0', up: true });
    const dev = this.ns.net.devs.find(port);
    if (dev !== undefined) dev.qdisc = new FaultPort(this.net.faults, dev, host.name);
    if (!this.hosts.includes(host)) this.hosts.push(host);
    return link.address;
  }
}
