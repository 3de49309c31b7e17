/**
 * Warren for Node.js: kernels in real time, code inside namespaces, and namespaces across processes.
 * `warren` itself, where Node loads it.
 */
import { Kernel as CoreKernel } from '../core/control/kernel.ts';
import { RealTimeEnv } from './env.ts';
import { type NodeKernelOptions, runIn } from './run.ts';

export * from '../core/index.ts';
export { currentNet } from './current.ts';
export { RealTimeEnv } from './env.ts';
export { FrameStreamServer, type Hello, type NodeConfig } from './frame-server.ts';
export {
  type FrameHandler,
  FrameStream,
  type FrameStreamOptions,
  type RequestHandler,
} from './frame-stream.ts';
export { hostsOf, setHosts } from './hosts.ts';
export { nameServersOf, setNameServers } from './name-servers.ts';
export { enterProcess, type NodeKernelOptions, runIn, runOutside } from './run.ts';

/** A kernel on Node's event loop: real time unless told otherwise, and `namespace.run(fn)`. */
export class Kernel extends CoreKernel {
  constructor(options: NodeKernelOptions = {}) {
    super({ ...options, env: options.env ?? new RealTimeEnv() });
    this.setRunner((ns, fn) => runIn(ns.net, fn));
  }
}
