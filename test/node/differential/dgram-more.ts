/** `node:dgram`: forms of bind and send, connect, groups, options, errors; `node:dns` where nobody is asked. */
import { AsyncLocalStorage } from 'node:async_hooks';
import dgram, { type Socket } from 'node:dgram';
import dns from 'node:dns';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { attempt, type Log, type Scenario, shape } from './log.ts';

const HOST = '127.0.0.1';
const EVENTS = ['listening', 'connect', 'error', 'close'];
type Loose = Record<string, (...args: unknown[]) => unknown>;

function loose(of: object): Loose {
  return of as Loose;
}

function make(log: Log, actor: string, options: Partial<dgram.SocketOptions> = {}): Socket {
  const socket = dgram.createSocket({ type: 'udp4', ...options });
  log.watch(actor, socket, ...EVENTS);
  return socket;
}

async function bound(
  log: Log,
  actor: string,
  options: Partial<dgram.SocketOptions> = {},
): Promise<Socket> {
  const socket = make(log, actor, options);
  socket.bind(0, HOST);
  await once(socket, 'listening');
  return socket;
}

async function gone(socket: Socket): Promise<void> {
  const closed = once(socket, 'close').catch(() => {});
  socket.close();
  await closed;
}

const binds: Scenario = async (log) => {
  const ways: unknown[][] = [
    [],
    [0],
    [0, HOST],
    [undefined, HOST],
    [{ port: 0 }],
    [{ port: 0, address: HOST }],
    [{ port: 0, address: HOST, exclusive: true }],
    [{ address: HOST }],
    [() => log.add('callback', 'called')],
    [0, () => log.add('callback', 'called')],
    [0, HOST, () => log.add('callback', 'called')],
    [{ port: 0 }, () => log.add('callback', 'called')],
    [0, 'localhost'],
    [0, ''],
    [null],
    ['0'],
    [0, '192.0.2.5'],
    [0, 'no-such-name.invalid'],
    [0, '::1'],
    [{ fd: 999 }],
    [{ fd: -1 }],
    [-1],
    [65_536],
    ['x'],
    [0, 7],
  ];
  for (const [i, way] of ways.entries()) {
    const actor = `way ${i}`;
    const socket = make(log, actor);
    const settled = Promise.race([once(socket, 'listening').catch(() => {}), sleep(300)]);
    log.add(
      actor,
      attempt(() => loose(socket)['bind']?.(...way) === socket),
    );
    if (i >= 18) await Promise.race([settled, sleep(20)]);
    else await settled;
    log.add(
      actor,
      attempt(() => socket.address()),
    );
    log.add(
      actor,
      attempt(() => socket.bind(0)),
    );
    log.add(
      actor,
      attempt(() => {
        socket.close(() => log.add(actor, 'closed'));
      }),
    );
    log.add(
      actor,
      attempt(() => {
        socket.close();
      }),
      attempt(() => socket.address()),
    );
    await sleep(1);
  }
};

