/**
 * /sys/class/net: a directory of attributes for each device (Linux `net/core/net-sysfs.c`). What is written goes
 * through the calls of the namespace's face, so that a seal holds here too.
 */
import { bridgeOf, bridgePortOf } from '../../device/bridge-port.ts';
import { EINVAL, EOPNOTSUPP, ERANGE, NetError } from '../../errno.ts';
import { operState, setCarrier } from '../../link/device-state.ts';
import {
  IFF_ALLMULTI,
  IFF_LOOPBACK,
  IFF_LOWER_UP,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_PROMISC,
  IFF_RUNNING,
  IFF_UP,
  type NetDevice,
} from '../../link/net-device.ts';
import { formatMac } from '../../util/address.ts';
import type { Namespace } from '../namespace.ts';
import { bridgeDirectory, bridgePortDirectory } from './sysfs-bridge.ts';
import { directory, type FsDirectory, type FsNode, value, wholeNumber } from './tree.ts';

/** `addr_assign_type`, `name_assign_type` (`include/uapi/linux/netdevice.h`) */
const NET_ADDR_PERM = 0;
const NET_ADDR_RANDOM = 1;
const NET_ADDR_SET = 3;
const NET_NAME_PREDICTABLE = 2;
const NET_NAME_USER = 3;
const ETHER_BYTES = 6;
/** Mbit/s of virtual devices. */
const VIRTUAL_SPEED = 10_000;
/** What only `netif_get_flags` adds. */
const DERIVED: number = IFF_RUNNING | IFF_LOWER_UP;

function invalid(): NetError {
  return new NetError(EINVAL, 'read');
}

/** ERANGE: more than an `unsigned int` holds. */
function unsigned32(text: string): number {
  const n = wholeNumber(text);
  if (n > 0xffffffff) throw new NetError(ERANGE, 'write');
  return n;
}

/** Attributes that a device that is down does not have. */
function whileUp(dev: NetDevice, get: () => string): () => string {
  return () => {
    if (!dev.up) throw invalid();
    return get();
  };
}

function lower(dev: NetDevice): NetDevice | null {
  const other = dev.ops.iflink?.(dev) ?? null;
  return other === dev ? null : other;
}

function iflink(dev: NetDevice): number {
  if (dev.ops.iflink === undefined) return dev.ifindex;
  return dev.ops.iflink(dev)?.ifindex ?? 0;
}

/** Speed in Mbit/s, and duplex, as each kind of device says; undefined: it does not say. */
function linkSettings(dev: NetDevice): readonly [speed: number, duplex: string] | undefined {
  switch (dev.ops.kind) {
    case 'veth':
    case 'tun':
    case 'tap':
      return [VIRTUAL_SPEED, 'full'];
    case 'bridge': {
      const ports = bridgeOf(dev)?.ports ?? [];
      return [Math.max(-1, ...ports.map((p) => linkSettings(p.dev)?.[0] ?? -1)), 'unknown'];
    }
    case 'vlan':
    case 'macvlan': {
      const below = lower(dev);
      return below === null ? undefined : linkSettings(below);
    }
    default:
      return undefined;
  }
}

function settings(dev: NetDevice): readonly [speed: number, duplex: string] {
  const found = linkSettings(dev);
  if (found === undefined) throw invalid();
  return found;
}

function addrAssignType(dev: NetDevice): number {
  if ((dev.flags & IFF_LOOPBACK) !== 0 || dev.hardHeaderLen === 0) return NET_ADDR_PERM;
  if (dev.macSet) return NET_ADDR_SET;
  const below = dev.ops.kind === 'vlan' ? lower(dev) : null;
  return below === null ? NET_ADDR_RANDOM : addrAssignType(below);
}

function nameAssignType(dev: NetDevice): number {
  if ((dev.flags & IFF_LOOPBACK) !== 0) return NET_NAME_PREDICTABLE;
  if (dev.ops.kind === 'tun' || dev.ops.kind === 'tap') throw invalid();
  return NET_NAME_USER;
}

