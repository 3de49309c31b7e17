/**
 * The wires of a lab, as the process that carries them sees them: each wire is a namespace of its own
 * with a bridge in it and one port for each end. Pulling a cable takes the port down.
 */

import type { Kernel } from '../core/control/kernel.ts';
import type { Namespace } from '../core/control/namespace.ts';
import type { PolicySet } from '../core/control/policy.ts';
import { type TunPort, tunAdd, tunAttach } from '../core/device/tun.ts';
import type { NetDevice } from '../core/link/net-device.ts';
import { LabError } from './file.ts';
import type { PlannedInterface, PlannedWire } from './plan.ts';

export class Switch {
  readonly wire: PlannedWire;
  private readonly kernel: Kernel;
  private readonly ns: Namespace;
  /** Name of each node's port. */
  private readonly ports: Map<string, string> = new Map();
  private readonly pulled: Set<string> = new Set();

  constructor(kernel: Kernel, wire: PlannedWire) {
    this.kernel = kernel;
    this.wire = wire;
    this.ns = kernel.netns.add(null);
    kernel.bridge({ netns: this.ns, name: 'br0', up: true });
  }

  /** Joins a namespace of this process by a new interface, which is up and has its address. */
  joinNamespace(netns: Namespace, node: string, planned: PlannedInterface, address: string): void {
    const name = this.portName(node);
    this.kernel.veth({ netns, name: planned.name, address, up: true }, { netns: this.ns, name });
    this.plug(name, planned.policy);
  }

  /** Joins something outside this process, which exchanges frames over the port that is returned. */
  joinPort(node: string, policy: PolicySet | null): TunPort {
    const name = this.portName(node);
    const tap = tunAdd(this.ns.net, name, { mode: 'tap' });
    const port = typeof tap === 'number' ? tap : tunAttach(tap);
    if (typeof port === 'number') throw new LabError(`${node}: cannot make a port (${port})`);
    this.plug(name, policy);
    return port;
  }

  /** Is this node's cable plugged in? */
  isPlugged(node: string): boolean {
    return this.ports.has(node) && !this.pulled.has(node);
  }

  /** The device on this side of the node's cable. */
  port(node: string): NetDevice | undefined {
    return this.ns.net.devs.find(this.ports.get(node) ?? '');
  }

  pull(node: string): void {
    const port = this.ports.get(node);
    if (port === undefined || this.pulled.has(node)) return;
    this.pulled.add(node);
    this.ns.link.set(port, { up: false });
  }

  plugIn(node: string): void {
    const port = this.ports.get(node);
    if (port === undefined || !this.pulled.delete(node)) return;
    this.ns.link.set(port, { up: true });
  }

  private portName(node: string): string {
    const name = `port${this.ports.size + 1}`;
    this.ports.set(node, name);
    return name;
  }

  /** The policy is there before the first frame. */
  private plug(port: string, policy: PolicySet | null): void {
    this.ns.link.set(port, { master: 'br0', policy, up: true });
  }
}
