/** `node:net`, `node:http` and what is above them inside namespaces, over IPv6. */
import assert from 'node:assert/strict';
import dns from 'node:dns/promises';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import os from 'node:os';
import { after, test } from 'node:test';
import { setHosts } from '../../src/node/index.ts';
import { twoHosts } from './two-hosts.ts';

const { web, client } = twoHosts();
web.ip('addr add fd00::1/64 dev eth0 nodad');
client.ip('addr add fd00::2/64 dev eth0 nodad');
setHosts(
  client.net,
  new Map([
    ['web', ['fd00::1', '10.0.0.1']],
    ['half', ['fd00::99', '10.0.0.1']],
  ]),
);
const servers = new Set<Server>();
after(() => {
  for (const server of servers) server.close();
});

/** A server on host `web`. */
async function serve(options: net.ListenOptions = {}): Promise<number> {
  const server = net.createServer((s) => s.end(`${s.remoteAddress} ${s.remoteFamily}`));
  servers.add(server);
  web.run(() => server.listen({ port: 0, ...options }));
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function dial(port: number, host: string, options: object = {}): Socket {
  return client.run(() => net.connect({ port, host, ...options }));
}

async function textOf(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

async function errorOf(emitter: NodeJS.EventEmitter): Promise<Record<string, unknown>> {
  const [error] = (await once(emitter, 'error').catch((e: Error) => [e])) as [
    NodeJS.ErrnoException,
  ];
  const { message, code, errno, syscall } = error;
  const { address, port } = error as { address?: string; port?: number };
  return { message, code, errno, syscall, address, port };
}

test('a server without address listens on ::, and takes both families', async () => {
  const port = await serve();
  const [server] = [...servers];
  assert.deepEqual(server?.address(), { address: '::', family: 'IPv6', port });
  assert.equal(await textOf(dial(port, 'fd00::1')), 'fd00::2 IPv6');
  assert.equal(await textOf(dial(port, '10.0.0.1')), '::ffff:10.0.0.2 IPv6');
});

test('addresses, ports and families of both ends', async () => {
  const port = await serve();
  const socket = dial(port, 'fd00::1', { localAddress: 'fd00::2' });
  await once(socket, 'connect');
  assert.equal(socket.remoteAddress, 'fd00::1');
  assert.equal(socket.remoteFamily, 'IPv6');
  assert.equal(socket.localAddress, 'fd00::2');
  assert.deepEqual(socket.address(), {
    address: 'fd00::2',
    family: 'IPv6',
    port: socket.localPort,
  });
  socket.resume();
  await once(socket, 'close');
});

test('ipv6Only leaves the port of IPv4 to others', async () => {
  const port = await serve({ host: '::', ipv6Only: true });
  assert.equal((await errorOf(dial(port, '10.0.0.1')))['code'], 'ECONNREFUSED');
  assert.equal(await serve({ host: '0.0.0.0', port }), port);
  assert.equal(await textOf(dial(port, '10.0.0.1')), '10.0.0.2 IPv4');
  assert.equal(await textOf(dial(port, 'fd00::1')), 'fd00::2 IPv6');
});

test('errors in full, as Node writes them', async () => {
  assert.deepEqual(await errorOf(dial(1, 'fd00::1')), {
    message: 'connect ECONNREFUSED fd00::1:1',
    code: 'ECONNREFUSED',
    errno: -111,
    syscall: 'connect',
    address: 'fd00::1',
    port: 1,
  });
  const far = await errorOf(dial(80, '2001:db8::1'));
  assert.equal(far['message'], 'connect ENETUNREACH 2001:db8::1:80 - Local (:::0)');
  const server = net.createServer();
  web.run(() => server.listen(80, 'fd00::77'));
  const error = await errorOf(server);
  assert.deepEqual(
    [error['code'], error['syscall'], error['address']],
    ['EADDRNOTAVAIL', 'listen', 'fd00::77'],
  );
  const port = await serve({ host: '::' });
  const second = net.createServer();
  web.run(() => second.listen(port, '::'));
  assert.equal(
    (await errorOf(second))['message'],
    `listen EADDRINUSE: address already in use :::${port}`,
  );
});

test('a name with both families: the second is tried when the first does not answer', async () => {
  const port = await serve();
  assert.equal(await textOf(dial(port, 'web')), 'fd00::2 IPv6');
  assert.equal(await textOf(dial(port, 'half')), '::ffff:10.0.0.2 IPv6');
  const socket = dial(1, 'web');
  const [error] = (await once(socket, 'error').catch((e: Error) => [e])) as [AggregateError];
  assert.deepEqual(
    error.errors.map((e: Error) => e.message),
    ['connect ECONNREFUSED fd00::1:1', 'connect ECONNREFUSED 10.0.0.1:1'],
  );
  const found = await client.run(() => dns.lookup('web', { all: true }));
  assert.deepEqual(found, [
    { address: 'fd00::1', family: 6 },
    { address: '10.0.0.1', family: 4 },
  ]);
  assert.equal((await client.run(() => dns.lookup('localhost', { family: 6 }))).address, '::1');
});

test('http, fetch and a link-local address with its device', async () => {
  const server = http.createServer((req, res) => res.end(`${req.headers.host}`));
  web.run(() => server.listen(0));
  await once(server, 'listening');
  servers.add(server);
  const { port } = server.address() as AddressInfo;
  const answer = await client.run(() => fetch(`http://[fd00::1]:${port}/`));
  assert.equal(await answer.text(), `[fd00::1]:${port}`);
  const inside = web.run(() => os.networkInterfaces());
  const own = inside['eth0']?.find((i) => i.family === 'IPv6' && i.scopeid !== 0);
  assert.ok(own !== undefined);
  const socket = dial(port, `${own.address}%eth0`);
  await once(socket, 'connect');
  assert.equal(socket.remoteAddress, `${own.address}%eth0`);
  socket.destroy();
});

test('os.networkInterfaces lists IPv6 with its scope', () => {
  const list = client.run(() => os.networkInterfaces())['eth0'] ?? [];
  const global = list.find((i) => i.address === 'fd00::2');
  assert.deepEqual(global, {
    address: 'fd00::2',
    netmask: 'ffff:ffff:ffff:ffff::',
    family: 'IPv6',
    mac: global?.mac,
    internal: false,
    cidr: 'fd00::2/64',
    scopeid: 0,
  });
  assert.equal(list[0]?.family, 'IPv4');
});
