/** `node:http`, `node:https`, `node:http2`, `node:tls`: agents, upgrades, timeouts, trailers, sessions, STARTTLS. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import http, { type IncomingMessage, type Server } from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net, { type AddressInfo, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import tls, { type TLSSocket } from 'node:tls';
import { TEST_CERT, TEST_KEY } from '../tls-key.ts';
import { attempt, type Log, type Scenario, shape } from './log.ts';

const HOST = '127.0.0.1';
function ignore(): void {}

const KEYS = { key: TEST_KEY, cert: TEST_CERT };
const REQUEST = [
  'socket',
  'response',
  'information',
  'continue',
  'upgrade',
  'connect',
  'timeout',
  'abort',
  'finish',
  'error',
  'close',
];

interface Listening {
  address(): unknown;
  listen(port: number, host: string): unknown;
}

async function listen(server: Listening): Promise<number> {
  server.listen(0, HOST);
  await once(server as never, 'listening');
  return (server.address() as AddressInfo).port;
}

async function text(stream: AsyncIterable<unknown>): Promise<string> {
  let all = '';
  for await (const chunk of stream) all += chunk;
  return all;
}

/** One request; logs all of it. */
async function get(
  log: Log,
  actor: string,
  options: http.RequestOptions,
  body?: string,
): Promise<void> {
  const req = http.request({ host: HOST, ...options });
  log.watch(actor, req, ...REQUEST);
  const closed = once(req, 'close').catch(() => {});
  req.on('response', (res: IncomingMessage) => {
    log.watch(actor, res, 'end', 'aborted', 'error', 'close');
    void text(res).then(
      (t) => log.add(actor, res.statusCode, res.statusMessage, t, res.trailers, res.complete),
      (e) => log.add(actor, 'read', shape(e)),
    );
  });
  req.end(body);
  await closed;
  await sleep(2);
  log.add(actor, req.reusedSocket, req.destroyed, req.writableFinished);
}

