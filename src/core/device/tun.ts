/**
 * tun and tap devices (Linux `drivers/net/tun.c`): the byte edge between the stack and a host. A tun
 * device carries IP packets, a tap device Ethernet frames. Frames without packet information, as with
 * IFF_NO_PI.
 */
import { drop } from '../drop.ts';
import { EBADF, EBUSY, EEXIST, EINVAL, EIO, EMSGSIZE } from '../errno.ts';
import { isValidDeviceName } from '../link/device-list.ts';
import { registerDevice, setCarrier } from '../link/device-state.ts';
import { segment } from '../link/gso.ts';
import {
  type DeviceOps,
  IFF_BROADCAST,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_POINTOPOINT,
  NetDevice,
} from '../link/net-device.ts';
import type { NetNs } from '../net.ts';
import { ipLength, type Packet } from '../packet.ts';
import { tunTruesize } from '../truesize.ts';
import { MAC_BROADCAST } from '../util/address.ts';
import { ARPHRD_ETHER, ARPHRD_NONE } from '../wire/arp.ts';
import { ETH_HLEN, ETH_P_IP, ETH_P_IPV6 } from '../wire/ethernet.ts';
import { frameBytes, ipBytes, parseFrame, parseNetwork } from '../wire/frame.ts';
import { IP_MAX_MTU } from '../wire/ipv4.ts';
import type { Port } from './port.ts';

export type TunMode = 'tun' | 'tap';

export interface TunOptions {
  readonly mode: TunMode;
  /** 48-bit integer; tap only; a new one of the kernel's when absent. */
  readonly mac?: number;
  /** Bytes; 1500 when absent. */
  readonly mtu?: number;
  /**
   * Stands for a network card: it is no virtual device that ends with its namespace, but goes to the
   * initial one, with its Port.
   */
  readonly real?: boolean;
}

/** Linux `TUN_READQ_SIZE`: frames that wait for the host. */
const TUN_QUEUE_LEN = 500;
/** Linux `DEFAULT_TX_QUEUE_LEN`: tap is set up as any Ethernet device. */
const TAP_QUEUE_LEN = 1000;
/** Linux `MIN_MTU` of tun.c */
const MIN_MTU = 68;
/** Longest frame that a host may write. */
const MAX_FRAME: number = ETH_HLEN + IP_MAX_MTU;

/** The driver's own state: `NetDevice.priv`. */
class TunState {
  readonly mode: TunMode;
  port: TunPort | null = null;

  constructor(mode: TunMode) {
    this.mode = mode;
  }
}

const TUN_OPS: DeviceOps = {
  kind: 'tun',
  movable: true,
  xmit: tunXmit,
  uninit: tunUninit,
  minMtu: MIN_MTU,
  maxMtu: IP_MAX_MTU,
};

const TAP_OPS: DeviceOps = { ...TUN_OPS, maxMtu: IP_MAX_MTU - ETH_HLEN };
const REAL_TUN_OPS: DeviceOps = { ...TUN_OPS, kind: '', real: true };
const REAL_TAP_OPS: DeviceOps = { ...TAP_OPS, kind: '', real: true };

/**
 * Makes a persistent device (`ip tuntap add`); down, and without carrier until `tunAttach`. `-EEXIST`,
 * `-EINVAL` for a bad name.
 */
export function tunAdd(net: NetNs, name: string, options: TunOptions): NetDevice | number {
  if (!isValidDeviceName(name)) return -EINVAL;
  if (net.devs.find(name) !== undefined) return -EEXIST;
  const tap = options.mode === 'tap';
  const type = tap ? ARPHRD_ETHER : ARPHRD_NONE;
  const dev = new NetDevice(net, opsOf(options), name, net.devs.nextIndex(), type);
  dev.priv = new TunState(options.mode);
  dev.carrier = false;
  if (options.mtu !== undefined) dev.mtu = options.mtu;
  if (tap) {
    dev.flags = IFF_BROADCAST | IFF_MULTICAST;
    dev.mac = options.mac ?? net.kernel.nextMac();
    dev.broadcast = MAC_BROADCAST;
    dev.txQueueLen = TAP_QUEUE_LEN;
  } else {
    dev.flags = IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST;
    dev.hardHeaderLen = 0;
    dev.txQueueLen = TUN_QUEUE_LEN;
  }
  registerDevice(dev);
  return dev;
}

function opsOf({ mode, real }: TunOptions): DeviceOps {
  if (mode === 'tap') return real === true ? REAL_TAP_OPS : TAP_OPS;
  return real === true ? REAL_TUN_OPS : TUN_OPS;
}

/** Whether a device is one of ours, and of which kind; null if it is another. */
export function tunMode(dev: NetDevice): TunMode | null {
  return dev.priv instanceof TunState ? dev.priv.mode : null;
}

/**
 * Opens the host's end (TUNSETIFF): the carrier comes on. `-EBUSY` while another port is open,
 * `-EINVAL` if the device is no tun or tap.
 */
export function tunAttach(dev: NetDevice): TunPort | number {
  const state = dev.priv;
  if (!(state instanceof TunState)) return -EINVAL;
  if (dev.dead) return -EBADF;
  if (state.port !== null) return -EBUSY;
  const port = new TunPort(dev);
  state.port = port;
  setCarrier(dev, true);
  return port;
}

