/** Sends a connection and then a server to a child. */
'use strict';
const { fork } = require('node:child_process');
const net = require('node:net');

if (process.argv[2] === 'child') {
  process.on('message', (message, handle) => {
    if (message === 'server') {
      handle.on('connection', (s) => s.end('from the child'));
      process.send('serving');
    } else if (message === 'socket') {
      handle.on('close', () => process.send('done')).end('taken over');
    } else process.exit(3);
  });
} else {
  const child = fork(__filename, ['child']);
  const server = net.createServer({ pauseOnConnect: true }, (s) => child.send('socket', s));
  const dial = (port) => net.connect(port).on('data', (d) => console.log(String(d)));
  server.listen(0, () => {
    const { port } = server.address();
    dial(port);
    child.on('message', (message) => {
      console.log(message);
      if (message === 'done') child.send('server', server);
      else {
        server.close();
        dial(port).on('close', () => child.send('bye'));
      }
    });
    child.on('exit', (code) => console.log(`exit ${code}`));
  });
}
