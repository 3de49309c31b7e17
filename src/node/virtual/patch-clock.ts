/**
 * Clocks of programs in virtual time: `Date`, `performance.now` and `timeOrigin`, `process.hrtime` and
 * `uptime`. Each host has its own, with skew and drift.
 */
import { performance } from 'node:perf_hooks';
import { currentHost } from './host.ts';

/** Installs the patches. */
export function patchClock(): void {
  patchDate();
  patchPerformance();
  patchProcess();
}

function patchDate(): void {
  const RealDate = globalThis.Date;
  const realNow = RealDate.now;
  function now(): number {
    const host = currentHost();
    return host === undefined ? realNow() : Math.floor(host.wallUs() / 1000);
  }
  function VirtualDate(this: unknown, ...args: unknown[]): unknown {
    if (new.target === undefined)
      return currentHost() === undefined ? RealDate() : new RealDate(now()).toString();
    const target = (new.target as unknown) === VirtualDate ? RealDate : new.target;
    const given = args.length === 0 && currentHost() !== undefined ? [now()] : args;
    return Reflect.construct(RealDate, given, target);
  }
  const descriptors = Object.getOwnPropertyDescriptors(RealDate);
  Object.defineProperties(VirtualDate, descriptors as PropertyDescriptorMap);
  Object.defineProperty(VirtualDate, 'now', { value: now, configurable: true, writable: true });
  Object.defineProperty(RealDate.prototype, 'constructor', {
    value: VirtualDate,
    configurable: true,
    writable: true,
  });
  Object.defineProperty(globalThis, 'Date', {
    value: VirtualDate,
    configurable: true,
    writable: true,
  });
}

function patchPerformance(): void {
  const proto = Object.getPrototypeOf(performance) as object;
  const { now, timeOrigin } = {
    now: performance.now,
    timeOrigin: performance.timeOrigin,
  };
  Object.defineProperty(proto, 'now', {
    configurable: true,
    enumerable: true,
    writable: true,
    value: function (this: unknown): number {
      const host = currentHost();
      return host === undefined ? now.call(performance) : host.monotonicUs() / 1000;
    },
  });
  // On some versions the object itself has the property.
  const holder = Object.hasOwn(performance, 'timeOrigin') ? performance : proto;
  Object.defineProperty(holder, 'timeOrigin', {
    configurable: true,
    enumerable: true,
    get: () => {
      const host = currentHost();
      return host === undefined ? timeOrigin : (host.wallUs() - host.monotonicUs()) / 1000;
    },
  });
  if (Object.hasOwn(performance, 'now')) delete (performance as { now?: unknown }).now;
}

function patchProcess(): void {
  const original = { hrtime: process.hrtime, uptime: process.uptime };
  const bigint = original.hrtime.bigint.bind(original.hrtime);
  function hrtime(previous?: [number, number]): [number, number] {
    const host = currentHost();
    if (host === undefined || (previous !== undefined && !Array.isArray(previous)))
      return original.hrtime(previous);
    const ns = Math.floor(host.monotonicUs() * 1000);
    let seconds = Math.floor(ns / 1e9);
    let rest = ns % 1e9;
    if (previous !== undefined) {
      seconds -= previous[0];
      rest -= previous[1];
      if (rest < 0) {
        seconds--;
        rest += 1e9;
      }
    }
    return [seconds, rest];
  }
  hrtime.bigint = (): bigint => {
    const host = currentHost();
    return host === undefined ? bigint() : BigInt(Math.floor(host.monotonicUs() * 1000));
  };
  Object.assign(process, {
    hrtime,
    uptime: (): number => {
      const host = currentHost();
      return host === undefined ? original.uptime() : (host.us - host.bootUs) / 1e6;
    },
  });
}
