/** A web server with its default configuration: it listens on port 80 of all addresses. */
import http from 'node:http';
import os from 'node:os';

http.createServer((_req, res) => res.end(`${os.hostname()}\n`)).listen(80);
