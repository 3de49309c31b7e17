// As much of a Postgres server as this example needs: it lets everybody in, and answers each query with 42.
// A real one runs as well (examples/shop has one, as WASM); it only takes longer to start.
import net from 'node:net';

const message = (type, ...parts) => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
const int32 = (n) => [n >> 24, n >> 16, n >> 8, n].map((byte) => byte & 255);
const ready = message('Z', 'I');
const welcome = Buffer.concat([message('R', int32(0)), ready]);
// One column "answer" of type int4 in text, one row of it.
const column = ['answer\0', int32(0), [0, 0], int32(23), [0, 4], int32(-1), [0, 0]];
const answer = Buffer.concat([
  message('T', [0, 1], ...column),
  message('D', [0, 1], int32(2), '42'),
  message('C', 'SELECT 1\0'),
  ready,
]);

net
  .createServer((socket) => {
    let bytes = Buffer.alloc(0);
    let started = false;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      for (;;) {
        // The first message has no type.
        const typed = started ? 1 : 0;
        if (bytes.length < 4 + typed) return;
        const length = typed + bytes.readInt32BE(typed);
        if (bytes.length < length) return;
        const type = started ? String.fromCharCode(bytes[0]) : 'start';
        bytes = bytes.subarray(length);
        started = true;
        if (type === 'start') socket.write(welcome);
        else if (type === 'Q') socket.write(answer);
        else if (type === 'X') socket.end();
      }
    });
  })
  .listen(5432);
