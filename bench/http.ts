/**
 * What unmodified `node:http` and `node:net` do per second in two namespaces, beside the host's loopback
 * in the same run: requests over kept connections, echo round trips, connections.
 */
import { once } from 'node:events';
import { Agent, createServer, get, type Server } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import type { Result } from './measure.ts';
import { LOOPBACK, type Place, twoNamespaces } from './two-hosts.ts';

const ROUNDS = 4;

/** Each workload in turn on either network, best of several rounds. */
export async function run(): Promise<Result[]> {
  const ours = twoNamespaces();
  const workloads: [name: string, fn: (place: Place) => Promise<number>][] = [
    ['http requests, 50 connections', (p) => requests(p, 50, 20_000)],
    ['http requests, one connection', (p) => requests(p, 1, 5000)],
    ['echo round trips, one connection', echo],
    ['connects', connects],
  ];
  const results: Result[] = [];
  for (const [name, fn] of workloads) {
    let reference = 0;
    let value = 0;
    for (let i = 0; i < ROUNDS; i++) {
      reference = Math.max(reference, await fn(LOOPBACK));
      value = Math.max(value, await fn(ours));
    }
    const ratio = value / reference;
    results.push({
      name,
      unit: '/s',
      reference: Math.round(reference),
      value: Math.round(value),
      ratio,
    });
  }
  return results;
}

async function listen(server: Server | net.Server, place: Place): Promise<number> {
  place.server(() => server.listen(0, place.address));
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function requests(place: Place, connections: number, total: number): Promise<number> {
  const server = place.server(() => createServer((_req, res) => res.end('hello')));
  const port = await listen(server, place);
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  let left = total;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      get({ host: place.address, port, agent }, (res) => {
        res.resume();
        res.on('end', resolve);
      }).on('error', reject);
    });
  const worker = async (): Promise<void> => {
    while (left-- > 0) await one();
  };
  const start = performance.now();
  await place.client(() => Promise.all(Array.from({ length: connections }, worker)));
  const seconds = (performance.now() - start) / 1000;
  agent.destroy();
  server.close();
  return total / seconds;
}

async function echo(place: Place): Promise<number> {
  const total = 10_000;
  const server = place.server(() =>
    net.createServer({ noDelay: true }, (s) => s.on('data', (d) => s.write(d))),
  );
  const port = await listen(server, place);
  const socket = place.client(() => net.connect({ port, host: place.address, noDelay: true }));
  await once(socket, 'connect');
  let left = total;
  const start = performance.now();
  socket.on('data', () => {
    if (--left > 0) socket.write('ping');
    else socket.destroy();
  });
  socket.write('ping');
  await once(socket, 'close');
  server.close();
  return total / ((performance.now() - start) / 1000);
}

async function connects(place: Place): Promise<number> {
  const total = 2000;
  const server = place.server(() => net.createServer((s) => s.end()));
  const port = await listen(server, place);
  let left = total;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const socket = net.connect(port, place.address);
      socket.resume();
      await once(socket, 'close');
    }
  };
  const start = performance.now();
  await place.client(() => Promise.all(Array.from({ length: 20 }, worker)));
  server.close();
  return total / ((performance.now() - start) / 1000);
}

if (import.meta.filename === process.argv[1]) console.table(await run());