const types: Scenario = async (log) => {
  for (const type of [
    'udp4',
    'udp6',
    'udp5',
    '',
    undefined,
    null,
    {},
    { type: 'udp6', ipv6Only: true },
    { type: 'udp4', reuseAddr: true },
    { type: 'udp4', recvBufferSize: 9999, sendBufferSize: 8888 },
    { type: 'udp4', lookup: 7 },
    { type: 'udp4', signal: 7 },
    { type: 'udp4', reusePort: true },
  ])
    log.add(
      'type',
      type,
      attempt(() => {
        const s = dgram.createSocket(type as never);
        const keys = Object.keys(s).sort();
        s.close();
        return keys;
      }),
    );
  const sized = make(log, 'sized', { recvBufferSize: 9999, sendBufferSize: 8888 });
  log.add(
    'sized',
    attempt(() => sized.getRecvBufferSize()),
  );
  sized.bind(0, HOST);
  await once(sized, 'listening');
  log.add('sized', sized.getRecvBufferSize(), sized.getSendBufferSize());
  for (const n of [-1, 0, 1, 1.5, 4096, 2 ** 31, 'x'])
    log.add(
      'sized',
      n,
      attempt(() => sized.setRecvBufferSize(n as number)),
      attempt(() => sized.setSendBufferSize(n as number)),
      sized.getRecvBufferSize() > 0,
    );
  sized.setRecvBufferSize(10_000);
  log.add(
    'sized',
    sized.getRecvBufferSize(),
    loose(sized)['getSendQueueSize']?.(),
    loose(sized)['getSendQueueCount']?.(),
  );
  await gone(sized);
  for (const name of [
    'getRecvBufferSize',
    'getSendBufferSize',
    'getSendQueueSize',
    'getSendQueueCount',
    'address',
    'remoteAddress',
    'disconnect',
  ])
    log.add(
      'closed',
      name,
      attempt(() => loose(sized)[name]?.()),
    );
  log.add(
    'closed',
    attempt(() => sized.setBroadcast(true)),
    attempt(() => sized.setTTL(5)),
    attempt(() => sized.ref() === sized),
    attempt(() => sized.send('x', 1, HOST)),
  );
};

const sends: Scenario = async (log) => {
  const server = await bound(log, 'server');
  const { port } = server.address();
  const got: string[] = [];
  server.on('message', (m, from) => got.push(`${m} ${from.size} ${from.family} ${from.address}`));
  const client = make(log, 'client');
  const send = (...args: unknown[]): Promise<void> =>
    new Promise((done) => {
      const result = attempt(() =>
        loose(client)['send']?.(...args, (e: unknown, n: unknown) => {
          log.add('client', 'sent', shape(e), n);
          done();
        }),
      );
      if (result !== undefined) {
        log.add('client', 'threw', result);
        done();
      }
    });
  const data = Buffer.from('0123456789');
  await send('a', port);
  await send('b', port, HOST);
  await send(data, 2, 3, port);
  await send(data, 2, 3, port, HOST);
  await send(data, 9, 1, port, HOST);
  await send(['c', data], port, HOST);
  await send([], port, HOST);
  await send(new Uint8Array([65, 66]), port, HOST);
  await send(new DataView(new ArrayBuffer(3)), port, HOST);
  await send(new Uint16Array([0x4141, 0x4242]), port, HOST);
  await send('late name', port, 'localhost');
  await send('x', port, '');
  await send('x', port, undefined);
  await send('x', port, 'no-such-name.invalid');
  await send('x', port, '::1');
  await send(Buffer.alloc(65_507), port, HOST);
  await send(Buffer.alloc(65_508), port, HOST);
  await send(data, 5, 6, port, HOST);
  await send(data, -1, 6, port, HOST);
  await send(data, 11, 0, port, HOST);
  await send('x', 0, HOST);
  await send('x', -1, HOST);
  await send('x', 65_536, HOST);
  await send('x', 'y', HOST);
  await send(7, port, HOST);
  await send(null, port, HOST);
  await send([7], port, HOST);
  await send({}, port, HOST);
  await send('x', port, 7);
  await send('x', port, []);
  await sleep(20);
  log.add('server', got);
  log.add('client', loose(client)['getSendQueueSize']?.(), loose(client)['getSendQueueCount']?.());
  await gone(client);
  await gone(server);
};

