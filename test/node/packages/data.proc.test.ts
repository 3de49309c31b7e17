/** Databases and their clients, unmodified, over their default ports between two namespaces. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type Server, type Socket } from 'node:net';
import { test } from 'node:test';
import { twoHosts } from '../two-hosts.ts';
import { load } from './packages.ts';

const { web, client } = twoHosts();

test('pg and PGlite: a pool, parameters, transactions, notices of errors', async () => {
  const { PGlite } = await import('@electric-sql/pglite');
  const { PGLiteSocketServer } = await import('@electric-sql/pglite-socket');
  const server = await web.run(async () => {
    const db = await PGlite.create();
    const listening = new PGLiteSocketServer({ db, port: 5432, host: '0.0.0.0' });
    await listening.start();
    return listening;
  });
  await client.run(async () => {
    const { Pool } = load('pg');
    const pool = new Pool({
      host: 'web',
      user: 'postgres',
      database: 'postgres',
      password: 'x',
      max: 1,
    });
    await pool.query('create table t (id int primary key, name text)');
    const connection = await pool.connect();
    await connection.query('begin');
    for (let i = 0; i < 20; i++)
      await connection.query('insert into t values ($1, $2)', [i, `n${i}`]);
    await connection.query('commit');
    connection.release();
    const { rows } = await pool.query('select count(*)::int as n, max(name) as last from t');
    assert.deepEqual(rows, [{ n: 20, last: 'n9' }]);
    await assert.rejects(pool.query('insert into t values (1, null)'), { code: '23505' });
    await pool.end();
  });
  await web.run(() => server.stop());
});

test('mysql2 and its server half', async () => {
  const server = await web.run(async () => {
    const listening = load('mysql2').createServer();
    listening.on('connection', (c: MysqlConnection) => {
      c.serverHandshake({
        protocolVersion: 10,
        serverVersion: 'warren',
        connectionId: 1,
        statusFlags: 2,
        characterSet: 8,
        capabilityFlags: 0xffffff,
      });
      c.on('query', (sql: string) => {
        // Each command has a sequence of its own.
        c.sequenceId = 1;
        if (sql.startsWith('update')) c.writeOk({ affectedRows: 3, insertId: 7 });
        else if (sql.startsWith('bad')) c.writeError({ code: 1064, message: 'You have an error' });
        else
          c.writeTextResult(
            [
              { a: 1, b: 'two' },
              { a: 3, b: sql },
            ],
            [
              {
                catalog: 'def',
                schema: '',
                table: '',
                orgTable: '',
                name: 'a',
                orgName: '',
                characterSet: 63,
                columnLength: 1,
                columnType: 3,
                flags: 0,
                decimals: 0,
              },
              {
                catalog: 'def',
                schema: '',
                table: '',
                orgTable: '',
                name: 'b',
                orgName: '',
                characterSet: 33,
                columnLength: 99,
                columnType: 253,
                flags: 0,
                decimals: 0,
              },
            ],
          );
      });
      c.on('quit', () => c.stream.end());
      c.on('error', () => {});
    });
    listening.listen(3306);
    await once(listening._server as Server, 'listening');
    return listening;
  });
  await client.run(async () => {
    const connection = await load('mysql2/promise').createConnection({
      host: 'web',
      user: 'u',
      database: 'd',
    });
    const [rows] = await connection.query('select 1');
    assert.deepEqual(JSON.parse(JSON.stringify(rows)), [
      { a: 1, b: 'two' },
      { a: 3, b: 'select 1' },
    ]);
    const [ok] = await connection.query('update t');
    assert.equal(ok.affectedRows, 3);
    await assert.rejects(connection.query('bad'), { errno: 1064 });
    await connection.end();
  });
  server.close();
});

interface MysqlConnection {
  readonly stream: Socket;
  sequenceId: number;
  serverHandshake(options: object): void;
  writeOk(ok: object): void;
  writeError(error: object): void;
  writeTextResult(rows: object[], columns: object[]): void;
  on(event: string, fn: (sql: string) => void): void;
}

/** The part of Redis's protocol (RESP) that a client needs: arrays of bulk strings in, replies out. */
function serveRedis(
  socket: Socket,
  store: Map<string, string>,
  subscribers: Map<Socket, string>,
): void {
  let buffered = '';
  socket.setEncoding('latin1').on('error', () => {});
  socket.on('close', () => subscribers.delete(socket));
  socket.on('data', (chunk) => {
    buffered += chunk;
    for (let taken = takeCommand(buffered); taken !== undefined; taken = takeCommand(buffered)) {
      buffered = buffered.slice(taken.length);
      socket.write(answer(taken.words, socket, store, subscribers), 'latin1');
      if (taken.words[0]?.toLowerCase() === 'quit') socket.end();
    }
  });
}

