/**
 * The rules of the house that no general tool can check. Each failure names a file, a line and
 * what to do. Modelled on TigerBeetle's tidy.zig: the style guide, as a test.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

const SUPPORT = ['core/util', 'core/wire'];
const BASE = [...SUPPORT, 'core/(base)'];
const DEVICE = [...BASE, 'core/link'];
const NETWORK = [...BASE, 'core/link', 'core/netfilter'];
const TRANSPORT = [...NETWORK, 'core/network'];
/** The public face of the core, for its customers. */
const FACE = ['core/index.ts', 'core/control'];

/** Who may import whom, bottom up. A folder may import itself and what is listed; nothing else. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  'core/util': [],
  'core/wire': ['core/util', 'core/packet.ts'],
  'core/(base)': SUPPORT,
  'core/link': BASE,
  'core/device': DEVICE,
  'core/netfilter': BASE,
  'core/network': NETWORK,
  'core/transport': TRANSPORT,
  'core/tunnel': [...DEVICE, 'core/device', 'core/network', 'core/transport'],
  'core/socket': [...BASE, 'core/transport'],
  'core/control': [
    ...TRANSPORT,
    'core/device',
    'core/transport',
    'core/tunnel',
    'core/socket',
    // The public Kernel makes the machine behind it.
    'core/kernel.ts',
  ],
  'core/(root)': ['core/*'],
  app: FACE,
  tools: FACE,
  sim: ['core/*', 'tools'],
  linux: ['core/*', 'sim'],
  lab: ['core/*', 'app', 'tools', 'sim', 'node'],
  node: ['core/*'],
  testing: ['core/*', 'app', 'tools', 'sim', 'node', 'lab'],
  browser: ['core/*'],
  cli: ['core/*', 'app', 'tools', 'sim', 'linux', 'lab', 'node', 'testing', 'browser'],
  web: ['core/*', 'app', 'tools', 'sim', 'lab', 'node', 'browser'],
};

/** Composition: the files of src/core that are allowed to know everybody. */
const ROOT: readonly string[] = ['kernel.ts', 'net.ts', 'protocols.ts', 'inet.ts', 'index.ts'];

/** May be imported from below, as a type only: what every packet and function carries. */
const TYPE_ONLY_UPWARDS: readonly string[] = [
  'core/net.ts',
  'core/kernel.ts',
  'core/protocols.ts',
  'core/link/net-device.ts',
  'core/network/route/route.ts',
  'core/network/route6/route.ts',
  'core/network/ipv4/device.ts',
  'core/network/ipv6/device.ts',
];

/**
 * The crossings: the only files of src/core that may give a packet another device, or anything
 * another namespace. Each must scrub what may not cross.
 */
const CROSSINGS: readonly RegExp[] = [
  /^(kernel|packet)\.ts$/,
  /^link\/(handover|input|mirred|move|vlan)\.ts$/,
  /^device\/(veth|vlan|macvlan[\w-]*|ifb|netkit|venet|ipvlan[\w-]*|vrf|bond[\w-]*|macvtap|loopback)\.ts$/,
  /^device\/bridge[^/]*(\.ts|\/.*)$/,
  /^network\/ipv[46]\/(forward|output|reassembly)\.ts$/,
  /^tunnel\/[\w-]+\.ts$/,
  /^control\/link\.ts$/,
];

/** Names that say nothing about what a file is. */
const EMPTY_NAMES = /(?:^|\/)(?:utils|helpers|common|types|manager|handler|service)(?:\.ts|\/)/;

interface Source {
  /** Path below src/, or from the project's root for other folders. */
  readonly path: string;
  readonly text: string;
}

interface Import {
  readonly line: number;
  readonly specifier: string;
  /** Path below src/, for relative specifiers. */
  readonly target: string;
  readonly typeOnly: boolean;
}

function sources(root: string): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((f) => f.replaceAll('\\', '/'))
    .filter((f) => f.endsWith('.ts') && !f.endsWith('.d.ts') && !f.includes('node_modules/'))
    .sort();
}

