/** Starts itself in several ways; each child connects to the server of this one. */
'use strict';
const { exec, execFileSync, fork } = require('node:child_process');
const { once } = require('node:events');
const net = require('node:net');
const os = require('node:os');

const [, file, role, port] = process.argv;

if (role === 'child') {
  const socket = net.connect(Number(port), '127.0.0.1');
  socket.on('data', (d) => {
    const traces = Object.keys(process.env).filter((n) => /^WARREN_PLACE|^NODE_OPTIONS/.test(n));
    console.log(
      `child got ${d}, ${os.hostname()}, ${Object.keys(os.networkInterfaces())}, ${traces}`,
    );
  });
  socket.on('error', (e) => console.log(e.code));
  socket.on('close', () => process.disconnect?.());
} else {
  const server = net
    .createServer((s) => s.end('hi'))
    .listen(0, '127.0.0.1', async () => {
      const { port } = server.address();
      await once(fork(file, ['child', port]), 'exit');
      await once(
        exec(`"${process.execPath}" "${file}" child ${port}`)
          .on('exit', () => {})
          .stdout.on('data', (d) => process.stdout.write(`exec: ${d}`)),
        'close',
      );
      const out = execFileSync(process.execPath, [file, 'child', port], { encoding: 'utf8' });
      process.stdout.write(`sync: ${out}`);
      server.close();
    });
}
