/** Two namespaces on one wire, for the tests of the Node layer. */
import { Kernel, setHosts } from '../../src/node/index.ts';

type Namespace = ReturnType<Kernel['netns']['add']>;

export interface TwoHosts {
  readonly kernel: Kernel;
  /** 10.0.0.1, also known as `web`. */
  readonly web: Namespace;
  /** 10.0.0.2, also known as `client`. */
  readonly client: Namespace;
}

/** Hosts `web` (10.0.0.1) and `client` (10.0.0.2) on 10.0.0.0/24, which know each other's names. */
export function twoHosts(): TwoHosts {
  const kernel = new Kernel({ seed: 1 });
  const web = kernel.netns.add('web');
  const client = kernel.netns.add('client');
  kernel.veth(
    { netns: web, name: 'eth0', address: '10.0.0.1/24', up: true },
    { netns: client, name: 'eth0', address: '10.0.0.2/24', up: true },
  );
  const hosts = new Map([
    ['web', ['10.0.0.1']],
    ['client', ['10.0.0.2']],
  ]);
  for (const ns of [web, client]) {
    ns.link.set('lo', { up: true });
    setHosts(ns.net, hosts);
  }
  return { kernel, web, client };
}
