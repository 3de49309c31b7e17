/** What a node printed: the last lines, and whoever listens to new ones. Bounded. */

/** Lines that are kept for one node. */
const KEPT_LINES = 1000;
/** Longest line; the rest of a longer one is a line of its own. */
const LINE_LENGTH = 4096;

export class NodeLog {
  readonly lines: string[] = [];
  private readonly partial: { out: string; err: string } = { out: '', err: '' };
  private readonly listeners: Set<(line: string) => void> = new Set();

  /** Takes a piece of output of one of the two streams, not necessarily whole lines. */
  write(text: string, stream: 'out' | 'err' = 'out'): void {
    const parts = (this.partial[stream] + text).split('\n');
    this.partial[stream] = parts.pop() ?? '';
    for (const part of parts) this.add(part);
    while (this.partial[stream].length > LINE_LENGTH) {
      this.add(this.partial[stream].slice(0, LINE_LENGTH));
      this.partial[stream] = this.partial[stream].slice(LINE_LENGTH);
    }
  }

  /** Calls `listener` with each new line; returns the function that ends it. */
  follow(listener: (line: string) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private add(line: string): void {
    this.lines.push(line);
    if (this.lines.length > KEPT_LINES) this.lines.shift();
    for (const listener of this.listeners) listener(line);
  }
}
