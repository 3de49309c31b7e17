/**
 * What Node times by its own inner timers: the idle time-outs of sockets and with them those of HTTP
 * clients, agents and servers; and the Date header, whose clock no program can set.
 */
import http from 'node:http';
import net from 'node:net';
import { currentHost } from './host.ts';
import { VirtualTimeout } from './timer.ts';

const { clearTimeout } = globalThis;

type SetTimeout = (this: Idle, msecs: number, callback?: () => void) => unknown;
type Idle = Record<symbol, unknown> & { _onTimeout(): void; destroyed: boolean };

/** Installs the patches. */
export function patchIdle(): void {
  const proto = net.Socket.prototype as unknown as { setTimeout: SetTimeout };
  const original = proto.setTimeout;
  let key: symbol | undefined;
  proto.setTimeout = function setTimeout(this: Idle, msecs, callback) {
    const host = currentHost();
    if (host === undefined) return original.call(this, msecs, callback);
    // From 24 on Node would fill its own fields of the timer that was there, and use it again.
    const before = key === undefined ? undefined : this[key];
    if (key !== undefined && before instanceof VirtualTimeout && !this.destroyed) {
      before.clear();
      this[key] = null;
    }
    // Node checks the arguments, keeps `timeout` and the listener, and makes its own timer.
    const result = original.call(this, msecs, callback);
    key ??= Object.getOwnPropertySymbols(this).find((s) => s.description === 'timeout');
    const timer = key === undefined ? undefined : this[key];
    if (key !== undefined && Number(msecs) > 0 && isNodes(timer)) {
      clearTimeout(timer as never);
      this[key] = new VirtualTimeout(host, () => this._onTimeout(), msecs, [], false).unref();
    }
    return result;
  };
  patchDateHeader();
}

function isNodes(timer: unknown): boolean {
  return typeof timer === 'object' && timer !== null && !(timer instanceof VirtualTimeout);
}

type Store = (this: Message, firstLine: string, headers: unknown) => unknown;
interface Message {
  sendDate: boolean;
}

function patchDateHeader(): void {
  const proto = http.OutgoingMessage.prototype as unknown as { _storeHeader: Store };
  const original = proto._storeHeader;
  proto._storeHeader = function _storeHeader(firstLine, headers) {
    if (!this.sendDate || currentHost() === undefined || hasDate(headers))
      return original.call(this, firstLine, headers);
    this.sendDate = false;
    try {
      return original.call(this, `${firstLine}Date: ${new Date().toUTCString()}\r\n`, headers);
    } finally {
      this.sendDate = true;
    }
  };
}

/** Headers come as a list of pairs, a flat list, or a map from lower-case name to pair. */
function hasDate(headers: unknown): boolean {
  if (headers === null || typeof headers !== 'object') return false;
  if (Array.isArray(headers))
    return headers.some((h) => String(Array.isArray(h) ? h[0] : h).toLowerCase() === 'date');
  return Object.keys(headers).some((h) => h.toLowerCase() === 'date');
}