const connects: Scenario = async (log) => {
  const server = await bound(log, 'server');
  const { port } = server.address();
  server.on('message', (m, from) => server.send(`re ${m}`, from.port, from.address));
  const client = make(log, 'client');
  client.on('message', (m, from) =>
    log.add('client', 'message', String(m), from.address, from.port === port),
  );
  log.add(
    'client',
    attempt(() => client.remoteAddress()),
    attempt(() => {
      client.disconnect();
    }),
  );
  for (const wrong of [undefined, 0, -1, 65_536, 'x', null])
    log.add(
      'client',
      'connect',
      wrong,
      attempt(() => {
        loose(client)['connect']?.(wrong);
      }),
    );
  client.connect(port, HOST, (...args: unknown[]) => log.add('client', 'callback', args));
  log.add(
    'client',
    attempt(() => {
      client.connect(port, HOST);
    }),
    attempt(() => client.remoteAddress()),
  );
  await once(client, 'connect');
  log.add('client', client.remoteAddress().port === port, client.address().address);
  log.add(
    'client',
    attempt(() => {
      client.connect(port, HOST);
    }),
    attempt(() => {
      client.send('x', port, HOST);
    }),
  );
  client.send('one');
  client.send(Buffer.from('two and three'), 0, 3);
  client.send(['four', 'five'], (e, n) => log.add('client', 'sent', e, n));
  await sleep(15);
  client.disconnect();
  log.add(
    'client',
    attempt(() => client.remoteAddress()),
    attempt(() => {
      client.disconnect();
    }),
  );
  client.connect(port, 'localhost');
  await once(client, 'connect');
  client.send('again');
  await sleep(10);
  await gone(client);
  const lost = make(log, 'lost');
  lost.connect(1, HOST);
  await once(lost, 'connect');
  lost.send('x', (e) => log.add('lost', 'sent', shape(e)));
  await once(lost, 'error').catch(() => {});
  await sleep(5);
  lost.send('y', (e) => log.add('lost', 'sent', shape(e)));
  await sleep(10);
  await gone(lost);
  const unknown = make(log, 'unknown');
  unknown.connect(1, 'no-such-name.invalid', (e?: unknown) =>
    log.add('unknown', 'callback', shape(e)),
  );
  await sleep(200);
  await gone(unknown);
  const early = make(log, 'early');
  early.connect(port, HOST);
  log.add(
    'early',
    attempt(() => {
      early.send('too early');
    }),
  );
  log.add(
    'early',
    attempt(() => {
      early.close();
    }),
  );
  await sleep(10);
  await gone(server);
};

const groups: Scenario = async (log) => {
  const socket = await bound(log, 'socket');
  for (const name of ['addMembership', 'dropMembership'])
    for (const args of [
      [],
      ['x'],
      [7],
      ['224.0.0.114', 'x'],
      ['10.0.0.1', HOST],
      ['224.0.0.251', HOST],
      ['224.0.0.251', HOST],
      ['::1'],
      ['224.0.0.251', '192.0.2.3'],
      [''],
    ])
      log.add(
        name,
        args,
        attempt(() => loose(socket)[name]?.(...args)),
      );
  for (const name of ['addSourceSpecificMembership', 'dropSourceSpecificMembership'])
    for (const args of [
      [],
      [7, 8],
      ['127.0.0.1', 7],
      ['127.0.0.1', '232.1.1.1', HOST],
      ['x', '232.1.1.1'],
      ['127.0.0.1', '10.1.1.1'],
    ])
      log.add(
        name,
        args,
        attempt(() => loose(socket)[name]?.(...args)),
      );
  for (const [name, values] of Object.entries({
    setTTL: [0, 1, 64, 255, 256, -1, 'x', 1.5, undefined],
    setMulticastTTL: [0, 1, 255, 256, -1, 'x', undefined],
    setMulticastLoopback: [true, false, 1, 0, 'x'],
    setBroadcast: [true, false, 1, 'x'],
    setMulticastInterface: [HOST, '0.0.0.0', 'x', 7, '', '192.0.2.1', '::', undefined],
  }))
    for (const value of values)
      log.add(
        name,
        value,
        attempt(() => loose(socket)[name]?.(value)),
      );
  await gone(socket);
  for (const name of [
    'addMembership',
    'setMulticastTTL',
    'setMulticastLoopback',
    'setMulticastInterface',
    'setBroadcast',
    'setTTL',
  ])
    log.add(
      'closed',
      name,
      attempt(() => loose(socket)[name]?.('224.0.0.1')),
    );
  const unbound = make(log, 'unbound');
  for (const [name, value] of [
    ['setMulticastTTL', 3],
    ['setTTL', 3],
    ['setMulticastLoopback', 1],
    ['setBroadcast', true],
    ['setMulticastInterface', HOST],
  ] as const)
    log.add(
      'unbound',
      name,
      attempt(() => loose(unbound)[name]?.(value)),
    );
  await gone(unbound);
};