async function stop(server: Server | https.Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

const agents: Scenario = async (log) => {
  let connections = 0;
  const server = http.createServer((req, res) => {
    log.add('server', req.url, req.headers.connection, req.headers.host?.replace(/:\d+/, ''));
    res.end(req.url);
  });
  server.on('connection', () => connections++);
  const port = await listen(server);
  for (const options of [
    { keepAlive: true },
    { keepAlive: true, maxSockets: 1 },
    { keepAlive: true, maxFreeSockets: 0 },
    { keepAlive: false },
    { keepAlive: true, scheduling: 'fifo' as const },
    { keepAlive: true, maxTotalSockets: 1 },
  ]) {
    const actor = JSON.stringify(options);
    const agent = new http.Agent(options);
    const sizes = (): unknown =>
      [agent.sockets, agent.freeSockets, agent.requests].map((o) =>
        Object.values(o).map((l) => l?.length),
      );
    const waiting = ['/1', '/2', '/3'].map((path) =>
      get(log, `${actor} ${path}`, { port, path, agent }),
    );
    log.add(actor, sizes());
    await Promise.all(waiting);
    log.add(
      actor,
      sizes(),
      Object.keys(agent.freeSockets).map((k) =>
        k.replace(/:netns\d+/, '').replace(String(port), 'PORT'),
      ),
    );
    await get(log, `${actor} /4`, { port, path: '/4', agent });
    agent.destroy();
    await sleep(5);
    log.add(actor, sizes());
  }
  log.add('server', connections);
  await stop(server);
};

const continuing: Scenario = async (log) => {
  const server = http.createServer((req, res) => {
    void text(req).then((t) => res.end(`got ${t}`), ignore);
  });
  server.on('checkContinue', (req, res) => {
    log.add('server', 'checkContinue', req.headers.expect);
    res.writeContinue();
    if (req.url === '/early') res.writeEarlyHints({ link: '</x>; rel=preload' });
    if (req.url === '/processing') res.writeProcessing();
    server.emit('request', req, res);
  });
  server.on('checkExpectation', (_req, res) => {
    log.add('server', 'checkExpectation');
    res.writeHead(417).end('no');
  });
  const port = await listen(server);
  for (const path of ['/', '/early', '/processing']) {
    const req = http.request({
      host: HOST,
      port,
      path,
      method: 'POST',
      headers: { Expect: '100-continue' },
    });
    log.watch(path, req, 'continue', 'information', 'close');
    req.on('continue', () => req.end('body'));
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    log.add(path, res.statusCode, await text(res));
  }
  await get(log, 'expect', { port, method: 'POST', headers: { Expect: 'meow' } }, 'x');
  await stop(server);
};

const upgrades: Scenario = async (log) => {
  const server = http.createServer((_req, res) => res.end('plain'));
  server.on('upgrade', (req, socket, head) => {
    log.add('server', 'upgrade', req.url, String(head));
    log.watch('server', socket, 'end', 'close', 'error');
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhead',
    );
    socket.pipe(socket);
  });
  server.on('connect', (req, socket, head) => {
    log.add('server', 'connect', req.url, String(head));
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    socket.on('data', (d: Buffer) => socket.end(`re ${d}`));
  });
  const port = await listen(server);
  const up = http.request({
    host: HOST,
    port,
    headers: { Connection: 'Upgrade', Upgrade: 'echo' },
  });
  log.watch('upgrade', up, ...REQUEST);
  up.end();
  const [res, socket, head] = (await once(up, 'upgrade')) as [IncomingMessage, Socket, Buffer];
  log.add('upgrade', res.statusCode, String(head));
  socket.on('data', (d) => log.add('upgrade', String(d)));
  socket.end('echoed');
  await once(socket, 'close');
  const tunnel = http.request({ host: HOST, port, method: 'CONNECT', path: 'example.org:443' });
  log.watch('connect', tunnel, ...REQUEST);
  tunnel.end();
  const [answer, through] = (await once(tunnel, 'connect')) as [IncomingMessage, Socket];
  log.add('connect', answer.statusCode);
  through.on('data', (d) => log.add('connect', String(d)));
  through.write('hello');
  await once(through, 'close');
  await stop(server);
};

const raw: Scenario = async (log) => {
  const server = http.createServer({ maxHeaderSize: 1024 }, (req, res) => {
    void text(req).then((t) => {
      log.add('server', req.method, req.url, t, req.httpVersion, req.trailers);
      res.setHeader('Date', 'now');
      res.end(req.url);
    }, ignore);
  });
  server.on('clientError', (e: Error & { rawPacket?: Buffer; bytesParsed?: number }, socket) => {
    log.add(
      'server',
      'clientError',
      e.message,
      (e as NodeJS.ErrnoException).code,
      e.bytesParsed,
      socket.writable,
    );
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    else socket.destroy();
  });
  const port = await listen(server);
  const said: Record<string, string> = {
    pipelined:
      'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    'HTTP/1.0': 'GET /old HTTP/1.0\r\n\r\n',
    'no host': 'GET / HTTP/1.1\r\n\r\n',
    chunked:
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n',
    garbage: 'this is not HTTP\r\n\r\n',
    'large header': `GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(2000)}\r\n\r\n`,
    'bad length': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n',
    smuggling:
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'bad chunk': 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  };
  for (const [actor, request] of Object.entries(said)) {
    const socket = net.connect(port, HOST);
    log.watch(actor, socket, 'end', 'error', 'close');
    let all = '';
    socket.on('data', (d) => {
      all += d;
    });
    socket.write(request);
    setTimeout(() => socket.end(), 30);
    await once(socket, 'close').catch(() => {});
    log.add(actor, all);
  }
  await stop(server);
};

