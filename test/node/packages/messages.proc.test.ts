/** Mail, message queues, remote calls and shells, unmodified, over their default ports between two namespaces. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { TEST_CERT, TEST_KEY } from '../tls-key.ts';
import { twoHosts } from '../two-hosts.ts';
import { load, type Package } from './packages.ts';

const { web, client } = twoHosts();

test('mqtt and aedes: publish, subscribe, a retained message', async () => {
  const [broker, server] = await web.run(async () => {
    const aedes = load('aedes').createBroker?.() ?? new (load('aedes'))();
    const listening = net.createServer(aedes.handle);
    listening.listen(1883);
    await once(listening, 'listening');
    return [aedes as Package, listening] as const;
  });
  await client.run(async () => {
    const { connectAsync } = load('mqtt');
    const one = await connectAsync('mqtt://web');
    const two = await connectAsync('mqtt://web');
    await one.publishAsync('kept', 'for later', { qos: 1, retain: true });
    const retained = once(two, 'message');
    await two.subscribeAsync('kept', { qos: 1 });
    assert.equal(String((await retained)[1]), 'for later');
    await two.subscribeAsync('a/+/c', { qos: 2 });
    const heard = once(two, 'message');
    await one.publishAsync('a/b/c', Buffer.alloc(100_000, 'x'), { qos: 2 });
    const [topic, body] = await heard;
    assert.deepEqual([topic, body.length], ['a/b/c', 100_000]);
    await one.endAsync();
    await two.endAsync();
  });
  server.close();
  await new Promise<void>((done) => {
    broker.close(() => done());
  });
});

test('@grpc/grpc-js: a call, a stream both ways, an error, a deadline', async () => {
  const grpc = load('@grpc/grpc-js');
  const plain = {
    requestSerialize: (v: unknown) => Buffer.from(JSON.stringify(v)),
    requestDeserialize: (b: Buffer) => JSON.parse(String(b)),
    responseSerialize: (v: unknown) => Buffer.from(JSON.stringify(v)),
    responseDeserialize: (b: Buffer) => JSON.parse(String(b)),
  };
  const service = {
    double: { path: '/t/double', requestStream: false, responseStream: false, ...plain },
    echo: { path: '/t/echo', requestStream: true, responseStream: true, ...plain },
  };
  const server = await web.run(async () => {
    const made = new grpc.Server();
    made.addService(service, {
      double(call: Package, done: (e: unknown, v?: unknown) => void) {
        const n = call.request;
        if (n < 0) done({ code: grpc.status.INVALID_ARGUMENT, details: 'too small' });
        else if (n < 1000) done(null, n * 2);
      },
      echo(call: Package) {
        call.on('data', (d: unknown) => call.write(d));
        call.on('end', () => call.end());
      },
    });
    await new Promise<void>((done, fail) =>
      made.bindAsync('0.0.0.0:50051', grpc.ServerCredentials.createInsecure(), (e: Error | null) =>
        e === null ? done() : fail(e),
      ),
    );
    return made;
  });
  await client.run(async () => {
    const Client = grpc.makeGenericClientConstructor(service, 't');
    const stub = new Client('web:50051', grpc.credentials.createInsecure());
    const double = (n: number, options: object = {}): Promise<unknown> =>
      new Promise((done, fail) =>
        stub.double(n, options, (e: Error | null, v: unknown) => (e === null ? done(v) : fail(e))),
      );
    assert.equal(await double(21), 42);
    await assert.rejects(double(-1), { code: grpc.status.INVALID_ARGUMENT, details: 'too small' });
    await assert.rejects(double(1000, { deadline: Date.now() + 50 }), {
      code: grpc.status.DEADLINE_EXCEEDED,
    });
    const call = stub.echo();
    const got: unknown[] = [];
    call.on('data', (d: unknown) => got.push(d));
    for (let i = 0; i < 50; i++) call.write(i);
    call.end();
    await once(call, 'end');
    assert.equal(got.length, 50);
    stub.close();
  });
  await web.run(() => new Promise<void>((done) => server.tryShutdown(() => done())));
});

test('nodemailer and smtp-server: a mail, STARTTLS, a refused recipient', async () => {
  const received: string[] = [];
  const server = await web.run(async () => {
    const { SMTPServer } = load('smtp-server');
    const smtp = new SMTPServer({
      key: TEST_KEY,
      cert: TEST_CERT,
      authOptional: true,
      onRcptTo: ({ address }: { address: string }, _session: unknown, done: (e?: Error) => void) =>
        address.startsWith('nobody') ? done(new Error('no such user')) : done(),
      onData: (stream: NodeJS.ReadableStream, session: Package, done: () => void) => {
        let text = `${session.secure} `;
        stream.on('data', (d) => {
          text += d;
        });
        stream.on('end', () => {
          received.push(text);
          done();
        });
      },
    });
    smtp.on('error', () => {});
    smtp.listen(25);
    await once(smtp.server, 'listening');
    return smtp;
  });
  await client.run(async () => {
    const transport = load('nodemailer').createTransport({
      host: 'web',
      port: 25,
      tls: { ca: TEST_CERT },
    });
    const mail = { from: 'a@client', to: 'b@web', subject: 'hi', text: 'hello there' };
    const sent = await transport.sendMail(mail);
    assert.deepEqual(sent.accepted, ['b@web']);
    assert.match(received[0] ?? '', /^true .*Subject: hi.*hello there/s);
    await assert.rejects(transport.sendMail({ ...mail, to: 'nobody@web' }), { code: 'EENVELOPE' });
    transport.close();
  });
  await new Promise<void>((done) => {
    server.close(() => done());
  });
});

test('ssh2: a command, its exit status, a forwarded connection', async () => {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  const server = await web.run(async () => {
    const { Server } = load('ssh2');
    const made = new Server({ hostKeys: [privateKey] }, (c: Package) => {
      c.on('error', () => {});
      c.on('authentication', (auth: Package) =>
        auth.method === 'password' && auth.password === 'p' ? auth.accept() : auth.reject(),
      );
      c.on('session', (accept: () => Package) =>
        accept().on('exec', (ok: () => Package, _no: unknown, info: { command: string }) => {
          const stream = ok();
          stream.write(`you said ${info.command}`);
          stream.exit(3);
          stream.end();
        }),
      );
      c.on(
        'tcpip',
        (accept: () => Package, _no: unknown, to: { destIP: string; destPort: number }) => {
          const inner = net.connect(to.destPort, to.destIP);
          const outer = accept();
          outer.pipe(inner).pipe(outer);
        },
      );
    });
    made.listen(22);
    await once(made, 'listening');
    return made;
  });
  const echo = web.run(() => net.createServer((s) => s.pipe(s)).listen(7, '127.0.0.1'));
  await client.run(async () => {
    const { Client } = load('ssh2');
    const ssh = new Client();
    const ready = once(ssh, 'ready');
    ssh.connect({ host: 'web', username: 'u', password: 'p' });
    await ready;
    const stream = await new Promise<Package>((done, fail) =>
      ssh.exec('uptime', (e: Error | undefined, s: Package) =>
        e === undefined ? done(s) : fail(e),
      ),
    );
    let text = '';
    stream.on('data', (d: Buffer) => {
      text += d;
    });
    const [code] = await once(stream, 'close');
    assert.deepEqual([text, code], ['you said uptime', 3]);
    const through = await new Promise<Package>((done, fail) =>
      ssh.forwardOut('127.0.0.1', 1, '127.0.0.1', 7, (e: Error | undefined, s: Package) =>
        e === undefined ? done(s) : fail(e),
      ),
    );
    through.write('through the tunnel');
    assert.equal(String((await once(through, 'data'))[0]), 'through the tunnel');
    ssh.end();
    await once(ssh, 'close');
  });
  echo.close();
  server.close();
});