const multicast: Scenario = async (log) => {
  const receiver = make(log, 'receiver', { reuseAddr: true });
  receiver.on('message', (m) => log.add('receiver', String(m)));
  receiver.bind(45_871, () => receiver.addMembership('239.1.2.3', HOST));
  await once(receiver, 'listening');
  const sender = await bound(log, 'sender');
  sender.setMulticastInterface(HOST);
  sender.setMulticastTTL(0);
  sender.send('looped', 45_871, '239.1.2.3');
  await sleep(10);
  sender.setMulticastLoopback(false);
  sender.send('not looped', 45_871, '239.1.2.3');
  await sleep(10);
  sender.setMulticastLoopback(true);
  receiver.dropMembership('239.1.2.3', HOST);
  sender.send('left', 45_871, '239.1.2.3');
  await sleep(10);
  await gone(sender);
  await gone(receiver);
};

const taken: Scenario = async (log) => {
  const one = await bound(log, 'one');
  const { port } = one.address();
  for (const options of [{}, { reuseAddr: true }]) {
    const two = make(log, `two ${JSON.stringify(options)}`, options);
    two.bind(port, HOST);
    await Promise.race([once(two, 'listening'), once(two, 'error')]).catch(() => {});
    await sleep(2);
    two.close();
  }
  const a = make(log, 'a', { reuseAddr: true });
  a.bind(0, HOST);
  await once(a, 'listening');
  const b = make(log, 'b', { reuseAddr: true });
  b.bind(a.address().port, HOST);
  await once(b, 'listening');
  for (const s of [one, a, b]) await gone(s);
};

const signals: Scenario = async (log) => {
  const controller = new AbortController();
  const socket = make(log, 'socket', { signal: controller.signal });
  socket.bind(0, HOST);
  await once(socket, 'listening');
  controller.abort();
  await once(socket, 'close').catch(() => {});
  const early = make(log, 'early', { signal: AbortSignal.abort() } as never);
  await once(early, 'close').catch(() => {});
  log.add(
    'early',
    attempt(() => early.bind(0)),
  );
  const dispose = (Symbol as unknown as { asyncDispose?: symbol }).asyncDispose;
  const third = make(log, 'third');
  third.bind(0, HOST);
  await once(third, 'listening');
  if (dispose !== undefined) {
    await (third as unknown as Record<symbol, () => Promise<void>>)[dispose]?.();
    await (third as unknown as Record<symbol, () => Promise<void>>)[dispose]?.();
  } else third.close();
};

const lookup: Scenario = async (log) => {
  const asked = (host: string, family: unknown, cb: (...a: unknown[]) => void): void => {
    log.add('lookup', host, family);
    process.nextTick(cb, null, HOST, 4);
  };
  const server = make(log, 'server', { lookup: asked as never });
  server.bind(0, 'name.of.server');
  await once(server, 'listening');
  server.on('message', (m) => log.add('server', String(m)));
  const client = make(log, 'client', { lookup: asked as never });
  client.send('x', server.address().port, 'name.of.peer');
  await sleep(10);
  const failing = make(log, 'failing', {
    lookup: ((_h: string, _f: unknown, cb: (e: Error) => void) =>
      process.nextTick(cb, Object.assign(new Error('mine'), { code: 'EMINE' }))) as never,
  });
  failing.bind(0, 'x');
  await once(failing, 'error').catch(() => {});
  failing.send('x', 1, 'y', (e) => log.add('failing', 'sent', shape(e)));
  await sleep(10);
  for (const s of [server, client, failing]) s.close();
  await sleep(5);
};

