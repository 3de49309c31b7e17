// Answers each question once.
import { createSocket } from 'node:dgram';

const socket = createSocket('udp4');
socket.on('message', (question, from) => socket.send(`re: ${question}`, from.port, from.address));
socket.bind(5000);
