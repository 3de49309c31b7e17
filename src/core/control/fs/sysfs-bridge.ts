/** bridge/, brif/ and brport/ of /sys/class/net (Linux `net/bridge/br_sysfs_br.c`, `br_sysfs_if.c`). */
import type { Bridge, BridgeId, BridgePort } from '../../device/bridge-port.ts';
import { formatMac } from '../../util/address.ts';
import type { BridgePortSet, BridgeSet } from '../bridge.ts';
import type { Namespace } from '../namespace.ts';
import { directory, type FsDirectory, type FsNode, value, wholeNumber, writeOnly } from './tree.ts';

/** `8000.02000000000b` */
function idText({ prio, mac }: BridgeId): string {
  return `${prio.toString(16).padStart(4, '0')}.${mac.toString(16).padStart(12, '0')}`;
}

/** USER_HZ */
function ticks(us: number): number {
  return Math.round(us / 10_000);
}

/** What was learnt on a port, or on all, is forgotten. */
function flush(ns: Namespace, ports: readonly BridgePort[]): void {
  ns.checkChange([]);
  for (const port of ports) port.bridge.fdb.flushLearned(port.dev);
}

/** bridge/ and brif/ of a bridge. */
export function bridgeDirectory(ns: Namespace, bridge: Bridge): Record<string, () => FsNode> {
  const fact = (get: () => string | number) => (): FsNode => value(() => `${get()}\n`);
  const number = (get: () => number, change: (n: number) => BridgeSet) => (): FsNode =>
    value(
      () => `${get()}\n`,
      (text) => ns.bridge.set(bridge.dev.name, change(wholeNumber(text))),
    );
  const toggle = (get: () => boolean, change: (on: boolean) => BridgeSet): (() => FsNode) =>
    number(
      () => (get() ? 1 : 0),
      (n) => change(n !== 0),
    );
  const attributes: Record<string, () => FsNode> = {
    ageing_time: number(
      () => ticks(bridge.fdb.ageingUs),
      (ageingTime) => ({ ageingTime }),
    ),
    bridge_id: fact(() => idText(bridge.id)),
    flush: () => writeOnly(() => flush(ns, bridge.ports)),
    forward_delay: number(
      () => ticks(bridge.forwardDelayUs),
      (forwardDelay) => ({ forwardDelay }),
    ),
    group_addr: fact(() => formatMac(bridge.groupAddress)),
    group_fwd_mask: fact(() => `0x${bridge.groupFwdMask.toString(16)}`),
    hello_time: number(
      () => ticks(bridge.helloTimeUs),
      (helloTime) => ({ helloTime }),
    ),
    max_age: number(
      () => ticks(bridge.maxAgeUs),
      (maxAge) => ({ maxAge }),
    ),
    multicast_snooping: toggle(
      () => bridge.mcastSnooping,
      (mcastSnooping) => ({ mcastSnooping }),
    ),
    no_linklocal_learn: toggle(
      () => bridge.noLinklocalLearn,
      (noLinklocalLearn) => ({ noLinklocalLearn }),
    ),
    priority: number(
      () => bridge.id.prio,
      (priority) => ({ priority }),
    ),
    root_id: fact(() => idText(bridge.designatedRoot)),
    root_path_cost: fact(() => bridge.rootPathCost),
    root_port: fact(() => bridge.rootPort),
    stp_state: toggle(
      () => bridge.stpEnabled,
      (stpState) => ({ stpState }),
    ),
    topology_change: fact(() => (bridge.topologyChange ? 1 : 0)),
    topology_change_detected: fact(() => (bridge.topologyChangeDetected ? 1 : 0)),
  };
  const links: Record<string, () => FsNode> = {};
  for (const { dev } of bridge.ports)
    links[dev.name] = () => ({ kind: 'link', target: () => `../../${dev.name}/brport` });
  return { bridge: () => directory(attributes, 0o755), brif: () => directory(links, 0o755) };
}

/** brport/ of a port. */
export function bridgePortDirectory(ns: Namespace, port: BridgePort): FsDirectory {
  const fact = (text: string | number) => (): FsNode => value(() => `${text}\n`);
  const set = (change: BridgePortSet): void => ns.bridge.setPort(port.dev.name, change);
  const toggle = (get: () => boolean, change: (on: boolean) => BridgePortSet) => (): FsNode =>
    value(
      () => `${get() ? 1 : 0}\n`,
      (text) => set(change(wholeNumber(text) !== 0)),
    );
  const number = (get: () => number, change: (n: number) => BridgePortSet) => (): FsNode =>
    value(
      () => `${get()}\n`,
      (text) => set(change(wholeNumber(text))),
    );
  const id = (port.priority << 10) | port.portNo;
  const attributes: Record<string, () => FsNode> = {
    bridge: () => ({ kind: 'link', target: () => `../../${port.bridge.dev.name}` }),
    broadcast_flood: toggle(
      () => port.bcastFlood,
      (on) => ({ bcastFlood: on }),
    ),
    designated_bridge: fact(idText(port.designatedBridge)),
    designated_cost: fact(port.designatedCost),
    designated_port: fact(port.designatedPort),
    designated_root: fact(idText(port.designatedRoot)),
    flush: () => writeOnly(() => flush(ns, [port])),
    hairpin_mode: toggle(
      () => port.hairpin,
      (on) => ({ hairpin: on }),
    ),
    isolated: toggle(
      () => port.isolated,
      (on) => ({ isolated: on }),
    ),
    learning: toggle(
      () => port.learning,
      (on) => ({ learning: on }),
    ),
    multicast_flood: toggle(
      () => port.mcastFlood,
      (on) => ({ mcastFlood: on }),
    ),
    path_cost: number(
      () => port.cost,
      (cost) => ({ cost }),
    ),
    port_id: fact(`0x${id.toString(16)}`),
    port_no: fact(`0x${port.portNo.toString(16)}`),
    priority: number(
      () => port.priority,
      (priority) => ({ priority }),
    ),
    state: fact(port.state),
    unicast_flood: toggle(
      () => port.flood,
      (on) => ({ flood: on }),
    ),
  };
  return directory(attributes, 0o755);
}
