/** The memory that the engine's thread and a call thread share: one system call and how it went. */

/** Indices into the Int32Array at the front. */
export const STATE = 0;
export const TID = 1;

/** Values of STATE. */
export const STARTING = 0;
export const IDLE = 1;
export const POSTED = 2;
export const RUNNING = 3;
export const DONE = 4;
export const FAILED = 5;

/** Where the Float64Array starts, and its indices. */
export const WORDS_OFFSET = 16;
export const NR = 0;
/** Six of them. */
export const ARGS = 1;
export const VALUE = 7;
export const END_US = 8;
const WORDS = 9;

export const SLOT_BYTES: number = WORDS_OFFSET + WORDS * Float64Array.BYTES_PER_ELEMENT;

/** Instead of a system call's number: ends the thread. */
export const QUIT = -1;

export interface CallThreadData {
  readonly slot: SharedArrayBuffer;
  /** An eventfd: readable when a call was posted. */
  readonly postedFd: number;
  /** An eventfd: made readable when the call is done. */
  readonly doneFd: number;
  readonly realtime: boolean;
}