const timeouts: Scenario = async (log) => {
  const server = http.createServer(
    {
      connectionsCheckingInterval: 10,
      headersTimeout: 30,
      requestTimeout: 60,
      keepAliveTimeout: 20,
      keepAliveTimeoutBuffer: 0,
    } as never,
    (req, res) => {
      if (req.url === '/never') return;
      if (req.url === '/own') {
        res.setTimeout(10, () => {
          log.add('server', 'response timeout');
          res.end('late');
        });
        return;
      }
      res.end('ok');
    },
  );
  const port = await listen(server);
  const half = net.connect(port, HOST);
  half.write('GET / HTTP/1.1\r\nHo');
  log.watch('half', half, 'end', 'close', 'error');
  log.add('half', (await text(half)).split('\r\n')[0]);
  await get(log, 'own', { port, path: '/own', agent: false });
  await get(log, 'client', {
    port,
    path: '/never',
    agent: false,
    signal: AbortSignal.timeout(15) as never,
  });
  const slow = http.get({ host: HOST, port, path: '/never', timeout: 10, agent: false });
  log.watch('slow', slow, 'timeout', 'error', 'close');
  slow.on('timeout', () => slow.destroy(new Error('too slow')));
  await once(slow, 'close').catch(() => {});
  const kept = net.connect(port, HOST);
  kept.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  log.watch('kept', kept, 'end', 'close');
  log.add('kept', (await text(kept)).split('\r\n')[0]);
  server.setTimeout(10, (socket) => {
    log.add('server', 'socket timeout', socket.writable);
    socket.destroy();
  });
  await get(log, 'server timeout', { port, path: '/never', agent: false });
  await stop(server);
};

const closing: Scenario = async (log) => {
  const server = http.createServer((req, res) => {
    if (req.url === '/slow') setTimeout(() => res.end('slow'), 20);
    else res.end('fast');
  });
  const port = await listen(server);
  const agent = new http.Agent({ keepAlive: true });
  await get(log, 'idle', { port, agent });
  const slow = get(log, 'slow', {
    port,
    path: '/slow',
    agent: new http.Agent({ keepAlive: true }),
  });
  await sleep(5);
  server.close((e) => log.add('server', 'closed', e));
  server.closeIdleConnections();
  await slow;
  await sleep(10);
  log.add('server', server.listening);
  await get(log, 'late', { port, agent: false });
  agent.destroy();
  const second = http.createServer((_req, _res) => {});
  const port2 = await listen(second);
  const cut = get(log, 'cut', { port: port2, agent: false });
  await sleep(5);
  second.closeAllConnections();
  await cut;
  second.close();
};

const bodies: Scenario = async (log) => {
  const server = http.createServer((req, res) => {
    log.watch('server', req, 'aborted', 'error', 'close', 'end');
    log.watch('server', res, 'finish', 'close');
    if (req.url === '/trailers') {
      res.writeHead(200, { Trailer: 'X-Sum', 'Transfer-Encoding': 'chunked' });
      res.write('part');
      res.addTrailers({ 'X-Sum': '7' });
      res.end();
    } else if (req.url === '/cut') {
      res.writeHead(200, { 'Content-Length': 100 });
      res.write('some');
      setTimeout(() => res.destroy(), 5);
    } else if (req.url === '/reset') {
      (req.socket as Socket).resetAndDestroy();
    } else if (req.url === '/big') {
      res.end(Buffer.alloc(500_000, 'x'));
    } else if (req.url === '/none') {
      res.writeHead(204).end();
    } else void text(req).then((t) => res.end(`${t.length}`), ignore);
  });
  const port = await listen(server);
  for (const path of ['/trailers', '/cut', '/reset', '/none'])
    await get(log, path, { port, path, agent: false });
  await get(
    log,
    '/post',
    { port, path: '/post', method: 'POST', agent: false },
    'y'.repeat(300_000),
  );
  await get(log, '/head', { port, method: 'HEAD', agent: false });
  const res = await new Promise<IncomingMessage>((done) =>
    http.get({ host: HOST, port, path: '/big', agent: false }, done),
  );
  log.add('big', (await text(res)).length);
  const aborted = http.request({ host: HOST, port, method: 'POST', path: '/abort', agent: false });
  log.watch('abort', aborted, ...REQUEST);
  aborted.write('x');
  await once(aborted, 'socket');
  await sleep(5);
  aborted.destroy();
  await once(aborted, 'close').catch(() => {});
  await sleep(30);
  await get(log, 'refused', { port: 1, agent: false });
  await get(log, 'no name', { host: 'no-such-name.invalid', port: 80, agent: false });
  log.add(
    'wrong',
    attempt(() => http.get('http://a b/')),
    attempt(() => http.request({ protocol: 'ftp:' })),
    attempt(() => http.request({ path: '/ /' })),
  );
  await stop(server);
};

