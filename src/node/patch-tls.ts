/** The transport below a new TLS socket: a handle of ours where code runs inside a namespace. */
import { TLSSocket } from 'node:tls';
import { currentNet } from './current.ts';
import { internals } from './internals.ts';
import { TcpHandle } from './tcp-handle.ts';

type InnerTls = TLSSocket & { _tlsOptions: { pipe?: unknown } };
type WrapHandle = (
  this: InnerTls,
  wrap: object | null | undefined,
  handle: object | null | undefined,
  active: boolean,
) => object;

/** Installs the patch of `node:tls`. */
export function patchTls(): void {
  const proto = TLSSocket.prototype as unknown as { _wrapHandle: WrapHandle };
  const original = proto._wrapHandle;
  /** Sockets that connect inside a namespace, for the next attempt of happy eyeballs. */
  const inside = new WeakMap<object, TcpHandle['net']>();
  proto._wrapHandle = function _wrapHandle(wrap, handle, active) {
    const ns = inside.get(this) ?? currentNet();
    let own = handle;
    const isFresh = !wrap && (!handle || inside.has(this));
    if (isFresh && ns !== undefined && !this._tlsOptions.pipe && !(handle instanceof TcpHandle)) {
      (handle as { close?: () => void } | null | undefined)?.close?.();
      own = new TcpHandle(ns);
      inside.set(this, ns);
      Object.assign(own, { [internals().owner]: this });
    }
    if (own instanceof TcpHandle) own.tls = this;
    return original.call(this, wrap, own, active);
  };
}