/**
 * LINUX: the ports of a bridge are promiscuous, and so is a veth for the sake of MACs of others, which `ip link` does
 * not show.
 */
function flagsOf(dev: NetDevice): number {
  const port = bridgePortOf(dev) === null ? 0 : IFF_PROMISC | IFF_ALLMULTI;
  const uppers = dev.ops.kind === 'veth' ? (dev.uppers ?? []) : [];
  const others = uppers.some((u) => u.up && u.mac !== dev.mac) ? IFF_PROMISC : 0;
  return (dev.flags & ~DERIVED) | port | others;
}

function uevent(dev: NetDevice): string {
  const { kind } = dev.ops;
  const type = kind === 'bridge' || kind === 'vlan' ? `DEVTYPE=${kind}\n` : '';
  return `${type}INTERFACE=${dev.name}\nIFINDEX=${dev.ifindex}\n`;
}

function setFlags(ns: Namespace, dev: NetDevice, flags: number): void {
  ns.link.set(dev.name, {
    up: (flags & IFF_UP) !== 0,
    promisc: (flags & IFF_PROMISC) !== 0,
    allmulticast: (flags & IFF_ALLMULTI) !== 0,
    arp: (flags & IFF_NOARP) === 0,
    multicast: (flags & IFF_MULTICAST) !== 0,
  });
}

/** Only a dummy's carrier can be switched (`ndo_change_carrier`). */
function changeCarrier(ns: Namespace, dev: NetDevice, text: string): void {
  ns.checkChange([]);
  const on = wholeNumber(text);
  if (dev.ops.kind !== 'dummy') throw new NetError(EOPNOTSUPP, 'write');
  if (!dev.up) throw new NetError(EINVAL, 'write');
  setCarrier(dev, on !== 0);
}

/** Changes up and down take turns, the last one led to what is now. */
function carrierCount(dev: NetDevice, up: boolean): number {
  const n = dev.carrierChanges;
  return dev.carrier === up ? Math.ceil(n / 2) : Math.floor(n / 2);
}

function statistics(dev: NetDevice): FsDirectory {
  const s = dev.stats;
  const figures: Readonly<Record<string, () => number>> = {
    collisions: () => s.collisions,
    multicast: () => s.multicast,
    rx_bytes: () => s.rxBytes,
    rx_compressed: () => 0,
    rx_crc_errors: () => 0,
    rx_dropped: () => s.rxDropped,
    rx_errors: () => s.rxErrors,
    rx_fifo_errors: () => 0,
    rx_frame_errors: () => 0,
    rx_length_errors: () => 0,
    rx_missed_errors: () => 0,
    rx_nohandler: () => 0,
    rx_over_errors: () => s.rxOverErrors,
    rx_packets: () => s.rxPackets,
    tx_aborted_errors: () => 0,
    tx_bytes: () => s.txBytes,
    tx_carrier_errors: () => s.txCarrierErrors,
    tx_compressed: () => 0,
    tx_dropped: () => s.txDropped,
    tx_errors: () => s.txErrors,
    tx_fifo_errors: () => 0,
    tx_heartbeat_errors: () => 0,
    tx_packets: () => s.txPackets,
    tx_window_errors: () => 0,
  };
  return {
    kind: 'directory',
    mode: 0o755,
    names: () => Object.keys(figures),
    child: (name) => {
      const get = Object.hasOwn(figures, name) ? figures[name] : undefined;
      return get === undefined ? undefined : value(() => `${get()}\n`);
    },
  };
}

