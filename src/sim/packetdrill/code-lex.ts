/** Tokens of the Python that stands between `%{` and `}%`: lines, their indentation, and their words. */

export interface CodeToken {
  readonly kind:
    | 'name'
    | 'number'
    | 'text'
    | 'format'
    | 'sign'
    | 'newline'
    | 'indent'
    | 'dedent'
    | 'end';
  readonly text: string;
  readonly line: number;
}

/** Code that is not understood; `line` is the script's. */
export class CodeError extends Error {
  readonly line: number;

  constructor(line: number, sentence: string) {
    super(sentence);
    this.line = line;
  }
}

const SIGNS =
  /\*\*=|\/\/=|<<=|>>=|\*\*|\/\/|<<|>>|<=|>=|==|!=|\+=|-=|\*=|\/=|%=|&=|\|=|\^=|[-+*/%&|^~<>=()[\]{},:;.]/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER =
  /0[xX][0-9a-fA-F_]+|0[oO][0-7]+|0[bB][01]+|\d[\d_]*(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?/y;
const TEXT =
  /(?:[rbuRBUfF](?=['"]))?(?:'''([\s\S]*?)'''|"""([\s\S]*?)"""|'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)")/y;
const BLANK = /[ \t\r\f]+|\\\r?\n|#[^\n]*/y;
const OPENING = '([{';
const CLOSING = ')]}';

export function lexCode(code: string, firstLine: number): CodeToken[] {
  const tokens: CodeToken[] = [];
  const lexer = new Lexer(code, firstLine, tokens);
  lexer.run();
  return tokens;
}

class Lexer {
  private readonly code: string;
  private readonly tokens: CodeToken[];
  private line: number;
  private at = 0;
  private depth = 0;
  private readonly indents: number[] = [];

  constructor(code: string, line: number, tokens: CodeToken[]) {
    this.code = code;
    this.line = line;
    this.tokens = tokens;
  }

  run(): void {
    while (this.at < this.code.length) {
      this.indentation();
      this.lineOfCode();
    }
    this.add('newline', '');
    while (this.indents.length > 1) {
      this.indents.pop();
      this.add('dedent', '');
    }
    this.add('end', '');
  }

  private add(kind: CodeToken['kind'], text: string): void {
    this.tokens.push({ kind, text, line: this.line });
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.code);
    if (found === null) return null;
    this.at = pattern.lastIndex;
    for (const c of found[0]) if (c === '\n') this.line++;
    return found;
  }

  /** The first line with code says what no indentation is: the block stands where the script puts it. */
  private indentation(): void {
    const start = this.at;
    const pattern = /[ \t]*/y;
    const width = (this.match(pattern)?.[0] ?? '').replaceAll('\t', '        ').length;
    const c = this.code[this.at];
    if (c === undefined || c === '\n' || c === '\r' || c === '#') return;
    if (this.indents.length === 0) {
      this.indents.push(start === 0 ? -1 : width);
      return;
    }
    // A first line right after "%{" has no indentation of its own: the second one tells it.
    if (this.indents.length === 1 && this.indents[0] === -1) this.indents[0] = width;
    const last = this.indents.at(-1) as number;
    if (width > last) {
      this.indents.push(width);
      this.add('indent', '');
      return;
    }
    while (width < (this.indents.at(-1) as number) && this.indents.length > 1) {
      this.indents.pop();
      this.add('dedent', '');
    }
    if (width !== this.indents.at(-1))
      throw new CodeError(this.line, 'this indentation fits no line');
  }

  private lineOfCode(): void {
    while (this.at < this.code.length) {
      if (this.match(BLANK) !== null) continue;
      if (this.code[this.at] === '\n') {
        if (this.depth === 0) this.add('newline', '');
        this.at++;
        this.line++;
        if (this.depth === 0) return;
        continue;
      }
      this.token();
    }
  }

  private token(): void {
    const text = this.match(TEXT);
    if (text !== null) {
      const body = text.slice(1).find((part) => part !== undefined) ?? '';
      const isFormat = /^[fF]/.test(text[0]);
      this.add(isFormat ? 'format' : 'text', /^[rR]/.test(text[0]) ? body : unescaped(body));
      return;
    }
    const name = this.match(NAME);
    if (name !== null) {
      this.add('name', name[0]);
      return;
    }
    const number = this.match(NUMBER);
    if (number !== null) {
      this.add('number', number[0].replaceAll('_', ''));
      return;
    }
    const sign = this.match(SIGNS);
    if (sign === null)
      throw new CodeError(this.line, `"${this.code[this.at]}" is not known in code`);
    if (OPENING.includes(sign[0])) this.depth++;
    if (CLOSING.includes(sign[0])) this.depth = Math.max(0, this.depth - 1);
    this.add('sign', sign[0]);
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '\0' };

function unescaped(text: string): string {
  return text.replace(/\\([\s\S])/g, (_, c: string) => ESCAPES[c] ?? c);
}
