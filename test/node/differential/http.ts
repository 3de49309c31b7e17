/** `node:http`, `http2`, `tls` and `fetch` over the same sockets. */
import { once } from 'node:events';
import http, { type IncomingMessage, type RequestListener, type Server } from 'node:http';
import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { TEST_CERT, TEST_KEY } from '../tls-key.ts';
import type { Log, Scenario } from './log.ts';
import { shape } from './log.ts';

const HOST = '127.0.0.1';

async function serve(handler: RequestListener, options: http.ServerOptions = {}): Promise<Server> {
  const server = http.createServer(options, handler);
  server.listen(0, HOST);
  await once(server, 'listening');
  return server;
}

function portOf(server: net.Server): number {
  return (server.address() as AddressInfo).port;
}

/** One request; what becomes of it is logged. */
function request(log: Log, actor: string, options: http.RequestOptions, body = ''): Promise<void> {
  return new Promise((resolve) => {
    const req = http.request({ host: HOST, ...options }, (res) => {
      log.add(actor, 'response', res.statusCode, res.headers.connection, req.reusedSocket);
      let text = '';
      res.setEncoding('utf8').on('data', (d) => {
        text += d;
      });
      log.watch(actor, res, 'aborted', 'error', 'end');
      res.on('close', () => log.add(actor, 'body', text, res.complete));
    });
    log.watch(actor, req, 'timeout', 'abort', 'error', 'finish', 'continue');
    req.on('close', () => {
      log.add(actor, 'close', req.destroyed);
      resolve();
    });
    req.end(body);
  });
}

const keepAlive: Scenario = async (log) => {
  const sockets = new Set<unknown>();
  const server = await serve((req, res) => {
    sockets.add(req.socket);
    res.end(req.url);
  });
  server.keepAliveTimeout = 40;
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const port = portOf(server);
  await Promise.all([1, 2, 3].map((n) => request(log, `r${n}`, { port, agent, path: `/${n}` })));
  log.add('server', 'sockets', sockets.size);
  log.add('agent', Object.keys(agent.freeSockets).length, Object.keys(agent.sockets).length);
  await sleep(150);
  log.add('agent', 'after the timeout', Object.keys(agent.freeSockets).length);
  await request(log, 'r4', { port, agent, path: '/4' });
  log.add('server', 'sockets', sockets.size);
  server.close(() => log.add('server', 'close callback'));
  server.closeAllConnections();
  await once(server, 'close');
  agent.destroy();
};

const hangUps: Scenario = async (log) => {
  const server = await serve((req, res) => {
    if (req.url === '/destroy') req.socket.destroy();
    else if (req.url === '/reset') req.socket.resetAndDestroy();
    else if (req.url === '/half') {
      res.writeHead(200, { 'content-length': 10 });
      res.write('half');
      setTimeout(() => res.destroy(), 10);
    } else if (req.url === '/wait')
      res.on('close', () => log.add('server', 'closed', res.writableEnded));
    else res.end('ok');
  });
  const port = portOf(server);
  for (const path of ['/destroy', '/reset', '/half', '/'])
    await request(log, path, { port, path, agent: false });
  await request(log, 'timeout', {
    port,
    path: '/wait',
    agent: false,
    timeout: 150,
    signal: AbortSignal.timeout(400),
  });
  const controller = new AbortController();
  const aborted = request(log, 'aborted', {
    port,
    path: '/wait',
    agent: false,
    signal: controller.signal,
  });
  await once(server, 'request');
  await sleep(10);
  controller.abort();
  await aborted;
  server.close();
  await once(server, 'close');
  await request(log, 'refused', { port, agent: false });
};

