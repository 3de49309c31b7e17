// An HTTP server that closes a connection which was idle for two seconds, and says so to nobody.
import http from 'node:http';

const IDLE_MS = 2000;
const idle = new WeakMap();
let served = 0;

const server = http.createServer((request, response) => {
  const { socket } = request;
  clearTimeout(idle.get(socket));
  // By itself Node would tell its clients how long it waits, and then wait longer.
  response.setHeader('connection', 'keep-alive');
  response.on('finish', () =>
    idle.set(
      socket,
      setTimeout(() => socket.destroy(), IDLE_MS),
    ),
  );
  request.resume().on('end', () => response.end(`${++served}\n`));
});
server.keepAliveTimeout = 0;
server.listen(80, () => console.log('serves'));
