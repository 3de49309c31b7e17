/** Random numbers of programs in virtual time: from the host's stream, so that a seed repeats a run. */
import crypto from 'node:crypto';
import { currentHost, type VirtualHost } from './host.ts';

type AnyFunction = (...args: never[]) => unknown;
type Callback = (error: Error | null, value: unknown) => void;
type View = Uint8Array | ArrayBuffer | DataView;

/** Installs the patches. */
export function patchRandom(): void {
  const random = Math.random;
  Math.random = (): number => currentHost()?.random.float() ?? random();
  patchNodeCrypto();
  patchWebCrypto();
}

/** Lets Node check arguments and make the result; then the bytes are the host's. */
function fill(host: VirtualHost, view: View): void {
  const bytes = ArrayBuffer.isView(view)
    ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
    : new Uint8Array(view);
  host.random.fill(bytes);
}

function later(callback: Callback, value: unknown): void {
  setImmediate(callback, null, value);
}

/** A number in [0, range), range < 2⁴⁸. */
function below(host: VirtualHost, range: number): number {
  const { random } = host;
  if (range <= 2 ** 32) return random.below(range);
  return Math.floor(((random.u32() * 2 ** 21 + (random.u32() >>> 11)) / 2 ** 53) * range);
}

function uuid(host: VirtualHost): string {
  const bytes = new Uint8Array(16);
  host.random.fill(bytes);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}

function patchNodeCrypto(): void {
  const { randomBytes, randomFillSync, randomFill, randomInt, randomUUID } = crypto;
  const call = (fn: AnyFunction, args: unknown[]): unknown =>
    (fn as AnyFunction)(...(args as never[]));
  const patched = {
    randomBytes(...args: unknown[]): unknown {
      const host = currentHost();
      if (host === undefined) return call(randomBytes as AnyFunction, args);
      const bytes = randomBytes(args[0] as number);
      fill(host, bytes);
      if (typeof args[1] !== 'function') return bytes;
      return later(args[1] as Callback, bytes);
    },
    randomFillSync(...args: unknown[]): unknown {
      const host = currentHost();
      const view = call(randomFillSync as AnyFunction, args);
      if (host !== undefined) fillPart(host, args);
      return view;
    },
    randomFill(...args: unknown[]): unknown {
      const host = currentHost();
      const callback = args.at(-1);
      if (host === undefined || typeof callback !== 'function')
        return call(randomFill as AnyFunction, args);
      const rest = args.slice(0, -1);
      call(randomFillSync as AnyFunction, rest);
      fillPart(host, rest);
      return later(callback as Callback, args[0]);
    },
    randomInt(...args: unknown[]): unknown {
      const host = currentHost();
      if (host === undefined) return call(randomInt as AnyFunction, args);
      const callback = args.at(-1);
      const numbers = typeof callback === 'function' ? args.slice(0, -1) : args;
      call(randomInt as AnyFunction, numbers);
      const [min, max] =
        numbers.length === 1 || numbers[1] === undefined
          ? [0, numbers[0] as number]
          : (numbers as [number, number]);
      const value = min + below(host, max - min);
      return typeof callback === 'function' ? later(callback as Callback, value) : value;
    },
    randomUUID(options?: unknown): unknown {
      const host = currentHost();
      const made = call(randomUUID as AnyFunction, options === undefined ? [] : [options]);
      return host === undefined ? made : uuid(host);
    },
  };
  Object.assign(crypto, patched);
}

/** `randomFill(buffer[, offset][, size])`: only that part, in the buffer's elements. */
function fillPart(host: VirtualHost, args: unknown[]): void {
  const [target, offset = 0, size] = args as [
    View & { BYTES_PER_ELEMENT?: number },
    number?,
    number?,
  ];
  const unit = target.BYTES_PER_ELEMENT ?? 1;
  const buffer = ArrayBuffer.isView(target) ? target.buffer : target;
  const start = (ArrayBuffer.isView(target) ? target.byteOffset : 0) + offset * unit;
  const length = size === undefined ? target.byteLength - offset * unit : size * unit;
  fill(host, new Uint8Array(buffer as ArrayBuffer, start, length));
}

function patchWebCrypto(): void {
  const proto = Object.getPrototypeOf(globalThis.crypto) as {
    getRandomValues(array: View): View;
    randomUUID(): string;
  };
  const { getRandomValues, randomUUID } = proto;
  proto.getRandomValues = function (array) {
    const host = currentHost();
    const view = getRandomValues.call(this, array);
    if (host !== undefined) fill(host, view);
    return view;
  };
  proto.randomUUID = function () {
    const host = currentHost();
    return host === undefined ? randomUUID.call(this) : uuid(host);
  };
}
