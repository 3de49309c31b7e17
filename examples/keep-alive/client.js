// A client that keeps its connection, and asks again at the very moment at which the server closes it: its request
// and the server's FIN pass each other on the wire, and a RST is the answer. Nobody has done anything wrong; the
// client must ask again over a new connection. It may, since a GET changes nothing.
import http from 'node:http';

const { RETRY = 'yes', EVERY = '1980' } = process.env;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function get(url) {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent, timeout: 3000 }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece) => {
        text += piece;
      });
      response.on('end', () => resolve(text.trim()));
      response.on('error', reject);
    });
    // A server that crashed says nothing, and never will.
    request.on('timeout', () => request.destroy(new Error('no answer within 3 s')));
    request.on('error', (error) => reject(Object.assign(error, { reused: request.reusedSocket })));
  });
}

async function ask(url) {
  try {
    return await get(url);
  } catch (error) {
    // Only a connection that was there before can have been closed meanwhile.
    if (RETRY === 'yes' && error.reused) return get(url);
    throw error;
  }
}

for (;;) {
  try {
    console.log('ok', await ask('http://server/'));
  } catch (error) {
    console.log('failed:', error.code ?? error.message);
  }
  await new Promise((resolve) => setTimeout(resolve, Number(EVERY)));
}
