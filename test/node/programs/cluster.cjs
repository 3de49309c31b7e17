/** Two workers share a TCP port and a UDP port; the argument is the scheduling policy. */
'use strict';
const cluster = require('node:cluster');
const dgram = require('node:dgram');
const http = require('node:http');

cluster.schedulingPolicy = Number(process.argv[2]);
if (cluster.isPrimary) {
  let ready = 0;
  const seen = [];
  const ask = () =>
    http.get({ port: 80, agent: false }, (res) => {
      res.on('data', (d) => seen.push(String(d)));
      res.on('end', () => (seen.length < 6 ? ask() : askUdp()));
    });
  const askUdp = () => {
    console.log(cluster.schedulingPolicy === cluster.SCHED_RR ? seen.join() : seen.length);
    const socket = dgram.createSocket('udp4');
    socket.on('message', (m) => {
      console.log(String(m));
      socket.close();
      cluster.disconnect(() => console.log('disconnected'));
    });
    socket.send('x', 53, '127.0.0.1');
  };
  for (let i = 0; i < 2; i++)
    cluster.fork().on('message', () => {
      if (++ready === 2) ask();
    });
} else {
  const server = http.createServer((_req, res) => res.end(String(cluster.worker.id)));
  const socket = dgram.createSocket('udp4', (m, from) => socket.send(`got ${m}`, from.port));
  server.listen(80, () => socket.bind(53, () => process.send('ready')));
}
