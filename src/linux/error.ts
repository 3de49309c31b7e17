/** What the Linux target refuses in one sentence: something that this machine lacks. */
export class LinuxTargetError extends Error {
  override readonly name = 'LinuxTargetError';
}
