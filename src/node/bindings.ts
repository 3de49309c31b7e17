/**
 * The native classes of Node's handles, taken from where Node's own modules take them
 * (`process.binding`). In their place come classes that give a handle of a namespace to code that runs in
 * one. A module of Node's that is loaded later makes all its handles with them: so this file imports none.
 */

/** A native class of handles. */
export type NativeClass = new (...args: number[]) => { close(callback?: () => void): void };

export interface TcpBinding {
  TCP: NativeClass;
  readonly constants: { readonly SOCKET: number; readonly SERVER: number };
}

export interface UdpBinding {
  UDP: NativeClass;
}

/** Makes a handle for the namespace that the running code is in; undefined: it is in none. */
export type HandleMaker = (type: number) => object | undefined;

/** What `process.binding` gives; throws if this Node does not have it. */
export function binding<T>(name: string, ...parts: string[]): T {
  const get = (process as unknown as { binding?: (name: string) => object }).binding;
  const found = get?.call(process, name) as Record<string, unknown> | undefined;
  for (const part of parts)
    if (found?.[part] === undefined)
      throw new Error(
        `Warren cannot take over the network of Node ${process.versions.node}: it has no ${part} in process.binding('${name}')`,
      );
  return found as T;
}

interface Taken {
  readonly TCP: NativeClass;
  readonly UDP: NativeClass;
  makeTcp: HandleMaker | undefined;
  makeUdp: HandleMaker | undefined;
}

let taken: Taken | undefined;

/** Puts the classes in their place, once; gives Node's own. */
export function takeBindings(): Taken {
  if (taken !== undefined) return taken;
  const tcp = binding<TcpBinding>('tcp_wrap', 'TCP', 'constants');
  const udp = binding<UdpBinding>('udp_wrap', 'UDP');
  const own: Taken = { TCP: tcp.TCP, UDP: udp.UDP, makeTcp: undefined, makeUdp: undefined };
  tcp.TCP = replacement(own.TCP, (type) => own.makeTcp?.(type));
  udp.UDP = replacement(own.UDP, (type) => own.makeUdp?.(type));
  taken = own;
  return own;
}

function replacement(Original: NativeClass, make: HandleMaker): NativeClass {
  function Handle(...args: number[]): object {
    const made = make(args[0] ?? 0);
    return made ?? Reflect.construct(Original, args, new.target ?? Original);
  }
  Handle.prototype = Original.prototype;
  Object.defineProperty(Handle, 'name', { value: Original.name });
  return Handle as unknown as NativeClass;
}
