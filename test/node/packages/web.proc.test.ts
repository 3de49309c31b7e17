/** Servers and clients of the web, unmodified: the server in one namespace, the client in another. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { twoHosts } from '../two-hosts.ts';
import { load } from './packages.ts';

const { web, client, kernel } = twoHosts();
after(() => kernel.core.run());

test('express, asked by undici and by fetch', async () => {
  const server = await web.run(async () => {
    const express = load('express');
    const app = express();
    app.use(express.json());
    app.get('/from', (req: { ip: string }, res: { json(v: unknown): void }) => res.json(req.ip));
    app.post('/echo', (req: { body: unknown }, res: { json(v: unknown): void }) =>
      res.json(req.body),
    );
    const listening = app.listen(80);
    await once(listening, 'listening');
    return listening;
  });
  await client.run(async () => {
    const { Agent, Pool, request } = load('undici');
    const dispatcher = new Agent();
    const { body, statusCode } = await request('http://web/from', { dispatcher });
    assert.equal(statusCode, 200);
    assert.equal(await body.json(), '::ffff:10.0.0.2');
    const pool = new Pool('http://web', { connections: 2, pipelining: 3 });
    const answers = await Promise.all(
      [1, 2, 3, 4, 5, 6].map(async (n) => {
        const res = await pool.request({
          path: '/echo',
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ n }),
        });
        return (await res.body.json()).n;
      }),
    );
    assert.deepEqual(answers, [1, 2, 3, 4, 5, 6]);
    await pool.close();
    await dispatcher.close();
    assert.equal(await (await fetch('http://web/from')).json(), '::ffff:10.0.0.2');
  });
  server.close();
  server.closeAllConnections();
});

test('fastify', async () => {
  const app = await web.run(async () => {
    const fastify = load('fastify')();
    fastify.get('/', async () => ({ hello: 'world' }));
    await fastify.listen({ port: 80, host: '0.0.0.0' });
    return fastify;
  });
  await client.run(async () => {
    const res = await fetch('http://web/');
    assert.deepEqual(await res.json(), { hello: 'world' });
    const agent = load('node:http').get({ host: 'web', agent: false });
    const [answer] = await once(agent, 'response');
    assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8');
    answer.resume();
    await once(answer, 'end');
  });
  await web.run(() => app.close());
});

test('ws: text, binary, ping, a large message, closing with a code', async () => {
  const server = await web.run(async () => {
    const { WebSocketServer } = load('ws');
    const wss = new WebSocketServer({ port: 80 });
    wss.on('connection', (ws: Socketlike, req: { socket: { remoteAddress: string } }) => {
      ws.send(req.socket.remoteAddress);
      ws.on('message', (data, isBinary) =>
        String(data) === 'close'
          ? ws.close(4001, 'as you say')
          : ws.send(data, { binary: isBinary }),
      );
    });
    await once(wss, 'listening');
    return wss;
  });
  await client.run(async () => {
    const { WebSocket } = load('ws');
    const ws = new WebSocket('ws://web/');
    const messages: unknown[] = [];
    ws.on('message', (d: Buffer) => messages.push(d));
    await once(ws, 'open');
    const pong = once(ws, 'pong');
    ws.ping('are you there');
    assert.equal(String((await pong)[0]), 'are you there');
    ws.send(Buffer.alloc(300_000, 7));
    while (messages.length < 2) await once(ws, 'message');
    assert.equal(String(messages[0]), '::ffff:10.0.0.2');
    assert.equal((messages[1] as Buffer).length, 300_000);
    ws.send('close');
    const [code, reason] = await once(ws, 'close');
    assert.deepEqual([code, String(reason)], [4001, 'as you say']);
  });
  server.close();
});

interface Socketlike {
  send(data: unknown, options?: object): void;
  close(code: number, reason: string): void;
  on(event: string, fn: (data: Buffer, isBinary: boolean) => void): void;
}

test('socket.io: polling, the upgrade to a WebSocket, acknowledgements, rooms', async () => {
  const io = await web.run(async () => {
    const { Server } = load('socket.io');
    const server = new Server();
    server.on(
      'connection',
      (s: { join(r: string): void; on(e: string, f: (...a: never[]) => void): void }) => {
        s.join('room');
        s.on('sum', (a: number, b: number, done: (n: number) => void) => done(a + b));
        s.on('all', (text: string) => server.to('room').emit('said', text));
      },
    );
    server.listen(80);
    await once(server.httpServer, 'listening');
    return server;
  });
  await client.run(async () => {
    const { io: connect } = load('socket.io-client');
    const sockets = [
      connect('http://web', { forceNew: true }),
      connect('http://web', { forceNew: true }),
    ];
    await Promise.all(sockets.map((s) => new Promise<void>((done) => s.on('connect', done))));
    const sum = await new Promise((done) => sockets[0].emit('sum', 2, 3, done));
    assert.equal(sum, 5);
    const heard = Promise.all(sockets.map((s) => new Promise((done) => s.on('said', done))));
    sockets[1].emit('all', 'hello');
    assert.deepEqual(await heard, ['hello', 'hello']);
    if (sockets[0].io.engine.transport.name !== 'websocket')
      await new Promise<void>((done) => sockets[0].io.engine.once('upgrade', () => done()));
    for (const s of sockets) s.close();
  });
  await web.run(() => io.close());
});
