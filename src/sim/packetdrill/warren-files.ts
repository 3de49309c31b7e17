/** The files that a script's commands and calls share: a tree in memory, and the devices that give bytes. */
import { EEXIST, EINVAL, ENOENT, NetError } from '../../core/errno.ts';

const O_ACCMODE = 3;
const O_CREAT = 0x40;
const O_EXCL = 0x80;
const O_TRUNC = 0x200;
const O_APPEND = 0x400;
/** Largest file that a script may make. */
const MAX_SIZE = 256 << 20;
const DEVICES: readonly string[] = ['/dev/zero', '/dev/null', '/dev/urandom', '/dev/random'];

class Node {
  bytes: Uint8Array = new Uint8Array(0);
}

export class Files {
  private readonly nodes: Map<string, Node> = new Map();

  has(path: string): boolean {
    return this.nodes.has(path) || DEVICES.includes(path);
  }

  /** Null: there is none. */
  size(path: string): number | null {
    if (DEVICES.includes(path)) return 0;
    return this.nodes.get(path)?.bytes.length ?? null;
  }

  read(path: string): Uint8Array | null {
    if (DEVICES.includes(path)) return new Uint8Array(0);
    return this.nodes.get(path)?.bytes ?? null;
  }

  write(path: string, bytes: Uint8Array, append = false): void {
    if (DEVICES.includes(path)) return;
    const node = this.nodes.get(path) ?? new Node();
    node.bytes = append ? concat(node.bytes, bytes) : bytes;
    this.nodes.set(path, node);
  }

  truncate(path: string, size: number): void {
    const old = this.read(path) ?? new Uint8Array(0);
    const bytes = new Uint8Array(Math.min(size, MAX_SIZE));
    bytes.set(old.subarray(0, bytes.length));
    this.write(path, bytes);
  }

  remove(path: string): boolean {
    return this.nodes.delete(path);
  }

  /** Linux `do_sys_openat2`: an open file, or `-errno`. */
  open(path: string, flags: number): DiskFile | number {
    const isDevice = DEVICES.includes(path);
    let node = this.nodes.get(path);
    if (node === undefined && !isDevice) {
      if ((flags & O_CREAT) === 0) return -ENOENT;
      node = new Node();
      this.nodes.set(path, node);
    } else if ((flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0) return -EEXIST;
    node ??= new Node();
    if ((flags & O_TRUNC) !== 0 && (flags & O_ACCMODE) !== 0) node.bytes = new Uint8Array(0);
    return new DiskFile(node, path, (flags & O_APPEND) !== 0);
  }
}

/** `dd if=… of=… bs=… count=…` */
export function copyFile(files: Files, args: readonly string[]): void {
  const values = new Map(args.map((a) => [a.split('=')[0] ?? '', a.split('=')[1] ?? ''] as const));
  const size = (name: string, otherwise: number): number => {
    const m = /^(\d+)([kKMG]?)B?$/.exec(values.get(name) ?? '');
    if (m === null) return otherwise;
    return Number(m[1]) * ({ k: 1024, K: 1024, M: 1 << 20, G: 1 << 30 }[m[2] ?? ''] ?? 1);
  };
  const source = values.get('if') ?? '/dev/null';
  const from = files.open(source, 0);
  if (typeof from === 'number') throw new NetError(from, 'dd', `dd: cannot open ${source}`);
  const all = size('bs', 512) * size('count', source.startsWith('/dev/') ? 0 : MAX_SIZE / 512);
  files.write(values.get('of') ?? '/dev/null', from.read(Math.min(all, MAX_SIZE)));
}

/** An open file with its offset. */
export class DiskFile {
  private readonly node: Node;
  private readonly path: string;
  private readonly appends: boolean;
  at = 0;

  constructor(node: Node, path: string, appends: boolean) {
    this.node = node;
    this.path = path;
    this.appends = appends;
  }

  private get isDevice(): boolean {
    return DEVICES.includes(this.path);
  }

  peek(at: number, len: number): Uint8Array {
    if (this.path === '/dev/null') return new Uint8Array(0);
    if (this.isDevice) return new Uint8Array(Math.min(len, MAX_SIZE));
    return this.node.bytes.subarray(at, at + len);
  }

  read(len: number): Uint8Array {
    const data = this.peek(this.at, len).slice();
    if (!this.isDevice) this.at += data.length;
    return data;
  }

  write(data: Uint8Array): number {
    if (this.isDevice) return data.length;
    if (this.appends) this.at = this.node.bytes.length;
    if (this.at + data.length > MAX_SIZE) return -EINVAL;
    const size = Math.max(this.node.bytes.length, this.at + data.length);
    const bytes = new Uint8Array(size);
    bytes.set(this.node.bytes);
    bytes.set(data, this.at);
    this.node.bytes = bytes;
    this.at += data.length;
    return data.length;
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}
