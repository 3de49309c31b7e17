/**
 * Edge 1 of the core: frames in, frames out. What a tun or tap device gives to a host, and what every
 * adapter (Linux TAP, stream socket, WebSocket, MessagePort, capture replay) is written against.
 */

/** The host's end of a device, like an open file of /dev/net/tun. */
export interface Port {
  /**
   * A frame from the host into the stack, like write(2): the number of bytes taken, or `-errno`. The
   * bytes are copied. Ethernet without check sequence for tap, IP for tun.
   */
  receive(frame: Uint8Array): number;
  /**
   * Takes what the device sends. Called inside the stack: it may pass the bytes on or keep them, which
   * are the callee's own, and call `receive`, and nothing else of the stack. While null, frames wait in
   * the device's queue of `txQueueLen`; setting it hands over what waits.
   */
  onTransmit: ((frame: Uint8Array) => void) | null;
  /** Gives the device back: its carrier goes off. */
  close(): void;
}
