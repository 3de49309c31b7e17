/**
 * macvtap: a macvlan whose frames a host takes (Linux `drivers/net/macvtap.c`, `tap.c`): while its Port is open, what
 * it receives goes there instead of up the stack, and what the Port gives leaves by the device below. A virtual
 * machine on a shared network card.
 *
 * RX: from `link/input.ts`; to the Port
 * TX: from the Port; to `link/output.ts`
 */
import { drop } from '../drop.ts';
import { EBADF, EBUSY, EINVAL, EMSGSIZE } from '../errno.ts';
import { segment } from '../link/gso.ts';
import type { NetDevice } from '../link/net-device.ts';
import { devQueueXmit } from '../link/output.ts';
import type { Packet } from '../packet.ts';
import { ETH_HLEN } from '../wire/ethernet.ts';
import { frameBytes, parseFrame } from '../wire/frame.ts';
import { IP_MAX_MTU } from '../wire/ipv4.ts';
import { MACVLAN_OPS, type MacvlanSpec, macvlanAdd, macvlanUninit } from './macvlan.ts';
import type { Port } from './port.ts';

/** Linux `TUN_READQ_SIZE` */
const QUEUE_LEN = 500;
/** Longest frame that a host may write. */
const MAX_FRAME: number = ETH_HLEN + IP_MAX_MTU;

const MACVTAP_OPS: typeof MACVLAN_OPS = {
  ...MACVLAN_OPS,
  kind: 'macvtap',
  uninit: (dev) => {
    tapOf(dev)?.close();
    macvlanUninit(dev);
  },
};

/** Its rx handler's state: `NetDevice.rxHandlerData`. */
class TapState {
  port: MacvtapPort | null = null;
}

/** Makes one, down, without a Port; the errors are those of `macvlanAdd`. */
export function macvtapAdd(spec: MacvlanSpec): NetDevice | number {
  const dev = macvlanAdd(spec, MACVTAP_OPS);
  if (typeof dev === 'number') return dev;
  dev.txQueueLen = QUEUE_LEN;
  dev.rxHandlerData = new TapState();
  dev.rxHandler = macvtapHandleFrame;
  return dev;
}

function tapOf(dev: NetDevice): MacvtapPort | null {
  return dev.rxHandlerData instanceof TapState ? dev.rxHandlerData.port : null;
}

/** Opens /dev/tapN. `-EBUSY` while another Port is open, `-EINVAL`: it is no macvtap. */
export function macvtapAttach(dev: NetDevice): MacvtapPort | number {
  const state = dev.rxHandlerData;
  if (!(state instanceof TapState)) return -EINVAL;
  if (dev.dead) return -EBADF;
  if (state.port !== null) return -EBUSY;
  state.port = new MacvtapPort(dev, state);
  return state.port;
}

/** The host's end; it keeps its device when that moves to another namespace. */
export class MacvtapPort implements Port {
  readonly dev: NetDevice;
  private readonly state: TapState;
  private callback: ((frame: Uint8Array) => void) | null = null;
  private waiting: Uint8Array[] = [];
  private closed = false;

  constructor(dev: NetDevice, state: TapState) {
    this.dev = dev;
    this.state = state;
  }

  get onTransmit(): ((frame: Uint8Array) => void) | null {
    return this.callback;
  }

  set onTransmit(callback: ((frame: Uint8Array) => void) | null) {
    this.callback = callback;
    if (callback === null) return;
    const frames = this.waiting;
    this.waiting = [];
    for (const frame of frames) callback(frame);
  }

  /** Linux `tap_get_user`: the frame leaves as one of the device. -EINVAL (short), -EMSGSIZE, -EBADF (closed). */
  receive(frame: Uint8Array): number {
    const { dev } = this;
    if (this.closed) return -EBADF;
    if (frame.length < ETH_HLEN) return -EINVAL;
    if (frame.length > MAX_FRAME) return -EMSGSIZE;
    const pkt = dev.net.kernel.newPacket(0, dev);
    parseFrame(new Uint8Array(frame), pkt);
    devQueueXmit(pkt);
    return frame.length;
  }

  /** From now on the stack gets what comes. */
  close(): void {
    this.closed = true;
    this.callback = null;
    this.waiting = [];
    if (this.state.port === this) this.state.port = null;
  }

  /** Called by the driver: hands a frame over or lets it wait; false: there is no room. */
  take(frame: Uint8Array): boolean {
    if (this.callback !== null) this.callback(frame);
    else if (this.waiting.length < this.dev.txQueueLen) this.waiting.push(frame);
    else return false;
    return true;
  }
}

/** Linux `tap_handle_frame`. True: the Port has it; false: nobody has it open. */
function macvtapHandleFrame(pkt: Packet): boolean {
  const dev = pkt.dev as NetDevice;
  const port = tapOf(dev);
  if (port === null) return false;
  const parts = pkt.gsoSize > 0 ? segment(pkt) : [pkt];
  for (const part of parts) {
    if (port.take(frameBytes(part))) continue;
    dev.stats.rxDropped++;
    drop(dev.net, part, 'FULL_RING', dev.name);
  }
  return true;
}