const contexts: Scenario = async (log) => {
  const storage = new AsyncLocalStorage<string>();
  const where = (actor: string, what: string): void => log.add(actor, what, storage.getStore());
  const server = storage.run('made', () => dgram.createSocket('udp4'));
  server.on('message', () => where('server', 'message'));
  server.on('listening', () => where('server', 'listening'));
  server.on('close', () => where('server', 'close'));
  storage.run('bound', () => server.bind(0, HOST, () => where('server', 'bound')));
  await once(server, 'listening');
  const client = storage.run('client', () => dgram.createSocket('udp4'));
  client.on('connect', () => where('client', 'connect'));
  storage.run('sent', () =>
    client.send('x', server.address().port, HOST, () => where('client', 'sent')),
  );
  await sleep(10);
  storage.run('connected', () =>
    client.connect(server.address().port, HOST, () => where('client', 'connected')),
  );
  await sleep(10);
  storage.run('closed', () => server.close(() => where('server', 'closed')));
  client.close();
  await sleep(10);
};

const floods: Scenario = async (log) => {
  const server = await bound(log, 'server', { recvBufferSize: 1_000_000 });
  let count = 0;
  server.on('message', () => count++);
  const client = await bound(log, 'client');
  let sent = 0;
  for (let i = 0; i < 200; i++) client.send(`${i}`, server.address().port, HOST, () => sent++);
  while (sent < 200 || count < 200) await sleep(1);
  log.add('server', count, sent);
  client.send('last', server.address().port, HOST);
  client.close();
  await sleep(10);
  log.add('server', count);
  await gone(server);
};

const six: Scenario = async (log) => {
  const server = make(log, 'server', { type: 'udp6' });
  server.bind(0);
  await once(server, 'listening');
  const { port } = server.address();
  log.add('server', server.address());
  server.on('message', (m, from) => log.add('server', String(m), from.address, from.family));
  const four = make(log, 'four');
  four.send('mapped', port, HOST);
  const client = make(log, 'client', { type: 'udp6' });
  client.send('six', port, '::1');
  await sleep(10);
  client.send('to mapped', port, '::ffff:127.0.0.1', (e) => log.add('client', 'sent', shape(e)));
  await sleep(10);
  const six4 = make(log, 'other', { type: 'udp6' });
  six4.send('wrong', port, HOST, (e) => log.add('other', 'sent', shape(e)));
  await sleep(10);
  for (const name of ['addMembership', 'dropMembership'])
    for (const args of [['ff02::1:2', '::1%lo'], ['::1'], ['224.0.0.7', HOST], ['ff02::1:3', 'x']])
      log.add(
        name,
        args,
        attempt(() => loose(server)[name]?.(...args)),
      );
  for (const [name, value] of [
    ['setTTL', 5],
    ['setTTL', 0],
    ['setMulticastTTL', 7],
    ['setMulticastLoopback', 1],
    ['setMulticastInterface', '::1'],
    ['setMulticastInterface', '::%lo'],
    ['setMulticastInterface', 'x'],
    ['setBroadcast', true],
  ] as const)
    log.add(
      name,
      value,
      attempt(() => loose(server)[name]?.(value)),
    );
  const only = make(log, 'only', { type: 'udp6', ipv6Only: true });
  only.bind(0);
  await once(only, 'listening');
  const beside = make(log, 'beside');
  beside.bind(only.address().port);
  await once(beside, 'listening');
  for (const s of [server, four, client, six4, only, beside]) s.close();
  await sleep(5);
};