const SRC = 'src';
const files: readonly Source[] = sources(SRC).map((path) => ({
  path,
  text: readFileSync(join(SRC, path), 'utf8'),
}));
const code = files.filter((f) => !f.path.endsWith('.test.ts'));
const core = code.filter((f) => f.path.startsWith('core/'));
const beside: readonly Source[] = ['test', 'bench'].flatMap((dir) =>
  sources(dir).map((f) => ({ path: `${dir}/${f}`, text: readFileSync(join(dir, f), 'utf8') })),
);

function layerOf(file: string): string {
  const [env = '', folder = '', ...rest] = file.split('/');
  if (env !== 'core') return env;
  if (rest.length > 0) return `core/${folder}`;
  return ROOT.includes(folder) ? 'core/(root)' : 'core/(base)';
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}

function importsOf({ path, text }: Source): Import[] {
  const found: Import[] = [];
  const add = (index: number, specifier: string, typeOnly: boolean): void => {
    const target = normalize(join(dirname(path), specifier)).replaceAll('\\', '/');
    found.push({ line: lineOf(text, index), specifier, target, typeOnly });
  };
  for (const m of text.matchAll(
    /^(?:import|export)\s+(type\s+)?([\w*{][^;'"]*?)\s*from '([^']+)'/gms,
  )) {
    const onlyTypes = /^\{(\s*type [\w$]+( as [\w$]+)?\s*,?)+\s*\}$/.test(m[2] ?? '');
    add(m.index, m[3] ?? '', m[1] !== undefined || onlyTypes);
  }
  for (const m of text.matchAll(/^import '([^']+)'/gm)) add(m.index, m[1] ?? '', false);
  for (const m of text.matchAll(/\bimport\('([^']+)'\)/g)) {
    const inComment = /^\s*(?:\*|\/\/)/.test(
      text.slice(text.lastIndexOf('\n', m.index) + 1, m.index),
    );
    // `import('./x.ts').T` in a type is a type; one that is awaited is a value.
    if (!inComment) add(m.index, m[1] ?? '', !/await\s*$/.test(text.slice(0, m.index)));
  }
  return found;
}

function allowed(from: string, i: Import): boolean {
  const to = layerOf(i.target);
  const list = LAYERS[from] ?? [];
  if (to === from || list.includes(to) || list.includes(i.target)) return true;
  if (list.includes('core/*') && to.startsWith('core/')) return true;
  return i.typeOnly && from.startsWith('core/') && TYPE_ONLY_UPWARDS.includes(i.target);
}

/** One problem per line of `list` that `find` has something to say about. */
function eachLine(
  list: readonly Source[],
  find: (line: string, path: string) => string | undefined,
): string[] {
  const problems: string[] = [];
  for (const { path, text } of list) {
    text.split('\n').forEach((line, n) => {
      const problem = find(line, path);
      if (problem !== undefined) problems.push(`${where(path)}:${n + 1}: ${problem}`);
    });
  }
  return problems;
}

function where(path: string): string {
  return /^(?:test|bench)\//.test(path) ? path : `${SRC}/${path}`;
}

function expectNone(problems: readonly string[]): void {
  assert.equal(problems.length, 0, `\n${problems.join('\n')}\n`);
}

test('tidy: imports follow the layer table', () => {
  const problems: string[] = [];
  for (const file of code) {
    const from = layerOf(file.path);
    if (!(from in LAYERS)) problems.push(`src/${file.path}: ${from} is not in the layer table`);
    for (const i of importsOf(file)) {
      if (i.specifier.startsWith('.') && !allowed(from, i))
        problems.push(`src/${file.path}:${i.line}: ${from} may not import ${i.target}`);
    }
  }
  expectNone(problems);
});

test('tidy: relative imports stay in src', () => {
  const problems: string[] = [];
  for (const file of code) {
    for (const i of importsOf(file)) {
      if (i.specifier.startsWith('.') && i.target.startsWith('..'))
        problems.push(`src/${file.path}:${i.line}: ${i.specifier} leaves src`);
    }
  }
  expectNone(problems);
});

test('tidy: the core depends on nothing', () => {
  const problems: string[] = [];
  for (const file of core) {
    for (const i of importsOf(file)) {
      if (!i.specifier.startsWith('.'))
        problems.push(`src/${file.path}:${i.line}: the core may not import ${i.specifier}`);
    }
  }
  expectNone(problems);
});

const COLLECTION = /^new (?:Weak)?(?:Map|Set|Array)\b/;
const BUFFER = /^new (?:ArrayBuffer|DataView|\w+Array)\b/;

/** What is wrong with a top-level line of the core, if it makes state that can change. */
function mutableState(line: string): string | undefined {
  const advice = 'move this into NetNs or Kernel, or make it Readonly';
  if (/^(?:export )?(?:let|var) /.test(line)) return advice;
  if (/^\s+(?:private |protected )?static (?!readonly\b)[#\w]+\s*[:=;]/.test(line)) return advice;
  const made = /^(?:export )?const \w+(?:: (.+?))? = (.*)$/.exec(line);
  if (made === null || line.endsWith('// tidy: constant')) return undefined;
  const [, type = '', value = ''] = made;
  if (BUFFER.test(value))
    return `${advice} (a table that never changes: end with // tidy: constant)`;
  if (/^(?:Readonly|readonly )/.test(type)) return undefined;
  const written = /^(?:\[\];?|\{\};?)$/.test(value) || COLLECTION.test(value);
  const changeable = /^(?:Record|Map|Set|Array)</.test(type) || type.endsWith('[]');
  return written || changeable ? advice : undefined;
}

test('tidy: the core has no mutable state outside a namespace or a kernel', () => {
  expectNone(eachLine(core, mutableState));
});

test('tidy: time and chance come from Env', () => {
  const sources = code.filter((f) => /^(?:core|app|tools|sim)\//.test(f.path));
  expectNone(
    eachLine(sources, (line) =>
      /\bMath\.random\(|\bDate\.now\(|\bnew Date\(\)/.test(line) && !/^\s*(?:\*|\/\/)/.test(line)
        ? 'use env.random() and env.nowUs()'
        : undefined,
    ),
  );
});

test('tidy, E2: a packet changes device or namespace in the crossing files only', () => {
  expectNone(
    eachLine(core, (line, path) => {
      if (/^\s*(?:\*|\/\/)/.test(line) || !/(?<!\bthis)\.(?:dev|net)\s*=(?![=>])/.test(line))
        return undefined;
      const file = path.slice('core/'.length);
      return CROSSINGS.some((c) => c.test(file))
        ? undefined
        : 'not a crossing file (see CROSSINGS)';
    }),
  );
});

test('tidy: every file says what it is', () => {
  expectNone(
    [...files, ...beside]
      .filter((f) => !/^(?:#!.*\n)?(?:\/\/ biome-ignore-all .*\n)*\/\*\*/.test(f.text))
      .map((f) => `${where(f.path)}:1: start with a doc comment`),
  );
});

test('tidy: file names say something', () => {
  expectNone(code.filter((f) => EMPTY_NAMES.test(f.path)).map((f) => `src/${f.path}: rename`));
});

test('tidy: nothing is left to do', () => {
  expectNone(
    eachLine(code, (line) =>
      /\b(?:TODO|FIXME|XXX)\b/.test(line) ? 'do it, or note it in docs' : undefined,
    ),
  );
});

test('tidy: RFC references are written alike', () => {
  const wrong =
    /\bRFC-\d|\bRFC\d|\brfc ?\d|RFC \d+,? (?:[Ss]ection|[Ss]ec\.|§ |\d+\.\d)|RFC \d+,? ?#|RFC \d+(?:,|) *, §/;
  expectNone(eachLine(code, (line) => (wrong.test(line) ? 'write "RFC 9293 §3.10"' : undefined)));
});

/** The doc comment at the top of a file, without its stars. */
function headerOf(text: string): string {
  const header = /\/\*\*([\s\S]*?)\*\//.exec(text)?.[1] ?? '';
  return header.replaceAll(/\n\s*\* ?/g, ' ');
}

function existsSomewhere(path: string): boolean {
  return ['src/core', 'src', '.'].some(
    (root) => existsSync(join(root, path)) || existsSync(join(root, `${path}.ts`)),
  );
}

test('tidy: the walks in file headers point at files that exist', () => {
  const problems: string[] = [];
  for (const { path, text } of code) {
    for (const m of headerOf(text).matchAll(
      /\b(?:From|To): ((?:`[^`]+`(?:,? (?:and |or )?)?)+)/g,
    )) {
      for (const [, name = ''] of (m[1] ?? '').matchAll(/`([^`]+)`/g)) {
        const isPath = /^[\w./-]+$/.test(name) && (name.includes('/') || name.endsWith('.ts'));
        if (isPath && !existsSomewhere(name)) problems.push(`src/${path}: no such file ${name}`);
      }
    }
  }
  expectNone(problems);
});

const ARCHITECTURE = 'ARCHITECTURE.md';

/** What the code defines or calls by name: functions, methods, class members. */
function isDefined(name: string): boolean {
  const last = name.split('.').at(-1) ?? name;
  const definition = new RegExp(
    `(?:function\\*? |^\\s+(?:async |static |get |#)*|\\b)${last}(?:<[^>]*>)?\\(`,
    'm',
  );
  return code.some((f) => definition.test(f.text));
}

test('tidy: the anchors in ARCHITECTURE.md exist', { skip: !existsSync(ARCHITECTURE) }, () => {
  const problems: string[] = [];
  readFileSync(ARCHITECTURE, 'utf8')
    .split('\n')
    .forEach((line, n) => {
      for (const [, name = ''] of line.matchAll(/`([^`]+)`/g)) {
        const isPath = /^(?:src|test|bench|docs|scripts|examples|schema)\/[\w./-]*$/.test(name);
        const isFile = /^[\w./-]+\/[\w.-]+\.ts$/.test(name);
        if ((isPath || isFile) && !existsSomewhere(name))
          problems.push(`${ARCHITECTURE}:${n + 1}: no such file ${name}`);
        const call = /^([\w.]+)\(\)$/.exec(name)?.[1];
        if (call !== undefined && !isDefined(call))
          problems.push(`${ARCHITECTURE}:${n + 1}: no such function ${name}`);
      }
    });
  expectNone(problems);
});

const SYSCTL = 'core/sysctl.ts';

test('tidy: every sysctl is read somewhere', { skip: !existsSync(join(SRC, SYSCTL)) }, () => {
  const isTable = (f: (typeof files)[number]): boolean => /^core\/sysctl6?\.ts$/.test(f.path);
  const table = files
    .filter(isTable)
    .map((f) => f.text)
    .join('\n');
  const rest = core.filter((f) => !isTable(f)).map((f) => f.text);
  const rows = [...table.matchAll(/\bname: '([^']+)',\s*field: '(\w+)'/g)];
  for (const [, object = ''] of table.matchAll(/_NAMES = \{([^}]*)\}/g))
    rows.push(...object.matchAll(/^\s+(\w+): '(\w+)'/gm));
  const problems: string[] = [];
  for (const [, name = '', field = ''] of rows) {
    const read = new RegExp(`\\.${field}\\b|\\{[^{}]*\\b${field}\\b[^{}]*\\} = `);
    if (!rest.some((text) => read.test(text)))
      problems.push(`src/${SYSCTL}: nothing reads ${name}`);
  }
  expectNone(problems);
});

test('tidy: the tree is at most four folders deep', () => {
  expectNone(
    files.filter((f) => f.path.split('/').length > 5).map((f) => `src/${f.path}: too deep`),
  );
});

test('tidy: the changelog has an Unreleased section', { skip: !existsSync('CHANGELOG.md') }, () => {
  assert.match(readFileSync('CHANGELOG.md', 'utf8'), /^## \[?Unreleased\b/m);
});
