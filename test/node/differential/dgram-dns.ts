/** `node:dgram` and `dns.lookup`. */
import dgram, { type Socket } from 'node:dgram';
import dns from 'node:dns';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log, Scenario } from './log.ts';
import { attempt, shape } from './log.ts';

const HOST = '127.0.0.1';

async function bound(
  log: Log,
  actor: string,
  options: Partial<dgram.SocketOptions> = {},
): Promise<Socket> {
  const socket = dgram.createSocket({ type: 'udp4', ...options });
  log.watch(actor, socket, 'listening', 'connect', 'error', 'close');
  socket.bind(0, HOST);
  await once(socket, 'listening');
  return socket;
}

function sent(log: Log, actor: string, socket: Socket, ...args: unknown[]): Promise<void> {
  return new Promise((resolve) => {
    (socket.send as (...a: unknown[]) => void).call(socket, ...args, (e: Error, n: number) => {
      log.add(actor, 'sent', shape(e), n);
      resolve();
    });
  });
}

const messages: Scenario = async (log) => {
  const server = await bound(log, 'server');
  server.on('message', (m, from) => {
    log.add('server', 'message', String(m), from);
    server.send([m, '!'], from.port, from.address);
  });
  const { port } = server.address();
  const client = dgram.createSocket('udp4');
  log.watch('client', client, 'listening', 'error', 'close');
  client.on('message', (m, from) => log.add('client in', 'message', String(m), from));
  log.add(
    'client',
    attempt(() => client.address()),
  );
  await sent(log, 'client', client, 'text', port, HOST);
  await sent(log, 'client', client, Buffer.from('0123456789'), 2, 3, port, 'localhost');
  await sent(log, 'client', client, ['a', 'b', Buffer.from('c')], port, HOST);
  await sent(log, 'client', client, '', port, HOST);
  await sent(log, 'client', client, Buffer.alloc(70_000), port, HOST);
  await sent(log, 'client', client, 'x', port, 'no.such.name.invalid').catch(() => {});
  for (const args of [
    ['x', 0],
    ['x', 70_000, HOST],
    [7, port],
    ['x', port, 5],
  ])
    log.add(
      'client',
      args.length,
      attempt(() => (client.send as (...a: unknown[]) => void)(...args)),
    );
  await sleep(30);
  log.add('client', client.getSendQueueSize(), client.getSendQueueCount());
  client.close(() => log.add('client', 'close callback'));
  log.add(
    'client',
    attempt(() => client.close()),
    attempt(() => client.send('x', port, HOST)),
  );
  server.close();
};

const connected: Scenario = async (log) => {
  const server = await bound(log, 'server');
  server.on('message', (m) => log.add('server', String(m)));
  const { port } = server.address();
  const client = await bound(log, 'client');
  log.add(
    'client',
    attempt(() => client.remoteAddress()),
    attempt(() => client.disconnect()),
  );
  client.connect(port, HOST);
  log.add(
    'client',
    attempt(() => client.connect(port, HOST)),
  );
  await once(client, 'connect');
  log.add(
    'client',
    client.remoteAddress(),
    attempt(() => client.connect(port, HOST)),
  );
  await sent(log, 'client', client, 'connected');
  log.add(
    'client',
    attempt(() => client.send('x', port, HOST)),
  );
  client.disconnect();
  log.add(
    'client',
    attempt(() => client.remoteAddress()),
    attempt(() => client.send('x')),
  );
  await sent(log, 'client', client, 'disconnected', port, HOST);
  await sleep(20);
  server.close();
  await once(server, 'close');
  // Nobody listens there any more: a connected socket hears of it.
  client.connect(port, HOST);
  await once(client, 'connect');
  await sent(log, 'client', client, 'first');
  await sleep(20);
  await sent(log, 'client', client, 'second');
  await sleep(20);
  client.close();
};