function takeCommand(text: string): { words: string[]; length: number } | undefined {
  const head = /^\*(\d+)\r\n/.exec(text);
  if (head === null) return undefined;
  let at = head[0].length;
  const words: string[] = [];
  for (let i = 0; i < Number(head[1]); i++) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at));
    if (size === null) return undefined;
    at += size[0].length;
    if (text.length < at + Number(size[1]) + 2) return undefined;
    words.push(text.slice(at, at + Number(size[1])));
    at += Number(size[1]) + 2;
  }
  return { words, length: at };
}

const bulk = (text: string | undefined): string =>
  text === undefined ? '$-1\r\n' : `$${text.length}\r\n${text}\r\n`;

function answer(
  words: string[],
  socket: Socket,
  store: Map<string, string>,
  subscribers: Map<Socket, string>,
): string {
  const [command = '', key = '', value = ''] = words;
  switch (command.toLowerCase()) {
    case 'set':
      store.set(key, value);
      return '+OK\r\n';
    case 'get':
      return bulk(store.get(key));
    case 'incr':
      store.set(key, String(Number(store.get(key) ?? 0) + 1));
      return `:${store.get(key)}\r\n`;
    case 'info':
      return bulk('redis_version:7.0.0\r\nloading:0\r\n');
    case 'subscribe':
      subscribers.set(socket, key);
      return `*3\r\n${bulk('subscribe')}${bulk(key)}:1\r\n`;
    case 'publish': {
      const to = [...subscribers].filter(([, channel]) => channel === key);
      for (const [other] of to) other.write(`*3\r\n${bulk('message')}${bulk(key)}${bulk(value)}`);
      return `:${to.length}\r\n`;
    }
    case 'quit':
    case 'client':
      return '+OK\r\n';
    default:
      return `-ERR unknown command '${command}'\r\n`;
  }
}

test('ioredis: pipelines, publish and subscribe, a reconnect after the server was gone', async () => {
  const store = new Map<string, string>();
  const subscribers = new Map<Socket, string>();
  const sockets = new Set<Socket>();
  const server = await web.run(async () => {
    const listening = net.createServer((s) => {
      sockets.add(s);
      serveRedis(s, store, subscribers);
    });
    listening.listen(6379);
    await once(listening, 'listening');
    return listening;
  });
  await client.run(async () => {
    const { Redis } = load('ioredis');
    const redis = new Redis({ host: 'web', retryStrategy: () => 10 });
    assert.equal(await redis.set('k', 'v'), 'OK');
    assert.equal(await redis.get('k'), 'v');
    assert.equal(await redis.get('none'), null);
    const replies = await redis.pipeline().incr('n').incr('n').get('n').exec();
    assert.deepEqual(replies, [
      [null, 1],
      [null, 2],
      [null, '2'],
    ]);
    await assert.rejects(redis.call('nonsense'), /unknown command/);
    const subscriber = new Redis({ host: 'web' });
    await subscriber.subscribe('news');
    const heard = once(subscriber, 'message');
    assert.equal(await redis.publish('news', 'hello'), 1);
    assert.deepEqual(await heard, ['news', 'hello']);
    subscriber.disconnect();
    const ready = new Promise<void>((done) => redis.on('error', () => {}).once('ready', done));
    for (const s of sockets) s.resetAndDestroy();
    await ready;
    assert.equal(await redis.get('k'), 'v');
    await redis.quit();
  });
  server.close();
});