/** The host's end of a tun or tap device; keeps its device when that moves to another namespace. */
export class TunPort implements Port {
  readonly dev: NetDevice;
  /**
   * Set by a host that can cut segments itself (as virtio-net does): gets every frame, up to 65535 bytes
   * of IP, with the payload bytes per segment, or 0 for an ordinary frame. Takes the place of
   * `onTransmit`.
   */
  onTransmitGso: ((frame: Uint8Array, gsoSize: number) => void) | null = null;
  private callback: ((frame: Uint8Array) => void) | null = null;
  /** What the host has not taken yet; `head` is the first one. */
  private waiting: Uint8Array[] = [];
  private head = 0;
  private closed = false;

  constructor(dev: NetDevice) {
    this.dev = dev;
  }

  get onTransmit(): ((frame: Uint8Array) => void) | null {
    return this.callback;
  }

  set onTransmit(callback: ((frame: Uint8Array) => void) | null) {
    this.callback = callback;
    while (this.callback !== null) {
      const frame = this.read();
      if (frame === null) break;
      this.callback(frame);
    }
  }

  /** The next frame that waits, like read(2); null: none. For a host that polls. */
  read(): Uint8Array | null {
    const frame = this.waiting[this.head];
    if (frame === undefined) return null;
    this.head++;
    if (this.head === this.waiting.length || this.head >= 1024) {
      this.waiting.splice(0, this.head);
      this.head = 0;
    }
    this.countSent(frame);
    return frame;
  }

  /**
   * Linux `tun_get_user`: bytes taken, or -EINVAL (shorter than an Ethernet header; neither IP version),
   * -EIO (the device is down), -EMSGSIZE, -EBADF (closed, or the device is gone). `gsoSize`: the frame
   * stands for several with so many bytes of payload each.
   */
  receive(frame: Uint8Array, gsoSize = 0): number {
    const dev = this.dev;
    const tap = dev.hardHeaderLen > 0;
    if (this.closed) return -EBADF;
    if (tap && frame.length < ETH_HLEN) return -EINVAL;
    // DEVIATION: Linux takes frames of any length; no valid packet in them is longer than this.
    if (frame.length > MAX_FRAME) return -EMSGSIZE;
    const proto = tap ? 0 : protocolOf(frame);
    const error = proto < 0 ? proto : dev.up ? 0 : -EIO;
    if (error < 0) {
      dev.stats.rxDropped++;
      return error;
    }
    const kernel = dev.net.kernel;
    const pkt = kernel.newPacket(proto);
    // The host may use its buffer again; payload of a packet never changes.
    const bytes = new Uint8Array(frame);
    if (tap) parseFrame(bytes, pkt);
    else {
      parseNetwork(bytes, proto, pkt);
      pkt.truesize = tunTruesize(bytes.length);
    }
    if (gsoSize > 0 && pkt.len > gsoSize) pkt.gsoSize = gsoSize;
    dev.stats.rxPackets++;
    dev.stats.rxBytes += bytes.length;
    kernel.enqueue(pkt, dev);
    return frame.length;
  }

  close(): void {
    if (this.closed) return;
    this.detach();
    setCarrier(this.dev, false);
  }

  /** Called by the driver when the device goes: nobody is told of the carrier. */
  detach(): void {
    this.closed = true;
    this.callback = null;
    this.onTransmitGso = null;
    this.waiting = [];
    this.head = 0;
    (this.dev.priv as TunState).port = null;
  }

  /** Called by the driver: hands a packet over or lets it wait. */
  send(pkt: Packet): void {
    const bytes = this.dev.hardHeaderLen > 0 ? frameBytes(pkt) : ipBytes(pkt);
    if (this.onTransmitGso !== null) {
      this.countSent(bytes);
      this.onTransmitGso(bytes, pkt.gsoSize);
    } else if (this.callback !== null) {
      this.countSent(bytes);
      this.callback(bytes);
    } else if (this.waiting.length - this.head < this.dev.txQueueLen) {
      this.waiting.push(bytes);
    } else {
      this.dev.stats.txDropped++;
      drop(this.dev.net, pkt, 'FULL_RING', this.dev.name);
    }
  }

  /** Linux counts when the host reads (`tun_put_user`). */
  private countSent(bytes: Uint8Array): void {
    this.dev.stats.txPackets++;
    this.dev.stats.txBytes += bytes.length;
  }
}

/** The first nibble is the IP version; anything else is refused. */
function protocolOf(packet: Uint8Array): number {
  const version = packet.length === 0 ? 0 : (packet[0] as number) >>> 4;
  if (version === 4) return ETH_P_IP;
  return version === 6 ? ETH_P_IPV6 : -EINVAL;
}

/** Linux `tun_net_xmit`. */
function tunXmit(pkt: Packet, dev: NetDevice): void {
  const port = (dev.priv as TunState).port;
  if (port === null) {
    dev.stats.txDropped++;
    drop(dev.net, pkt, 'DEV_READY', dev.name);
    return;
  }
  const whole = port.onTransmitGso !== null && ipLength(pkt) <= IP_MAX_MTU;
  if (pkt.gsoSize === 0 || whole) {
    port.send(pkt);
    return;
  }
  const parts = segment(pkt);
  for (let i = 0; i < parts.length; i++) port.send(parts[i] as Packet);
}

function tunUninit(dev: NetDevice): void {
  (dev.priv as TunState).port?.detach();
}
