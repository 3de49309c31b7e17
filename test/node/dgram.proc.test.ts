/** `node:dgram` inside namespaces. */
import assert from 'node:assert/strict';
import dgram, { type RemoteInfo, type Socket, type SocketOptions } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { twoHosts } from './two-hosts.ts';

const { web, client } = twoHosts();
const open = new Set<Socket>();

afterEach(() => {
  for (const socket of open) socket.close();
  open.clear();
});

async function bound(
  ns: typeof web,
  port = 0,
  address?: string,
  options: Partial<SocketOptions> = {},
): Promise<Socket> {
  const socket = ns.run(() => dgram.createSocket({ type: 'udp4', ...options }));
  open.add(socket);
  socket.bind(port, address);
  await once(socket, 'listening');
  return socket;
}

function message(socket: Socket): Promise<[Buffer, RemoteInfo]> {
  return once(socket, 'message') as Promise<[Buffer, RemoteInfo]>;
}

test('echo between two hosts, by name', async () => {
  const server = await bound(web, 53);
  server.on('message', (m, from) => server.send(`re: ${m}`, from.port, from.address));
  const socket = client.run(() => dgram.createSocket('udp4'));
  open.add(socket);
  const sent = await new Promise((resolve, reject) =>
    socket.send(['he', Buffer.from('llo')], 53, 'web', (e, n) => (e ? reject(e) : resolve(n))),
  );
  assert.equal(sent, 5);
  const [data, from] = await message(socket);
  assert.equal(String(data), 're: hello');
  assert.deepEqual(from, { address: '10.0.0.1', family: 'IPv4', port: 53, size: 9 });
  assert.deepEqual(server.address(), { address: '0.0.0.0', family: 'IPv4', port: 53 });
});

test('a datagram larger than the MTU arrives whole; one that is too large is EMSGSIZE', async () => {
  const server = await bound(web, 54);
  const socket = await bound(client);
  const big = Buffer.alloc(60_000, 'z');
  const got = message(server);
  socket.send(big, 54, '10.0.0.1');
  assert.ok((await got)[0].equals(big));
  const error = await new Promise((resolve) =>
    socket.send(Buffer.alloc(65_508), 54, '10.0.0.1', resolve),
  );
  assert.equal((error as NodeJS.ErrnoException).message, 'send EMSGSIZE 10.0.0.1:54');
});

test('connected: peer only, ECONNREFUSED by ICMP, disconnect', async () => {
  const server = await bound(web, 55);
  const socket = await bound(client);
  socket.connect(55, '10.0.0.1');
  await once(socket, 'connect');
  assert.deepEqual(socket.remoteAddress(), { address: '10.0.0.1', family: 'IPv4', port: 55 });
  const got = message(server);
  socket.send('direct');
  assert.equal(String((await got)[0]), 'direct');
  socket.disconnect();
  socket.connect(56, '10.0.0.1');
  await once(socket, 'connect');
  socket.send('to nobody');
  const [error] = await once(socket, 'error').catch((e: Error) => [e]);
  assert.equal(error.message, 'recvmsg ECONNREFUSED');
});

test('EADDRINUSE, and reuseAddr', async () => {
  await bound(web, 57);
  const second = web.run(() => dgram.createSocket('udp4'));
  open.add(second);
  second.bind(57);
  const [error] = await once(second, 'error').catch((e: Error) => [e]);
  assert.equal(error.message, 'bind EADDRINUSE 0.0.0.0:57');
  await bound(web, 58, undefined, { reuseAddr: true });
  await bound(web, 58, undefined, { reuseAddr: true });
});

test('broadcast needs setBroadcast', async () => {
  const server = await bound(web, 59);
  const socket = await bound(client);
  const refused = await new Promise((resolve) => socket.send('x', 59, '10.0.0.255', resolve));
  assert.equal((refused as NodeJS.ErrnoException).code, 'EACCES');
  socket.setBroadcast(true);
  const got = message(server);
  socket.send('to all', 59, '10.0.0.255');
  assert.equal(String((await got)[0]), 'to all');
});

test('multicast: members get it, others do not, and the sender by loop', async () => {
  const member = await bound(web, 60);
  assert.throws(() => member.addMembership('239.1.1.1'), { code: 'ENODEV' });
  member.addMembership('239.1.1.1', '10.0.0.1');
  const sender = await bound(client, 60);
  sender.addMembership('239.1.1.1', '10.0.0.2');
  sender.setMulticastTTL(4);
  sender.setMulticastInterface('10.0.0.2');
  const both = Promise.all([message(member), message(sender)]);
  sender.send('group', 60, '239.1.1.1');
  const [[data, from], [own]] = await both;
  assert.equal(String(data), 'group');
  assert.equal(String(own), 'group');
  assert.equal(from.address, '10.0.0.2');
  member.dropMembership('239.1.1.1', '10.0.0.1');
  member.on('message', () => assert.fail('left the group'));
  const again = message(sender);
  sender.send('group', 60, '239.1.1.1');
  await again;
  await sleep(20);
  assert.throws(() => member.dropMembership('239.1.1.1', '10.0.0.1'), { code: 'EADDRNOTAVAIL' });
  assert.throws(() => member.addMembership('10.0.0.1'), { code: 'EINVAL' });
});

test('options and sizes', async () => {
  const socket = await bound(web);
  socket.setRecvBufferSize(10_000);
  assert.equal(socket.getRecvBufferSize(), 20_000);
  assert.ok(socket.getSendBufferSize() > 0);
  assert.equal(socket.setTTL(5), 5);
  assert.throws(() => socket.setTTL(300), { code: 'EINVAL' });
  assert.equal(socket.getSendQueueSize(), 0);
  assert.equal(socket.getSendQueueCount(), 0);
  const unbound = web.run(() => dgram.createSocket('udp4'));
  open.add(unbound);
  assert.throws(() => unbound.setBroadcast(true), { code: 'EBADF' });
  assert.throws(() => unbound.getRecvBufferSize(), { code: 'ERR_SOCKET_BUFFER_SIZE' });
});

test('udp6: over lo, between hosts by their link-local addresses, to a group', async () => {
  const server = await bound(web, 0, '::', { type: 'udp6' });
  const { port, family } = server.address();
  assert.equal(family, 'IPv6');
  const socket = web.run(() => dgram.createSocket('udp6'));
  open.add(socket);
  socket.send('hello', port, '::1');
  const [data, from] = await message(server);
  assert.deepEqual([String(data), from.address, from.family], ['hello', '::1', 'IPv6']);
  // DAD takes up to two seconds.
  const device = client.link.list().find((l) => l.name !== 'lo')?.name ?? '';
  const near = (): string[] =>
    web.addr6
      .list()
      .filter((a) => a.scope === 'link' && a.flags.length === 0)
      .map((a) => a.local);
  for (let i = 0; i < 40 && near().length === 0; i++) await sleep(100);
  for (let i = 0; i < 40; i++) {
    if (client.addr6.list(device).some((a) => a.flags.length === 0)) break;
    await sleep(100);
  }
  const far = client.run(() => dgram.createSocket('udp6'));
  open.add(far);
  far.send('link', port, `${near()[0]}%${device}`);
  const [second, who] = await message(server);
  assert.equal(String(second), 'link');
  assert.match(who.address, /^fe80::.*%/);
});
