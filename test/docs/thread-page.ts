/** Runs what a page of docs/thread shows: `$ npx warren …` in the lab of examples/thread, and JavaScript. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as core from '../../src/core/index.ts';
import { parseLab } from '../../src/lab/file.ts';
import { Lab } from '../../src/lab/lab.ts';
import { planLab } from '../../src/lab/plan.ts';
import { runVerb } from '../../src/lab/verbs.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';

const DIR = 'examples/thread';

/** A command, and what the page says that it prints; undefined: the page does not say. */
interface Step {
  readonly command: readonly string[];
  readonly line: string;
  readonly expected: string | undefined;
}

export interface Block {
  readonly title: string;
  readonly kind: 'console' | 'js';
  readonly text: string;
}

/** The fenced blocks of a page, each with the number of its line. */
export function blocksOf(page: string): Block[] {
  const text = readFileSync(page, 'utf8');
  return [...text.matchAll(/^```(console|js)\n([\s\S]*?)^```$/gm)].map((m) => ({
    title: `${page}:${text.slice(0, m.index).split('\n').length}`,
    kind: m[1] as 'console' | 'js',
    text: m[2] ?? '',
  }));
}

/** The lab that the pages begin with. */
export class PageLab {
  private readonly lab: Lab;

  constructor() {
    const file = `${DIR}/warren.yaml`;
    this.lab = new Lab(planLab(parseLab(readFileSync(file, 'utf8'), file)), { dir: DIR });
  }

  async start(): Promise<void> {
    await this.lab.attach();
    await this.lab.start();
  }

  async close(): Promise<void> {
    await this.lab.down();
  }

  /** Everything that is there, without counters and clocks. */
  async state(): Promise<string> {
    let all = '';
    for (const node of this.lab.nodes.keys())
      for (const words of [
        'ip -br link',
        'ip addr show scope global',
        'ip -4 route show table all',
        'tc qdisc',
      ]) {
        const [tool = '', ...rest] = words.split(' ');
        all += (await this.command([tool, '-n', node, ...rest])).out;
      }
    return all.replace(/@if\d+|valid_lft.*\n/g, '');
  }

  /** Runs a block; its commands print what the page says. */
  async run(block: Block): Promise<void> {
    if (block.kind === 'js') {
      await runJs(block.text);
      return;
    }
    for (const step of stepsOf(block.text)) {
      const { out, code } = await this.command(step.command);
      const about = `${block.title}: $ npx warren ${step.line}`;
      if (step.expected === undefined) assert.equal(code, 0, `${about}\n${out}`);
      else assert.match(out.trim(), pattern(step.expected), about);
    }
  }

  private async command(argv: readonly string[]): Promise<{ out: string; code: number }> {
    let out = '';
    let code = 2;
    const take = (text: string): void => {
      out += text;
    };
    const signal = new AbortController().signal;
    try {
      code = await runVerb(
        this.lab,
        argv,
        { out: take, err: take, signal },
        { cwd: DIR, down: () => {} },
      );
    } catch (e) {
      out += `warren: ${(e as Error).message}`;
    }
    return { out, code };
  }
}

function stepsOf(text: string): Step[] {
  return text
    .split(/^\$ npx warren /m)
    .slice(1)
    .map((part) => {
      const [line = '', ...rest] = part.split('\n');
      const said = rest.join('\n').trim();
      const command = [...line.matchAll(/'([^']*)'|(\S+)/g)].map((m) => m[1] ?? m[2] ?? '');
      return { line, command, expected: said === '' ? undefined : said };
    });
}

/** `…` stands for anything; white space for any amount of it. */
function pattern(expected: string): RegExp {
  const escaped = expected
    .split(/\s*…\s*/)
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/\s+/g, '\\s+'))
    .join('[\\s\\S]*');
  return new RegExp(`^${escaped}$`);
}

/** `// text` behind `console.log(…)` is what it prints. `import … from 'warren/core'` means the sources. */
async function runJs(text: string): Promise<void> {
  const body = text.replace(/^import \{([^}]*)\} from 'warren\/core'/gm, 'const {$1} = core');
  const said: string[] = [];
  const console = { log: (...words: unknown[]): number => said.push(words.join(' ')) };
  const { constructor: AsyncFunction } = Object.getPrototypeOf(async () => {}) as {
    constructor: new (...args: string[]) => (...values: unknown[]) => Promise<void>;
  };
  await new AsyncFunction('core', 'VirtualClock', 'console', body)(core, VirtualClock, console);
  const expected = [...text.matchAll(/^.*console\.log\(.*\/\/ (.*)$/gm)].map((m) => m[1]);
  assert.deepEqual(said, expected);
}
