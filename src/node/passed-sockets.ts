/** Sockets on their way from one program of a namespace to another, in the process that holds it. */
import { randomUUID } from 'node:crypto';
import type { ProgramSocket } from './system-calls.ts';

const passed: Map<string, ProgramSocket> = new Map();

/** Keeps a descriptor until `receiveSocket` takes it; the result names it. */
export function passSocket(socket: ProgramSocket): string {
  const token = randomUUID();
  passed.set(token, socket);
  return token;
}

export function receiveSocket(token: string): ProgramSocket | undefined {
  const socket = passed.get(token);
  passed.delete(token);
  return socket;
}
