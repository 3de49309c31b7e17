/** `net.Server`: listening, accepting, closing. */
import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scenario } from './log.ts';
import { attempt, shape } from './log.ts';
import { serve } from './net-sockets.ts';

const HOST = '127.0.0.1';

async function dialed(port: number): Promise<Socket> {
  const socket = net.connect(port, HOST).on('error', () => undefined);
  socket.resume();
  await once(socket, 'connect');
  return socket;
}

const listening: Scenario = async (log) => {
  const server = net.createServer();
  log.watch('server', server, 'listening', 'error', 'close');
  log.add('server', server.listening, server.address());
  log.add('server', server.listen(0, HOST) === server, server.listening);
  log.add(
    'server',
    'twice',
    attempt(() => server.listen(0, HOST)),
  );
  await once(server, 'listening');
  log.add('server', server.address());
  const { port } = server.address() as AddressInfo;
  const second = net.createServer();
  log.watch('second', second, 'listening', 'error', 'close');
  second.listen(port, HOST);
  log.add('second', second.listening);
  await once(second, 'error').catch(() => {});
  second.listen({ port, host: '0.0.0.0' });
  await once(second, 'error').catch(() => {});
  second.listen({ port: 0, host: '192.0.2.1' });
  await once(second, 'error').catch(() => {});
  second.listen({ port: 0, host: 'no.such.name.invalid' });
  await once(second, 'error').catch(() => {});
  for (const options of [{ port: -1 }, {}, { port: 'x' }, { port: 65_536 }])
    log.add(
      'second',
      options,
      attempt(() => second.listen(options as never)),
    );
  second.listen({ port: 0, host: 'localhost', family: 4 } as never, () => log.add('second', 'on'));
  await once(second, 'listening');
  log.add('second', (second.address() as AddressInfo).family);
  second.close((e) => log.add('second', 'closed', shape(e)));
  second.close((e) => log.add('second', 'closed twice', shape(e)));
  server.close((e) => log.add('server', 'closed', shape(e)));
  log.add('server', server.listening, server.address());
  await Promise.all([once(server, 'close'), second.listening ? once(second, 'close') : sleep(10)]);
  server.close((e) => log.add('server', 'closed again', shape(e)));
  server.listen({ port, host: HOST });
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
};

const closing: Scenario = async (log) => {
  const peers: Socket[] = [];
  const { server, port } = await serve((s) => peers.push(s));
  log.watch('server', server, 'connection', 'close');
  const a = await dialed(port);
  const b = await dialed(port);
  while (peers.length < 2) await sleep(5);
  const count = (): Promise<number> =>
    new Promise((resolve) => server.getConnections((_e, n) => resolve(n)));
  log.add('server', await count());
  server.close(() => log.add('server', 'close callback'));
  log.add('server', server.listening, await count());
  const late = net.connect(port, HOST);
  log.watch('late', late, 'connect', 'error', 'close');
  await once(late, 'close').catch(() => {});
  peers[0]?.write('still here');
  a.end();
  peers[0]?.end();
  await once(a, 'close');
  await sleep(20);
  log.add('server', 'one left', await count());
  b.destroy();
  peers[1]?.destroy();
  await once(server, 'close');
  log.add('server', await count());
};

const dropping: Scenario = async (log) => {
  const peers: Socket[] = [];
  const { server, port } = await serve((s) => peers.push(s));
  server.maxConnections = 1;
  log.watch('server', server, 'drop');
  const first = await dialed(port);
  while (peers.length < 1) await sleep(5);
  const second = net.connect(port, HOST);
  second.resume();
  log.watch('second', second, 'connect', 'end', 'error', 'close');
  await once(second, 'close').catch(() => {});
  first.destroy();
  peers[0]?.destroy();
  server.close();
  await once(server, 'close');
};

const blocking: Scenario = async (log) => {
  const blockList = new net.BlockList();
  blockList.addAddress(HOST);
  const { server, port } = await serve(() => log.add('server', 'connection'), {
    blockList,
  } as net.ServerOpts);
  log.watch('server', server, 'drop');
  const socket = net.connect(port, HOST);
  socket.resume();
  log.watch('client', socket, 'connect', 'end', 'error', 'close');
  const timer = setTimeout(() => socket.destroy(), 300);
  await once(socket, 'close').catch(() => {});
  clearTimeout(timer);
  const barred = net.connect({ port, host: HOST, blockList } as never);
  log.watch('barred', barred, 'connect', 'error', 'close');
  const other = setTimeout(() => barred.destroy(), 300);
  await once(barred, 'close').catch(() => {});
  clearTimeout(other);
  server.close();
};

const options: Scenario = async (log) => {
  const { server, port } = await serve(
    (s) => {
      log.add('peer', s.isPaused(), s.readableFlowing, s.readableHighWaterMark);
      log.add('peer', s.localAddress, s.localFamily, s.remoteAddress, s.remoteFamily, s.address());
      log.add('peer', (s as unknown as { server: unknown }).server === server);
      s.on('data', (d) => log.add('peer', 'data', String(d)));
      s.on('close', (e) => log.add('peer', 'close', e));
      setTimeout(() => s.resume(), 20);
    },
    { pauseOnConnect: true, noDelay: true, keepAlive: true, highWaterMark: 5000 } as net.ServerOpts,
  );
  const socket = await dialed(port);
  socket.end('payload');
  await once(socket, 'close');
  server.close();
  await once(server, 'close');
};

const signals: Scenario = async (log) => {
  const controller = new AbortController();
  const server = net.createServer();
  log.watch('server', server, 'listening', 'error', 'close');
  server.listen({ port: 0, host: HOST, signal: controller.signal });
  await once(server, 'listening');
  controller.abort();
  await once(server, 'close');
  const dead = net.createServer();
  log.watch('dead', dead, 'listening', 'error', 'close');
  dead.listen({ port: 0, host: HOST, signal: AbortSignal.abort() });
  await once(dead, 'close');
  const disposed = net.createServer().listen(0, HOST);
  await once(disposed, 'listening');
  const dispose = (disposed as unknown as Record<symbol, () => Promise<void>>)[
    (Symbol as unknown as { asyncDispose: symbol }).asyncDispose
  ];
  log.add('disposed', typeof dispose);
  await dispose?.call(disposed);
  log.add('disposed', disposed.listening);
};

export const NET_SERVERS: Readonly<Record<string, Scenario>> = {
  listening,
  closing,
  'maxConnections and drop': dropping,
  'block lists': blocking,
  'options of a server': options,
  'signals of a server': signals,
};
