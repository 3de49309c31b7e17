/** Promises of another realm (a test runner's `vm` context) are no instances of this one's class. */

/** True for what can be waited for. */
export function isPromise(value: unknown): value is Promise<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Promise<unknown>).then === 'function' &&
    typeof (value as Promise<unknown>).finally === 'function'
  );
}
