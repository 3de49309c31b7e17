/**
 * A whole process inside one namespace, whose stack runs in the process itself. Its devices are taps
 * whose frames go to the fabric of a lab over one stream socket; the application sees neither the socket
 * nor the host's network.
 */
import { writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { Kernel } from '../core/control/kernel.ts';
import type { Namespace } from '../core/control/namespace.ts';
import { type TunPort, tunAdd, tunAttach } from '../core/device/tun.ts';
import { NetError } from '../core/errno.ts';
import { parseMac } from '../core/util/address.ts';
import { RealTimeEnv } from './env.ts';
import type { DeviceConfig, NodeConfig } from './frame-server.ts';
import { FrameStream } from './frame-stream.ts';
import { setHosts } from './hosts.ts';
import { closeAll, hasOpenHandles } from './open-handles.ts';
import { enterProcess, runIn, runOutside } from './run.ts';

const { setTimeout } = globalThis;

/** How a process finds its lab; set by whoever starts it. */
export interface LabEnvironment {
  /** Path of the fabric's unix domain socket: `WARREN_LAB_SOCKET`. */
  readonly socket: string;
  /** Name of the node: `WARREN_LAB_NODE`. */
  readonly node: string;
  /** Secret of the lab: `WARREN_LAB_TOKEN`. */
  readonly token: string;
}

/** Milliseconds that an ending process gives what it has sent to reach its peers. */
const LINGER_MS = 2000;

/** Serves what the fabric asks beyond this file; undefined: it does not know the method. */
export type ExtraService = (
  ns: Namespace,
  stream: FrameStream,
  method: string,
  params: unknown,
) => unknown;

/** Joins the lab: when it resolves, this process is inside its namespace. `onLost`: the lab is gone. */
export async function joinLab(
  lab: LabEnvironment,
  extra?: ExtraService,
  onLost?: () => void,
): Promise<Namespace> {
  const socket = await runOutside(() => open(lab.socket));
  const stream = new FrameStream(socket);
  const config = (await stream.request('hello', {
    node: lab.node,
    token: lab.token,
    pid: process.pid,
  })) as NodeConfig;
  const env = new RealTimeEnv();
  const kernel = new Kernel(config.seed === undefined ? { env } : { env, seed: config.seed });
  kernel.setRunner((ns, fn) => runIn(ns.net, fn));
  const ns = kernel.netns.add(config.name);
  const ports = config.devices.map((d, i) => addDevice(ns, d, i, stream));
  configure(ns, config);
  stream.onFrame = (device, frame, gsoSize) => {
    ports[device]?.receive(frame, gsoSize);
  };
  stream.onRequest = (method, params) =>
    extra?.(ns, stream, method, params) ?? serve(ns, method, params);
  // The application's sockets keep the process alive, the wire does not.
  socket.unref();
  stream.onClose = () => {
    for (const port of ports) port.close();
    onLost?.();
  };
  // A fabric that does not care answers with an error.
  stream.request('joined').catch(() => {});
  lingerAtExit(ns, stream, socket);
  enterProcess(ns.net);
  return ns;
}

export interface IsolateOptions {
  /** Also a device `eth0` with addresses, and a router behind it. */
  readonly router?: boolean;
}

/** Puts this process into a new namespace: `lo`, up, and what `options` say. */
export function isolate(name: string, options: IsolateOptions = {}): Namespace {
  const kernel = new Kernel({ env: new RealTimeEnv() });
  kernel.setRunner((ns, fn) => runIn(ns.net, fn));
  const ns = kernel.netns.add(name);
  ns.link.set('lo', { up: true });
  if (options.router === true) addRouter(kernel, ns);
  enterProcess(ns.net);
  return ns;
}

/** A router that knows its own network only: what goes elsewhere is answered with "unreachable". */
function addRouter(kernel: Kernel, ns: Namespace): void {
  const router = kernel.netns.add('router');
  router.link.set('lo', { up: true });
  for (const name of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding'])
    router.sysctl.set(name, '1');
  kernel.veth(
    { netns: ns, name: 'eth0', address: '10.0.0.2/24', up: true },
    { netns: router, name: 'eth0', address: '10.0.0.1/24', up: true },
  );
  ns.ip('addr add fd00::2/64 dev eth0 nodad');
  router.ip('addr add fd00::1/64 dev eth0 nodad');
  ns.ip('route add default via 10.0.0.1');
  ns.ip('-6 route add default via fd00::1');
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

function addDevice(
  ns: Namespace,
  config: DeviceConfig,
  index: number,
  stream: FrameStream,
): TunPort {
  const mac = parseMac(config.mac);
  const dev = tunAdd(ns.net, config.name, {
    mode: 'tap',
    ...(mac === undefined ? {} : { mac }),
    ...(config.mtu === undefined ? {} : { mtu: config.mtu }),
  });
  if (typeof dev === 'number') throw new NetError(dev, 'tap', `cannot make ${config.name}`);
  const port = tunAttach(dev);
  if (typeof port === 'number') throw new NetError(port, 'tap', `cannot open ${config.name}`);
  port.onTransmitGso = (frame, gsoSize) => {
    stream.sendFrame(index, frame, gsoSize);
  };
  return port;
}

function configure(ns: Namespace, config: NodeConfig): void {
  ns.hostname = config.name;
  for (const [name, value] of Object.entries(config.sysctl ?? {})) ns.sysctl.set(name, `${value}`);
  ns.link.set('lo', { up: true });
  for (const device of config.devices) {
    for (const local of device.addresses) ns.addr.add({ local, dev: device.name, broadcast: '+' });
    ns.link.set(device.name, { up: true });
    if (device.netem !== undefined) ns.qdisc.replace(device.name, device.netem);
  }
  for (const route of config.routes ?? []) ns.ip(`route add ${route}`);
  setHosts(ns.net, new Map(Object.entries(config.hosts ?? {})));
}

/** What the fabric may ask of a process. */
function serve(ns: Namespace, method: string, params: unknown): unknown {
  if (method === 'ip' && Array.isArray(params)) return ns.ip(params.map(String));
  if (method === 'stats') return ns.stats();
  if (method === 'listening') return ns.net.tcp.listeners.has(Number(params));
  if (method === 'hosts') {
    setHosts(ns.net, new Map(Object.entries(params as Record<string, string[]>)));
    return null;
  }
  throw new Error(`nobody serves ${method}`);
}

/**
 * On Linux the kernel outlives the process and sends what its sockets still hold. Here the stack ends
 * with the process: a process that ends by itself waits for that, at most LINGER_MS; one that calls
 * `process.exit` sends what the windows allow.
 */
function lingerAtExit(ns: Namespace, stream: FrameStream, socket: Socket): void {
  let lingered = false;
  process.once('beforeExit', () => {
    if (lingered || ns.net.tcp.orphanCount === 0) return;
    lingered = true;
    const end = performance.now() + LINGER_MS;
    const wait = (): void => {
      if (ns.net.tcp.orphanCount > 0 && performance.now() < end) setTimeout(wait, 5);
    };
    wait();
  });
  process.on('exit', () => {
    if (hasOpenHandles(ns.net)) closeAll(ns.net);
    ns.kernel.core.run();
    writeUnsent(stream, socket);
  });
}

/** Writes synchronously: after `exit` nothing asynchronous runs any more. */
function writeUnsent(stream: FrameStream, socket: Socket): void {
  const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd ?? -1;
  let bytes: Uint8Array = stream.takeUnsent();
  for (let tries = 0; fd >= 0 && bytes.length > 0 && tries < 200; ) {
    try {
      bytes = bytes.subarray(writeSync(fd, bytes));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
      tries++;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
