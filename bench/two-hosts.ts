/** Where a benchmark's two ends run: in two namespaces, or on the host's loopback as the reference. */
import { Kernel, runOutside } from '../src/node/index.ts';

export interface Place {
  /** Where the server is reached. */
  readonly address: string;
  readonly server: <T>(fn: () => T) => T;
  readonly client: <T>(fn: () => T) => T;
}

export const LOOPBACK: Place = { address: '127.0.0.1', server: runOutside, client: runOutside };

/** Two namespaces and a wire without delay. */
export function twoNamespaces(): Place {
  const kernel = new Kernel({ seed: 1 });
  const server = kernel.netns.add('server');
  const client = kernel.netns.add('client');
  kernel.veth(
    { netns: server, name: 'eth0', address: '10.0.0.1/24', up: true },
    { netns: client, name: 'eth0', address: '10.0.0.2/24', up: true },
  );
  return {
    address: '10.0.0.1',
    server: (fn) => server.run(fn),
    client: (fn) => client.run(fn),
  };
}