const contexts: Scenario = async (log) => {
  const storage = new AsyncLocalStorage<string>();
  const server = storage.run('server', () =>
    http.createServer((_req, res) => {
      log.add('server', storage.getStore());
      res.end('x');
    }),
  );
  const port = await listen(server);
  const agent = new http.Agent({ keepAlive: true });
  for (const name of ['one', 'two', 'three'])
    await storage.run(name, async () => {
      const req = http.get({ host: HOST, port, agent });
      req.on('socket', () => log.add(name, 'socket', storage.getStore()));
      const [res] = (await once(req, 'response')) as [IncomingMessage];
      res.on('data', () => log.add(name, 'data', storage.getStore()));
      res.on('end', () => log.add(name, 'end', storage.getStore()));
      req.on('close', () => log.add(name, 'close', storage.getStore()));
      await once(res, 'close');
      await sleep(2);
    });
  agent.destroy();
  await stop(server);
};

const secure: Scenario = async (log) => {
  const server = https.createServer({ ...KEYS, requestCert: false }, (req, res) =>
    res.end(`${(req.socket as TLSSocket).encrypted} ${req.url}`),
  );
  log.watch('server', server, 'tlsClientError', 'close');
  const port = await listen(server);
  const agent = new https.Agent({ keepAlive: true, ca: TEST_CERT });
  for (const path of ['/1', '/2']) {
    const req = https.get({ host: HOST, port, path, agent });
    log.watch(path, req, ...REQUEST);
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    log.add(path, await text(res), req.reusedSocket, (res.socket as TLSSocket | null)?.authorized);
    await sleep(3);
  }
  agent.destroy();
  for (const [actor, options] of Object.entries({
    distrusting: {},
    'wrong name': { ca: TEST_CERT, servername: 'other' },
    careless: { rejectUnauthorized: false },
  })) {
    const req = https.get({ host: HOST, port, agent: false, ...options });
    log.watch(actor, req, 'response', 'error', 'close');
    req.on('response', (res) => res.resume());
    await once(req, 'close').catch(() => {});
  }
  const plain = http.get({ host: HOST, port, agent: false });
  log.watch('plain', plain, 'error', 'close');
  await once(plain, 'close').catch(() => {});
  await stop(server);
};

function dialTls(log: Log, actor: string, options: tls.ConnectionOptions): TLSSocket {
  const socket = tls.connect({ host: HOST, ca: TEST_CERT, ...options });
  log.watch(actor, socket, 'connect', 'secureConnect', 'end', 'error', 'close', 'timeout');
  return socket;
}