const options: Scenario = async (log) => {
  const socket = await bound(log, 'socket');
  const calls: Record<string, () => unknown> = {
    bindAgain: () => socket.bind(0),
    ttl0: () => socket.setTTL(0),
    ttl300: () => socket.setTTL(300),
    ttlX: () => socket.setTTL('x' as never),
    ttl: () => socket.setTTL(9),
    multicastTTL: () => socket.setMulticastTTL(3),
    multicastTTL300: () => socket.setMulticastTTL(300),
    loopback: () => socket.setMulticastLoopback(true),
    broadcast: () => socket.setBroadcast(true),
    interface: () => socket.setMulticastInterface(HOST),
    interfaceX: () => socket.setMulticastInterface('x'),
    interfaceForeign: () => socket.setMulticastInterface('192.0.2.1'),
    join: () => socket.addMembership('224.0.0.114', HOST),
    joinTwice: () => socket.addMembership('224.0.0.114', HOST),
    joinUnicast: () => socket.addMembership('10.1.2.3', HOST),
    joinX: () => socket.addMembership('x'),
    joinNothing: () => (socket.addMembership as () => void)(),
    joinForeign: () => socket.addMembership('224.0.0.115', '192.0.2.1'),
    leave: () => socket.dropMembership('224.0.0.114', HOST),
    leaveTwice: () => socket.dropMembership('224.0.0.114', HOST),
    source: () => socket.addSourceSpecificMembership(HOST, '232.1.1.1', HOST),
    sourceLeave: () => socket.dropSourceSpecificMembership(HOST, '232.1.1.1', HOST),
    receiveSize: () => socket.setRecvBufferSize(10_000),
    receive: () => socket.getRecvBufferSize(),
    sendSize: () => socket.setSendBufferSize(9000),
    send: () => socket.getSendBufferSize(),
    sizeX: () => socket.setSendBufferSize(-1),
    ref: () => socket.unref() === socket && socket.ref() === socket,
  };
  for (const [name, call] of Object.entries(calls)) log.add('socket', name, attempt(call));
  const { port } = socket.address();
  const second = dgram.createSocket('udp4');
  log.watch('second', second, 'listening', 'error', 'close');
  second.bind(port, HOST);
  await once(second, 'error').catch(() => {});
  const foreign = dgram.createSocket('udp4');
  log.watch('foreign', foreign, 'listening', 'error', 'close');
  foreign.bind(0, '192.0.2.1');
  await once(foreign, 'error').catch(() => {});
  const unbound = dgram.createSocket('udp4');
  log.add(
    'unbound',
    attempt(() => unbound.getSendBufferSize()),
    attempt(() => unbound.setTTL(5)),
  );
  for (const s of [socket, second, foreign, unbound]) s.close();
  const shared = { reuseAddr: true };
  const one = await bound(log, 'one', shared);
  const two = dgram.createSocket({ type: 'udp4', ...shared });
  two.bind(one.address().port, HOST);
  await once(two, 'listening');
  one.close();
  two.close();
  const signalled = await bound(log, 'signalled', { signal: AbortSignal.timeout(20) } as never);
  await once(signalled, 'close');
  log.add(
    'signalled',
    attempt(() => signalled.address()),
  );
};

const lookups: Scenario = async (log) => {
  const cases: [string, unknown][] = [
    ['localhost', 4],
    ['localhost', { family: 4, all: true }],
    ['localhost', { family: 'IPv4', verbatim: true }],
    ['localhost', { family: 4, order: 'ipv4first', all: true }],
    ['localhost', { family: 4, hints: dns.ADDRCONFIG }],
    ['127.0.0.1', { all: true }],
    ['127.0.0.1', { family: 6 }],
    ['::1', {}],
    ['::1', { family: 4 }],
    ['no.such.name.invalid', { family: 4 }],
    ['no.such.name.invalid', { family: 4, all: true }],
    ['', {}],
    ['localhost', { family: 5 }],
    ['localhost', { hints: 123_456 }],
    ['localhost', { order: 'x' }],
    ['localhost', { all: 'x' }],
  ];
  const promises: Promise<unknown>[] = [];
  for (const [host, options] of cases) {
    await new Promise<void>((resolve) => {
      const thrown = attempt(() => {
        dns.lookup(host, options as never, (e, ...found) => {
          log.add('callback', host, options, shape(e), ...found);
          resolve();
        });
      });
      log.add('callback', host, options, thrown);
      if (thrown !== undefined) resolve();
    });
    const thrown = attempt(() => {
      const promise = dns.promises.lookup(host, options as never);
      promises.push(promise.then((x) => log.add('promise', host, options, x)).catch(shape));
    });
    log.add('promise', host, options, thrown);
    log.add('promise', host, await promises.at(-1));
  }
  log.add(
    'bad',
    attempt(() => dns.lookup(7 as never, () => undefined)),
    attempt(() => (dns.lookup as unknown as (h: string) => void)('x')),
  );
  log.add('service', await dns.promises.lookupService(HOST, 80).catch(shape));
  log.add(
    'service',
    attempt(() => dns.lookupService('x', 80, () => undefined)),
  );
};

export const DGRAM_DNS: Readonly<Record<string, Scenario>> = {
  datagrams: messages,
  'connected datagram sockets': connected,
  'options of datagram sockets': options,
  'name look-ups': lookups,
};
