/**
 * The base class of our stream handles: Node's native `JSStream`, found only when the first namespace
 * is entered. An instance is a native stream (TLS, HTTP/2 and the HTTP parser can sit on it) whose
 * prototype is ours.
 */
import { internals, type JsStream } from './internals.ts';

let linked = false;

/** `class X extends (LazyJsStream as new () => JsStream)`: constructs the native object. */
function LazyJsStream(): JsStream {
  const native = internals().JSStream;
  if (!linked) {
    linked = true;
    Object.setPrototypeOf(LazyJsStream.prototype, native.prototype);
  }
  return Reflect.construct(native, [], new.target ?? native) as JsStream;
}

/** The native class, as a class to extend. */
export const JsStreamBase: new () => JsStream = LazyJsStream as unknown as new () => JsStream;
