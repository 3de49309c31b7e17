/** What a program sees of its namespace. */
import dns from 'node:dns/promises';
import http from 'node:http';
import os from 'node:os';

const all = Object.values(os.networkInterfaces()).flat();
console.log(os.hostname(), all.map((i) => i.cidr.replace(/^fe80.*/, 'link-local')).join(' '));
console.log((await dns.lookup('localhost', { all: true })).map((a) => a.address).join(' '));
const server = http
  .createServer((_req, res) => res.end('hi'))
  .listen(80, async () => {
    console.log(await (await fetch('http://localhost')).text());
    const away = await fetch('http://198.51.100.1').catch((e) => e.cause.code);
    console.log(away);
    server.close();
    server.closeAllConnections();
  });
