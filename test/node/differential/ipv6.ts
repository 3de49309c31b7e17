/** `net`, `http` and `dgram` over IPv6: both families on one port, addresses, errors. */
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import { type Scenario, shape } from './log.ts';

const HOST = '::1';

async function listening(options: net.ListenOptions): Promise<[net.Server, number]> {
  const server = net.createServer((s) => s.end(`${s.remoteAddress} ${s.localAddress}`));
  server.listen({ port: 0, ...options });
  await once(server, 'listening');
  return [server, (server.address() as AddressInfo).port];
}

async function answer(options: net.TcpNetConnectOpts): Promise<unknown[]> {
  const socket: Socket = net.connect(options);
  let text = '';
  socket.on('data', (d) => {
    text += String(d);
  });
  let failed: unknown;
  socket.on('error', (e) => {
    failed = e;
  });
  const families: unknown[] = [];
  socket.on('connect', () => families.push(socket.remoteFamily, socket.localFamily));
  // `once` would reject with the error.
  await new Promise((resolve) => socket.on('close', resolve));
  return failed === undefined ? [text, ...families] : [text, hide(shape(failed), options.port)];
}

/** Ports differ from run to run. */
function hide(value: unknown, ...ports: readonly number[]): unknown {
  const text = JSON.stringify(value);
  return ports.reduce((t, port) => t.replaceAll(String(port), 'PORT'), text);
}

const families: Scenario = async (log) => {
  for (const options of [{}, { host: '::' }, { host: '::', ipv6Only: true }, { host: HOST }]) {
    const [server, port] = await listening(options);
    const { address, family } = server.address() as AddressInfo;
    log.add('server', options, address, family);
    for (const host of [HOST, '127.0.0.1', '::ffff:127.0.0.1', '::'])
      log.add('client', host, ...(await answer({ port, host })));
    server.close();
    await once(server, 'close');
  }
};

const taken: Scenario = async (log) => {
  const [server, port] = await listening({ host: '::' });
  for (const host of ['::', '0.0.0.0', HOST, '127.0.0.1', '::ffff:127.0.0.1', undefined]) {
    const second = net.createServer();
    second.listen(host === undefined ? { port } : { port, host });
    const error = await new Promise((resolve) => {
      second.on('error', resolve).on('listening', () => resolve(undefined));
    });
    log.add('second', host, error === undefined ? 'listens' : hide(shape(error), port));
    second.close();
  }
  server.close();
  await once(server, 'close');
};

const refused: Scenario = async (log) => {
  const [server, port] = await listening({ host: HOST });
  server.close();
  await once(server, 'close');
  log.add('client', ...(await answer({ port, host: HOST })));
  log.add('client', ...(await answer({ port, host: HOST, localAddress: '127.0.0.1' })));
  log.add('client', ...(await answer({ port, host: '127.0.0.1', localAddress: HOST })));
  log.add('client', ...(await answer({ port, host: HOST, family: 4 })));
  log.add('client', ...(await answer({ port, host: HOST, localAddress: HOST })));
};

const overHttp: Scenario = async (log) => {
  const server = http.createServer((req, res) => {
    log.add('request', req.url, req.socket.remoteAddress, req.socket.remoteFamily);
    res.end('yes');
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const got = await fetch(`http://[::1]:${port}/x`);
  log.add('fetch', got.status, await got.text());
  const req = http.get({ host: HOST, port, path: '/y', agent: false });
  const [res] = (await once(req, 'response')) as [http.IncomingMessage];
  log.add('get', res.statusCode, hide(req.getHeader('host'), port));
  res.resume();
  await once(res, 'end');
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
};

export const IPV6: Readonly<Record<string, Scenario>> = {
  'IPv6: a server of both families, of one, and on ::1': families,
  'IPv6: ports that are taken': taken,
  'IPv6: refused, and local addresses that do not fit': refused,
  'IPv6: http and fetch': overHttp,
};
