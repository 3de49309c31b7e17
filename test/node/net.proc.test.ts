/** `node:net` inside namespaces: what Node documents of its sockets and servers holds for ours. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { TEST_CERT, TEST_KEY } from './tls-key.ts';
import { twoHosts } from './two-hosts.ts';

const { web, client } = twoHosts();
const servers = new Set<Server>();

after(() => {
  for (const server of servers) server.close();
});

/** A server on host `web`, on a port of its own. */
async function serve(
  onSocket: (socket: Socket) => void,
  options: net.ServerOpts = {},
  listen: net.ListenOptions = {},
): Promise<{ server: Server; port: number }> {
  const server = net.createServer(options, onSocket);
  servers.add(server);
  web.run(() => server.listen({ port: 0, ...listen }));
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

function dial(port: number, options: Partial<net.NetConnectOpts> = {}): Socket {
  return client.run(() =>
    net.connect({ port, host: '10.0.0.1', ...options } as net.NetConnectOpts),
  );
}

async function errorOf(emitter: NodeJS.EventEmitter): Promise<Record<string, unknown>> {
  const [error] = (await once(emitter, 'error').catch((e: Error) => [e])) as [
    NodeJS.ErrnoException,
  ];
  const { message, code, errno, syscall } = error;
  const { address, port } = error as { address?: string; port?: number };
  return { message, code, errno, syscall, address, port };
}

test('addresses, ports and families of both ends', async () => {
  const { server, port } = await serve((s) => s.end());
  const seen = once(server, 'connection') as Promise<[Socket]>;
  const socket = dial(port);
  await once(socket, 'connect');
  const [peer] = await seen;
  assert.equal(socket.remoteAddress, '10.0.0.1');
  assert.equal(socket.remotePort, port);
  assert.equal(socket.remoteFamily, 'IPv4');
  assert.equal(socket.localAddress, '10.0.0.2');
  assert.equal(peer.remoteAddress, '::ffff:10.0.0.2');
  assert.equal(peer.remotePort, socket.localPort);
  assert.deepEqual(server.address(), { address: '::', family: 'IPv6', port });
  socket.resume();
  await once(socket, 'close');
});

test('ECONNREFUSED, in full', async () => {
  assert.deepEqual(await errorOf(dial(1)), {
    message: 'connect ECONNREFUSED 10.0.0.1:1',
    code: 'ECONNREFUSED',
    errno: -111,
    syscall: 'connect',
    address: '10.0.0.1',
    port: 1,
  });
});

test('ENETUNREACH without a route, ENOTFOUND without a name', async () => {
  const far = client.run(() => net.connect(80, '192.0.2.1'));
  const { message, code } = await errorOf(far);
  assert.equal(code, 'ENETUNREACH');
  assert.equal(message, 'connect ENETUNREACH 192.0.2.1:80 - Local (0.0.0.0:0)');
  const named = client.run(() => net.connect(80, 'nowhere'));
  assert.equal((await errorOf(named))['message'], 'getaddrinfo ENOTFOUND nowhere');
});

test('EHOSTUNREACH when nobody answers on the wire', { timeout: 20_000 }, async () => {
  const socket = client.run(() => net.connect(80, '10.0.0.99'));
  assert.equal((await errorOf(socket))['message'], 'connect EHOSTUNREACH 10.0.0.99:80');
});

test('ETIMEDOUT when nobody answers at all', { timeout: 20_000 }, async () => {
  const { port } = await serve((s) => s.end());
  client.sysctl.set('net.ipv4.tcp_syn_retries', '1');
  web.link.set('eth0', { up: false });
  client.neigh.add({
    dev: 'eth0',
    dst: '10.0.0.1',
    lladdr: '02:00:00:00:00:99',
    state: 'permanent',
  });
  try {
    const { message, errno } = await errorOf(dial(port));
    assert.equal(message, `connect ETIMEDOUT 10.0.0.1:${port}`);
    assert.equal(errno, -110);
  } finally {
    client.neigh.del('10.0.0.1', 'eth0');
    web.link.set('eth0', { up: true });
    client.sysctl.set('net.ipv4.tcp_syn_retries', '6');
  }
});

test('EADDRINUSE and EADDRNOTAVAIL, in full', async () => {
  const { port } = await serve((s) => s.end());
  const second = web.run(() => net.createServer().listen(port));
  assert.deepEqual(await errorOf(second), {
    message: `listen EADDRINUSE: address already in use :::${port}`,
    code: 'EADDRINUSE',
    errno: -98,
    syscall: 'listen',
    address: '::',
    port,
  });
  const foreign = web.run(() => net.createServer().listen(80, '192.0.2.1'));
  assert.equal(
    (await errorOf(foreign))['message'],
    'listen EADDRNOTAVAIL: address not available 192.0.2.1:80',
  );
  const other = client.run(() => net.createServer().listen(port));
  await once(other, 'listening');
  other.close();
});

test('IPv6 loopback is there, and nobody listens on it', async () => {
  const socket = client.run(() => net.connect(80, '::1'));
  assert.equal((await errorOf(socket))['code'], 'ECONNREFUSED');
});

test('localhost, and happy eyeballs over several addresses', async () => {
  const server = web.run(() => net.createServer((s) => s.end('here')).listen(4000));
  servers.add(server);
  await once(server, 'listening');
  const local = web.run(() => net.connect(4000));
  assert.equal(String((await once(local, 'data'))[0]), 'here');
  assert.equal(local.remoteAddress, '127.0.0.1');
  const lookup = (_h: string, _o: object, cb: (e: null, list: object[]) => void): void =>
    cb(null, [
      { address: '::1', family: 6 },
      { address: '10.0.0.1', family: 4 },
    ]);
  const eager = dial(4000, { host: 'any', lookup, autoSelectFamily: true } as object);
  assert.equal(String((await once(eager, 'data'))[0]), 'here');
  const refused = dial(1, { host: 'any', lookup, autoSelectFamily: true } as object);
  const [error] = await once(refused, 'error').catch((e: Error) => [e]);
  assert.ok(error instanceof AggregateError);
  assert.equal(error.errors.length, 2);
});

test('localAddress and localPort are what the peer sees', async () => {
  const { server, port } = await serve((s) => s.end());
  const seen = once(server, 'connection') as Promise<[Socket]>;
  const socket = dial(port, { localAddress: '10.0.0.2', localPort: 7777 });
  const [peer] = await seen;
  assert.equal(peer.remotePort, 7777);
  socket.destroy();
  const wrong = dial(port, { localAddress: '192.0.2.1' });
  assert.equal((await errorOf(wrong))['message'], 'bind EADDRNOTAVAIL 192.0.2.1');
});

test('half-open: the server answers after the client has ended', async () => {
  const { port } = await serve(
    (s) => {
      let text = '';
      s.on('data', (d) => {
        text += d;
      });
      s.on('end', () => setTimeout(() => s.end(`got ${text}`), 10));
    },
    { allowHalfOpen: true },
  );
  const socket = dial(port, { allowHalfOpen: true });
  socket.end('abc');
  const events: string[] = [];
  socket.on('data', (d) => events.push(String(d)));
  socket.on('end', () => events.push('end'));
  const [hadError] = await once(socket, 'close');
  assert.deepEqual(events, ['got abc', 'end']);
  assert.equal(hadError, false);
  assert.equal(socket.bytesRead, 7);
  assert.equal(socket.bytesWritten, 3);
});

test('backpressure: a reader that pauses stops the writer; nothing is lost', async () => {
  const { server, port } = await serve(() => undefined, { pauseOnConnect: true });
  const seen = once(server, 'connection') as Promise<[Socket]>;
  const socket = dial(port);
  const chunk = Buffer.alloc(65536);
  const total = 400;
  let sent = 0;
  let blocked = false;
  const pump = (): void => {
    while (sent < total) {
      chunk.fill(sent & 255);
      sent++;
      if (!socket.write(Buffer.from(chunk))) {
        blocked = true;
        return;
      }
    }
    socket.end();
  };
  socket.on('drain', pump);
  pump();
  const [peer] = await seen;
  await sleep(100);
  assert.ok(blocked && sent < total, `${sent} chunks were taken without a reader`);
  const before = sent;
  await sleep(50);
  assert.equal(sent, before);
  let received = 0;
  peer.on('data', (d: Buffer) => {
    for (let i = 0; i < d.length; i += 997)
      assert.equal(d[i], ((received + i) >> 16) & 255, `byte ${received + i}`);
    received += d.length;
    if (received % 7 === 0) {
      peer.pause();
      setTimeout(() => peer.resume(), 1);
    }
  });
  peer.resume();
  await once(peer, 'end');
  assert.equal(received, total * chunk.length);
});

test('write callbacks come in order, cork makes one write, strings of every encoding', async () => {
  const chunks: Buffer[] = [];
  const { server, port } = await serve((s) => s.on('data', (d) => chunks.push(d)));
  const seen = once(server, 'connection') as Promise<[Socket]>;
  const socket = dial(port);
  const order: string[] = [];
  socket.write('a', () => order.push('a'));
  socket.cork();
  socket.write('é', 'utf8', () => order.push('b'));
  socket.write('é', 'latin1');
  socket.write('00ff', 'hex');
  socket.write(Buffer.from([1, 2]));
  socket.write('AQI=', 'base64');
  socket.write('x', 'utf16le');
  socket.uncork();
  socket.end(() => order.push('end'));
  const [peer] = await seen;
  await once(peer, 'end');
  assert.equal(Buffer.concat(chunks).toString('hex'), '61c3a9e900ff010201027800');
  assert.deepEqual(order, ['a', 'b', 'end']);
  assert.equal(socket.bytesWritten, 12);
});

test('destroy during connect says nothing but close', async () => {
  const { port } = await serve((s) => s.on('error', () => undefined));
  for (const when of ['now', 'nextTick', 'immediate'] as const) {
    const socket = dial(port);
    socket.on('connect', () => assert.fail('connected'));
    if (when === 'now') socket.destroy();
    else if (when === 'nextTick') process.nextTick(() => socket.destroy());
    else queueMicrotask(() => socket.destroy());
    const [hadError] = await once(socket, 'close');
    assert.equal(hadError, false);
  }
});

test('resetAndDestroy is ECONNRESET at the other end', async () => {
  const { server, port } = await serve(() => undefined);
  const seen = once(server, 'connection') as Promise<[Socket]>;
  const socket = dial(port);
  await once(socket, 'connect');
  const [peer] = await seen;
  peer.resume();
  socket.resetAndDestroy();
  const { message, errno, code } = await errorOf(peer);
  assert.deepEqual([message, errno, code], ['read ECONNRESET', -104, 'ECONNRESET']);
});

test('a write after the peer has gone fails as on Linux', async () => {
  const { server, port } = await serve(() => undefined);
  const seen = once(server, 'connection') as Promise<[Socket]>;
  const socket = dial(port, { allowHalfOpen: true });
  await once(socket, 'connect');
  const [peer] = await seen;
  peer.destroy();
  await sleep(20);
  const failed = errorOf(socket);
  const timer = setInterval(() => socket.write('x'), 5);
  const { code } = await failed;
  clearInterval(timer);
  assert.ok(code === 'EPIPE' || code === 'ECONNRESET', String(code));
});

test('onread: bytes arrive in the socket’s own buffer', async () => {
  const { port } = await serve((s) => s.end('hello, world'));
  const parts: string[] = [];
  const socket = dial(port, {
    onread: {
      buffer: Buffer.alloc(5),
      callback: (n: number, b: Uint8Array) => {
        parts.push(Buffer.from(b.subarray(0, n)).toString());
        return true;
      },
    },
  });
  await once(socket, 'close');
  assert.equal(parts.join(''), 'hello, world');
  assert.ok(parts.every((p) => p.length <= 5));
});

test('server.close waits for its connections; maxConnections drops', async () => {
  const { server, port } = await serve((s) => s.resume());
  server.maxConnections = 1;
  const first = dial(port);
  await once(first, 'connect');
  const dropped = once(server, 'drop');
  const second = dial(port).resume();
  const [info] = await dropped;
  assert.equal(info.remoteAddress, '::ffff:10.0.0.2');
  await once(second, 'close');
  let closed = false;
  server.close(() => {
    closed = true;
  });
  await sleep(20);
  assert.equal(closed, false);
  assert.equal((await errorOf(dial(port)))['code'], 'ECONNREFUSED');
  first.end();
  await once(server, 'close');
  assert.equal(closed, true);
});

test('setTimeout, AbortSignal', async () => {
  const { port } = await serve((s) => s.resume());
  const idle = dial(port).setTimeout(30);
  await once(idle, 'timeout');
  idle.destroy();
  const abort = new AbortController();
  const socket = dial(port, { signal: abort.signal });
  await once(socket, 'connect');
  abort.abort();
  const [error] = await once(socket, 'error').catch((e: Error) => [e]);
  assert.equal(error.name, 'AbortError');
});

test('reusePort shares a port within a namespace', async (t) => {
  const [major = 0] = process.versions.node.split('.').map(Number);
  if (major < 23) return t.skip('this Node has no reusePort');
  const { port } = await serve((s) => s.end(), {}, { reusePort: true } as object);
  await serve((s) => s.end(), {}, { port, reusePort: true } as object);
});

test('an exception in a callback is an uncaughtException, and the network goes on', async () => {
  const { port } = await serve((s) => s.end('fine'));
  const caught = once(process, 'uncaughtException') as Promise<[Error]>;
  const listeners = process.rawListeners('uncaughtException').slice(0, -1);
  for (const l of listeners) process.off('uncaughtException', l as () => void);
  const bad = dial(port);
  bad.on('data', () => {
    throw new Error('from a callback');
  });
  const good = dial(port);
  assert.equal(String((await once(good, 'data'))[0]), 'fine');
  assert.equal((await caught)[0].message, 'from a callback');
  for (const l of listeners) process.on('uncaughtException', l as () => void);
  bad.destroy();
});

test('promises and ticks run between the events of two sockets', async () => {
  const { port } = await serve((s) => s.end('x'));
  const order: string[] = [];
  const sockets = ['a', 'b'].map((name) => {
    const socket = dial(port);
    socket.on('connect', () => {
      order.push(name);
      process.nextTick(() => order.push(`${name} tick`));
      void Promise.resolve().then(() => order.push(`${name} promise`));
    });
    return socket.resume();
  });
  await Promise.all(sockets.map((s) => once(s, 'close')));
  assert.deepEqual(order, ['a', 'a tick', 'a promise', 'b', 'b tick', 'b promise']);
});

test('tls over an existing socket, and a reset during the handshake', async () => {
  const server = web.run(() =>
    tls.createServer({ key: TEST_KEY, cert: TEST_CERT }, (s) => s.pipe(s)).listen(4433),
  );
  servers.add(server);
  await once(server, 'listening');
  const raw = dial(4433);
  const secure = tls.connect({ socket: raw, ca: TEST_CERT, servername: 'web' });
  secure.write('through');
  assert.equal(String((await once(secure, 'data'))[0]), 'through');
  secure.end();
  await once(secure, 'close');
  const failed = once(server, 'tlsClientError');
  const cut = dial(4433);
  await once(cut, 'connect');
  cut.resetAndDestroy();
  assert.equal((await failed)[0].code, 'ECONNRESET');
});
