/** An Ethernet segment: a namespace with a bridge, and a port with a `FaultPort` for each host. */
import type { Namespace } from '../core/control/namespace.ts';
import type { PolicySet } from '../core/control/policy.ts';
import type { NetNs } from '../core/net.ts';
import { formatIpv4, maskOf, parseIpv4 } from '../core/util/address.ts';
import { FaultPort } from '../sim/faults.ts';
import type { Host } from './host.ts';
import type { Net } from './net.ts';

export class Segment {
  readonly subnet: string;
  /** What it is called where cables are pulled: its subnet unless told otherwise. */
  readonly name: string;
  readonly hosts: Host[] = [];
  readonly prefixLen: number;
  private readonly net: Net;
  private readonly ns: Namespace;
  private readonly base: number;
  private last = 0;
  private ports = 0;
  /** Whose a port is, by the port's name. A host that restarts gets another. */
  private readonly owners: Map<string, string> = new Map();
  private readonly pulled: Set<string> = new Set();

  constructor(net: Net, subnet: string, name: string = subnet) {
    const [address = '', length = '24'] = subnet.split('/');
    const parsed = parseIpv4(address);
    if (parsed === undefined) throw new RangeError(`"${subnet}" is no IPv4 subnet`);
    this.net = net;
    this.subnet = subnet;
    this.name = name;
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
  plug(
    host: Host,
    name: string,
    address: string,
    mac: string | undefined,
    policy: PolicySet | null = null,
  ): string {
    const port = `port${++this.ports}`;
    this.owners.set(port, host.name);
    const [link] = this.net.kernel.veth(
      { netns: host.ns, name, address, up: true, ...(mac === undefined ? {} : { mac }) },
      { netns: this.ns, name: port },
    );
    this.ns.link.set(port, { master: 'br0', policy, up: !this.pulled.has(host.name) });
    const dev = this.ns.net.devs.find(port);
    if (dev !== undefined) dev.qdisc = new FaultPort(this.net.faults, dev, host.name);
    if (!this.hosts.includes(host)) this.hosts.push(host);
    return link.address;
  }

  /** The namespace of the switch: its ports see what is on the wire. */
  get wire(): NetNs {
    return this.ns.net;
  }

  /** Whose port that is; undefined: nobody's. */
  ownerOf(port: string): string | undefined {
    return this.owners.get(port);
  }

  /** Pulls the host's cable out, or plugs it in again. */
  setCable(host: string, plugged: boolean): void {
    if (plugged) this.pulled.delete(host);
    else this.pulled.add(host);
    for (const [port, owner] of this.owners)
      if (owner === host && this.ns.net.devs.find(port) !== undefined)
        this.ns.link.set(port, { up: plugged });
  }
}
