/** Counts what programs in virtual time start outside the simulation: see `real-work.ts`. */
import { ChildProcess } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs/promises';
import { MessagePort, Worker } from 'node:worker_threads';
import zlib from 'node:zlib';
import { currentHost } from './host.ts';
import { beginWork, needTurns } from './real-work.ts';

type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;

const CRYPTO = [
  'pbkdf2',
  'scrypt',
  'hkdf',
  'argon2',
  'generateKey',
  'generateKeyPair',
  'generatePrime',
  'checkPrime',
  'sign',
  'verify',
  'diffieHellman',
  'encapsulate',
  'decapsulate',
];
const SUBTLE = [
  'encrypt',
  'decrypt',
  'sign',
  'verify',
  'digest',
  'generateKey',
  'deriveKey',
  'deriveBits',
  'importKey',
  'exportKey',
  'wrapKey',
  'unwrapKey',
];
const FILE_METHODS = [
  'read',
  'readv',
  'readFile',
  'write',
  'writev',
  'writeFile',
  'appendFile',
  'stat',
  'sync',
  'datasync',
  'truncate',
  'close',
];
/** Turns of the event loop in which a posted message arrives. */
const MESSAGE_TURNS = 3;

const { WebAssembly: webAssembly } = globalThis as unknown as { WebAssembly: object };

/** Installs the patches. */
export function patchWork(): void {
  for (const name of CRYPTO) wrap(crypto, name, withCallback);
  for (const name of SUBTLE)
    wrap(Object.getPrototypeOf(globalThis.crypto.subtle), name, withPromise);
  for (const name of ['compile', 'instantiate', 'compileStreaming', 'instantiateStreaming'])
    wrap(webAssembly, name, withPromise);
  wrap(MessagePort.prototype, 'postMessage', posting);
  wrap(Worker.prototype, 'postMessage', posting);
  wrap(ChildProcess.prototype, 'spawn', spawning);
  patchFiles();
  patchZlib();
}

type Wrapper = (name: string, original: AnyFunction) => AnyFunction;

function wrap(target: object, name: string, wrapper: Wrapper): void {
  const original = (target as Record<string, AnyFunction | undefined>)[name];
  if (typeof original !== 'function') return;
  const wrapped = wrapper(name, original);
  Object.defineProperties(wrapped, Object.getOwnPropertyDescriptors(original));
  Object.defineProperty(target, name, {
    ...Object.getOwnPropertyDescriptor(target, name),
    value: wrapped,
  });
}

/** Some versions of Node do not list what `fs.promises` has under way. */
function patchFiles(): void {
  for (const [name, value] of Object.entries(fs))
    if (typeof value === 'function' && name !== 'watch' && name !== 'glob')
      wrap(fs, name, withPromise);
  const { open } = fs;
  let known = false;
  const opening = async (...args: Parameters<typeof open>): ReturnType<typeof open> => {
    const file = await open(...args);
    if (!known) {
      known = true;
      const proto = Object.getPrototypeOf(file) as object;
      for (const name of FILE_METHODS) wrap(proto, name, withPromise);
    }
    return file;
  };
  Object.assign(fs, { open: opening });
}

function withCallback(name: string, original: AnyFunction): AnyFunction {
  return function (...args) {
    const callback = args.at(-1);
    if (typeof callback !== 'function' || currentHost() === undefined)
      return original.apply(this, args);
    const done = beginWork(`crypto.${name}`);
    args[args.length - 1] = function (this: unknown, ...results: unknown[]): unknown {
      done();
      return (callback as AnyFunction).apply(this, results);
    };
    try {
      return original.apply(this, args);
    } catch (error) {
      done();
      throw error;
    }
  };
}

function withPromise(name: string, original: AnyFunction): AnyFunction {
  return function (...args) {
    if (currentHost() === undefined) return original.apply(this, args);
    const done = beginWork(name);
    const result = original.apply(this, args) as Promise<unknown>;
    if (typeof result?.then === 'function') result.then(done, done);
    else done();
    return result;
  };
}

function posting(_name: string, original: AnyFunction): AnyFunction {
  return function (...args) {
    needTurns(MESSAGE_TURNS);
    return original.apply(this, args);
  };
}

function spawning(_name: string, original: AnyFunction): AnyFunction {
  return function (...args) {
    if (currentHost() === undefined) return original.apply(this, args);
    const done = beginWork('child process');
    (this as ChildProcess).once('close', done).once('error', done);
    return original.apply(this, args);
  };
}

interface ZlibHandle {
  onerror?: AnyFunction;
  counted?: () => void;
}

/** Streams and one-call functions alike write to a native handle, which answers with a callback. */
function patchZlib(): void {
  const made = [zlib.createDeflate(), zlib.createBrotliCompress(), zlib.createBrotliDecompress()];
  const more = zlib as unknown as Record<string, (() => (typeof made)[0]) | undefined>;
  for (const name of ['createZstdCompress', 'createZstdDecompress']) {
    const create = more[name];
    if (create !== undefined) made.push(create());
  }
  const prototypes = new Set<object>();
  for (const stream of made) {
    const handle = (stream as unknown as { _handle: object | null })._handle;
    if (handle !== null) prototypes.add(Object.getPrototypeOf(handle) as object);
    stream.close();
  }
  for (const proto of prototypes) patchHandle(proto);
}

function patchHandle(proto: object): void {
  const { init, write } = proto as { init?: AnyFunction; write?: AnyFunction };
  if (init === undefined || write === undefined) return;
  Object.assign(proto, {
    init(this: ZlibHandle, ...args: unknown[]): unknown {
      const wrapped = args.map((arg) =>
        typeof arg !== 'function'
          ? arg
          : function (this: ZlibHandle, ...results: unknown[]): unknown {
              this.counted?.();
              return (arg as AnyFunction).apply(this, results);
            },
      );
      return init.apply(this, wrapped);
    },
    write(this: ZlibHandle, ...args: unknown[]): unknown {
      if (currentHost() !== undefined) {
        const done = beginWork('zlib');
        this.counted = done;
        const { onerror } = this;
        if (onerror !== undefined)
          this.onerror = function (this: unknown, ...results: unknown[]): unknown {
            done();
            return onerror.apply(this, results);
          };
      }
      return write.apply(this, args);
    },
  });
}
