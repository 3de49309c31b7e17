/**
 * A small `curl` for labs: HTTP and HTTPS requests from inside a namespace, with curl's words, exit codes
 * and sentences for what it has of them; any other word is refused by name.
 */
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { parseArgs } from 'node:util';
import type { CommandIo } from './command-io.ts';

/** Exit codes of curl(1). */
const URL_MALFORMED = 3;
const COULD_NOT_RESOLVE = 6;
const COULD_NOT_CONNECT = 7;
const HTTP_ERROR = 22;
const TIMED_OUT = 28;
const RECV_FAILURE = 56;

interface Options {
  readonly url: URL;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
  readonly timeoutMs: number;
  readonly silent: boolean;
  readonly showErrors: boolean;
  readonly failOnError: boolean;
  readonly include: boolean;
  readonly insecure: boolean;
}

/** Must be called inside the namespace. Resolves with curl's exit code. */
export async function curl(argv: readonly string[], io: CommandIo): Promise<number> {
  const options = parse(argv);
  if (typeof options === 'string') {
    io.err(`curl: ${options}\n`);
    return options.startsWith('(3)') ? URL_MALFORMED : 2;
  }
  const started = Date.now();
  try {
    return await transfer(options, io);
  } catch (error) {
    const [code, sentence] = explain(error as NodeJS.ErrnoException, options, Date.now() - started);
    if (!options.silent || options.showErrors) io.err(`curl: (${code}) ${sentence}\n`);
    return code;
  }
}

function parse(argv: readonly string[]): Options | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        silent: { type: 'boolean', short: 's' },
        'show-error': { type: 'boolean', short: 'S' },
        fail: { type: 'boolean', short: 'f' },
        include: { type: 'boolean', short: 'i' },
        head: { type: 'boolean', short: 'I' },
        insecure: { type: 'boolean', short: 'k' },
        request: { type: 'string', short: 'X' },
        data: { type: 'string', short: 'd' },
        header: { type: 'string', short: 'H', multiple: true },
        'max-time': { type: 'string', short: 'm' },
      },
    });
    const [target, ...more] = positionals;
    if (target === undefined || more.length > 0) return '(2) give exactly one URL';
    const url = new URL(/^\w+:\/\//.test(target) ? target : `http://${target}`);
    if (url.protocol !== 'http:' && url.protocol !== 'https:')
      return `(1) Protocol "${url.protocol.slice(0, -1)}" not supported`;
    const headers: Record<string, string> = { accept: '*/*', 'user-agent': 'curl/warren' };
    for (const line of values.header ?? []) {
      const colon = line.indexOf(':');
      if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    if (values.data !== undefined) headers['content-type'] ??= 'application/x-www-form-urlencoded';
    return {
      url,
      method: values.request ?? methodFor(values.head === true, values.data),
      headers,
      body: values.data,
      timeoutMs: values['max-time'] === undefined ? 0 : Number(values['max-time']) * 1000,
      silent: values.silent === true,
      showErrors: values['show-error'] === true,
      failOnError: values.fail === true,
      include: values.include === true || values.head === true,
      insecure: values.insecure === true,
    };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ERR_INVALID_URL'
      ? '(3) URL rejected: Malformed input to a URL function'
      : message;
  }
}

function methodFor(head: boolean, data: string | undefined): string {
  if (head) return 'HEAD';
  return data === undefined ? 'GET' : 'POST';
}

function transfer(options: Options, io: CommandIo): Promise<number> {
  const { url, method, headers, timeoutMs } = options;
  const interrupted = new AbortController();
  io.signal.addEventListener('abort', () => interrupted.abort(), { once: true });
  const signals = [interrupted.signal];
  if (timeoutMs > 0) signals.push(AbortSignal.timeout(timeoutMs));
  const init: RequestOptions & { rejectUnauthorized?: boolean } = {
    method,
    headers,
    agent: false,
    signal: AbortSignal.any(signals),
    rejectUnauthorized: !options.insecure,
  };
  const request = url.protocol === 'https:' ? httpsRequest(url, init) : httpRequest(url, init);
  return new Promise((resolve, reject) => {
    request.once('error', reject);
    request.once('response', (response) => {
      print(response, options, io).then(resolve, reject);
    });
    request.end(options.body);
  });
}

async function print(response: IncomingMessage, options: Options, io: CommandIo): Promise<number> {
  const status = response.statusCode ?? 0;
  if (options.failOnError && status >= 400) {
    response.resume();
    if (!options.silent || options.showErrors)
      io.err(`curl: (${HTTP_ERROR}) The requested URL returned error: ${status}\n`);
    return HTTP_ERROR;
  }
  if (options.include) {
    const lines = [`HTTP/${response.httpVersion} ${status} ${response.statusMessage ?? ''}`];
    for (let i = 0; i < response.rawHeaders.length; i += 2)
      lines.push(`${response.rawHeaders[i]}: ${response.rawHeaders[i + 1]}`);
    io.out(`${lines.join('\r\n')}\r\n\r\n`);
  }
  response.setEncoding('utf8');
  let last = '\n';
  for await (const chunk of response) {
    io.out(chunk as string);
    last = (chunk as string).at(-1) ?? last;
  }
  if (last !== '\n') io.out('\n');
  return 0;
}

function explain(
  error: NodeJS.ErrnoException,
  options: Options,
  elapsedMs: number,
): readonly [code: number, sentence: string] {
  const { hostname, port, protocol } = options.url;
  const portNumber = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
  if (error.name === 'AbortError' || error.name === 'TimeoutError')
    return [TIMED_OUT, `Operation timed out after ${elapsedMs} milliseconds`];
  switch (error.code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return [COULD_NOT_RESOLVE, `Could not resolve host: ${hostname}`];
    case 'ECONNREFUSED':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EACCES':
    case 'ETIMEDOUT': {
      const where = `${hostname} port ${portNumber} after ${elapsedMs} ms`;
      return [COULD_NOT_CONNECT, `Failed to connect to ${where}: ${error.code}`];
    }
    case 'ECONNRESET':
      return [RECV_FAILURE, 'Recv failure: Connection reset by peer'];
    default:
      return [RECV_FAILURE, error.message];
  }
}
