/** Two real packages, unmodified, in two namespaces beside the host's loopback: `ws` echo, and `pg` against PGlite. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import pg from 'pg';
import { WebSocket, WebSocketServer } from 'ws';
import type { Result } from './measure.ts';
import { LOOPBACK, type Place, twoNamespaces } from './two-hosts.ts';

const ROUNDS = 3;
const MESSAGES = 5000;
const QUERIES = 1000;
const PG_PORT = 54_329;

export async function run(): Promise<Result[]> {
  const ours = twoNamespaces();
  const db = await PGlite.create();
  return [
    await compare('ws echo round trips', ours, echo),
    await compare('pg queries, SELECT $1', ours, (place) => queries(place, db)),
  ];
}

async function compare(
  name: string,
  ours: Place,
  rate: (place: Place) => Promise<number>,
): Promise<Result> {
  let reference = 0;
  let value = 0;
  for (let i = 0; i < ROUNDS; i++) {
    reference = Math.max(reference, await rate(LOOPBACK));
    value = Math.max(value, await rate(ours));
  }
  return { name, unit: '/s', reference, value, ratio: value / reference };
}

async function echo(place: Place): Promise<number> {
  const server = place.server(() => new WebSocketServer({ host: place.address, port: 0 }));
  server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = place.client(() => new WebSocket(`ws://${place.address}:${port}`));
  await once(client, 'open');
  const start = performance.now();
  let left = MESSAGES;
  client.on('message', () => {
    left--;
    if (left > 0) client.send('hello');
    else client.close();
  });
  client.send('hello');
  await once(client, 'close');
  server.close();
  return MESSAGES / ((performance.now() - start) / 1000);
}

async function queries(place: Place, db: PGlite): Promise<number> {
  const server = place.server(
    () => new PGLiteSocketServer({ db, host: place.address, port: PG_PORT }),
  );
  await place.server(() => server.start());
  const client = place.client(
    () =>
      new pg.Client({ host: place.address, port: PG_PORT, user: 'postgres', database: 'postgres' }),
  );
  await place.client(() => client.connect());
  const start = performance.now();
  for (let i = 0; i < QUERIES; i++) {
    const { rows } = await place.client(() => client.query('SELECT $1::int AS n', [i]));
    if (rows[0].n !== i) throw new Error(`row ${i} came back as ${rows[0].n}`);
  }
  const rate = QUERIES / ((performance.now() - start) / 1000);
  await client.end();
  await server.stop();
  return rate;
}
