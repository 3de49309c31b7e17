/** Unmodified http, https, http2, express and fetch, client and server in different namespaces. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import type { Server } from 'node:net';
import { after, test } from 'node:test';
import express from 'express';
import { TEST_CERT, TEST_KEY } from './tls-key.ts';
import { twoHosts } from './two-hosts.ts';

const { web, client } = twoHosts();
const servers: Server[] = [];

async function listening<T extends Server>(server: T, port: number): Promise<T> {
  server.listen(port);
  servers.push(server);
  await once(server, 'listening');
  return server;
}

after(() => {
  for (const server of servers) server.close();
  http.globalAgent.destroy();
});

function get(agent: http.Agent | undefined, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    http
      .get({ host: 'web', path, ...(agent === undefined ? {} : { agent }) }, (res) => {
        let body = '';
        res.setEncoding('utf8').on('data', (d) => {
          body += d;
        });
        res.on('end', () => resolve(`${res.statusCode} ${body}`));
      })
      .on('error', reject);
  });
}

await web.run(() => {
  const app = express();
  app.get('/hello/:who', (req, res) => {
    res.send(`hello ${req.params.who} from ${req.socket.remoteAddress} on ${req.socket.localPort}`);
  });
  app.post('/length', (req, res) => {
    let n = 0;
    req.on('data', (d: Buffer) => {
      n += d.length;
    });
    req.on('end', () => res.json({ n }));
  });
  return listening(http.createServer(app), 80);
});

test('a thousand requests in sequence, over one connection', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  await client.run(async () => {
    for (let i = 0; i < 1000; i++)
      assert.equal(await get(agent, `/hello/${i}`), `200 hello ${i} from ::ffff:10.0.0.2 on 80`);
  });
  agent.destroy();
});

test('a hundred requests at once, each over its own connection', async () => {
  const agent = new http.Agent({ keepAlive: false });
  await client.run(async () => {
    const all = await Promise.all(Array.from({ length: 100 }, (_, i) => get(agent, `/hello/${i}`)));
    all.forEach((text, i) => {
      assert.equal(text, `200 hello ${i} from ::ffff:10.0.0.2 on 80`);
    });
  });
});

test('a large upload arrives whole', async () => {
  const body = Buffer.alloc(8 << 20, 'x');
  const answer = await client.run(async () => {
    const res = await fetch('http://web/length', { method: 'POST', body });
    return res.json();
  });
  assert.deepEqual(answer, { n: body.length });
});

test('fetch connects inside the namespace, and fails there as it does anywhere', async () => {
  const text = await client.run(async () => (await fetch('http://web/hello/fetch')).text());
  assert.equal(text, 'hello fetch from ::ffff:10.0.0.2 on 80');
  await assert.rejects(
    client.run(() => fetch('http://web:81/')),
    (e: Error) => (e.cause as NodeJS.ErrnoException).code === 'ECONNREFUSED',
  );
});

test('a kept connection of one namespace is not used by another', async () => {
  const other = twoHosts();
  await other.web.run(() =>
    listening(
      http.createServer((_req, res) => res.end('the other web')),
      80,
    ),
  );
  for (let i = 0; i < 3; i++) {
    const here = client.run(async () => (await fetch('http://10.0.0.1/hello/a')).text());
    const there = other.client.run(async () => (await fetch('http://10.0.0.1/hello/a')).text());
    assert.deepEqual(await Promise.all([here, there]), [
      'hello a from ::ffff:10.0.0.2 on 80',
      'the other web',
    ]);
    assert.match(await client.run(() => get(undefined, '/hello/b')), /^200 hello b from/);
    assert.equal(await other.client.run(() => get(undefined, '/hello/b')), '200 the other web');
  }
});

test('https with a self-signed certificate, checked by name', async () => {
  await web.run(() =>
    listening(
      https.createServer({ key: TEST_KEY, cert: TEST_CERT }, (req, res) =>
        res.end(`secure ${req.url}`),
      ),
      443,
    ),
  );
  const ask = (options: https.RequestOptions): Promise<string> =>
    client.run(
      () =>
        new Promise((resolve, reject) => {
          https
            .get({ host: 'web', path: '/x', agent: false, ...options }, (res) => {
              res.setEncoding('utf8').once('data', resolve);
            })
            .on('error', reject);
        }),
    );
  assert.equal(await ask({ ca: TEST_CERT }), 'secure /x');
  await assert.rejects(ask({}), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
});

test('http2, in clear and over TLS, with flow control', async () => {
  const big = Buffer.alloc(3 << 20, 'y');
  const answer = (stream: http2.ServerHttp2Stream): void => {
    stream.respond({ ':status': 200 });
    stream.end(big);
  };
  await web.run(async () => {
    await listening(http2.createServer().on('stream', answer), 8080);
    const secure = http2.createSecureServer({ key: TEST_KEY, cert: TEST_CERT });
    await listening(secure.on('stream', answer), 8443);
  });
  for (const [url, options] of [
    ['http://web:8080', {}],
    ['https://web:8443', { ca: TEST_CERT }],
  ] as const) {
    const received = await client.run(
      () =>
        new Promise<number>((resolve, reject) => {
          const session = http2.connect(url, options).on('error', reject);
          let n = 0;
          const stream = session.request({ ':path': '/' });
          stream.on('data', (d: Buffer) => {
            n += d.length;
          });
          stream.on('end', () => session.close(() => resolve(n)));
        }),
    );
    assert.equal(received, big.length, url);
  }
});
