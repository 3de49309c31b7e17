/** Statements and expressions of code in scripts: the part of Python that they use. */
import { CodeError, type CodeToken, lexCode } from './code-lex.ts';

export type Expr =
  | { readonly kind: 'constant'; readonly value: number | string | boolean | null }
  | { readonly kind: 'name'; readonly name: string; readonly line: number }
  | { readonly kind: 'list'; readonly items: readonly Expr[] }
  | { readonly kind: 'unary'; readonly op: string; readonly of: Expr; readonly line: number }
  | {
      readonly kind: 'binary';
      readonly op: string;
      readonly left: Expr;
      readonly right: Expr;
      readonly line: number;
    }
  | { readonly kind: 'logic'; readonly op: 'and' | 'or'; readonly left: Expr; readonly right: Expr }
  | {
      readonly kind: 'compare';
      readonly first: Expr;
      readonly rest: readonly { readonly op: string; readonly right: Expr }[];
      readonly line: number;
    }
  | { readonly kind: 'choice'; readonly test: Expr; readonly yes: Expr; readonly no: Expr }
  | { readonly kind: 'index'; readonly of: Expr; readonly at: Expr; readonly line: number }
  | {
      readonly kind: 'slice';
      readonly of: Expr;
      readonly from: Expr | null;
      readonly to: Expr | null;
      readonly line: number;
    }
  /** An f-string: texts and values in turn. */
  | { readonly kind: 'format'; readonly parts: readonly (string | Expr)[]; readonly line: number }
  | {
      readonly kind: 'call';
      readonly name: string;
      readonly args: readonly Expr[];
      readonly line: number;
    }
  /** `"a b".split()`, `os.getpid()` */
  | {
      readonly kind: 'method';
      readonly of: Expr;
      readonly name: string;
      readonly args: readonly Expr[];
      readonly line: number;
    };

export type Statement =
  | {
      readonly kind: 'assert';
      readonly test: Expr;
      readonly message: Expr | null;
      readonly text: string;
      readonly line: number;
    }
  | {
      readonly kind: 'assign';
      readonly names: readonly string[];
      readonly op: string | null;
      readonly value: Expr;
      readonly line: number;
    }
  | { readonly kind: 'expr'; readonly value: Expr }
  | { readonly kind: 'pass' | 'break' | 'continue' }
  | { readonly kind: 'import'; readonly names: readonly string[] }
  | {
      readonly kind: 'for';
      readonly names: readonly string[];
      readonly of: Expr;
      readonly body: readonly Statement[];
      readonly line: number;
    }
  | {
      readonly kind: 'while';
      readonly test: Expr;
      readonly body: readonly Statement[];
      readonly line: number;
    }
  | {
      readonly kind: 'if';
      readonly test: Expr;
      readonly yes: readonly Statement[];
      readonly no: readonly Statement[];
    };

/** Deepest nesting of brackets and blocks. */
const MAX_DEPTH = 50;
/** Most operators in one statement. */
const MAX_OPERATORS = 1000;
/** Binary operators from the weakest to the strongest. */
const LEVELS: readonly (readonly string[])[] = [
  ['|'],
  ['^'],
  ['&'],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '//', '%'],
];
const COMPARISONS: readonly string[] = ['<', '>', '==', '!=', '<=', '>='];
/** Their functions are refused by name where they are called. */
const MODULES: readonly string[] = ['os', 'sys', 'time', 'math', 'socket', 'struct', '__future__'];
const KEYWORDS: readonly string[] =
  'and as async await break class continue def del except finally for from global import in is lambda nonlocal not or raise return try while with yield if else elif assert pass'.split(
    ' ',
  );

/** @throws CodeError */
export function parseCode(code: string, line: number): Statement[] {
  const parser = new Parser(lexCode(code, line));
  return parser.block(true, 0);
}

class Parser {
  private readonly tokens: readonly CodeToken[];
  private at = 0;
  private depth = 0;
  private operators = 0;
  private loops = 0;

  constructor(tokens: readonly CodeToken[]) {
    this.tokens = tokens;
  }

  private get token(): CodeToken {
    return this.tokens[this.at] as CodeToken;
  }

  private fail(sentence: string): never {
    throw new CodeError(this.token.line, sentence);
  }

  private is(text: string): boolean {
    const { kind } = this.token;
    return (kind === 'sign' || kind === 'name') && this.token.text === text;
  }

