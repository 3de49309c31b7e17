/**
 * The characters of a script. The language has no tokens of its own right (`1:1001` is a sequence here
 * and an address there), so the parser asks for what may come next, by sticky expressions.
 */
import type { Position } from './script.ts';

/** A script that cannot be understood: where, and one sentence. */
export class ScriptError extends Error {
  readonly file: string;
  readonly position: Position;
  readonly sentence: string;

  constructor(file: string, position: Position, sentence: string) {
    super(`${file}:${position.line}:${position.column}: ${sentence}`);
    this.file = file;
    this.position = position;
    this.sentence = sentence;
  }
}

const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const BLANK = /\s+/y;

export class Scanner {
  readonly file: string;
  readonly text: string;
  at = 0;
  private readonly lineStarts: number[] = [0];

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1))
      this.lineStarts.push(i + 1);
  }

  get atEnd(): boolean {
    return this.at >= this.text.length;
  }

  position(offset: number = this.at): Position {
    let low = 0;
    let high = this.lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.lineStarts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (this.lineStarts[low] as number) + 1 };
  }

  fail(sentence: string, position: Position = this.position()): never {
    throw new ScriptError(this.file, position, sentence);
  }

  /** Skips white space and comments. */
  skip(): void {
    for (;;) {
      const before = this.at;
      this.take(BLANK);
      if (this.lookingAt('//') || this.lookingAt('#')) this.skipLine();
      else if (this.text.startsWith('/*', this.at)) this.skipComment();
      if (this.at === before) return;
    }
  }

  private skipLine(): void {
    const end = this.text.indexOf('\n', this.at);
    this.at = end < 0 ? this.text.length : end;
  }

  private skipComment(): void {
    const end = this.text.indexOf('*/', this.at + 2);
    if (end < 0) this.fail('this comment has no end');
    this.at = end + 2;
  }

  /** What a sticky expression matches here, or null; steps over it. */
  take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found !== null) this.at = pattern.lastIndex;
    return found;
  }

  /** Skips blanks, then as `take`. */
  next(pattern: RegExp): RegExpExecArray | null {
    this.skip();
    return this.take(pattern);
  }

  /** True if the text goes on with exactly this. */
  lookingAt(word: string): boolean {
    return this.text.startsWith(word, this.at);
  }

  /** Skips blanks and steps over `sign` if it comes next. */
  sign(sign: string): boolean {
    this.skip();
    if (!this.lookingAt(sign)) return false;
    this.at += sign.length;
    return true;
  }

  expectSign(sign: string, where: string): void {
    if (!this.sign(sign)) this.fail(`"${sign}" is missing ${where}; found ${this.found()}`);
  }

  /** The name that comes next, or null. */
  word(): string | null {
    return this.next(WORD)?.[0] ?? null;
  }

  /** The name that comes next, without stepping over it. */
  peekWord(): string | null {
    this.skip();
    const before = this.at;
    const word = this.take(WORD)?.[0] ?? null;
    this.at = before;
    return word;
  }

  /** Steps over a name if it is this one. */
  keyword(word: string): boolean {
    if (this.peekWord() !== word) return false;
    this.at += word.length;
    return true;
  }

  /** What comes next, in words for a message. */
  found(): string {
    this.skip();
    if (this.atEnd) return 'the end of the script';
    const word = /[^\s]{1,20}/y;
    word.lastIndex = this.at;
    return `"${word.exec(this.text)?.[0] ?? this.text[this.at]}"`;
  }
}
