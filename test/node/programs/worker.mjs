/** A thread connects to its parent's server, and the parent to the thread's. */
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

if (isMainThread) {
  const server = net.createServer((s) => s.end('hi')).listen(0);
  await once(server, 'listening');
  for (const options of [{}, { env: { OWN: 'yes' } }]) {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: server.address().port,
      ...options,
    });
    const [{ got, port, own }] = await once(worker, 'message');
    const [res] = await once(http.get({ port, agent: false }), 'response');
    res.resume();
    console.log(got, res.statusCode, own);
    worker.postMessage('end');
    console.log('exit', (await once(worker, 'exit'))[0]);
  }
  server.close();
} else {
  const [data] = await once(net.connect(workerData), 'data');
  const server = http.createServer((_req, res) => res.end('from the thread')).listen(0);
  await once(server, 'listening');
  const { port } = server.address();
  parentPort.postMessage({ got: String(data), port, own: process.env.OWN });
  parentPort.once('message', () => server.close());
}
