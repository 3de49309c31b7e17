/**
 * Many commands of iproute2 at once: in one namespace of this machine's kernel, by one shell, and in one of Warren's.
 * For suites of hundreds of commands, which one process each and a namespace each would make slow.
 */
import { spawn } from 'node:child_process';
import { Kernel } from '../../src/core/index.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';
import { ipTool } from '../../src/tools/ip.ts';
import { sysctlTool } from '../../src/tools/sysctl.ts';
import { type Outcome, wordsOf } from './world.ts';

/** Two wires whose four ends are all here; addresses of both families, without DAD. */
export const SETUP: readonly string[] = [
  'sysctl -q -w net.ipv6.conf.all.accept_dad=0',
  'sysctl -q -w net.ipv6.conf.default.accept_dad=0',
  'ip link set lo up',
  'ip link add v0 address 02:00:00:00:00:01 type veth peer name p0 address 02:00:00:00:00:02',
  'ip link add v1 address 02:00:00:00:00:03 type veth peer name p1 address 02:00:00:00:00:04',
  'ip link set v0 up',
  'ip link set p0 up',
  'ip link set v1 up',
  'ip link set p1 up',
  'ip addr add 10.0.0.1/24 dev v0',
  'ip addr add 10.0.1.1/24 dev v1',
  'ip addr add fd00:0:0:a::1/64 dev v0',
  'ip addr add fd00:0:0:b::1/64 dev v1',
];

/** Ends what a command printed; the code follows. */
const END = '\u0001';
const MIDDLE = '\u0002';

/** What each line gives on the kernel, in a namespace that goes with the shell. */
export function runLinux(lines: readonly string[]): Promise<Outcome[]> {
  const script = lines.map((line) => {
    if (line.startsWith('wait '))
      return `sleep ${line.slice(5)}; printf '${MIDDLE}${MIDDLE}0${END}'`;
    // One process for each command: its errors are read by the shell, its output goes past it.
    return `e=$(${line} 2>&1 1>&3); c=$?; printf '${MIDDLE}%s${MIDDLE}%d${END}' "$e" $c`;
  });
  const text = `exec 3>&1\n${script.join('\n')}\n`;
  return new Promise((resolve, reject) => {
    const child = spawn('unshare', ['-n', 'sh', '-s'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, LC_ALL: 'C' },
    });
    let out = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (chunk: string) => {
      out += chunk;
    });
    child.on('error', reject);
    child.on('close', () => resolve(out.split(END).slice(0, -1).map(outcomeOf)));
    child.stdin.end(text);
  });
}

function outcomeOf(text: string): Outcome {
  const parts = text.split(MIDDLE);
  return { stdout: parts[0] ?? '', stderr: parts[1] ?? '', code: Number(parts.at(-1)) };
}

/** The same here, in virtual time. */
export function runWarren(lines: readonly string[]): Outcome[] {
  const clock = new VirtualClock();
  const kernel = new Kernel({ env: clock, seed: 1 });
  const ns = kernel.netns.add('A');
  const ctx = { ns, findNetns: () => undefined, listNetns: () => [ns] };
  return lines.map((line) => {
    const [tool = '', ...words] = wordsOf(line);
    if (tool === 'wait') {
      clock.runFor(kernel.core, Number(words[0]) * 1e6);
      return { stdout: '', stderr: '', code: 0 };
    }
    clock.runFor(kernel.core, 3000);
    return tool === 'sysctl' ? sysctlTool(ctx, words) : ipTool(ctx, words);
  });
}

/** What is compared: no clocks, no usage, no guess at what was meant. */
export function normalOutcome({ stdout, stderr, code }: Outcome): unknown {
  // Help is ours: it has no words for what is not there.
  if (/^Usage:/.test(stderr) || /^Usage:/.test(stdout)) return { code, usage: true };
  const text = stdout
    .replace(/expires \d+sec/g, 'expires Tsec')
    .replace(/"expires":\d+/g, '"expires":0')
    .replace(/idle_time [\d.]+/g, 'idle_time T')
    .replace(/"(idle_time|unbalanced_time)":[\d.]+/g, '"$1":0')
    .replace(/unbalanced_time [\d.]+/g, 'unbalanced_time T');
  return {
    code,
    stderr: stderr.split('\n')[0] ?? '',
    stdout: text.startsWith('[') ? JSON.parse(text) : text,
  };
}

/** What `ip` prints for a command that the kernel refused, in a batch. */
const REFUSED = /^(?:RTNETLINK answers: |Error: )/;

/** After `changes` what each of `questions` gives, by one process of `ip -batch`; a refusal is its sentence. */
export async function askLinux(
  family: '-4' | '-6',
  changes: readonly string[],
  questions: readonly string[],
): Promise<string[]> {
  const script = [
    ...SETUP.map((line) => `${line} >/dev/null 2>&1`),
    // Carriers settle when the kernel has time.
    'sleep 0.2',
    `ip ${family} -force -batch - >/dev/null 2>&1 <<'END'\n${changes.join('\n')}\nEND`,
    `ip ${family} -force -o -batch - 2>&1 <<'END'\n${questions.join('\n')}\nEND`,
  ];
  const child = spawn('unshare', ['-n', 'sh', '-s'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, LC_ALL: 'C' },
  });
  child.stdin.end(`${script.join('\n')}\n`);
  let out = '';
  child.stdout.setEncoding('utf8');
  for await (const chunk of child.stdout) out += String(chunk);
  return out
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('Command failed'))
    .map((line) => (REFUSED.test(line) ? line : line.trimEnd()));
}

/** The same here. */
export function askWarren(
  family: '-4' | '-6',
  changes: readonly string[],
  questions: readonly string[],
): string[] {
  const lines = [
    ...SETUP,
    'wait 0.2',
    ...changes.map((line) => `ip ${family} ${line}`),
    ...questions.map((line) => `ip ${family} -o ${line}`),
  ];
  return runWarren(lines)
    .slice(-questions.length)
    .map(({ stdout, stderr }) =>
      stdout === '' ? (stderr.split('\n')[0] ?? '') : stdout.trimEnd(),
    );
}
