/** One TCP connection's throughput through `node:net`, beside the host's loopback in the same run. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import type { Result } from './measure.ts';
import { LOOPBACK, type Place, twoNamespaces } from './two-hosts.ts';

const CHUNK: Buffer = Buffer.alloc(65536, 1);
const TOTAL: number = 1 << 29;
const ROUNDS = 4;

/** Bytes per second, the best of several rounds that take turns. */
export async function run(): Promise<Result[]> {
  const ours = twoNamespaces();
  let reference = 0;
  let value = 0;
  for (let i = 0; i < ROUNDS; i++) {
    reference = Math.max(reference, await bulk(LOOPBACK));
    value = Math.max(value, await bulk(ours));
  }
  const gbit = (bytes: number): number => Math.round((bytes * 8) / 1e7) / 100;
  return [
    {
      name: 'bulk TCP, one connection, 64 KiB writes',
      unit: 'Gbit/s',
      reference: gbit(reference),
      value: gbit(value),
      ratio: value / reference,
    },
  ];
}

async function bulk(place: Place): Promise<number> {
  let received = 0;
  const server = place.server(() =>
    createServer((socket) => {
      socket.on('data', (d) => {
        received += d.length;
      });
    }).listen(0, place.address),
  );
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const start = performance.now();
  const socket = place.client(() => connect(port, place.address));
  let sent = 0;
  const write = (): void => {
    while (sent < TOTAL) {
      sent += CHUNK.length;
      if (!socket.write(CHUNK)) return;
    }
    socket.end();
  };
  socket.on('connect', write);
  socket.on('drain', write);
  socket.resume();
  await once(socket, 'close');
  const seconds = (performance.now() - start) / 1000;
  server.close();
  if (received < TOTAL) throw new Error(`only ${received} bytes arrived`);
  return received / seconds;
}

if (import.meta.filename === process.argv[1]) console.table(await run());