/** Attributes that nobody can write. */
function facts(dev: NetDevice): Record<string, () => string | number> {
  const hasMac = dev.hardHeaderLen !== 0;
  return {
    addr_assign_type: () => addrAssignType(dev),
    addr_len: () => (hasMac ? ETHER_BYTES : 0),
    address: () => (hasMac ? formatMac(dev.mac) : ''),
    broadcast: () => (hasMac ? formatMac(dev.broadcast) : ''),
    carrier_changes: () => dev.carrierChanges,
    carrier_down_count: () => carrierCount(dev, false),
    carrier_up_count: () => carrierCount(dev, true),
    dev_id: () => '0x0',
    dev_port: () => 0,
    dormant: whileUp(dev, () => '0'),
    duplex: whileUp(dev, () => settings(dev)[1]),
    ifindex: () => dev.ifindex,
    iflink: () => iflink(dev),
    link_mode: () => 0,
    name_assign_type: () => nameAssignType(dev),
    operstate: () => operState(dev).toLowerCase(),
    speed: whileUp(dev, () => String(settings(dev)[0])),
    testing: whileUp(dev, () => '0'),
    type: () => dev.type,
  };
}

/** Attributes that can be written, too. */
function switches(ns: Namespace, dev: NetDevice): Readonly<Record<string, () => FsNode>> {
  const { name } = dev;
  return {
    carrier: () =>
      value(
        whileUp(dev, () => `${dev.carrier ? 1 : 0}\n`),
        (text) => changeCarrier(ns, dev, text),
      ),
    flags: () =>
      value(
        () => `0x${flagsOf(dev).toString(16)}\n`,
        (text) => setFlags(ns, dev, wholeNumber(text)),
      ),
    ifalias: () =>
      value(
        () => (dev.alias === '' ? '' : `${dev.alias}\n`),
        (text) => ns.link.set(name, { alias: text.replace(/\n$/, '') }),
      ),
    mtu: () =>
      value(
        () => `${dev.mtu}\n`,
        (text) => ns.link.set(name, { mtu: wholeNumber(text) }),
      ),
    netdev_group: () =>
      value(
        () => `${dev.group}\n`,
        (text) => ns.link.set(name, { group: wholeNumber(text) }),
      ),
    proto_down: () =>
      value(
        () => '0\n',
        () => {
          ns.checkChange([]);
          throw new NetError(EOPNOTSUPP, 'write');
        },
      ),
    tx_queue_len: () =>
      value(
        () => `${dev.txQueueLen}\n`,
        (text) => ns.link.set(name, { txQueueLen: unsigned32(text) }),
      ),
  };
}

function deviceDirectory(ns: Namespace, dev: NetDevice): FsDirectory {
  const children: Record<string, () => FsNode> = {
    ...switches(ns, dev),
    statistics: () => statistics(dev),
    uevent: () => value(() => uevent(dev)),
    subsystem: () => ({ kind: 'link', target: () => '/sys/class/net' }),
  };
  for (const [name, get] of Object.entries(facts(dev)))
    children[name] = () => value(() => `${get()}\n`);
  const { master } = dev;
  if (master !== null)
    children['master'] = () => ({ kind: 'link', target: () => `../${master.name}` });
  const port = bridgePortOf(dev);
  if (port !== null) children['brport'] = () => bridgePortDirectory(ns, port);
  const bridge = bridgeOf(dev);
  if (bridge !== null) Object.assign(children, bridgeDirectory(ns, bridge));
  return directory(children, 0o755);
}

/** /sys: classes of devices, and the devices themselves. */
export function sysfs(ns: Namespace): FsDirectory {
  const { devs } = ns.net;
  const names = (): string[] => [...devs].map((d) => d.name).sort();
  const classNet: FsDirectory = {
    kind: 'directory',
    mode: 0o755,
    names,
    child: (name) =>
      devs.find(name) === undefined
        ? undefined
        : { kind: 'link', target: () => `../../devices/virtual/net/${name}` },
  };
  const devices: FsDirectory = {
    kind: 'directory',
    mode: 0o755,
    names,
    child: (name) => {
      const dev = devs.find(name);
      return dev === undefined ? undefined : deviceDirectory(ns, dev);
    },
  };
  const virtual = (): FsNode => directory({ net: () => devices }, 0o755);
  return directory(
    {
      class: () => directory({ net: () => classNet }, 0o755),
      devices: () => directory({ virtual }, 0o755),
    },
    0o555,
  );
}
