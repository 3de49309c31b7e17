#!/usr/bin/env node
/** The command `warren`: picks the verb; all the work is in its own file. Exit codes as in docs/lab.md. */
import { readFileSync } from 'node:fs';
import { NetError } from '../core/errno.ts';
import { nearest } from '../core/util/nearest.ts';
import { LabError } from '../lab/file.ts';

const USAGE = `usage: warren VERB …

  up [FILE|FOLDER]                 bring a lab up; stays until Ctrl-C
  ps                               what is up
  tree                             nodes, their devices, and where the wires lead
  exec NODE -- COMMAND…            run a command in a node
  ping A B                         ping from node A to node B
  ip|ss|tc|bridge|sysctl -n NODE … Linux's words, in a node
  cat|ls -n NODE PATH…             files of a node: /proc/net, /proc/sys/net, /sys/class/net
  write -n NODE PATH TEXT          writes one of them
  cut A B | cut A NETWORK          pull a cable
  heal [A B | A NETWORK]           plug it in again; without words: all of them
  netem NODE [TOWARDS] 'WORDS'|off impair what leaves a node, in tc-netem's words
  capture [-n NODE] [-i NETWORK] -w FILE [FILTER]  FILTER in tcpdump's words
  logs NODE                        what a node printed
  down                             take the lab down
  test [FILE] [--runs N] [--seed S]  run a lab's scenario, and judge what it expects
  replay SEED [FILE] [--at TIME] [-- NODE COMMAND…]  tell a run again; show its state at a time
  packetdrill [--on warren|linux] FILE…  run packetdrill scripts; see docs/packetdrill.md

  -l LAB      which lab, where several are up
  --version   --help
`;

const VERBS = [
  'up',
  'ps',
  'tree',
  'exec',
  'ping',
  'ip',
  'ss',
  'tc',
  'bridge',
  'sysctl',
  'cat',
  'ls',
  'write',
  'traceroute',
  'cut',
  'heal',
  'netem',
  'capture',
  'logs',
  'down',
  'test',
  'replay',
  'packetdrill',
] as const;

async function main(argv: readonly string[]): Promise<number> {
  const [verb, ...rest] = argv;
  if (verb === undefined || verb === '--help' || verb === '-h' || verb === 'help') {
    (verb === undefined ? process.stderr : process.stdout).write(USAGE);
    return verb === undefined ? 2 : 0;
  }
  if (verb === '--version' || verb === '-V') {
    const file = new URL('../../package.json', import.meta.url);
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
    process.stdout.write(`warren ${version}\n`);
    return 0;
  }
  if (verb === 'up') {
    const { up } = await import('./up.ts');
    const code = await up(rest);
    // The modules of the lab may still have timers; the lab is down.
    process.exit(code);
  }
  if (verb === 'test' || verb === 'replay') {
    const command = await import('./test.ts');
    const code = await command[verb](rest);
    // The programs of the lab may have left handles of the host's.
    process.exit(code);
  }
  if (verb === 'packetdrill') {
    const { packetdrill } = await import('./packetdrill.ts');
    return packetdrill(rest);
  }
  if ((VERBS as readonly string[]).includes(verb) || verb === '-l') {
    const { remote } = await import('./remote.ts');
    return remote(argv);
  }
  const near = nearest(verb, VERBS);
  const hint = near === undefined ? 'see warren --help' : `did you mean "${near}"?`;
  process.stderr.write(`warren: "${verb}" is not a verb; ${hint}\n`);
  return 2;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof LabError) && !(error instanceof NetError)) throw error;
  process.stderr.write(`warren: ${error.message}\n`);
  process.exitCode = 2;
}
