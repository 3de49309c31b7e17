/** `net.Socket`: its life, its bytes, its errors. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log, Scenario } from './log.ts';
import { attempt, shape } from './log.ts';

const SOCKET_EVENTS = ['lookup', 'connect', 'ready', 'end', 'timeout', 'error', 'finish', 'close'];

/** A server on 127.0.0.1, logged as `server`. */
export async function serve(
  onSocket: (socket: Socket) => void,
  options: net.ServerOpts = {},
): Promise<{ server: Server; port: number }> {
  const server = net.createServer(options, (socket) => {
    socket.on('error', () => {});
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

export function dial(log: Log, actor: string, options: net.NetConnectOpts): Socket {
  const socket = net.connect(options);
  log.watch(actor, socket, ...SOCKET_EVENTS);
  return socket;
}

async function closed(...sockets: Socket[]): Promise<void> {
  await Promise.all(sockets.map((s) => (s.closed ? undefined : once(s, 'close').catch(() => {}))));
}

function refusedPort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

const HOST = '127.0.0.1';

function halfOpen(allowHalfOpen: boolean): Scenario {
  return async (log) => {
    const { server, port } = await serve(
      (s) => {
        log.watch('peer', s, 'end', 'finish', 'close');
        s.on('data', (d) => log.add('peer', 'data', String(d)));
        s.on('end', () => {
          log.add('peer', 'state', s.readyState, s.writable);
          if (allowHalfOpen) setTimeout(() => s.end('late'), 10);
        });
      },
      { allowHalfOpen },
    );
    const socket = dial(log, 'client', { port, host: HOST, allowHalfOpen });
    socket.on('data', (d) => log.add('client', 'data', String(d)));
    socket.end('early', () => log.add('client', 'ended', socket.readyState));
    await closed(socket);
    log.add('client', socket.bytesRead, socket.bytesWritten, socket.readyState);
    server.close();
  };
}

/** `destroy` in the callback of `event`. */
function destroyIn(event: string): Scenario {
  return async (log) => {
    const { server, port } = await serve((s) => {
      log.watch('peer', s, 'error', 'close');
      s.resume();
      if (event !== 'connect' && event !== 'ready') s.write('hello');
      if (event === 'end' || event === 'close') s.end();
    });
    const socket = dial(log, 'client', { port, host: 'localhost', family: 4 });
    socket.on('data', () => log.add('client', 'data'));
    socket.on(event, () => {
      socket.destroy();
      log.add('client', 'destroyed', socket.destroyed, socket.readyState, socket.closed);
    });
    const done = closed(socket);
    socket.write('x', (e) => log.add('client', 'written', shape(e)));
    if (event === 'drain') socket.write(Buffer.alloc(9_000_000));
    if (event === 'timeout') socket.setTimeout(20);
    if (event === 'finish' || event === 'close') socket.end();
    if (event === 'close') socket.resume();
    await done;
    log.add('client', socket.remoteAddress, socket.address(), socket.bytesWritten > 0);
    server.close();
    await once(server, 'close');
  };
}

const refused: Scenario = async (log) => {
  const port = await refusedPort();
  await closed(dial(log, 'literal', { port, host: HOST }));
  await closed(dial(log, 'name', { port, host: 'localhost', family: 4 }));
  await closed(dial(log, 'eyeballs off', { port, host: HOST, autoSelectFamily: false }));
  const lookup: net.LookupFunction = (_host, options, done) => {
    log.add('two', 'lookup for', options.all, options.family);
    const both = [HOST, '127.0.0.2'].map((address) => ({ address, family: 4 }));
    (done as unknown as (e: null, all: object[]) => void)(null, both);
  };
  const two = dial(log, 'two', { port, host: 'two', lookup, autoSelectFamily: true });
  log.watch('two', two, 'connectionAttempt', 'connectionAttemptFailed');
  await closed(two);
  log.add('two', two.autoSelectFamilyAttemptedAddresses);
};

const eyeballs: Scenario = async (log) => {
  const { server, port } = await serve((s) => s.end());
  for (const host of [HOST, 'localhost']) {
    const socket = dial(log, host, { port, host, family: 4, autoSelectFamily: true });
    log.watch(host, socket, 'connectionAttempt', 'connectionAttemptFailed');
    socket.resume();
    await closed(socket);
    log.add(host, socket.autoSelectFamilyAttemptedAddresses);
  }
  const lookup: net.LookupFunction = (_host, _options, done) =>
    (done as unknown as (e: null, all: object[]) => void)(null, [
      { address: '127.0.0.3', family: 4 },
      { address: HOST, family: 4 },
    ]);
  const socket = dial(log, 'second', { port, host: 'x', lookup, autoSelectFamily: true });
  log.watch('second', socket, 'connectionAttempt', 'connectionAttemptFailed');
  socket.resume();
  await closed(socket);
  log.add('second', socket.autoSelectFamilyAttemptedAddresses);
  server.close();
};

const badArguments: Scenario = async (log) => {
  for (const options of [{ port: -1 }, { port: 65_536 }, {}, { port: 80, host: 7 }])
    log.add(
      'connect',
      options,
      attempt(() => net.connect(options as never)),
    );
  log.add(
    'family',
    attempt(() => net.connect({ port: 80, host: HOST, localAddress: 'x' })),
  );
  const { server, port } = await serve((s) => s.end());
  const foreign = dial(log, 'foreign', { port, host: HOST, localAddress: '192.0.2.1' });
  await closed(foreign);
  const taken = dial(log, 'taken', { port, host: HOST, localAddress: HOST, localPort: port });
  await closed(taken);
  server.close();
};

const lifetime: Scenario = async (log) => {
  const { server, port } = await serve((s) => s.on('data', (d) => s.end(d)));
  const socket = new net.Socket();
  const state = (): unknown[] => [
    socket.readyState,
    socket.pending,
    socket.connecting,
    socket.address(),
    socket.remoteAddress,
    socket.remoteFamily,
    socket.localAddress,
    socket.bytesRead,
    socket.bytesWritten,
  ];
  log.add('client', 'new', ...state());
  log.add(
    'client',
    'options',
    socket.setNoDelay() === socket,
    socket.setKeepAlive(true, 9) === socket,
  );
  log.watch('client', socket, ...SOCKET_EVENTS);
  socket.connect(port, HOST);
  socket.write('abc', () => log.add('client', 'written', ...state()));
  log.add('client', 'connecting', ...state());
  await once(socket, 'connect');
  log.add('client', 'connected', ...state());
  socket.resume();
  await closed(socket);
  log.add('client', 'closed', ...state());
  socket.connect(port, HOST, () => log.add('client', 'again', ...state()));
  socket.end('more');
  await closed(socket);
  log.add('client', 'closed', ...state());
  server.close();
};

const writes: Scenario = async (log) => {
  let total = 0;
  const { server, port } = await serve((s) => {
    s.on('data', (d) => {
      total += d.length;
    });
    s.on('end', () => log.add('peer', 'total', total, s.bytesRead));
  });
  const socket = dial(log, 'client', { port, host: HOST, highWaterMark: 1000 } as never);
  log.add('client', socket.writableHighWaterMark, socket.write('before'), socket.writableLength);
  await once(socket, 'connect');
  log.add(
    'client',
    socket.write(Buffer.alloc(999)),
    socket.writableNeedDrain,
    socket.writableLength,
  );
  log.add(
    'client',
    socket.write('é', 'latin1'),
    socket.write('00ff', 'hex'),
    socket.write('é', 'ucs2'),
  );
  socket.cork();
  for (let i = 0; i < 5; i++) socket.write('x', (e) => log.add('client', 'corked', i, shape(e)));
  log.add('client', 'length', socket.writableLength);
  socket.uncork();
  log.add(
    'client',
    'bad',
    attempt(() => socket.write(7 as never)),
    attempt(() => socket.write(null as never)),
  );
  socket.end('z', () => log.add('client', 'end callback'));
  socket.write('late', (e) => log.add('client', 'late', shape(e)));
  await closed(socket);
  socket.write('later', (e) => log.add('client', 'later', shape(e)));
  await sleep(10);
  log.add('client', socket.bytesWritten);
  server.close();
};

const reset: Scenario = async (log) => {
  const { server, port } = await serve((s) => {
    log.watch('peer', s, 'error', 'close', 'end');
    s.once('data', () => log.add('peer', 'reset', s.resetAndDestroy() === s));
  });
  const socket = dial(log, 'client', { port, host: HOST });
  socket.resume();
  socket.write('x');
  await closed(socket);
  const early = dial(log, 'early', { port, host: HOST });
  early.resetAndDestroy();
  await closed(early);
  log.add(
    'early',
    early.destroyed,
    attempt(() => shape(early.errored)),
  );
  const never = new net.Socket();
  log.watch('never', never, 'error', 'close');
  never.resetAndDestroy();
  await closed(never);
  server.close();
  await once(server, 'close');
};

const reading: Scenario = async (log) => {
  const { server, port } = await serve((s) => {
    s.write(Buffer.alloc(300_000, 1));
    s.end();
  });
  const paused = dial(log, 'paused', { port, host: HOST });
  await once(paused, 'connect');
  let total = 0;
  paused.on('data', (d) => {
    total += d.length;
    paused.pause();
    setImmediate(() => paused.resume());
  });
  await closed(paused);
  log.add('paused', total, paused.bytesRead);
  const buffer = Buffer.alloc(1000);
  let calls = 0;
  let bytes = 0;
  const onread = dial(log, 'onread', {
    port,
    host: HOST,
    onread: {
      buffer,
      callback(n, b) {
        bytes += n;
        if (calls < 3) log.add('onread', n, b === buffer, onread.bytesRead === bytes);
        if (++calls % 100 === 0) setTimeout(() => onread.resume(), 1);
        return calls % 100 !== 0;
      },
    },
  });
  await closed(onread);
  log.add('onread', bytes, onread.bytesRead);
  const iterated = dial(log, 'iterated', { port, host: HOST });
  let sum = 0;
  for await (const chunk of iterated) sum += (chunk as Buffer).length;
  log.add('iterated', sum);
  server.close();
};

const timeouts: Scenario = async (log) => {
  const { server, port } = await serve((s) => s.resume());
  const socket = dial(log, 'client', { port, host: HOST, timeout: 30 });
  await once(socket, 'timeout');
  log.add('client', socket.timeout, socket.destroyed);
  socket.setTimeout(0);
  log.add(
    'client',
    attempt(() => socket.setTimeout(-1)),
    attempt(() => socket.setTimeout('1' as never)),
  );
  await sleep(50);
  const controller = new AbortController();
  const signalled = dial(log, 'signalled', {
    port,
    host: HOST,
    signal: controller.signal,
  } as never);
  await once(signalled, 'connect');
  controller.abort();
  await closed(signalled);
  const before = dial(log, 'before', { port, host: HOST, signal: AbortSignal.abort() } as never);
  await closed(before);
  socket.destroy(new Error('mine'));
  await closed(socket);
  server.close();
};

const contexts: Scenario = async (log) => {
  const storage = new AsyncLocalStorage<string>();
  const where = (actor: string, what: string): void => log.add(actor, what, storage.getStore());
  const { server, port } = await storage.run('listening', () =>
    serve((s) => {
      where('peer', 'connection');
      s.on('data', (d) => {
        where('peer', 'data');
        s.write(d, () => where('peer', 'written'));
      });
      s.on('end', () => where('peer', 'end'));
      s.on('close', () => where('peer', 'close'));
    }),
  );
  server.on('close', () => where('server', 'close'));
  const socket = storage.run('connecting', () => net.connect(port, HOST));
  for (const event of ['connect', 'ready', 'data', 'end', 'finish', 'close', 'timeout'])
    storage.run(`on ${event}`, () => socket.on(event, () => where('client', event)));
  await once(socket, 'connect');
  storage.run('writing', () => socket.write('x', () => where('client', 'written')));
  storage.run('big', () => socket.write(Buffer.alloc(1), () => where('client', 'big written')));
  await once(socket, 'data');
  storage.run('ending', () => socket.end(() => where('client', 'ended')));
  await closed(socket);
  storage.run('closing', () => server.close(() => where('server', 'closed')));
  await once(server, 'close');
};

export const NET_SOCKETS: Readonly<Record<string, Scenario>> = {
  'half open': halfOpen(true),
  'not half open': halfOpen(false),
  ...Object.fromEntries(
    ['lookup', 'connect', 'ready', 'data', 'end', 'drain', 'timeout', 'finish', 'close'].map(
      (e) => [`destroy in ${e}`, destroyIn(e)],
    ),
  ),
  refused,
  'happy eyeballs': eyeballs,
  'bad arguments': badArguments,
  lifetime,
  writes,
  reset,
  reading,
  timeouts,
  contexts,
};