const names: Scenario = async (log) => {
  const ask = (name: string, ...args: unknown[]): Promise<void> =>
    new Promise((done) => {
      const result = attempt(() =>
        loose(dns)[name]?.(...args, (...found: unknown[]) => {
          log.add(name, args, found.map(shape));
          done();
        }),
      );
      if (result !== null && typeof result === 'object' && 'message' in result) {
        log.add(name, args, 'threw', result);
        done();
      }
    });
  for (const host of [
    HOST,
    '::1',
    '',
    null,
    false,
    undefined,
    '127.1',
    '1.2.3',
    'no-such-name.invalid',
  ])
    await ask('lookup', host);
  for (const options of [
    4,
    6,
    0,
    5,
    { family: 4 },
    { family: 'IPv4' },
    { family: 'x' },
    { all: true },
    { all: 1 },
    { hints: 3 },
    { hints: 100 },
    { order: 'ipv4first' },
    { order: 'x' },
    { verbatim: 1 },
    'x',
    null,
  ])
    await ask('lookup', HOST, options);
  for (const args of [
    [HOST, 80],
    [HOST, 0],
    [HOST, 'x'],
    ['x', 80],
    [HOST, 70_000],
    [7, 80],
    [HOST],
  ])
    await ask('lookupService', ...args);
  for (const name of ['resolve4', 'resolve', 'reverse', 'resolveMx']) {
    await ask(name, 7);
    await ask(name, null);
  }
  await ask('resolve', 'x', 'BAD');
  await ask('resolve', 'x', 7);
  await ask('reverse', 'not an address');
  for (const order of ['x', 7, 'verbatim'])
    log.add(
      'order',
      attempt(() => dns.setDefaultResultOrder(order as 'verbatim')),
      dns.getDefaultResultOrder(),
    );
  const resolver = new dns.Resolver({ timeout: 5, tries: 1 });
  for (const servers of [
    ['1.1.1.1'],
    ['[::1]:53', '1.1.1.1:5353'],
    [],
    ['x'],
    ['1.1.1.1:70000'],
    'x',
    [7],
  ])
    log.add(
      'servers',
      servers,
      attempt(() => resolver.setServers(servers as string[])),
      resolver.getServers(),
    );
  for (const options of [{ timeout: -2 }, { timeout: 'x' }, { tries: 0 }, { tries: 'x' }, null])
    log.add(
      'resolver',
      attempt(() => {
        new dns.Resolver(options as never);
      }),
    );
  log.add(
    'resolver',
    attempt(() => {
      resolver.cancel();
    }),
    attempt(() => {
      resolver.setLocalAddress('x');
    }),
    attempt(() => {
      resolver.setLocalAddress(HOST);
    }),
    attempt(() => {
      loose(resolver)['setLocalAddress']?.();
    }),
  );
  for (const host of [HOST, 'no-such-name.invalid', ''])
    log.add(
      'promises',
      host,
      await dns.promises.lookup(host).catch(shape),
      await dns.promises.lookup(host, { all: true }).catch(shape),
    );
  log.add(
    'promises',
    await attempt(() => dns.promises.lookupService(HOST, 70_000)),
    attempt(() => dns.promises.lookup(7 as never).catch(() => {})),
  );
};

