/** What the control calls have to know of a kind of device: how it is made, changed and told of. */
import type { EtherSpec } from '../../device/ether.ts';
import { NetError } from '../../errno.ts';
import type { NetDevice } from '../../link/net-device.ts';
import type { LinkAdd } from '../link-add.ts';
import type { Namespace } from '../namespace.ts';

/** A device that is to be made. */
export interface KindAdd {
  /** Who asks: devices are named in this namespace. */
  readonly ns: Namespace;
  readonly spec: LinkAdd;
  /** Checked already: namespace, name, MAC, MTU, index. */
  readonly common: EtherSpec;
  /** The device that `link` names. */
  readonly lower: NetDevice | undefined;
}

/** Throws what the kernel says. */
export function kernelError(errno: number, sentence = ''): never {
  throw new NetError(errno, 'rtnetlink', sentence);
}

/** Throws if `errno` is one. */
export function check(errno: number, sentence = ''): void {
  if (errno < 0) throw new NetError(errno, 'rtnetlink', sentence);
}
