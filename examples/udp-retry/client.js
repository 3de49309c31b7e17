// Asks over UDP, where nobody promises anything: again after 0.2 s, 0.4 s, 0.8 s … until an answer comes.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const { TRIES = '8' } = process.env;

async function ask(question) {
  const socket = createSocket('udp4');
  const answer = once(socket, 'message');
  try {
    for (let i = 0; i < Number(TRIES); i++) {
      socket.send(question, 5000, 'server');
      const wait = new Promise((resolve) => setTimeout(resolve, 200 * 2 ** i));
      const found = await Promise.race([answer, wait]);
      if (found !== undefined) return String(found[0]);
    }
    throw new Error(`no answer to ${question} in ${TRIES} tries`);
  } finally {
    socket.close();
  }
}

for (let i = 1; i <= 20; i++) console.log(await ask(`question ${i}`));
