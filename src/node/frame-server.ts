/**
 * The fabric's side of the wires to processes: a unix domain socket on which each process of a lab says
 * which node it is, is told its configuration, and sends and receives frames from then on.
 */
import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { FrameStream } from './frame-stream.ts';
import { runOutside } from './run.ts';

/** What a process says first (request `hello`). */
export interface Hello {
  /** The node that it is; from `WARREN_LAB_NODE`. */
  readonly node: string;
  /** From `WARREN_LAB_TOKEN`; empty when it was given none. */
  readonly token: string;
  readonly pid: number;
}

/** What a process is told (the reply to `hello`). */
export interface NodeConfig {
  /** Name of the namespace, and its host name. */
  readonly name: string;
  readonly seed?: number;
  /** Devices in the order of their numbers on the wire. */
  readonly devices: readonly DeviceConfig[];
  /** Tails of `ip route add`. */
  readonly routes?: readonly string[];
  /** By sysctl(8) name: `net.ipv4.ip_forward`. */
  readonly sysctl?: Readonly<Record<string, string | number>>;
  /** Addresses by host name. */
  readonly hosts?: Readonly<Record<string, readonly string[]>>;
}

export interface DeviceConfig {
  readonly name: string;
  /** `'02:00:00:00:00:01'` */
  readonly mac: string;
  /** Bytes. */
  readonly mtu?: number;
  /** `'10.0.0.1/24'` */
  readonly addresses: readonly string[];
  /** Words of tc-netem(8) for what leaves. */
  readonly netem?: string;
}

/**
 * Answers for a process: its configuration, or an error that the process prints and dies of. The
 * stream carries frames once the configuration is returned.
 */
export type HelloHandler = (hello: Hello, stream: FrameStream) => NodeConfig | Promise<NodeConfig>;

export class FrameStreamServer {
  private readonly server: Server;
  private readonly streams: Set<FrameStream> = new Set();
  private readonly path: string;

  private constructor(server: Server, path: string) {
    this.server = server;
    this.path = path;
  }

  /** Listens on a unix domain socket at `path`, which only this user may open. */
  static async listen(path: string, onHello: HelloHandler): Promise<FrameStreamServer> {
    await rm(path, { force: true });
    const server = runOutside(() => createServer());
    const self = new FrameStreamServer(server, path);
    server.on('connection', (socket) => self.accept(socket, onHello));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    await chmod(path, 0o600);
    return self;
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    for (const stream of this.streams) stream.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
    await rm(this.path, { force: true });
  }

  private accept(socket: Socket, onHello: HelloHandler): void {
    const stream = new FrameStream(socket);
    this.streams.add(stream);
    socket.once('close', () => this.streams.delete(stream));
    stream.onRequest = (method, params) => {
      const hello = method === 'hello' ? parseHello(params) : undefined;
      if (hello === undefined) throw new Error('a process of a lab says hello first');
      stream.onRequest = null;
      return onHello(hello, stream);
    };
  }
}

function parseHello(params: unknown): Hello | undefined {
  if (typeof params !== 'object' || params === null) return undefined;
  const { node, token, pid } = params as Partial<Hello>;
  if (typeof node !== 'string' || typeof token !== 'string' || typeof pid !== 'number')
    return undefined;
  return { node, token, pid };
}