const tlsServers: Scenario = async (log) => {
  const server = tls.createServer(
    {
      ...KEYS,
      SNICallback: (name, done) => {
        log.add('server', 'SNI', name);
        if (name === 'bad') done(new Error('no such name'));
        else done(null, tls.createSecureContext(KEYS));
      },
    },
    (s) => {
      log.add(
        'server',
        s.servername,
        s.encrypted,
        s.authorized,
        s.getProtocol(),
        s.isSessionReused(),
        s.remoteAddress,
        s.localPort === port,
      );
      s.on('error', () => {});
      s.pipe(s);
    },
  );
  server.on('tlsClientError', (e) =>
    log.add('server', 'tlsClientError', (e as NodeJS.ErrnoException).code),
  );
  const port = await listen(server);
  for (const servername of ['web', 'bad', 'localhost']) {
    const socket = dialTls(log, servername, { port, servername });
    let all = '';
    socket.on('data', (d) => {
      all += d;
    });
    socket.end('hello');
    await once(socket, 'close').catch(() => {});
    log.add(servername, all, socket.bytesRead > 0, socket.bytesWritten > 0);
  }
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    let session: Buffer | undefined;
    const first = dialTls(log, `${version} first`, {
      port,
      servername: 'web',
      minVersion: version,
      maxVersion: version,
    });
    first.on('session', (s) => {
      session = s;
    });
    first.resume();
    await once(first, 'secureConnect');
    first.write('x');
    await once(first, 'data');
    await sleep(5);
    first.end();
    await once(first, 'close');
    const again = dialTls(log, `${version} again`, {
      port,
      servername: 'web',
      maxVersion: version,
      ...(session === undefined ? {} : { session }),
    });
    await once(again, 'secureConnect');
    log.add(
      `${version} again`,
      session !== undefined,
      again.isSessionReused(),
      again.getProtocol(),
      again.getCipher().version,
      again.getPeerCertificate().subject,
      again.getFinished() !== undefined,
    );
    if (version === 'TLSv1.2') {
      await sleep(5);
      await new Promise<void>((done) => {
        again.renegotiate({}, (e) => {
          log.add(`${version} again`, 'renegotiated', shape(e));
          done();
        });
      });
    }
    // On loopback the client's last words of the handshake would not be written yet here.
    await sleep(20);
    again.destroy();
    await once(again, 'close').catch(() => {});
  }
  server.close();
};

const clientCertificates: Scenario = async (log) => {
  const server = tls.createServer(
    { ...KEYS, ca: TEST_CERT, requestCert: true, rejectUnauthorized: true },
    (s) => {
      log.add('server', s.authorized, s.getPeerCertificate().subject);
      s.end('welcome');
    },
  );
  server.on('tlsClientError', (e) => log.add('server', (e as NodeJS.ErrnoException).code));
  const port = await listen(server);
  for (const [actor, options] of Object.entries({ with: KEYS, without: {} })) {
    const socket = dialTls(log, actor, { port, ...options });
    socket.on('data', (d) => log.add(actor, String(d)));
    await once(socket, 'close').catch(() => {});
  }
  server.close();
};

const startTls: Scenario = async (log) => {
  const server = net.createServer((plain) => {
    plain.once('data', (d) => {
      log.add('server', String(d));
      plain.write('ready');
      const s = new tls.TLSSocket(plain, { isServer: true, ...KEYS });
      log.watch('server', s, 'secure', 'end', 'close', 'error');
      s.on('data', (x) => s.end(`secret ${x}`));
    });
  });
  const port = await listen(server);
  const plain = net.connect(port, HOST);
  log.watch('plain', plain, 'connect', 'end', 'close', 'error');
  plain.write('starttls');
  log.add('plain', String((await once(plain, 'data'))[0]));
  const socket = dialTls(log, 'tls', { socket: plain, servername: 'web' });
  socket.on('data', (d) => log.add('tls', String(d)));
  socket.write('x');
  await once(socket, 'close');
  log.add('tls', socket.remoteAddress, plain.destroyed, socket.destroyed);
  const early = net.connect(port, HOST);
  early.write('starttls');
  await once(early, 'data');
  const cut = dialTls(log, 'cut', { socket: early, servername: 'web' });
  early.destroy();
  await once(cut, 'close').catch(() => {});
  server.close();
};