const rawClients: Scenario = async (log) => {
  const server = await serve((req, res) => res.end(`${req.method} ${req.url};`));
  server.on('clientError', (e: NodeJS.ErrnoException, s) => {
    log.add('server', 'clientError', e.code, e.message, s.writable);
    s.end('HTTP/1.1 400 Bad Request\r\n\r\n');
  });
  server.on('upgrade', (_req: IncomingMessage, s, head: Buffer) => {
    log.add('server', 'upgrade', String(head));
    s.on('data', (d) => s.end(d));
    s.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
  });
  server.on('connect', (_req: IncomingMessage, s) => s.end('HTTP/1.1 200 OK\r\n\r\ntunnel'));
  const texts = {
    pipelined:
      'GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    garbage: 'NONSENSE\r\n\r\n',
    upgrade: 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nrest',
    connect: 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
    cut: 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab',
  };
  for (const [name, text] of Object.entries(texts)) {
    const socket = net.connect(portOf(server), HOST);
    log.watch(name, socket, 'end', 'error', 'close');
    let got = '';
    socket.on('data', (d) => {
      got += d;
    });
    if (name === 'upgrade') socket.once('data', () => socket.write('echo'));
    if (name === 'cut') socket.end(text);
    else socket.write(text);
    await once(socket, 'close').catch(() => {});
    log.add(name, got.replaceAll(/Date: .*\r\n/g, ''));
  }
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
};

const fetching: Scenario = async (log) => {
  const sockets = new Set<unknown>();
  const server = await serve((req, res) => {
    sockets.add(req.socket);
    if (req.url === '/cut') req.socket.destroy();
    else req.pipe(res);
  });
  const url = `http://${HOST}:${portOf(server)}`;
  for (const body of ['one', 'two', 'x'.repeat(100_000)])
    log.add('fetch', (await (await fetch(url, { method: 'POST', body })).text()).length);
  log.add('server', 'sockets', sockets.size);
  log.add(
    'cut',
    shape(
      await fetch(`${url}/cut`).catch((e) => ({ ...(shape(e) as object), cause: e.cause?.code })),
    ),
  );
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
  // Until the client, too, has seen its kept connection end.
  await sleep(50);
  const refused = await fetch(url).catch((e) => shape(e.cause));
  log.add('refused', refused);
};

const overTls: Scenario = async (log) => {
  const options = { key: TEST_KEY, cert: TEST_CERT, ALPNProtocols: ['b', 'a'] };
  const server = tls.createServer(options, (s) => {
    log.add('peer', s.alpnProtocol, s.encrypted, s.remoteAddress);
    log.watch('peer', s, 'end', 'error', 'close');
    s.on('data', (d) => s.end(d));
  });
  log.watch('server', server, 'tlsClientError');
  server.listen(0, HOST);
  await once(server, 'listening');
  const port = portOf(server);
  for (const ALPNProtocols of [['a'], ['c'], []]) {
    const actor = `alpn ${ALPNProtocols}`;
    const socket = tls.connect({ port, host: HOST, ca: TEST_CERT, ALPNProtocols });
    log.watch(actor, socket, 'connect', 'secureConnect', 'end', 'error', 'close');
    socket.on('data', (d) => log.add(actor, 'data', d.length));
    socket.write('hello', () => log.add(actor, 'written'));
    await once(socket, 'close').catch(() => {});
    log.add(actor, socket.alpnProtocol, socket.authorized, socket.bytesRead > 0);
  }
  const distrusting = tls.connect({ port, host: HOST });
  log.watch('distrusting', distrusting, 'connect', 'secureConnect', 'error', 'close');
  await once(distrusting, 'close').catch(() => {});
  await sleep(30);
  const plain = net.connect(port, HOST);
  plain.write('this is no client hello, and it is long enough to be read as one by anybody');
  plain.resume();
  log.watch('plain', plain, 'end', 'error', 'close');
  await once(plain, 'close').catch(() => {});
  server.close();
};

const overHttp2: Scenario = async (log) => {
  const server = http2.createServer((req, res) => res.end(`you asked for ${req.url}`));
  server.listen(0, HOST);
  await once(server, 'listening');
  const session = http2.connect(`http://${HOST}:${portOf(server)}`);
  log.watch('session', session, 'error', 'goaway', 'close');
  await once(session, 'connect');
  await Promise.all(
    ['/a', '/b', '/c'].map(async (path) => {
      const stream = session.request({ ':path': path });
      log.watch(path, stream, 'end', 'error', 'close');
      let text = '';
      stream.setEncoding('utf8').on('data', (d) => {
        text += d;
      });
      await once(stream, 'close');
      log.add(path, text);
    }),
  );
  session.close();
  await once(session, 'close');
  server.close();
  await once(server, 'close');
};

export const HTTP: Readonly<Record<string, Scenario>> = {
  'http keep-alive': keepAlive,
  'http hang-ups': hangUps,
  'raw http clients': rawClients,
  fetch: fetching,
  'tls with ALPN': overTls,
  http2: overHttp2,
};
