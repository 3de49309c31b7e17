/** What `tcpWriteXmit` asks its tests with: one object per namespace, so that sending allocates none. */
export class Push {
  /** `PUSH_*` */
  one = 0;
  nonagle = 0;
  mss = 0;
  /** Segments that may go in the next burst, and most in any. */
  quota = 0;
  maxSegs = 0;
}
