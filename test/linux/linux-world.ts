/** Real namespaces of this machine's kernel, with iproute2, iputils and python3 in them. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { icmp6Words } from './icmp6-words.ts';
import { PYTHON, toolsMissing } from './tools.ts';
import { type Outcome, type World, wordsOf } from './world.ts';

/** Why the real world is not there; undefined when it is. */
export function linuxMissing(): string | undefined {
  if (process.platform !== 'linux') return 'not Linux';
  if (process.getuid?.() !== 0) return 'needs root for network namespaces';
  const noIp = toolsMissing(['ip']);
  if (noIp !== undefined) return noIp;
  const probe = `wrnprobe${randomBytes(3).toString('hex')}`;
  try {
    execFileSync('ip', ['netns', 'add', probe], { stdio: 'ignore', timeout: 5000 });
    execFileSync('ip', ['netns', 'del', probe], { stdio: 'ignore', timeout: 5000 });
    return undefined;
  } catch {
    return 'cannot make network namespaces (ip netns add failed)';
  }
}

const LISTENER = `
import socket,sys,time
s=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)
s.bind((sys.argv[1],int(sys.argv[2]))); s.listen(8); print("ready",flush=True)
time.sleep(60)
`;
const RESETTER = `
import socket,struct,sys
s=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET); s.bind((sys.argv[1],int(sys.argv[2]))); s.listen(8); print("ready",flush=True)
while True:
  c,_=s.accept(); c.recv(1)
  c.setsockopt(socket.SOL_SOCKET,socket.SO_LINGER,struct.pack("ii",1,0)); c.close()
`;
const ASK = `
import socket,sys,errno
s=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET); s.settimeout(float(sys.argv[3]))
try:
  s.connect((sys.argv[1],int(sys.argv[2]))); s.send(b"x"); print("eof" if s.recv(10)==b"" else "ok")
except socket.timeout: print("timeout")
except OSError as e: print(errno.errorcode[e.errno])
`;
const CONNECT = `
import socket,sys,errno
s=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET); s.settimeout(float(sys.argv[3]))
try:
  s.connect((sys.argv[1],int(sys.argv[2]))); print("ok")
except socket.timeout: print("timeout")
except OSError as e: print(errno.errorcode[e.errno])
`;
const UDP_ASK = `
import socket,sys,errno
s=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(1)
try:
  s.connect((sys.argv[1],int(sys.argv[2]))); s.send(b"x"); s.recv(10); print("ok")
except socket.timeout: print("timeout")
except OSError as e: print(errno.errorcode[e.errno])
`;

const ICMP6_SEND = `
import socket,sys
s=socket.socket(socket.AF_INET6,socket.SOCK_RAW,58); i=socket.if_nametoindex(sys.argv[1])
for o in (16,18): s.setsockopt(41,o,int(sys.argv[4]))
s.setsockopt(41,17,i); s.sendto(bytes.fromhex(sys.argv[3]),(sys.argv[2],0,0,i))
`;

/** Real namespaces, with a random prefix; `close` deletes them whatever happened. */
export class LinuxWorld implements World {
  private readonly prefix = `wrn${randomBytes(3).toString('hex')}`;
  private readonly names: string[] = [];
  private readonly children: ChildProcess[] = [];
  private readonly monitors: Map<string, { child: ChildProcess; text: string }> = new Map();

  async add(name: string, ipv6: boolean): Promise<void> {
    const real = this.prefix + name;
    this.names.push(name);
    await this.exec('ip', ['netns', 'add', real]);
    if (ipv6) return;
    const off = 'for c in all default; do echo 1 >/proc/sys/net/ipv6/conf/$c/disable_ipv6; done';
    await this.exec('ip', ['netns', 'exec', real, 'sh', '-c', off]);
  }

  async run(line: string): Promise<Outcome> {
    const [name = '', tool = '', ...words] = wordsOf(line);
    if (name === 'wait') {
      await new Promise((done) => setTimeout(done, Number(tool) * 1000));
      return { stdout: '', stderr: '', code: 0 };
    }
    const real = words.map((w) => (this.names.includes(w) ? this.prefix + w : w));
    const inside = ['netns', 'exec', this.prefix + name];
    switch (tool) {
      case 'ip':
      case 'bridge':
        return this.exec(tool, ['-n', this.prefix + name, ...real]);
      case 'monitor-start':
        return this.startMonitor(name, words);
      case 'monitor-stop':
        return this.stopMonitor(name);
      case 'tcp-listen':
        return this.listen(name, LISTENER, words);
      case 'tcp-resetter':
        return this.listen(name, RESETTER, words);
      case 'tcp-ask':
        return this.exec('ip', [...inside, PYTHON, '-c', ASK, ...words]);
      case 'tcp-connect':
        return this.exec('ip', [...inside, PYTHON, '-c', CONNECT, ...words]);
      case 'icmp6-send':
        return this.exec('ip', [...inside, PYTHON, '-c', ICMP6_SEND, ...icmp6Words(words)]);
      case 'udp-ask':
        return this.exec('ip', [...inside, PYTHON, '-c', UDP_ASK, ...words]);
      default:
        return this.exec('ip', [...inside, tool, ...real]);
    }
  }

  private exec(file: string, args: readonly string[]): Promise<Outcome> {
    return new Promise((resolve) => {
      execFile(file, args, { timeout: 20_000, env: ENV }, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 124;
        resolve({ stdout: this.hide(stdout), stderr: this.hide(stderr), code });
      });
    });
  }

  private async startMonitor(name: string, words: readonly string[]): Promise<Outcome> {
    const child = spawn('ip', ['-n', this.prefix + name, ...words], { env: ENV });
    this.children.push(child);
    const monitor = { child, text: '' };
    child.stdout.on('data', (chunk: Buffer) => {
      monitor.text += chunk.toString();
    });
    this.monitors.set(name, monitor);
    await new Promise((done) => setTimeout(done, 300));
    return { stdout: '', stderr: '', code: 0 };
  }

  private async stopMonitor(name: string): Promise<Outcome> {
    // Events of the carrier come when the kernel has time.
    await new Promise((done) => setTimeout(done, 300));
    const monitor = this.monitors.get(name);
    monitor?.child.kill('SIGKILL');
    return { stdout: this.hide(monitor?.text ?? ''), stderr: '', code: 0 };
  }

  private hide(text: string): string {
    return text.replaceAll(this.prefix, '');
  }

  private listen(name: string, program: string, words: readonly string[]): Promise<Outcome> {
    const args = ['netns', 'exec', this.prefix + name, PYTHON, '-c', program, ...words];
    const child = spawn('ip', args, { stdio: ['ignore', 'pipe', 'ignore'], env: ENV });
    this.children.push(child);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve({ stdout: '', stderr: 'not ready', code: 1 }), 10_000);
      child.stdout?.once('data', () => {
        clearTimeout(timer);
        resolve({ stdout: '', stderr: '', code: 0 });
      });
    });
  }

  async close(): Promise<void> {
    for (const child of this.children) child.kill('SIGKILL');
    for (const name of this.names) await this.exec('ip', ['netns', 'del', this.prefix + name]);
  }
}

const ENV: NodeJS.ProcessEnv = { ...process.env, LC_ALL: 'C' };
