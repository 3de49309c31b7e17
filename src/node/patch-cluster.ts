/**
 * `node:cluster`. Its workers are in the namespace of the primary process, and share its ports as ever: all
 * of that is Node's own code. A namespace that a worker has made itself is the worker's alone: there it
 * listens without asking the primary process.
 */
import cluster from 'node:cluster';
import dgram from 'node:dgram';
import net from 'node:net';
import { currentNet } from './current.ts';
import { isRemote } from './system-calls.ts';

interface ListenOptions {
  readonly address: string | null;
  readonly port: number | null;
  readonly addressType: number | string | null;
  readonly fd?: number;
  readonly flags?: number;
}
type Told = (error: number, handle: object | null) => void;
type GetServer = (self: object, options: ListenOptions, told: Told) => void;
type CreateHandle = (...args: unknown[]) => object | number;

/** Installs the patch; only workers have the function. */
export function patchCluster(): void {
  const inner = cluster as unknown as { _getServer?: GetServer };
  const original = inner._getServer;
  if (original === undefined) return;
  inner._getServer = (self, options, told) => {
    const ns = currentNet();
    if (ns === undefined || isRemote(ns)) {
      original.call(cluster, self, options, told);
      return;
    }
    const { address, port, addressType, fd, flags } = options;
    const isUdp = typeof addressType === 'string';
    const from = (isUdp ? dgram : net) as unknown as Record<string, CreateHandle>;
    const create = from[isUdp ? '_createSocketHandle' : '_createServerHandle'] as CreateHandle;
    const handle = create(address, port, addressType, fd, flags);
    if (typeof handle === 'number') told(handle, null);
    else told(0, handle);
  };
}