/** Answers each question with `rcode`, or with records. */
const resolving: Scenario = async (log) => {
  const server = dgram.createSocket('udp4');
  server.on('message', (m, from) => {
    const type = m.readUInt16BE(m.indexOf(0, 12) + 1);
    const question = m.subarray(12, m.indexOf(0, 12) + 5);
    const name = question.subarray(1, 1 + (question[0] as number)).toString();
    if (name === 'silent') return;
    const header = Buffer.from(m.subarray(0, 12));
    header[2] = 0x81;
    header[3] = 0x80 | Number(/^rcode(\d)/.exec(name)?.[1] ?? 0);
    const data: Record<number, Buffer> = {
      1: Buffer.from([10, 1, 2, 3]),
      28: Buffer.from('20010db8000000000000000000000001', 'hex'),
      15: Buffer.concat([Buffer.from([0, 10, 4]), Buffer.from('mail'), Buffer.from([0])]),
      16: Buffer.from('\x05hello\x02yo'),
      2: Buffer.from('\x02ns\x03org\x00'),
      5: Buffer.from('\x03cnm\x00'),
      12: Buffer.from('\x03ptr\x04name\x00'),
      33: Buffer.from('\x00\x01\x00\x02\x1f\x90\x03srv\x00', 'latin1'),
      6: Buffer.from(
        '\x02ns\x00\x02me\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00\x05',
        'latin1',
      ),
      257: Buffer.from('\x00\x05issueca.example', 'latin1'),
      35: Buffer.from('\x00\x01\x00\x02\x01S\x03SIP\x01!\x04repl\x00', 'latin1'),
    };
    const rdata = data[type];
    const has = (header[3] & 15) === 0 && rdata !== undefined && name !== 'empty';
    header.writeUInt16BE(has ? 1 : 0, 6);
    header.writeUInt16BE(0, 8);
    header.writeUInt16BE(0, 10);
    const fixed = Buffer.from([
      0xc0,
      12,
      type >> 8,
      type & 255,
      0,
      1,
      0,
      0,
      0,
      60,
      0,
      has ? rdata.length : 0,
    ]);
    server.send(
      Buffer.concat(has ? [header, question, fixed, rdata] : [header, question]),
      from.port,
      from.address,
    );
  });
  server.bind(0, HOST);
  await once(server, 'listening');
  const resolver = new dns.Resolver({ timeout: 100, tries: 2 });
  resolver.setServers([`${HOST}:${server.address().port}`]);
  const ask = (name: string, ...args: unknown[]): Promise<void> =>
    new Promise((done) => {
      loose(resolver)[name]?.(...args, (...found: unknown[]) => {
        log.add(name, args, found.map(shape));
        done();
      });
    });
  for (const kind of [
    'resolve4',
    'resolve6',
    'resolveMx',
    'resolveTxt',
    'resolveNs',
    'resolveCname',
    'resolvePtr',
    'resolveSrv',
    'resolveSoa',
    'resolveCaa',
    'resolveNaptr',
    'resolveAny',
    'resolve',
  ])
    for (const name of ['a.example', 'empty.example', 'rcode3.example']) await ask(kind, name);
  for (const code of [1, 2, 4, 5]) await ask('resolve4', `rcode${code}.example`);
  await ask('resolve4', 'a.example', { ttl: true });
  await ask('resolve6', 'a.example', { ttl: true });
  for (const type of [
    'A',
    'AAAA',
    'MX',
    'TXT',
    'SRV',
    'NS',
    'CNAME',
    'PTR',
    'SOA',
    'NAPTR',
    'CAA',
    'ANY',
  ])
    await ask('resolve', 'b.example', type);
  await ask('reverse', '10.1.2.3');
  await ask('reverse', '2001:db8::1');
  await ask('resolve4', 'silent.example');
  const waiting = ask('resolve4', 'silent.example');
  await sleep(5);
  resolver.cancel();
  await waiting;
  const promises = new dns.promises.Resolver({ timeout: 100, tries: 1 });
  promises.setServers(resolver.getServers());
  log.add(
    'promises',
    await promises.resolve4('a.example'),
    await promises.resolve('rcode2.example').catch(shape),
    await promises.resolveMx('empty.example').catch(shape),
    await promises.reverse('10.1.2.3'),
  );
  resolver.setServers([`${HOST}:1`]);
  await ask('resolve4', 'refused.example');
  server.close();
};

export const DGRAM_MORE: Readonly<Record<string, Scenario>> = {
  'dgram: forms of bind': binds,
  'dgram: types and buffers': types,
  'dgram: forms of send': sends,
  'dgram: connect': connects,
  'dgram: groups and options': groups,
  'dgram: multicast': multicast,
  'dgram: ports that are taken': taken,
  'dgram: signals, disposal': signals,
  'dgram: lookup': lookup,
  'dgram: contexts': contexts,
  'dgram: many': floods,
  'dgram: IPv6': six,
  'dns: what needs no server': names,
  'dns: every kind of record': resolving,
};