  private take(text: string): boolean {
    if (!this.is(text)) return false;
    this.at++;
    return true;
  }

  private expect(text: string): void {
    if (!this.take(text)) this.fail(`"${text}" is missing; found "${this.token.text}"`);
  }

  block(isWhole: boolean, depth: number): Statement[] {
    if (depth > MAX_DEPTH) this.fail('these blocks are nested too deep');
    const out: Statement[] = [];
    for (;;) {
      const { kind } = this.token;
      if (kind === 'newline') this.at++;
      else if (kind === 'end') return out;
      else if (kind === 'dedent' && !isWhole) {
        this.at++;
        return out;
      } else if (kind === 'indent' || kind === 'dedent') this.fail('unexpected indentation');
      else out.push(...this.statementLine(depth));
    }
  }

  /** One line: `a = 1; assert a`, or a block with its condition. */
  private statementLine(depth: number): Statement[] {
    if (this.is('if')) return [this.ifStatement(depth)];
    if (this.is('for')) return [this.forStatement(depth)];
    if (this.is('while')) return [this.whileStatement(depth)];
    return this.simpleLine();
  }

  private forStatement(depth: number): Statement {
    const { line } = this.token;
    this.at++;
    const names = this.targets();
    if (names === null) this.fail('"for" needs names');
    this.expect('in');
    const of = this.expressionList();
    return { kind: 'for', names: names ?? [], of, body: this.loopBody(depth), line };
  }

  private whileStatement(depth: number): Statement {
    const { line } = this.token;
    this.at++;
    const test = this.expression();
    return { kind: 'while', test, body: this.loopBody(depth), line };
  }

  private loopBody(depth: number): Statement[] {
    this.loops++;
    const body = this.suite(depth);
    this.loops--;
    return body;
  }

  /** Modules whose import does nothing: only what is used of them can be refused. */
  private importStatement(isFrom: boolean): Statement {
    const module = this.moduleName();
    if (!MODULES.includes(module)) this.fail(`"import ${module}" is not supported in code`);
    if (!isFrom) {
      const names = [module];
      while (this.take(',')) {
        const next = this.moduleName();
        if (!MODULES.includes(next)) this.fail(`"import ${next}" is not supported in code`);
        names.push(next);
      }
      return { kind: 'import', names };
    }
    this.expect('import');
    if (module !== '__future__') this.fail(`"from ${module} import" is not supported in code`);
    while (this.token.kind === 'name' || this.is(',')) this.at++;
    return { kind: 'pass' };
  }

  private moduleName(): string {
    const { kind, text } = this.token;
    if (kind !== 'name') this.fail('the name of a module is missing');
    this.at++;
    return text;
  }

  private simpleLine(): Statement[] {
    const out = [this.simple()];
    while (this.take(';')) if (this.token.kind !== 'newline') out.push(this.simple());
    if (this.token.kind === 'newline') this.at++;
    else if (this.token.kind !== 'end') this.fail(`"${this.token.text}" was not expected here`);
    return out;
  }

  private ifStatement(depth: number): Statement {
    this.at++;
    const test = this.expression();
    const yes = this.suite(depth);
    let no: Statement[] = [];
    if (this.is('elif')) no = [this.ifStatement(depth)];
    else if (this.take('else')) no = this.suite(depth);
    return { kind: 'if', test, yes, no };
  }

  private suite(depth: number): Statement[] {
    this.expect(':');
    if (this.token.kind !== 'newline') return this.simpleLine();
    while (this.token.kind === 'newline') this.at++;
    if (this.token.kind !== 'indent') this.fail('an indented block is missing');
    this.at++;
    return this.block(false, depth + 1);
  }

  /** Chains make deep trees, as brackets do. */
  private operator(): void {
    if (++this.operators > MAX_OPERATORS) this.fail('this statement is too long');
  }

