/**
 * A frame as a filter sees it: bytes from the wire, loaded as BPF loads them. A load beyond what there is
 * ends the filter: the packet does not match, whatever else the expression says (bpf(4)).
 */

export const LINK_ETHERNET = 1;
export const LINK_RAW = 101;

export class Frame {
  bytes: Uint8Array = new Uint8Array(0);
  /** Length on the wire. */
  len = 0;
  /** Something was loaded that is not there, or divided by zero. */
  bad = false;
  ethernet = true;
  /** Left the machine; undefined: not known. */
  outgoing: boolean | undefined = undefined;

  load(at: number, size: number): number {
    const { bytes } = this;
    if (at + size > bytes.length) {
      this.bad = true;
      return 0;
    }
    if (size === 1) return bytes[at] as number;
    const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    if (size === 2) return high;
    const low = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
    return high * 65536 + low;
  }

  /** Where the network layer begins; `tags` bytes of VLAN tags were passed. */
  network(tags: number): number {
    return (this.ethernet ? 14 : 0) + tags;
  }

  /** EtherType behind so many bytes of tags; of a bare packet by its version. */
  type(tags: number): number {
    if (this.ethernet) return this.load(12 + tags, 2);
    const version = this.load(tags, 1) >> 4;
    if (version === 4) return 0x0800;
    return version === 6 ? 0x86dd : 0;
  }
}

export type Test = (f: Frame) => boolean;

export function both(a: Test, b: Test): Test {
  return (f) => a(f) && !f.bad && b(f);
}

/** The right side is not looked at when the left holds, nor when that ended the filter. */
export function either(a: Test, b: Test): Test {
  return (f) => a(f) || (!f.bad && b(f));
}

export function negated(a: Test): Test {
  return (f) => !a(f);
}
