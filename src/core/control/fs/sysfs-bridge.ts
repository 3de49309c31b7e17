/** bridge/, brif/ and brport/ of /sys/class/net (Linux `net/bridge/br_sysfs_br.c`, `br_sysfs_if.c`). */
import type { Bridge, BridgePort } from '../../device/bridge-port.ts';
import { EOPNOTSUPP, NetError } from '../../errno.ts';
import type { BridgePortSet } from '../bridge.ts';
import type { Namespace } from '../namespace.ts';
import { wholeNumber } from './sysfs.ts';
import { directory, type FsDirectory, type FsNode, value, writeOnly } from './tree.ts';

/** Priority of a bridge that nobody gave another: there is no spanning tree. */
const PRIORITY = 0x8000;

/** `8000.02000000000b` */
function bridgeId(bridge: Bridge): string {
  return `${PRIORITY.toString(16)}.${bridge.idMac.toString(16).padStart(12, '0')}`;
}

/** What was learnt on a port, or on all, is forgotten. */
function flush(ns: Namespace, ports: readonly BridgePort[]): void {
  ns.checkChange([]);
  for (const port of ports) port.bridge.fdb.flushLearned(port.dev);
}

/** Groups are flooded: nobody listens to who joins them. */
function noSnooping(ns: Namespace, text: string): void {
  ns.checkChange([]);
  if (wholeNumber(text) !== 0) throw new NetError(EOPNOTSUPP, 'write');
}

/** bridge/ and brif/ of a bridge. */
export function bridgeDirectory(ns: Namespace, bridge: Bridge): Record<string, () => FsNode> {
  const ageing = (): FsNode =>
    value(
      () => `${Math.round(bridge.fdb.ageingUs / 10_000)}\n`,
      (text) => ns.bridge.set(bridge.dev.name, { ageingTime: wholeNumber(text) }),
    );
  const fact = (text: string | number) => (): FsNode => value(() => `${text}\n`);
  const attributes = {
    ageing_time: ageing,
    bridge_id: fact(bridgeId(bridge)),
    flush: () => writeOnly(() => flush(ns, bridge.ports)),
    multicast_snooping: () =>
      value(
        () => '0\n',
        (text) => noSnooping(ns, text),
      ),
    priority: fact(PRIORITY),
    root_id: fact(bridgeId(bridge)),
    root_path_cost: fact(0),
    root_port: fact(0),
    stp_state: fact(0),
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
    designated_bridge: fact(bridgeId(port.bridge)),
    designated_cost: fact(0),
    designated_port: fact(id),
    designated_root: fact(bridgeId(port.bridge)),
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
