/**
 * Sockets and servers that are sent with messages between a program and one that it started. All of Node's
 * own code for that runs; only where it gives a native handle to the system's channel, the message names a
 * descriptor that the other program gets from the process that holds the namespace.
 */
import type { ChildProcess } from 'node:child_process';
import type { NetNs } from '../core/net.ts';
import { AF_INET, AF_INET6, type SockAddrIn } from '../core/transport/sock.ts';
import { binding } from './bindings.ts';
import { withNet } from './current.ts';
import { passDescriptor, receiveDescriptor } from './system-calls.ts';
import { TcpHandle } from './tcp-handle.ts';
import { UdpHandle } from './udp-handle.ts';
import { uv } from './uv.ts';

/** What is added to Node's message. */
interface PassedHandle {
  readonly type: 'tcp' | 'udp';
  readonly token: string;
}

interface HandleMessage {
  readonly cmd?: unknown;
  readonly warrenHandle?: PassedHandle;
}

/** What a program says that has entered its namespace: from then on it can receive handles. */
const INSIDE = 'NODE_WARREN_INSIDE';
/** Goes in the place of a message that waits for that. Node ignores what it does not know. */
const LATER = `${JSON.stringify({ cmd: 'NODE_WARREN_LATER' })}\n`;

type Write = (req: object, data: unknown, handle?: unknown) => number;
interface Channel {
  writeUtf8String: Write;
  writeBuffer: Write;
}
/** A child, or the process itself: whoever has `send`. */
type Target = (ChildProcess | NodeJS.Process) & Record<symbol, unknown>;

/** The channel to a program that this one has started passes handles of `net`. */
export function passToChild(child: ChildProcess, net: NetNs): void {
  const channel = channelOf(child as Target);
  if (channel === undefined) return;
  const { WriteWrap } = binding<{ WriteWrap: new () => object }>('stream_wrap', 'WriteWrap');
  const early: string[] = [];
  let isInside = false;
  const { writeUtf8String } = channel;
  // Node waits for an answer before it sends what comes next.
  writeHandles(channel, (req, text) => {
    if (isInside) return writeUtf8String.call(channel, req, text);
    early.push(text);
    return writeUtf8String.call(channel, req, LATER);
  });
  receiveHandles(child as Target, net, () => {
    isInside = true;
    for (const text of early.splice(0)) writeUtf8String.call(channel, new WriteWrap(), text);
  });
}

/** The channel to the program that started this one does. */
export function passToParent(net: NetNs): void {
  const target = process as unknown as Target;
  const channel = channelOf(target);
  if (channel === undefined) return;
  const { writeUtf8String } = channel;
  writeHandles(channel, (req, text) => writeUtf8String.call(channel, req, text));
  receiveHandles(target, net, () => undefined);
  process.send?.({ cmd: INSIDE });
}

function channelOf(target: Target): Channel | undefined {
  const symbols = Object.getOwnPropertySymbols(target);
  const symbol = symbols.find((s) => s.description === 'kChannelHandle');
  return symbol === undefined ? undefined : ((target[symbol] as Channel | null) ?? undefined);
}

/** @param write writes a message with the name of a handle */
function writeHandles(channel: Channel, write: (req: object, text: string) => number): void {
  const { writeUtf8String, writeBuffer } = channel;
  channel.writeUtf8String = function send(req, ...args) {
    const [text, handle] = args;
    if (!(handle instanceof TcpHandle) && !(handle instanceof UdpHandle))
      return writeUtf8String.call(this, req, ...args);
    const passed = pass(handle);
    if (passed === undefined) return uv('EBADF');
    const message = JSON.parse(String(text)) as object;
    return write(req, `${JSON.stringify({ ...message, warrenHandle: passed })}\n`);
  };
  if (typeof writeBuffer !== 'function') return;
  channel.writeBuffer = function send(req, ...args) {
    // The other form of messages, `serialization: 'advanced'`, is bytes that only Node reads.
    const isOurs = args[1] instanceof TcpHandle || args[1] instanceof UdpHandle;
    return isOurs ? uv('ENOTSUP') : writeBuffer.call(this, req, ...args);
  };
}

function pass(handle: TcpHandle | UdpHandle): PassedHandle | undefined {
  const other = handle.dup();
  const { socket } = handle;
  if (other === undefined || socket === undefined) return undefined;
  if (handle instanceof TcpHandle) {
    // What comes from now on is the receiver's.
    handle.readStop();
    return { type: 'tcp', token: passDescriptor(handle.net, socket, other) };
  }
  return { type: 'udp', token: passDescriptor(handle.net, socket, other) };
}

/** Gives Node's own listener the handle that the message names. */
function receiveHandles(target: Target, net: NetNs, onInside: () => void): void {
  const emit = target.emit as (...args: unknown[]) => boolean;
  function emitWithHandle(this: Target, event: unknown, ...args: unknown[]): boolean {
    if (event !== 'internalMessage') return emit.call(this, event, ...args);
    const message = args[0] as HandleMessage;
    if (message?.cmd === INSIDE) {
      onInside();
      return true;
    }
    const passed = message?.cmd === 'NODE_HANDLE' ? message.warrenHandle : undefined;
    const handle = passed === undefined ? args[1] : receive(net, passed);
    return withNet(net, () => emit.call(this, event, message, handle));
  }
  Object.defineProperty(target, 'emit', {
    value: emitWithHandle,
    configurable: true,
    writable: true,
  });
}

function receive(net: NetNs, passed: PassedHandle): TcpHandle | UdpHandle | undefined {
  const socket = receiveDescriptor(net, passed.token);
  if (socket === undefined) return undefined;
  if (passed.type === 'tcp') return new TcpHandle(net, socket);
  const name: SockAddrIn = socket.getsockname();
  return new UdpHandle(net, name.addr6 === undefined ? AF_INET : AF_INET6, socket);
}