const overDuplex: Scenario = async (log) => {
  const server = tls.createServer(KEYS, (s) => s.on('error', () => {}).pipe(s));
  const port = await listen(server);
  const lower = net.connect({ port, host: HOST, allowHalfOpen: true });
  await once(lower, 'connect');
  const duplex = new Duplex({
    read() {},
    write: (chunk, _encoding, done) => lower.write(chunk, done),
    final: (done) => lower.end(done),
  });
  lower.on('data', (d) => duplex.push(d)).on('end', () => duplex.push(null));
  const socket = dialTls(log, 'duplex', { socket: duplex, servername: 'web' });
  let all = '';
  socket.on('data', (d) => {
    all += d;
  });
  socket.end('through');
  await once(socket, 'close');
  log.add('duplex', all);
  const upper = tls.createServer(KEYS, (s) => {
    const inside = new tls.TLSSocket(s, { isServer: true, ...KEYS });
    inside.on('error', () => {}).on('data', (d) => inside.end(`twice ${d}`));
  });
  const port2 = await listen(upper);
  const outer = dialTls(log, 'outer', { port: port2, servername: 'web' });
  const innermost = dialTls(log, 'inner', { socket: outer, servername: 'web' });
  innermost.on('data', (d) => log.add('inner', String(d)));
  innermost.write('x');
  await once(innermost, 'close');
  server.close();
  upper.close();
};

