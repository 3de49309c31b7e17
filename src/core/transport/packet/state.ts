/**
 * Packet sockets of one namespace, and where they listen (Linux `struct netns_packet`, `ptype_base`). Those that want
 * every frame are taps of the namespace or of their device (`link/taps.ts`); those of one protocol are asked here,
 * when a received frame has found its device. RX 3/4. From: `link/input.ts`. To: `transport/packet/sock.ts`.
 */
import type { NetDevice, PacketTap } from '../../link/net-device.ts';
import type { NetNs } from '../../net.ts';
import type { Packet } from '../../packet.ts';
import { ETH_P_ALL } from '../../wire/ethernet.ts';
import type { FanoutGroup } from './fanout.ts';
import type { PacketSock } from './sock.ts';

/** Somebody who listens (`struct packet_type`): a socket, or a group of them. */
export interface PacketHook extends PacketTap {
  /** `ETH_P_*` */
  readonly hookProto: number;
  /** The device it listens on; null: all. */
  readonly hookDev: NetDevice | null;
}

export class PacketState {
  readonly net: NetNs;
  readonly socks: Set<PacketSock> = new Set();
  /** Groups of sockets by their number. */
  readonly fanouts: Map<number, FanoutGroup> = new Map();
  /** Hooks of one protocol, the latest first; replaced, never changed. */
  hooks: readonly PacketHook[] = [];

  constructor(net: NetNs) {
    this.net = net;
  }

  /** Linux `dev_add_pack` */
  addHook(hook: PacketHook): void {
    if (hook.hookProto !== ETH_P_ALL) {
      this.hooks = [hook, ...this.hooks];
      return;
    }
    const owner = hook.hookDev ?? this.net;
    owner.taps = owner.taps === null ? [hook] : [...owner.taps, hook];
  }

  removeHook(hook: PacketHook): void {
    if (hook.hookProto !== ETH_P_ALL) {
      this.hooks = this.hooks.filter((h) => h !== hook);
      return;
    }
    const owner = hook.hookDev ?? this.net;
    const rest = owner.taps?.filter((t) => t !== hook) ?? [];
    owner.taps = rest.length === 0 ? null : rest;
  }

  /** A frame on its way to its protocol. `bottom`: the device that received it. */
  receive(pkt: Packet, dev: NetDevice, bottom: NetDevice): void {
    const { hooks } = this;
    for (let i = 0; i < hooks.length; i++) {
      const hook = hooks[i] as PacketHook;
      if (hook.hookProto !== pkt.proto) continue;
      const { hookDev } = hook;
      if (hookDev === null || hookDev === dev || hookDev === bottom)
        hook.tap(pkt, dev, false, bottom);
    }
  }

  /** Does somebody read this protocol from the device? */
  wants(proto: number, dev: NetDevice): boolean {
    return this.hooks.some(
      (h) => h.hookProto === proto && (h.hookDev === null || h.hookDev === dev),
    );
  }

  /** The namespace is gone. */
  destroy(): void {
    for (const sk of [...this.socks]) sk.close();
  }
}

/** The packet sockets of a namespace, made when the first one is. */
export function packetStateOf(net: NetNs): PacketState {
  net.packetSocks ??= new PacketState(net);
  return net.packetSocks;
}