  private simple(): Statement {
    this.operators = 0;
    const { line } = this.token;
    for (const kind of ['pass', 'break', 'continue'] as const) {
      if (!this.take(kind)) continue;
      if (kind !== 'pass' && this.loops === 0) this.fail(`"${kind}" is in no loop`);
      return { kind };
    }
    if (this.take('import')) return this.importStatement(false);
    if (this.take('from')) return this.importStatement(true);
    if (this.is('print')) {
      const printed = this.printStatement(line);
      if (printed !== null) return printed;
    }
    if (this.take('assert')) return this.assertion(line);
    const start = this.at;
    const names = this.targets();
    if (names !== null && names.length > 0) {
      const op = this.token.text;
      if (op === '=' && this.take('='))
        return { kind: 'assign', names, op: null, value: this.expressionList(), line };
      if (names.length === 1 && /^(\*\*|\/\/|<<|>>|[-+*/%&|^])=$/.test(op)) {
        this.at++;
        return { kind: 'assign', names, op: op.slice(0, -1), value: this.expressionList(), line };
      }
    }
    this.at = start;
    return { kind: 'expr', value: this.expressionList() };
  }

  /** Python 2's `print a, b`; null: it is a call. */
  private printStatement(line: number): Statement | null {
    const next = this.tokens[this.at + 1];
    const isCall = next?.kind === 'sign' && ['(', '=', ',', '.'].includes(next.text);
    if (isCall) return null;
    this.at++;
    if (this.token.kind === 'newline' || this.token.kind === 'end' || this.is(';'))
      return { kind: 'expr', value: { kind: 'call', name: 'print', args: [], line } };
    const value = this.expressionList();
    const args = value.kind === 'list' && value.items.length > 0 ? value.items : [value];
    return { kind: 'expr', value: { kind: 'call', name: 'print', args, line } };
  }

  /** Names that may stand left of `=`; null: something else comes. */
  private targets(): string[] | null {
    const names: string[] = [];
    do {
      if (this.token.kind !== 'name' || KEYWORDS.includes(this.token.text)) return null;
      names.push(this.token.text);
      this.at++;
    } while (this.take(','));
    return names;
  }

  private assertion(line: number): Statement {
    const from = this.at;
    const test = this.expression();
    const text = this.tokens
      .slice(from, this.at)
      .map((t) => (t.kind === 'text' ? `'${t.text}'` : t.text))
      .join(' ');
    const message = this.take(',') ? this.expression() : null;
    return { kind: 'assert', test, message, text, line };
  }

  /** `a, b` is a tuple. */
  private expressionList(): Expr {
    const first = this.expression();
    if (!this.is(',')) return first;
    const items = [first];
    while (this.take(','))
      if (this.token.kind !== 'newline' && this.token.kind !== 'end') items.push(this.expression());
    return { kind: 'list', items };
  }

  private expression(): Expr {
    if (++this.depth > MAX_DEPTH) this.fail('this expression is nested too deep');
    let out = this.or();
    if (this.take('if')) {
      const test = this.or();
      this.expect('else');
      out = { kind: 'choice', test, yes: out, no: this.expression() };
    }
    this.depth--;
    return out;
  }

  private or(): Expr {
    let left = this.and();
    while (this.take('or')) {
      this.operator();
      left = { kind: 'logic', op: 'or', left, right: this.and() };
    }
    return left;
  }

  private and(): Expr {
    let left = this.not();
    while (this.take('and')) {
      this.operator();
      left = { kind: 'logic', op: 'and', left, right: this.not() };
    }
    return left;
  }

  private not(): Expr {
    const { line } = this.token;
    if (!this.take('not')) return this.comparison();
    if (++this.depth > MAX_DEPTH) this.fail('this expression is nested too deep');
    const of = this.not();
    this.depth--;
    return { kind: 'unary', op: 'not', of, line };
  }

  private comparison(): Expr {
    const { line } = this.token;
    const first = this.binary(0);
    const rest: { op: string; right: Expr }[] = [];
    for (let op = this.comparisonSign(); op !== null; op = this.comparisonSign())
      rest.push({ op, right: this.binary(0) });
    return rest.length === 0 ? first : { kind: 'compare', first, rest, line };
  }

  private comparisonSign(): string | null {
    const { text, kind } = this.token;
    if (kind === 'sign' && COMPARISONS.includes(text)) {
      this.at++;
      return text;
    }
    if (this.take('in')) return 'in';
    if (this.take('is')) return this.take('not') ? '!=' : '==';
    if (!this.is('not')) return null;
    this.at++;
    this.expect('in');
    return 'not in';
  }

  private binary(level: number): Expr {
    const ops = LEVELS[level];
    if (ops === undefined) return this.unary();
    let left = this.binary(level + 1);
    for (;;) {
      const { text, kind, line } = this.token;
      if (kind !== 'sign' || !ops.includes(text)) return left;
      this.operator();
      this.at++;
      left = { kind: 'binary', op: text, left, right: this.binary(level + 1), line };
    }
  }

