/** Which namespace code is in: nested and concurrent runs, contexts of callbacks, and the outside. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import dgram from 'node:dgram';
import dns from 'node:dns';
import { EventEmitter, once } from 'node:events';
import { createRequire } from 'node:module';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { currentNet, runOutside } from '../../src/node/index.ts';
import { twoHosts } from './two-hosts.ts';

const before = {
  connect: net.connect,
  Socket: net.Socket,
  hostname: os.hostname(),
  interfaces: os.networkInterfaces(),
};
const { web, client } = twoHosts();
const echo = web.run(() => net.createServer((s) => s.pipe(s)).listen(7));
after(() => echo.close());
await once(echo, 'listening');

test('S8: nested runs: inside is inside, and afterwards it is as before', () => {
  assert.equal(currentNet(), undefined);
  web.run(() => {
    assert.equal(currentNet(), web.net);
    client.run(() => assert.equal(currentNet(), client.net));
    assert.equal(currentNet(), web.net);
    runOutside(() => assert.equal(currentNet(), undefined));
  });
  assert.equal(currentNet(), undefined);
});

test('S8: concurrent runs do not see each other', async () => {
  const names = await Promise.all(
    [web, client, web, client].map((ns, i) =>
      ns.run(async () => {
        const seen: string[] = [];
        for (let k = 0; k < 5; k++) {
          await (k % 2 === 0 ? sleep(i) : Promise.resolve());
          seen.push(os.hostname());
        }
        return [...new Set(seen)].join();
      }),
    ),
  );
  assert.deepEqual(names, ['web', 'client', 'web', 'client']);
  assert.equal(os.hostname(), before.hostname);
});

test('a callback runs in the namespace and in the context of who asked', async () => {
  const storage = new AsyncLocalStorage<string>();
  const seen: string[] = [];
  const note = (what: string): void => {
    seen.push(`${what} ${storage.getStore()} ${currentNet()?.name}`);
  };
  const server = web.run(() =>
    storage.run('server', () =>
      net
        .createServer((s) => {
          note('connection');
          s.on('data', () => {
            note('server data');
            s.end('bye');
          });
        })
        .listen(0),
    ),
  );
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = client.run(() =>
    storage.run('client', () => net.connect(port, '10.0.0.1', () => note('connect'))),
  );
  socket.on('data', () => note('data'));
  socket.on('end', () => note('end'));
  storage.run('write', () => socket.write('x'));
  await once(socket, 'close');
  server.close();
  assert.deepEqual(seen.sort(), [
    'connect client client',
    'connection server web',
    'data client client',
    'end client client',
    // As Node's own: an accepted socket has the context of nobody.
    'server data undefined web',
  ]);
});

test('a socket stays in the namespace that it was connected in', async () => {
  const socket = client.run(() => net.connect(7, '10.0.0.1'));
  await once(socket, 'connect');
  web.run(() => socket.write('from elsewhere'));
  assert.equal(String((await once(socket, 'data'))[0]), 'from elsewhere');
  assert.equal(socket.localAddress, '10.0.0.2');
  socket.destroy();
  const bound = client.run(() => dgram.createSocket('udp4'));
  web.run(() => bound.bind(5000));
  await once(bound, 'listening');
  const inWeb = web.run(() => dgram.createSocket('udp4').bind(5000));
  await once(inWeb, 'listening');
  bound.close();
  inWeb.close();
});

test('the outside is untouched', async () => {
  assert.equal(net.connect, before.connect);
  assert.equal(net.Socket, before.Socket);
  const server = net.createServer((s) => s.end('outside')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = net.connect(port, '127.0.0.1');
  assert.equal(String((await once(socket, 'data'))[0]), 'outside');
  const inside = client.run(() => net.connect(port, '127.0.0.1'));
  const [error] = await once(inside, 'error').catch((e: Error) => [e]);
  assert.equal(error.code, 'ECONNREFUSED');
  server.close();
  const udp = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(udp, 'listening');
  udp.close();
  assert.deepEqual(os.networkInterfaces(), before.interfaces);
});

test('CommonJS sees the same patches as ESM', async () => {
  const require = createRequire(import.meta.url);
  const cjs = require('node:os') as typeof os;
  const esm = await import('node:os');
  assert.equal(
    web.run(() => cjs.hostname()),
    'web',
  );
  assert.equal(
    web.run(() => esm.hostname()),
    'web',
  );
  const { lookup } = await import('node:dns/promises');
  assert.deepEqual(await client.run(() => lookup('web')), { address: '10.0.0.1', family: 4 });
});

test('os tells the namespace’s interfaces', () => {
  const interfaces = web.run(() => os.networkInterfaces());
  assert.deepEqual(Object.keys(interfaces), ['lo', 'eth0']);
  assert.deepEqual(interfaces['lo'], [
    {
      address: '127.0.0.1',
      netmask: '255.0.0.0',
      family: 'IPv4',
      mac: '00:00:00:00:00:00',
      internal: true,
      cidr: '127.0.0.1/8',
    },
    {
      address: '::1',
      netmask: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
      family: 'IPv6',
      mac: '00:00:00:00:00:00',
      internal: true,
      cidr: '::1/128',
      scopeid: 0,
    },
  ]);
  assert.equal(interfaces['eth0']?.[0]?.cidr, '10.0.0.1/24');
  assert.equal(interfaces['eth0']?.[0]?.internal, false);
});

test('dns.lookup knows names, numbers and itself; resolvers find no server', async () => {
  await client.run(async () => {
    const { promises } = dns;
    assert.deepEqual(await promises.lookup('web', { all: true }), [
      { address: '10.0.0.1', family: 4 },
    ]);
    assert.deepEqual(await promisify(dns.lookup)('localhost'), { address: '127.0.0.1', family: 4 });
    assert.deepEqual(await promises.lookup('CLIENT.'), { address: '10.0.0.2', family: 4 });
    assert.deepEqual(await promises.lookup('192.0.2.1'), { address: '192.0.2.1', family: 4 });
    await assert.rejects(promises.lookup('example.com'), {
      message: 'getaddrinfo ENOTFOUND example.com',
      code: 'ENOTFOUND',
      errno: -3008,
      syscall: 'getaddrinfo',
      hostname: 'example.com',
    });
    await assert.rejects(promises.lookup('web', 6), { code: 'ENOTFOUND' });
    assert.throws(() => dns.lookup('web', { family: 7 }, () => undefined), {
      code: 'ERR_INVALID_ARG_VALUE',
    });
    const refused = { code: 'ECONNREFUSED', syscall: 'queryA', hostname: 'example.com' };
    await assert.rejects(promises.resolve4('example.com'), refused);
    await assert.rejects(new dns.promises.Resolver().resolve4('example.com'), refused);
    await assert.rejects(promisify(dns.resolve4)('example.com'), refused);
    assert.deepEqual(await promises.reverse('10.0.0.1'), ['web']);
    await assert.rejects(promises.reverse('10.0.0.9'), { syscall: 'getHostByAddr' });
    assert.deepEqual(await promises.lookupService('10.0.0.1', 80), {
      hostname: 'web',
      service: 'http',
    });
    assert.deepEqual(dns.getServers(), ['127.0.0.1']);
  });
});

test('a worker of cluster gets one clear error', async () => {
  const cluster = (await import('node:cluster')).default;
  const inner = cluster as unknown as { _getServer(self: EventEmitter, ...rest: unknown[]): void };
  const server = new EventEmitter();
  if (typeof inner._getServer !== 'function') return;
  web.run(() => inner._getServer(server, {}, () => assert.fail('asked the primary')));
  const [error] = await once(server, 'error').catch((e: Error) => [e]);
  assert.match(error.message, /exclusive: true/);
});