const tlsFailures: Scenario = async (log) => {
  const server = tls.createServer({ ...KEYS, handshakeTimeout: 300 }, (s) => {
    log.watch('server', s, 'error', 'close', 'end');
    s.on('data', (d) => (String(d) === 'destroy' ? s.destroy() : s.write(d)));
  });
  server.on('tlsClientError', (e, s) => {
    log.add('server', 'tlsClientError', (e as NodeJS.ErrnoException).code, e.message);
    s.destroy();
  });
  const port = await listen(server);
  const silent = net.connect(port, HOST);
  log.watch('silent', silent, 'end', 'close', 'error');
  silent.resume();
  await once(silent, 'close').catch(() => {});
  const brief = net.connect(port, HOST);
  await once(brief, 'connect');
  brief.destroy();
  await sleep(10);
  const destroyed = dialTls(log, 'destroyed', { port });
  destroyed.write('destroy');
  destroyed.resume();
  await once(destroyed, 'close').catch(() => {});
  const mine = dialTls(log, 'mine', { port });
  await once(mine, 'secureConnect');
  await sleep(20);
  mine.destroy(new Error('mine'));
  await once(mine, 'close').catch(() => {});
  const early = dialTls(log, 'early', { port });
  early.destroy();
  await once(early, 'close').catch(() => {});
  await once(dialTls(log, 'refused', { port: 1 }), 'close').catch(() => {});
  await once(dialTls(log, 'no name', { port, host: 'no-such-name.invalid' }), 'close').catch(
    () => {},
  );
  const old = dialTls(log, 'version', { port, maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1' });
  await once(old, 'close').catch(() => {});
  const { server: notTls, port: plainPort } = await plainServer();
  await once(dialTls(log, 'not tls', { port: plainPort }), 'close').catch(() => {});
  notTls.close();
  await sleep(10);
  server.close();
};

async function plainServer(): Promise<{ server: net.Server; port: number }> {
  const server = net.createServer((s) =>
    s.on('error', () => {}).end('I speak no TLS at all, sorry\r\n'),
  );
  return { server, port: await listen(server) };
}

const STREAM = [
  'headers',
  'response',
  'push',
  'trailers',
  'end',
  'finish',
  'aborted',
  'timeout',
  'wantTrailers',
  'error',
  'close',
];

const http2Sessions: Scenario = async (log) => {
  const server = http2.createServer({ settings: { maxConcurrentStreams: 10 } });
  log.watch('server', server, 'sessionError', 'timeout');
  server.on('session', (s) => {
    log.add('server', 'session', s.type, s.encrypted, s.alpnProtocol);
    log.watch('server', s, 'close', 'error', 'localSettings', 'ping');
  });
  server.on('stream', (stream, headers) => {
    const path = String(headers[':path']);
    log.watch(`server ${path}`, stream, ...STREAM.filter((e) => e !== 'finish'));
    if (path === '/push')
      stream.pushStream({ ':path': '/pushed' }, (e, push) => {
        log.add('server /push', 'pushed', e);
        push.respond({ ':status': 200 });
        push.end('pushed body');
        stream.respond({ ':status': 200 });
        stream.end('pushing');
      });
    else if (path === '/trailers') {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ sum: '7' }));
      stream.end('body');
    } else if (path === '/reset') stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    else if (path === '/info') {
      stream.additionalHeaders({ ':status': 103, link: 'x' });
      stream.respond({ ':status': 204 }, { endStream: true });
    } else {
      stream.respond({ ':status': 200, 'content-type': 'text/plain' });
      stream.pipe(stream);
    }
  });
  const port = await listen(server);
  const session = http2.connect(`http://${HOST}:${port}`);
  log.watch(
    'session',
    session,
    'connect',
    'remoteSettings',
    'localSettings',
    'goaway',
    'error',
    'close',
    'timeout',
  );
  session.on('stream', (s, headers) => {
    log.add('session', 'push', headers[':path']);
    s.on('data', (d: Buffer) => log.add('session', 'push data', String(d)));
  });
  await once(session, 'connect');
  log.add(
    'session',
    session.alpnProtocol,
    session.encrypted,
    session.type,
    session.connecting,
    session.socket?.remoteAddress,
    attempt(() => session.socket.pause()),
  );
  await new Promise<void>((done) =>
    session.ping(Buffer.from('12345678'), (e, _ms, payload) => {
      log.add('session', 'ping', e, String(payload));
      done();
    }),
  );
  await new Promise<void>((done) =>
    session.settings({ initialWindowSize: 100_000 }, () => {
      log.add('session', 'settings', session.localSettings.initialWindowSize);
      done();
    }),
  );
  for (const path of ['/push', '/trailers', '/reset', '/info', '/echo']) {
    const stream = session.request({
      ':path': path,
      ...(path === '/echo' ? { ':method': 'POST' } : {}),
    });
    log.watch(path, stream, ...STREAM.filter((e) => e !== 'response'));
    stream.on('response', (h) => log.add(path, 'response', h[':status']));
    let size = 0;
    stream.on('data', (d) => {
      size += d.length;
    });
    if (path === '/echo') stream.end(Buffer.alloc(200_000));
    await once(stream, 'close').catch(() => {});
    log.add(path, size, stream.rstCode, stream.aborted);
  }
  session.close();
  if (!session.destroyed) await once(session, 'close').catch(() => {});
  log.add('session', session.destroyed, session.closed);
  server.close();
};