  private unary(): Expr {
    const { text, kind, line } = this.token;
    if (kind !== 'sign' || !['-', '+', '~'].includes(text)) return this.power();
    this.at++;
    if (++this.depth > MAX_DEPTH) this.fail('this expression is nested too deep');
    const of = this.unary();
    this.depth--;
    return { kind: 'unary', op: text, of, line };
  }

  private power(): Expr {
    const left = this.postfix();
    const { line } = this.token;
    if (!this.take('**')) return left;
    if (++this.depth > MAX_DEPTH) this.fail('this expression is nested too deep');
    const right = this.unary();
    this.depth--;
    return { kind: 'binary', op: '**', left, right, line };
  }

  private postfix(): Expr {
    let out = this.atom();
    for (;;) {
      const { line } = this.token;
      if (this.take('[')) {
        this.operator();
        out = this.subscript(out, line);
      } else if (this.take('.')) {
        this.operator();
        const name = this.moduleName();
        if (this.take('(')) out = { kind: 'method', of: out, name, args: this.items(')'), line };
        else this.fail(`".${name}" is not supported in code`);
      } else if (this.is('(') && out.kind === 'name') {
        this.at++;
        out = { kind: 'call', name: out.name, args: this.items(')'), line };
      } else return out;
    }
  }

  private subscript(of: Expr, line: number): Expr {
    const from = this.is(':') ? null : this.expression();
    if (!this.take(':')) {
      this.expect(']');
      return { kind: 'index', of, at: from as Expr, line };
    }
    const to = this.is(']') ? null : this.expression();
    this.expect(']');
    return { kind: 'slice', of, from, to, line };
  }

  /** `f"cwnd {tcpi_snd_cwnd}"` */
  private formatted(text: string, line: number): Expr {
    const parts: (string | Expr)[] = [];
    for (const [, plain = '', code] of text.matchAll(/((?:[^{}]|\{\{|\}\})*)(?:\{([^{}]*)\})?/g)) {
      if (plain !== '') parts.push(plain.replaceAll('{{', '{').replaceAll('}}', '}'));
      if (code === undefined) continue;
      const [source = ''] = code.split(/[!:](?![=])/);
      const inner = new Parser(lexCode(source, line));
      parts.push(inner.only());
    }
    return { kind: 'format', parts, line };
  }

  /** A text that is one expression. */
  only(): Expr {
    const out = this.expression();
    while (this.token.kind === 'newline') this.at++;
    if (this.token.kind !== 'end') this.fail('an expression was expected in braces');
    return out;
  }

  private items(close: string): Expr[] {
    const out: Expr[] = [];
    while (!this.take(close)) {
      out.push(this.expression());
      if (!this.is(close)) this.expect(',');
    }
    return out;
  }

  private atom(): Expr {
    const { kind, text, line } = this.token;
    this.at++;
    if (kind === 'number') return { kind: 'constant', value: Number(text) };
    if (kind === 'format') return this.formatted(text, line);
    if (kind === 'text') {
      let all = text;
      while (this.token.kind === 'text') {
        all += this.token.text;
        this.at++;
      }
      return { kind: 'constant', value: all };
    }
    if (kind === 'sign' && text === '(') return this.parenthesis();
    if (kind === 'sign' && text === '[') return { kind: 'list', items: this.items(']') };
    if (kind === 'name' && text === 'True') return { kind: 'constant', value: true };
    if (kind === 'name' && text === 'False') return { kind: 'constant', value: false };
    if (kind === 'name' && text === 'None') return { kind: 'constant', value: null };
    if (kind === 'name' && !KEYWORDS.includes(text)) return { kind: 'name', name: text, line };
    this.at--;
    return this.fail(
      kind === 'name'
        ? `"${text}" is not supported in code`
        : `an expression is missing; found "${text}"`,
    );
  }

  private parenthesis(): Expr {
    if (this.take(')')) return { kind: 'list', items: [] };
    const first = this.expression();
    if (this.take(')')) return first;
    const items = [first];
    while (this.take(',')) if (!this.is(')')) items.push(this.expression());
    this.expect(')');
    return { kind: 'list', items };
  }
}
