/**
 * The base class of our stream handles: Node's native `JSStream`, which is found only when the first
 * namespace is entered. An instance is a native stream (TLS, HTTP/2 and the HTTP parser can sit on it)
 * whose prototype is ours.
 */
import { internals, type JsStream } from './internals.ts';

/** Stands for the native class until `extendNative` has put that in its place. */
class Placeholder {}

/** The native class, as a class to extend. */
export const JsStreamBase: new () => JsStream = Placeholder as new () => JsStream;

/**
 * Makes `subclass`, which was declared to extend `JsStreamBase`, extend the native class. `super()` then
 * calls that directly: through a function between them each object would get a hidden class of its own,
 * which made a handle fifty times as expensive.
 */
export function extendNative(subclass: new (...args: never[]) => JsStream): void {
  const native = internals().JSStream;
  Object.setPrototypeOf(subclass, native);
  Object.setPrototypeOf(subclass.prototype, native.prototype);
}
