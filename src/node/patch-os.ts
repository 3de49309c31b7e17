/** `os.hostname` and `os.networkInterfaces` of the namespace. */
import os, { type NetworkInterfaceInfo } from 'node:os';
import { currentNet } from './current.ts';
import { networkInterfaces as interfacesOf } from './system-calls.ts';

/** Installs the patches of `node:os`. */
export function patchOs(): void {
  const original = { hostname: os.hostname, networkInterfaces: os.networkInterfaces };
  function hostname(): string {
    return currentNet()?.hostname ?? original.hostname();
  }
  Object.defineProperty(hostname, Symbol.toPrimitive, { value: () => hostname() });
  function networkInterfaces(): NodeJS.Dict<NetworkInterfaceInfo[]> {
    const net = currentNet();
    return net === undefined ? original.networkInterfaces() : interfacesOf(net);
  }
  Object.assign(os, { hostname, networkInterfaces });
}
