/**
 * A lab file as it was written: YAML 1.2 (JSON is a part of it), checked against `schema/lab.json`. Each
 * complaint is one sentence with the line, the field and, where a word is unknown, the nearest valid one.
 */
import { existsSync, readFileSync } from 'node:fs';
import { Ajv, type ErrorObject } from 'ajv';
import { type Document, isMap, isNode, isPair, isScalar, LineCounter, parseDocument } from 'yaml';
import { nearest } from '../core/util/nearest.ts';
import type { Duration } from './duration.ts';

export interface NodeSpec {
  readonly kind?: 'host' | 'router';
  readonly module?: string;
  readonly run?: string | readonly string[];
  readonly env?: Readonly<Record<string, string | number | boolean>>;
  readonly sysctl?: Readonly<Record<string, string | number>>;
  readonly routes?: string | readonly string[];
  readonly ready?: string;
  readonly after?: string | readonly string[];
}

export interface NetworkSpec {
  readonly subnet?: string;
  readonly join: readonly string[] | Readonly<Record<string, string | null>>;
  readonly netem?: string;
  readonly policy?: WirePolicySpec;
}

/** What those on a wire may send: `true` for their own addresses, a map for limits beside. */
export type WirePolicySpec =
  | boolean
  | {
      readonly rate?: number;
      readonly storm?: number;
      readonly mtu?: number;
      readonly macs?: number;
      readonly router?: boolean;
      readonly dhcpServer?: boolean;
      readonly vlan?: boolean;
    };

export interface LinkSpec {
  readonly between: string;
  readonly subnet?: string;
  readonly netem?: string | Readonly<Record<string, string>>;
  readonly policy?: WirePolicySpec;
}

/** What happens at a time: `{ at: 2s, do: crash n1 for 3s }`. */
export interface StepSpec {
  readonly at?: Duration;
  readonly every?: Duration;
  readonly from?: Duration;
  readonly until?: Duration;
  readonly do?: string | readonly string[];
  readonly nemesis?: {
    readonly faults?: readonly string[];
    readonly interval?: Duration;
    readonly until?: Duration;
    readonly nodes?: readonly string[];
  };
}

/** What is asked for; any other key is a node, and its value a command. */
export interface ExpectSpec {
  readonly always?: string;
  readonly sometimes?: string;
  readonly eventually?: string;
  readonly packets?: string;
  readonly log?: string;
  readonly exit?: string;
  readonly at?: Duration;
  readonly by?: Duration;
  readonly on?: string;
  readonly status?: number;
  readonly output?: string;
  readonly fails?: boolean | string;
  readonly count?: number | string;
  readonly [node: string]: unknown;
}

/** The content of a lab file, in the shape of `schema/lab.json`. */
export interface LabSpec {
  readonly $schema?: string;
  readonly name: string;
  readonly clock?: 'real' | 'virtual';
  readonly seed?: number | 'random';
  readonly nodes?: Readonly<Record<string, NodeSpec | null>>;
  readonly networks?: Readonly<Record<string, NetworkSpec>>;
  readonly links?: readonly (string | LinkSpec)[];
  /** Commands that `warren up` shows, without the word `warren`. */
  readonly tour?: readonly string[];
  /** What happens while `warren test` runs. */
  readonly scenario?: readonly StepSpec[];
  /** What `warren test` asks for. */
  readonly expect?: readonly ExpectSpec[];
}

/** A lab that cannot be brought up as written. Nothing was started. */
export class LabError extends Error {
  /** 1-based line in the file; 0 when the lab did not come from text. */
  readonly line: number;

  constructor(message: string, line = 0) {
    super(message);
    this.name = 'LabError';
    this.line = line;
  }
}

/** Longest quotation of a file in a complaint. */
const MAX_QUOTE = 60;

/** A lab file's content together with the lines on which its parts stand. */
export interface LabSource {
  readonly spec: LabSpec;
  /** Fails with one sentence about the part at `path`, e.g. `['nodes', 'web', 'kind']`. */
  fail(path: readonly (string | number)[], message: string): never;
}

type Path = readonly (string | number)[];

/** Parses and checks the text of a lab file; `file` names it in complaints. */
export function parseLab(text: string, file = 'lab'): LabSource {
  const lines = new LineCounter();
  const doc = parseDocument(text, { lineCounter: lines, version: '1.2', uniqueKeys: true });
  const problem = doc.errors[0];
  if (problem !== undefined) {
    const line = problem.linePos?.[0].line ?? 1;
    const sentence =
      problem.code === 'MULTIPLE_DOCS'
        ? 'a second document begins here, and a file has one lab'
        : (problem.message.split('\n')[0]?.replace(/ at line \d+.*$/, '') ?? '');
    throw new LabError(`${file}:${line}: ${sentence}`, line);
  }
  const fail = (path: Path, message: string): never => {
    const line = lineOf(doc, lines, path);
    throw new LabError(`${file}:${line}: ${message}`, line);
  };
  const spec = contentOf(doc, fail);
  validate(spec, fail);
  return { spec: spec as LabSpec, fail };
}

