/**
 * A stub resolver inside a namespace: one question to its servers, over UDP and, when the answer was cut,
 * over TCP. Timeouts, order of servers and names of errors are those of c-ares, which Node has outside.
 */
import { randomInt } from 'node:crypto';
import dgram from 'node:dgram';
import net, { isIPv6 } from 'node:net';
import type { NetNs } from '../core/net.ts';
import { inRoot } from './current.ts';
import { type DnsAnswer, decodeAnswer, encodeQuery } from './dns-message.ts';

const { setTimeout, clearTimeout } = globalThis;

/** c-ares' `DEFAULT_TIMEOUT`, milliseconds: doubled with each round through the servers. */
const TIMEOUT_MS = 2000;
const TRIES = 4;

export interface DnsServer {
  readonly address: string;
  readonly port: number;
}

export interface QueryOptions {
  /** Milliseconds; not positive: c-ares' own. */
  readonly timeout: number;
  readonly tries: number;
  /** Longest timeout, milliseconds; 0: none. */
  readonly maxTimeout: number;
  readonly localAddress: string | undefined;
  readonly localAddress6: string | undefined;
}

export const DEFAULT_QUERY: QueryOptions = {
  timeout: TIMEOUT_MS,
  tries: TRIES,
  maxTimeout: 0,
  localAddress: undefined,
  localAddress6: undefined,
};

/** An answer, or the code that Node gives the error. */
export type Outcome = DnsAnswer | string;

/** Ends the attempt: with an answer, an error's code. */
type Done = (outcome: Outcome) => void;

const RCODES: Readonly<Record<number, string>> = {
  1: 'EFORMERR',
  2: 'ESERVFAIL',
  3: 'ENOTFOUND',
  4: 'ENOTIMP',
  5: 'EREFUSED',
};

export class DnsQuery {
  private readonly servers: readonly DnsServer[];
  private readonly options: QueryOptions;
  private readonly id: number = randomInt(0x10000);
  private readonly bytes: Buffer | undefined;
  private readonly done: Done;
  private attempt = 0;
  private finished = false;
  private stop: () => void = () => undefined;

  /** @param done called once, never before the constructor has returned */
  constructor(
    netns: NetNs,
    servers: readonly DnsServer[],
    options: QueryOptions,
    question: readonly [name: string, type: number],
    done: Done,
  ) {
    this.servers = servers;
    this.options = options;
    this.done = done;
    this.bytes = encodeQuery(this.id, ...question);
    if (this.bytes === undefined) process.nextTick(() => this.finish('EBADNAME'));
    else process.nextTick(() => inRoot(netns, start, this, undefined));
  }

  cancel(): void {
    this.finish('ECANCELLED');
  }

  /** Asks the server whose turn it is; after the last: `code`. */
  ask(code: string): void {
    if (this.finished) return;
    const { servers, options } = this;
    const round = Math.floor(this.attempt / servers.length);
    const server = servers[this.attempt++ % servers.length];
    if (server === undefined || round >= options.tries) {
      this.finish(code);
      return;
    }
    const base = (options.timeout > 0 ? options.timeout : TIMEOUT_MS) * 2 ** round;
    const wait = options.maxTimeout > 0 ? Math.min(base, options.maxTimeout) : base;
    let ended = false;
    const next = (end: () => void): void => {
      if (ended) return;
      ended = true;
      this.stop();
      end();
    };
    const timer = setTimeout(() => next(() => this.ask('ETIMEOUT')), wait);
    const fail = (): void => next(() => this.ask('ECONNREFUSED'));
    const answered = (outcome: DnsAnswer | string, overTcp: boolean): void => {
      if (typeof outcome === 'object' && outcome.truncated && !overTcp) {
        closeSocket();
        closeSocket = this.overTcp(server, (o) => answered(o, true), fail);
      } else next(() => this.conclude(outcome));
    };
    let closeSocket = this.overUdp(server, (o) => answered(o, false), fail);
    this.stop = () => {
      clearTimeout(timer);
      closeSocket();
    };
  }

  private conclude(outcome: Outcome): void {
    const code = typeof outcome === 'string' ? outcome : RCODES[outcome.rcode];
    this.finish(code ?? outcome);
  }

  private finish(outcome: Outcome): void {
    if (this.finished) return;
    this.finished = true;
    this.stop();
    this.done(outcome);
  }

  private overUdp(server: DnsServer, got: Done, fail: () => void): () => void {
    const six = isIPv6(server.address);
    const socket = dgram.createSocket(six ? 'udp6' : 'udp4');
    let open = true;
    const close = (): void => {
      if (open) socket.close();
      open = false;
    };
    socket.on('error', fail);
    socket.on('message', (message) => {
      const outcome = this.parse(message);
      if (outcome !== undefined) got(outcome);
    });
    const send = (): void => {
      if (!open) return;
      // Connected: only then a refusal is told.
      socket.connect(server.port, server.address, () => {
        if (open) socket.send(this.bytes as Buffer, (error) => error && fail());
      });
    };
    const local = six ? this.options.localAddress6 : this.options.localAddress;
    if (local === undefined) send();
    else socket.bind(0, local, send);
    return close;
  }

  private overTcp(server: DnsServer, got: Done, fail: () => void): () => void {
    const bytes = this.bytes as Buffer;
    const socket = net.connect({ host: server.address, port: server.port });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(bytes.length);
    socket.write(Buffer.concat([length, bytes]));
    let have = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      have = Buffer.concat([have, chunk]);
      const end = have.length < 2 ? Number.POSITIVE_INFINITY : 2 + have.readUInt16BE(0);
      if (have.length < end) return;
      const outcome = this.parse(have.subarray(2, end));
      if (outcome !== undefined) got(outcome);
    });
    socket.on('error', fail);
    socket.on('end', fail);
    return () => socket.destroy();
  }

  /** undefined: not the answer to this question. */
  private parse(message: Buffer): Outcome | undefined {
    if (message.length < 2 || message.readUInt16BE(0) !== this.id) return undefined;
    try {
      const answer = decodeAnswer(message);
      return answer.isResponse ? answer : undefined;
    } catch {
      return 'EBADRESP';
    }
  }
}

function start(query: DnsQuery): void {
  query.ask('ECONNREFUSED');
}
