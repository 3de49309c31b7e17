/** `node:net`: forms of listen and connect, options, errors, what stays internal but is used. */
import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { attempt, type Log, type Scenario, shape } from './log.ts';
import { dial, serve } from './net-sockets.ts';

const HOST = '127.0.0.1';

/** What of a socket or a server is not public, and used by Node's own tests. */
interface Inner {
  _handle: Record<string, unknown> | null;
  _getsockname?(): unknown;
  _getpeername?(): unknown;
  [Symbol.asyncDispose](): Promise<void>;
}

function inner(of: Socket | Server): Inner {
  return of as unknown as Inner;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function closed(...all: (Socket | Server)[]): Promise<void> {
  await Promise.all(
    all.map((s) => ((s as Socket).closed ? undefined : once(s, 'close').catch(() => {}))),
  );
}

/** Listens with `args`; logs what came of it. */
async function listening(log: Log, actor: string, ...args: unknown[]): Promise<void> {
  const server = net.createServer();
  log.watch(actor, server, 'listening', 'error', 'close');
  const settled = new Promise<void>((done) => {
    server.once('listening', () => done()).once('error', () => done());
  });
  const result = attempt(() => (server.listen as (...a: unknown[]) => unknown).apply(server, args));
  log.add(actor, result, server.listening);
  if (typeof result === 'object' && result !== null && 'message' in result) return;
  await settled;
  const address = server.address() as AddressInfo | null;
  log.add(actor, server.listening, address?.address, address?.family, typeof address?.port);
  await new Promise<void>((done) => {
    server.close((e) => {
      log.add(actor, 'closed', shape(e), server.listening, server.address());
      done();
    });
  });
}

const listenForms: Scenario = async (log) => {
  await listening(log, 'nothing');
  await listening(log, 'zero', 0);
  await listening(log, 'text', '0');
  await listening(log, 'callback', () => log.add('callback', 'called'));
  await listening(log, 'host', 0, HOST);
  await listening(log, 'name', 0, 'localhost');
  await listening(log, 'backlog', 0, HOST, 5, () => log.add('backlog', 'called'));
  await listening(log, 'backlog without host', 0, 5);
  await listening(log, 'null', null);
  await listening(log, 'undefined', undefined);
  await listening(log, 'object', { port: 0, host: HOST, backlog: 3, exclusive: true });
  await listening(log, 'null host', { port: 0, host: null });
  await listening(log, 'ipv6Only', { port: 0, host: '::', ipv6Only: true });
  await listening(log, 'reusePort', { port: 0, host: HOST, reusePort: true });
  await listening(log, 'backlog text', { port: 0, host: HOST, backlog: '7' });
};

const listenWrong: Scenario = async (log) => {
  const values = [-1, 1.5, 65_536, '65536', ' ', 'a b', true, false, [], {}, { port: null }, NaN];
  for (const [i, value] of values.entries()) await listening(log, `value ${i}`, value);
  for (const [i, port] of [-1, 65_536, 'x', {}, true, null, undefined].entries())
    await listening(log, `port ${i}`, { port, host: HOST });
  await listening(log, 'fd', { fd: 999 });
  await listening(log, 'fd -1', { fd: -1 });
  await listening(log, 'unknown host', 0, '192.0.2.77');
  await listening(log, 'no such name', 0, 'no-such-name.invalid');
  await listening(log, 'host', { port: 0, host: 7 });
  await listening(log, 'flags', { port: 0, host: HOST, reusePort: 'yes' });
};

const listenTwice: Scenario = async (log) => {
  const { server, port } = await serve((s) => s.end());
  log.add(
    'server',
    attempt(() => server.listen(0)),
  );
  await listening(log, 'taken', port, HOST);
  await listening(log, 'taken, any', port);
  await listening(log, 'taken, exclusive', { port, host: HOST, exclusive: true });
  await listening(log, 'other address', port, '127.0.0.9');
  server.close();
  await once(server, 'close');
  server.close((e) => log.add('server', 'again', shape(e)));
  server.listen(port, HOST);
  await once(server, 'listening');
  log.add('server', server.listening);
  server.close();
  server.close((e) => log.add('server', 'twice', shape(e)));
  log.add('server', server.listening);
  await once(server, 'close');
  const never = net.createServer();
  log.watch('never', never, 'close', 'error');
  never.close((e) => log.add('never', shape(e)));
  await sleep(5);
};

const retry: Scenario = async (log) => {
  const { server, port } = await serve((s) => s.end());
  const second = net.createServer();
  log.watch('second', second, 'listening', 'close');
  second.on('error', (e) => {
    log.add('second', shape(e), second.listening, inner(second)._handle);
    server.close(() => second.listen(port, HOST));
  });
  second.listen(port, HOST);
  while (!second.listening) await sleep(1);
  await sleep(1);
  second.close();
  await closed(second);
};

const disposing: Scenario = async (log) => {
  const dispose = (Symbol as unknown as { asyncDispose?: symbol }).asyncDispose;
  const { server, port } = await serve((s) => s.resume());
  log.watch('server', server, 'close');
  const socket = dial(log, 'client', { port, host: HOST });
  await once(socket, 'connect');
  let done = false;
  if (dispose !== undefined) {
    const waiting = inner(server)
      [Symbol.asyncDispose]()
      .then(() => {
        done = true;
      });
    await sleep(5);
    log.add('server', 'waits', done);
    socket.destroy();
    await waiting;
    await inner(server)[Symbol.asyncDispose]();
  } else {
    socket.destroy();
    server.close();
  }
  log.add('server', server.listening);
};

const closingLive: Scenario = async (log) => {
  const sockets: Socket[] = [];
  const { server, port } = await serve((s) => sockets.push(s.resume()));
  log.watch('server', server, 'close');
  const clients = [1, 2, 3].map(() => net.connect(port, HOST).resume());
  await Promise.all(clients.map((c) => once(c, 'connect')));
  while (sockets.length < 3) await sleep(1);
  server.getConnections((e, n) => log.add('server', 'connections', e, n));
  server.close(() => log.add('server', 'closed'));
  const late = dial(log, 'late', { port, host: HOST });
  await closed(late);
  server.getConnections((e, n) => log.add('server', 'connections', e, n));
  for (const s of sockets) s.end('bye');
  await closed(...clients, server);
  server.getConnections((e, n) => log.add('server', 'connections', e, n));
  await sleep(5);
};

const unreferenced: Scenario = async (log) => {
  const { server, port } = await serve((s) => s.end('x'));
  log.add('server', server.unref() === server, server.ref() === server);
  const socket = dial(log, 'client', { port, host: HOST });
  log.add('client', socket.unref() === socket, socket.ref() === socket);
  const has = (): unknown => (inner(socket)._handle as { hasRef(): boolean } | null)?.hasRef();
  log.add('client', has());
  socket.unref();
  log.add('client', has());
  await once(socket, 'connect');
  log.add('client', has());
  socket.ref().resume();
  await closed(socket);
  const later = new net.Socket();
  later.unref();
  later.connect(port, HOST);
  await once(later, 'connect');
  log.add('later', (inner(later)._handle as { hasRef(): boolean }).hasRef());
  later.destroy();
  server.close();
};

const options: Scenario = async (log) => {
  const calls: unknown[][] = [];
  const { server, port } = await serve(
    (s) => {
      log.add('peer', Object.keys(inner(s)._handle ?? {}).length > 0, s.allowHalfOpen);
      s.end();
    },
    { noDelay: true, keepAlive: true, keepAliveInitialDelay: 2500, allowHalfOpen: true },
  );
  for (const extra of [
    { noDelay: true },
    { keepAlive: true, keepAliveInitialDelay: 1000 },
    { noDelay: 7, keepAlive: 'x' },
    { keepAliveInitialDelay: -5, keepAlive: true },
  ]) {
    const socket = new net.Socket(extra as never);
    socket.connect(port, HOST);
    const handle = inner(socket)._handle as Record<string, unknown>;
    for (const name of ['setNoDelay', 'setKeepAlive']) {
      const original = handle[name] as (...args: unknown[]) => unknown;
      handle[name] = (...args: unknown[]) => {
        calls.push([name, ...args]);
        return original.apply(handle, args);
      };
    }
    await once(socket, 'connect');
    log.add('client', calls.splice(0));
    socket.setNoDelay();
    socket.setNoDelay(true);
    socket.setNoDelay(false);
    socket.setNoDelay(false);
    socket.setKeepAlive(true, 1500.7);
    socket.setKeepAlive(true, 1500);
    socket.setKeepAlive(false);
    log.add('client', calls.splice(0));
    socket.destroy();
    await closed(socket);
    log.add(
      'client',
      attempt(() => socket.setNoDelay() === socket),
      attempt(() => socket.setKeepAlive(true) === socket),
    );
  }
  server.close();
};

const onread: Scenario = async (log) => {
  const { server, port } = await serve((s) => {
    s.end('hello world, and good bye');
  });
  const buffers = [Buffer.alloc(4), Buffer.alloc(9)];
  let next = 0;
  let text = '';
  const socket = dial(log, 'function', {
    port,
    host: HOST,
    onread: {
      buffer: () => buffers[next++ % 2] as Buffer,
      callback: (n, b) => {
        text += Buffer.from(b.buffer, b.byteOffset, n).toString('latin1');
        return true;
      },
    },
  });
  socket.on('data', () => log.add('function', 'data'));
  await closed(socket);
  log.add('function', text, socket.bytesRead);
  let calls = 0;
  const stopping = dial(log, 'stopping', {
    port,
    host: HOST,
    onread: {
      buffer: Buffer.alloc(5),
      callback: (n, b) => {
        log.add('stopping', Buffer.from(b.buffer, b.byteOffset, n).toString());
        calls++;
        setTimeout(() => stopping.resume(), 3);
        return false;
      },
    },
  });
  await closed(stopping);
  log.add('stopping', calls > 3);
  const inner2 = dial(log, 'destroying', {
    port,
    host: HOST,
    onread: {
      buffer: Buffer.alloc(2),
      callback: () => {
        log.add('destroying', 'read');
        inner2.destroy();
        return true;
      },
    },
  });
  await closed(inner2);
  for (const wrong of [{ buffer: Buffer.alloc(1) }, { callback() {} }, null, 7, {}])
    log.add(
      'wrong',
      attempt(() => {
        const s = net.connect({ port, host: HOST, onread: wrong as never });
        s.destroy();
        return 'made';
      }),
    );
  server.close();
};

const addresses: Scenario = async (log) => {
  const { server, port } = await serve((s) => {
    log.add(
      'peer',
      s.address(),
      s.remoteAddress,
      s.remoteFamily,
      typeof s.remotePort,
      s.localAddress,
      s.localPort === port,
      s.localFamily,
    );
    s.on('close', () =>
      log.add('peer', s.address(), s.remoteAddress, s.localAddress, s.remoteFamily, s.localFamily),
    );
    s.resume();
  });
  const from = dial(log, 'client', { port, host: HOST, localAddress: '127.0.0.5' });
  await once(from, 'connect');
  log.add(
    'client',
    from.localAddress,
    from.localFamily,
    from.remoteAddress,
    from.remotePort === port,
  );
  log.add('client', inner(from)._getsockname?.(), inner(from)._getpeername?.());
  from.end();
  await closed(from);
  log.add('client', from.localAddress, from.localPort, from.remoteAddress, from.remoteFamily);
  const to = dial(log, 'bind', { port, host: HOST, localAddress: '127.0.0.6', localPort: 45_991 });
  await once(to, 'connect');
  log.add('bind', to.localPort, to.localAddress);
  to.destroy();
  await closed(to);
  for (const wrong of [
    { localPort: -1 },
    { localPort: 'x' },
    { localAddress: 'localhost' },
    { family: 5 },
    { lookup: 7 },
    { hints: 1000 },
  ])
    log.add(
      'wrong',
      attempt(() => {
        const s = net.connect({ port, host: 'localhost', ...wrong } as never);
        s.on('error', () => {}).destroy();
        return 'made';
      }),
    );
  server.close();
};

const lookups: Scenario = async (log) => {
  const { server, port } = await serve((s) => s.end());
  const found = async (
    actor: string,
    answer: (cb: (...a: unknown[]) => void, all: boolean) => void,
    extra = {},
  ): Promise<void> => {
    const socket = dial(log, actor, {
      port,
      host: 'made.up',
      lookup: ((
        host: string,
        o: { all?: boolean; family?: number; hints?: number },
        cb: (...a: unknown[]) => void,
      ) => {
        log.add(actor, 'asked', host, o.family, o.hints, o.all);
        answer(cb, o.all === true);
      }) as never,
      ...extra,
    });
    socket.resume();
    await closed(socket);
    log.add(actor, shape(socket.errored));
  };
  const error = Object.assign(new Error('mine'), { code: 'EMINE' });
  await found('error', (cb) => process.nextTick(cb, error));
  await found('sync', (cb, all) =>
    all ? cb(null, [{ address: HOST, family: 4 }]) : cb(null, HOST, 4),
  );
  await found('bad family', (cb) => process.nextTick(cb, null, HOST, 17), {
    autoSelectFamily: false,
  });
  await found('bad address', (cb) => process.nextTick(cb, null, 'nope', 4), {
    autoSelectFamily: false,
  });
  await found(
    'family',
    (cb, all) => process.nextTick(cb, null, all ? [{ address: HOST, family: 4 }] : HOST, 4),
    { family: 4, hints: 0 },
  );
  await found('numbers', (cb) => process.nextTick(cb, null, 7, 4), { autoSelectFamily: false });
  const late = net.connect({
    port,
    host: 'x',
    lookup: ((_h: string, _o: object, cb: (...a: unknown[]) => void) =>
      setTimeout(cb, 5, null, [{ address: HOST, family: 4 }])) as never,
  });
  log.watch('late', late, 'lookup', 'connect', 'close', 'error');
  late.destroy();
  await closed(late);
  await sleep(8);
  server.close();
};

const unreachable: Scenario = async (log) => {
  const fail = async (actor: string, o: object): Promise<void> => {
    const socket = dial(log, actor, o as never);
    log.watch(
      actor,
      socket,
      'connectionAttempt',
      'connectionAttemptFailed',
      'connectionAttemptTimeout',
    );
    socket.write('lost', (e) => log.add(actor, 'written', shape(e)));
    await closed(socket);
    log.add(actor, socket.destroyed, socket.readyState, socket.connecting, socket.pending);
  };
  await fail('no name', { port: 1, host: 'no-such-name.invalid' });
  await fail('no name, no family', {
    port: 1,
    host: 'no-such-name.invalid',
    autoSelectFamily: false,
  });
  await fail('refused', { port: 1, host: HOST });
  await fail('refused 6', { port: 1, host: '::1' });
  await fail('refused both', {
    port: 1,
    host: 'both',
    lookup: ((_h: string, _o: object, cb: (...a: unknown[]) => void) =>
      cb(null, [
        { address: HOST, family: 4 },
        { address: '::1', family: 6 },
      ])) as never,
  });
  await fail('broadcast', { port: 1, host: '255.255.255.255' });
  await fail('port 0', { port: 0, host: HOST });
  await fail('wildcard', { port: 1, host: '0.0.0.0' });
  await fail('local', { port: 1, host: HOST, localAddress: '192.0.2.9' });
  await fail('local both', {
    port: 1,
    host: 'both',
    localAddress: '::1',
    lookup: ((_h: string, _o: object, cb: (...a: unknown[]) => void) =>
      cb(null, [
        { address: HOST, family: 4 },
        { address: '::1', family: 6 },
      ])) as never,
  });
};

const familyDefaults: Scenario = async (log) => {
  const inside = net as unknown as Record<string, (...a: unknown[]) => unknown>;
  const [get, set] = [inside['getDefaultAutoSelectFamily'], inside['setDefaultAutoSelectFamily']];
  log.add(
    'net',
    get?.(),
    attempt(() => set?.('x')),
    inside['getDefaultAutoSelectFamilyAttemptTimeout']?.(),
  );
  const { server, port } = await serve((s) => s.end());
  for (const on of [false, true]) {
    set?.(on);
    const socket = dial(log, `auto ${on}`, { port, host: 'localhost', family: 4 });
    log.watch(`auto ${on}`, socket, 'connectionAttempt');
    socket.resume();
    await closed(socket);
    log.add(`auto ${on}`, socket.autoSelectFamilyAttemptedAddresses);
  }
  for (const wrong of [
    { autoSelectFamily: 'x' },
    { autoSelectFamilyAttemptTimeout: -1 },
    { autoSelectFamilyAttemptTimeout: 'x' },
  ])
    log.add(
      'wrong',
      attempt(() => net.connect({ port, host: 'localhost', ...wrong } as never)),
    );
  server.close();
};

const writeErrors: Scenario = async (log) => {
  let peers = 0;
  const { server, port } = await serve((s) => {
    log.watch(`peer ${++peers}`, s, 'error', 'close', 'end');
    s.on('data', () => {});
  });
  const socket = dial(log, 'client', { port, host: HOST });
  await once(socket, 'connect');
  socket.end('x');
  socket.write('after end', (e) => log.add('client', 'late', shape(e)));
  await closed(socket);
  const dead = dial(log, 'dead', { port, host: HOST });
  await once(dead, 'connect');
  dead.destroy();
  dead.write('x', (e) => log.add('dead', 'written', shape(e)));
  dead.end('y', () => log.add('dead', 'ended'));
  await closed(dead);
  const never = new net.Socket();
  log.watch('never', never, 'error', 'close');
  never.write('x', (e) => log.add('never', 'written', shape(e)));
  never.end(() => log.add('never', 'end'));
  await sleep(5);
  never.destroy();
  await sleep(5);
  const parts = dial(log, 'parts', { port, host: HOST });
  parts.cork();
  for (const part of ['a', Buffer.from('b'), new Uint8Array([99])]) parts.write(part as string);
  for (const wrong of [1, {}, [], true, undefined, null])
    log.add(
      'parts',
      attempt(() => parts.write(wrong as never)),
    );
  parts.uncork();
  parts.end();
  await closed(parts);
  log.add('parts', parts.bytesWritten);
  server.close();
};

const resets: Scenario = async (log) => {
  const { server, port } = await serve((s) => {
    log.watch('peer', s, 'error', 'close', 'end');
    s.on('data', (d) => {
      const what = String(d);
      if (what === 'reset') s.resetAndDestroy();
      if (what === 'destroy unread') {
        s.pause();
        s.destroy();
      }
    });
  });
  for (const word of ['reset', 'destroy unread']) {
    const socket = dial(log, word, { port, host: HOST });
    socket.resume();
    socket.write(word);
    await closed(socket);
    log.add(word, socket.destroyed, shape(socket.errored));
  }
  const closedSocket = net.connect(port, HOST);
  await once(closedSocket, 'connect');
  closedSocket.destroy();
  await closed(closedSocket);
  log.watch('closed', closedSocket, 'error');
  closedSocket.resetAndDestroy();
  await sleep(2);
  log.add('closed', closedSocket.destroyed);
  const soon = dial(log, 'soon', { port, host: HOST });
  soon.write('last');
  soon.destroySoon();
  soon.destroySoon();
  await closed(soon);
  log.add('soon', soon.bytesWritten);
  server.close();
};

const timeouts: Scenario = async (log) => {
  const { server, port } = await serve((s) => {
    s.setTimeout(20, () => {
      log.add('peer', 'timeout', s.timeout);
      s.destroy();
    });
    s.on('close', (e) => log.add('peer', 'close', e));
  });
  const socket = dial(log, 'client', { port, host: HOST });
  socket.resume();
  log.add('client', socket.timeout, socket.setTimeout(5) === socket, socket.timeout);
  socket.on('timeout', () => log.add('client', 'listeners', socket.listenerCount('timeout')));
  socket.setTimeout(0);
  log.add('client', socket.timeout);
  await closed(socket);
  for (const wrong of [-1, Number.NaN, Number.POSITIVE_INFINITY, 'x', {}, null])
    log.add(
      'wrong',
      attempt(() => new net.Socket().setTimeout(wrong as never).timeout),
    );
  log.add(
    'wrong',
    attempt(() => new net.Socket().setTimeout(1, 7 as never).timeout),
  );
  const unconnected = new net.Socket();
  unconnected.setTimeout(5);
  log.watch('unconnected', unconnected, 'timeout');
  await sleep(15);
  unconnected.destroy();
  server.close();
};

const pausing: Scenario = async (log) => {
  const server = net.createServer({ pauseOnConnect: true }, (s) => {
    log.add('peer', s.isPaused(), s.readableFlowing, s.bytesRead);
    s.on('data', (d) => log.add('peer', 'data', String(d)));
    s.on('end', () => log.add('peer', 'end'));
    setTimeout(() => {
      log.add('peer', 'still', s.bytesRead);
      s.resume();
    }, 10);
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  const socket = dial(log, 'client', { port: portOf(server), host: HOST });
  socket.end('hello').resume();
  await closed(socket);
  server.close();
};

const dropping: Scenario = async (log) => {
  const { server, port } = await serve((s) => s.resume());
  server.maxConnections = 1;
  (server as unknown as { dropMaxConnection: boolean }).dropMaxConnection = true;
  server.on('drop', (data) => {
    log.add(
      'server',
      'drop',
      data === undefined ? 'nothing' : { ...data, remotePort: 0, localPort: 0 },
    );
  });
  const first = net.connect(port, HOST);
  await once(first, 'connect');
  const second = dial(log, 'second', { port, host: HOST });
  second.resume();
  await closed(second);
  server.getConnections((e, n) => log.add('server', e, n));
  first.destroy();
  await closed(first);
  await sleep(5);
  server.close();
};

const signals: Scenario = async (log) => {
  const controller = new AbortController();
  const server = net.createServer();
  log.watch('server', server, 'close', 'listening');
  server.listen({ port: 0, host: HOST, signal: controller.signal });
  await once(server, 'listening');
  controller.abort();
  await closed(server);
  log.add('server', server.listening);
  const early = net.createServer();
  log.watch('early', early, 'close', 'listening', 'error');
  log.add(
    'early',
    attempt(() => early.listen({ port: 0, host: HOST, signal: AbortSignal.abort() })),
  );
  await sleep(5);
  log.add(
    'early',
    attempt(() => net.createServer().listen({ port: 0, signal: 'x' as never })),
  );
  const { server: other, port } = await serve((s) => s.resume());
  const aborting = new AbortController();
  const socket = dial(log, 'socket', { port, host: HOST, signal: aborting.signal } as never);
  aborting.abort(new Error('why'));
  await closed(socket);
  const made = new net.Socket({ signal: AbortSignal.abort() } as never);
  log.watch('made', made, 'error', 'close');
  await closed(made);
  log.add(
    'wrong',
    attempt(() => new net.Socket({ signal: 7 } as never)),
  );
  other.close();
};

const streams: Scenario = async (log) => {
  const { server, port } = await serve((s) => s.pipe(s));
  const socket = dial(log, 'pipe', { port, host: HOST });
  let sum = 0;
  socket.on('data', (d) => {
    sum += d.length;
  });
  await pipeline(Readable.from([Buffer.alloc(100_000), 'x', Buffer.alloc(200_000)]), socket);
  await closed(socket);
  log.add('pipe', sum, socket.bytesRead, socket.bytesWritten);
  const text = dial(log, 'text', { port, host: HOST });
  text.setEncoding('utf8');
  let all = '';
  text.on('data', (d) => {
    all += d;
  });
  text.write('€');
  text.write('e282', 'hex');
  text.end('ac', 'hex');
  await closed(text);
  log.add('text', all, text.readableEncoding);
  const paused = dial(log, 'paused', { port, host: HOST });
  paused.end('abc');
  paused.on('readable', () => {
    for (let chunk = paused.read(1) as Buffer | null; chunk !== null; chunk = paused.read(1))
      log.add('paused', String(chunk));
  });
  await closed(paused);
  const unread = dial(log, 'unread', { port, host: HOST });
  unread.write('abc');
  await once(unread, 'readable');
  log.add('unread', unread.readableLength, String(unread.read(2)), unread.readableLength);
  unread.unshift('zz');
  log.add('unread', String(unread.read()));
  unread.destroy();
  server.close();
};

const events: Scenario = async (log) => {
  const { server, port } = await serve((s) => {
    s.write('data');
    s.end();
    log.watch(
      'peer',
      s,
      'connect',
      'ready',
      'end',
      'finish',
      'close',
      'prefinish',
      'error',
      'pause',
      'resume',
      'readable',
    );
    s.resume();
  });
  const socket = new net.Socket();
  log.watch(
    'client',
    socket,
    'lookup',
    'connectionAttempt',
    'connect',
    'ready',
    'pipe',
    'unpipe',
    'end',
    'finish',
    'prefinish',
    'drain',
    'close',
    'pause',
    'resume',
    'timeout',
    'error',
  );
  socket.on('data', (d) => log.add('client', 'data', String(d)));
  const result = socket.connect({ port, host: 'localhost', family: 4 }, () =>
    log.add('client', 'callback'),
  );
  log.add(
    'client',
    result === socket,
    socket.connecting,
    socket.pending,
    socket.readyState,
    socket.readable,
    socket.writable,
  );
  process.nextTick(() => log.add('client', 'tick', socket.connecting));
  await once(socket, 'end');
  log.add(
    'client',
    'at end',
    socket.readyState,
    socket.readable,
    socket.writable,
    socket.readableEnded,
  );
  await closed(socket);
  log.add(
    'client',
    socket.readableEnded,
    socket.writableFinished,
    socket.destroyed,
    inner(socket)._handle,
  );
  server.close();
};

const internals: Scenario = async (log) => {
  const { server, port } = await serve((s) => {
    const handle = inner(s)._handle as Record<string, unknown>;
    log.add(
      'peer',
      handle.constructor.name,
      typeof handle['fd'],
      (handle['fd'] as number) > 0,
      handle['reading'],
      typeof handle['getAsyncId'],
    );
    s.end('x');
  });
  const handle = inner(server)._handle as Record<string, unknown>;
  log.add(
    'server',
    handle.constructor.name,
    (handle['fd'] as number) > 0,
    typeof handle['onconnection'],
    typeof handle['getsockname'],
  );
  const out = {};
  log.add('server', (handle['getsockname'] as (o: object) => number)(out), out);
  log.add(
    'server',
    Object.keys(server)
      .sort()
      .filter((k) => !k.startsWith('_events')),
  );
  const socket = net.connect(port, HOST);
  log.add('client', (inner(socket)._handle as { constructor: { name: string } }).constructor.name);
  log.add('client', Object.keys(socket).sort());
  await once(socket, 'connect');
  const own = inner(socket)._handle as Record<string, unknown>;
  log.add(
    'client',
    own['bytesRead'],
    own['bytesWritten'],
    own['writeQueueSize'],
    typeof own['readStart'],
    typeof own['reset'],
  );
  socket.resume();
  await closed(socket);
  server.close();
  log.add('server', inner(server)._handle);
};

const resources: Scenario = async (log) => {
  const types: string[] = [];
  const hook = createHook({
    init(_id, type) {
      if (/TCP|SHUTDOWN|WRITE|GETADDRINFO/.test(type)) types.push(type);
    },
  });
  const storage = new AsyncLocalStorage<string>();
  hook.enable();
  const { server, port } = await serve((s) => s.resume().end('x'.repeat(10)));
  const socket = storage.run('mine', () => net.connect({ port, host: 'localhost', family: 4 }));
  storage.run('other', () =>
    socket.on('lookup', () => log.add('client', 'lookup', storage.getStore())),
  );
  socket.resume();
  socket.end('y');
  await closed(socket);
  server.close();
  await closed(server);
  hook.disable();
  log.add('hook', [...new Set(types)].sort());
};

const channels: Scenario = async (log) => {
  const seen: [string, (m: unknown) => void][] = [
    'net.client.socket',
    'net.server.socket',
    'tracing:net.server.listen:asyncStart',
    'tracing:net.server.listen:asyncEnd',
    'tracing:net.server.listen:error',
  ].map((name) => [
    name,
    (m) =>
      log.add(
        name,
        Object.keys(m as object).sort(),
        (m as { socket?: unknown }).socket instanceof net.Socket,
        shape((m as { error?: unknown }).error),
      ),
  ]);
  for (const [name, listener] of seen) diagnostics.subscribe(name, listener);
  const { server, port } = await serve((s) => s.end());
  const socket = net.connect(port, HOST).resume();
  await closed(socket);
  await listening(log, 'taken', port, HOST);
  for (const [name, listener] of seen) diagnostics.unsubscribe(name, listener);
  server.close();
};

const sockets: Scenario = async (log) => {
  log.add(
    'SocketAddress',
    new net.SocketAddress({}),
    new net.SocketAddress({ address: '::1', port: 5, family: 'ipv6', flowlabel: 2 }),
  );
  const list = new net.BlockList();
  list.addAddress('127.0.0.7');
  const refused = dial(log, 'client list', {
    port: 1,
    host: '127.0.0.7',
    blockList: list,
  } as never);
  await closed(refused);
  const { server, port } = await serve((s) => s.end('x'), { blockList: list } as never);
  const from = dial(log, 'server list', { port, host: HOST, localAddress: '127.0.0.7' });
  from.resume();
  await closed(from);
  const ok = dial(log, 'other', { port, host: HOST });
  ok.resume();
  await closed(ok);
  log.add(
    'wrong',
    attempt(() => net.createServer({ blockList: 7 } as never)),
    attempt(() =>
      net
        .connect({ port, host: HOST, blockList: {} } as never)
        .on('error', () => {})
        .destroy(),
    ),
  );
  server.close();
};

const adopted: Scenario = async (log) => {
  const { server, port } = await serve((s) => {
    s.end('from the server');
    s.resume();
  });
  const first = net.connect(port, HOST);
  await once(first, 'connect');
  const second = new net.Socket({ handle: inner(first)._handle } as never);
  log.watch('second', second, 'end', 'close', 'error');
  log.add(
    'second',
    second.readyState,
    second.connecting,
    second.remoteAddress,
    second.localAddress,
  );
  let text = '';
  second.on('data', (d) => {
    text += d;
  });
  second.end();
  await closed(second);
  log.add('second', text);
  for (const options of [
    { fd: 999 },
    { fd: -1 },
    { fd: 'x' },
    { objectMode: true },
    { readableObjectMode: true },
    { handle: 7 },
  ])
    log.add(
      'wrong',
      attempt(() => {
        const s = new net.Socket(options as never);
        s.on('error', () => {});
        return s.readyState;
      }),
    );
  server.close();
};

const reuse: Scenario = async (log) => {
  const { server, port } = await serve((s) => s.end('one'));
  const socket = new net.Socket();
  log.watch('client', socket, 'connect', 'ready', 'end', 'close', 'error');
  for (let i = 0; i < 3; i++) {
    socket.connect(port, HOST).resume();
    await closed(socket);
    log.add('client', socket.bytesRead, socket.destroyed);
  }
  socket.connect(1, HOST);
  await once(socket, 'close').catch(() => once(socket, 'close'));
  socket.connect(port, HOST).resume();
  await once(socket, 'close');
  log.add('client', socket.bytesRead);
  const twice = dial(log, 'twice', { port, host: HOST });
  log.add(
    'twice',
    attempt(() => twice.connect(port, HOST) === twice),
  );
  twice.resume();
  await closed(twice);
  server.close();
};

const forms: Scenario = async (log) => {
  const { server, port } = await serve((s) => s.end());
  const connect = net.connect as (...a: unknown[]) => Socket;
  const ways: unknown[][] = [
    [port, HOST],
    [String(port), HOST],
    [port, HOST, () => log.add('callback', 'called')],
    [{ port, host: HOST }],
    [{ port: String(port), host: HOST }, () => log.add('callback 3', 'called')],
    [{ port, host: '127.0.0.1', family: 4 }],
  ];
  for (const [i, way] of ways.entries()) {
    const socket = connect(...way);
    log.watch(`way ${i}`, socket, 'connect', 'error', 'close', 'lookup');
    socket.resume();
    await closed(socket);
  }
  for (const wrong of [
    [],
    [{}],
    [undefined],
    [null],
    [true],
    ['x y'],
    [{ port: {} }],
    [{ port: 80, path: 7 }],
    [{ port: 1, host: [] }],
    [NaN],
    [-1],
    ['0x'],
    [{ port: 1, timeout: 'x' }],
  ])
    log.add(
      'wrong',
      wrong,
      attempt(() => {
        const s = connect(...wrong);
        s.on('error', (e) => log.add('wrong', 'later', shape(e)));
        setTimeout(() => s.destroy(), 20);
        return 'made';
      }),
    );
  await sleep(30);
  server.close();
};

export const NET_MORE: Readonly<Record<string, Scenario>> = {
  'net: forms of listen': listenForms,
  'net: wrong arguments of listen': listenWrong,
  'net: listening twice': listenTwice,
  'net: listening again after EADDRINUSE': retry,
  'net: a server disposed of': disposing,
  'net: closing a server with live connections': closingLive,
  'net: ref and unref': unreferenced,
  'net: noDelay and keepAlive reach the handle': options,
  'net: onread': onread,
  'net: addresses': addresses,
  'net: lookup': lookups,
  'net: connects that fail': unreachable,
  'net: writes that fail': writeErrors,
  'net: resets, destroySoon': resets,
  'net: timeouts': timeouts,
  'net: pauseOnConnect': pausing,
  'net: dropMaxConnection': dropping,
  'net: signals': signals,
  'net: streams': streams,
  'net: events': events,
  'net: internals': internals,
  'net: block lists and SocketAddress': sockets,
  'net: a handle given to another socket': adopted,
  'net: a socket used again': reuse,
  'net: forms of connect': forms,
};

/** These change or watch what is the process's. */
export const NET_GLOBAL: Readonly<Record<string, Scenario>> = {
  'net: default of autoSelectFamily': familyDefaults,
  'net: async resources': resources,
  'net: diagnostics channels': channels,
};