/** Anchors and aliases resolved, as far as that is reasonable. */
function contentOf(doc: Document, fail: LabSource['fail']): unknown {
  try {
    return doc.toJS({ maxAliasCount: 100 });
  } catch (error) {
    return fail([], (error as Error).message);
  }
}

/** The same for a lab that is given as an object. */
export function defineLab(spec: LabSpec): LabSource {
  const fail = (path: Path, message: string): never => {
    throw new LabError(path.length === 0 ? message : `${path.join('.')}: ${message}`);
  };
  validate(spec, fail);
  return { spec, fail };
}

const schema = JSON.parse(readFileSync(schemaFile(), 'utf8')) as object;
const check = new Ajv({ verbose: true, allErrors: true, strict: false }).compile(schema);

/** Beside `dist/` or `src/` in the package; tests that were compiled first are one folder deeper. */
function schemaFile(): URL {
  const near = new URL('../../schema/lab.json', import.meta.url);
  return existsSync(near) ? near : new URL('../../../schema/lab.json', import.meta.url);
}

function validate(spec: unknown, fail: LabSource['fail']): void {
  if (spec === null || typeof spec !== 'object' || Array.isArray(spec))
    fail([], 'a lab is a map with at least a name, such as: name: two-hosts');
  if (check(spec)) return;
  const error = mostTelling(check.errors ?? []);
  if (error === undefined) return;
  const path = error.instancePath
    .split('/')
    .slice(1)
    .map((p) => p.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((p) => (/^\d+$/.test(p) ? Number(p) : p));
  const extra = extraProperty(error);
  fail(extra === undefined ? path : [...path, extra], sentenceFor(error, path));
}

/** Of alternatives that all failed, the deepest complaint says most; unknown words come first. */
function mostTelling(errors: readonly ErrorObject[]): ErrorObject | undefined {
  const depth = (e: ErrorObject): number =>
    e.instancePath.split('/').length * 2 +
    (e.keyword === 'additionalProperties' ? 1 : 0) -
    (e.keyword === 'anyOf' || e.keyword === 'type' ? 1 : 0) +
    // Who says what it takes says more.
    (typeof e.parentSchema?.['description'] === 'string' ? 2 : 0);
  return [...errors].sort((a, b) => depth(b) - depth(a))[0];
}

function extraProperty(error: ErrorObject): string | undefined {
  const params = error.params as Record<string, unknown>;
  const name = params['additionalProperty'] ?? params['propertyName'] ?? error.propertyName;
  return typeof name === 'string' ? name : undefined;
}

function sentenceFor(error: ErrorObject, path: Path): string {
  const where = path.length === 0 ? 'the lab' : path.join('.');
  const parent = (error.parentSchema ?? {}) as Record<string, unknown>;
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case 'additionalProperties': {
      const known = Object.keys((parent['properties'] ?? {}) as object);
      const word = String(params['additionalProperty']);
      const near = nearest(word, known);
      return near === undefined
        ? `${where}: "${word}" is not a word here; the words are ${known.join(', ')}`
        : `${where}: "${word}" is not a word here; did you mean "${near}"?`;
    }
    case 'required':
      return `${where}: "${String(params['missingProperty'])}" is missing`;
    case 'enum': {
      const allowed = (params['allowedValues'] as unknown[]).map(String);
      const near = nearest(String(error.data), allowed);
      const hint = near === undefined ? '' : `; did you mean "${near}"?`;
      return `${where}: "${String(error.data)}" is none of ${allowed.join(', ')}${hint}`;
    }
    default: {
      const about = parent['description'];
      const data = shortened(JSON.stringify(error.propertyName ?? error.data));
      const told = typeof about === 'string' ? `: ${about}` : ` (${error.message ?? 'invalid'})`;
      return `${where}: ${data} does not fit here${told}`;
    }
  }
}

function shortened(text: string): string {
  return text.length <= MAX_QUOTE ? text : `${text.slice(0, MAX_QUOTE)}…`;
}

function lineOf(doc: Document, lines: LineCounter, path: Path): number {
  for (let n = path.length; n > 0; n--) {
    const offset = offsetOf(doc, path.slice(0, n));
    if (offset !== undefined) return lines.linePos(offset).line;
  }
  return 1;
}

/** Where the key of `path` starts; where its value starts for an item of a list. */
function offsetOf(doc: Document, path: Path): number | undefined {
  const parent: unknown = path.length === 1 ? doc.contents : doc.getIn(path.slice(0, -1), true);
  const last = path.at(-1);
  if (isMap(parent)) {
    const pair = parent.items.find((p) => isPair(p) && isScalar(p.key) && p.key.value === last);
    const key = pair?.key;
    return isNode(key) ? key.range?.[0] : undefined;
  }
  const value: unknown = doc.getIn(path, true);
  return isNode(value) ? value.range?.[0] : undefined;
}