const http2Failures: Scenario = async (log) => {
  const server = http2.createSecureServer({ ...KEYS, allowHTTP1: true }, (req, res) => {
    req.on('error', () => {});
    if (req.url === '/never') return;
    res.end(`${req.httpVersion} ${req.url}`);
  });
  server.on('sessionError', () => {});
  const port = await listen(server);
  const session = http2.connect(`https://${HOST}:${port}`, { ca: TEST_CERT });
  log.watch('session', session, 'error', 'close', 'goaway');
  for (const path of ['/a', '/b']) {
    const stream = session.request({ ':path': path });
    log.add(path, await text(stream.setEncoding('utf8')));
  }
  const cut = session.request({ ':path': '/never' });
  log.watch('cut', cut, 'aborted', 'error', 'close');
  await sleep(5);
  session.destroy(new Error('mine'));
  await sleep(10);
  const one = https.get({ host: HOST, port, ca: TEST_CERT, path: '/one', agent: false });
  const [res] = (await once(one, 'response')) as [IncomingMessage];
  log.add('one', await text(res));
  const signal = new AbortController();
  const second = http2.connect(`https://${HOST}:${port}`, { ca: TEST_CERT });
  log.watch('second', second, 'error', 'close');
  const aborted = second.request({ ':path': '/never' }, { signal: signal.signal });
  log.watch('aborted', aborted, 'aborted', 'error', 'close');
  await sleep(10);
  signal.abort();
  await sleep(10);
  second.setTimeout(10, () => {
    log.add('second', 'timeout');
    second.destroy();
  });
  await once(second, 'close').catch(() => {});
  const refused = http2.connect(`http://${HOST}:1`);
  log.watch('refused', refused, 'error', 'close');
  await once(refused, 'close').catch(() => {});
  const plain = await plainServer();
  const wrong = http2.connect(`http://${HOST}:${plain.port}`);
  log.watch('wrong', wrong, 'error', 'close');
  await once(wrong, 'close').catch(() => {});
  plain.server.close();
  server.close();
};

const web: Scenario = async (log) => {
  const server = http.createServer((req, res) => {
    if (req.url === '/redirect') res.writeHead(302, { Location: '/target' }).end();
    else if (req.url === '/never') return;
    else if (req.url === '/cut') {
      res.writeHead(200, { 'Content-Length': 10 });
      res.write('abc');
      setTimeout(() => res.destroy(), 5);
    } else void text(req).then((t) => res.end(`${req.method} ${req.url} ${t}`), ignore);
  });
  const port = await listen(server);
  const base = `http://${HOST}:${port}`;
  const ask = async (actor: string, url: string, init?: RequestInit): Promise<void> => {
    try {
      const res = await fetch(url, init);
      log.add(
        actor,
        res.status,
        res.redirected,
        (await res.text()).replaceAll(String(port), 'PORT'),
      );
    } catch (e) {
      const { cause } = e as Error;
      log.add(
        actor,
        (e as Error).name,
        (e as Error).message,
        (cause as NodeJS.ErrnoException | undefined)?.code,
        (cause as Error | undefined)?.message?.replaceAll(/\d{5}/g, 'PORT'),
      );
    }
  };
  await ask('get', `${base}/get`);
  await ask('post', `${base}/post`, { method: 'POST', body: 'x'.repeat(10) });
  await ask('stream', `${base}/stream`, {
    method: 'POST',
    body: new ReadableStream({
      start(c) {
        c.enqueue(new TextEncoder().encode('streamed'));
        c.close();
      },
    }),
    duplex: 'half',
  } as RequestInit);
  await ask('redirect', `${base}/redirect`);
  await ask('cut', `${base}/cut`);
  await ask('aborted', `${base}/never`, { signal: AbortSignal.timeout(20) });
  await ask('refused', `http://${HOST}:2/`);
  await ask('no name', 'http://no-such-name.invalid/');
  await ask('bad port', `http://${HOST}:6667/`);
  await Promise.all([1, 2, 3].map((i) => ask(`parallel ${i}`, `${base}/${i}`)));
  await stop(server);
};

export const HTTP_MORE: Readonly<Record<string, Scenario>> = {
  'http: agents': agents,
  'http: Expect': continuing,
  'http: upgrade and CONNECT': upgrades,
  'http: raw requests': raw,
  'http: timeouts': timeouts,
  'http: closing': closing,
  'http: bodies': bodies,
  'http: contexts': contexts,
  https: secure,
  'tls: SNI, sessions, renegotiation': tlsServers,
  'tls: client certificates': clientCertificates,
  'tls: STARTTLS': startTls,
  'tls: over a stream, over TLS': overDuplex,
  'tls: failures': tlsFailures,
  'http2: sessions and streams': http2Sessions,
  'http2: failures': http2Failures,
  'fetch: more': web,
};
