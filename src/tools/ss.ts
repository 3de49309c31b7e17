/** `ss` (iproute2): the sockets of a namespace, in ss's columns. */
import { failure, type ToolContext, type ToolResult } from '../core/control/ip/ip.ts';
import { CommandError, EXIT_USAGE } from '../core/control/ip/words.ts';
import type { SocketInfo, SocketState } from '../core/control/sockets.ts';
import { ssTable } from './ss-columns.ts';
import { ALL_STATES, parseFilter } from './ss-filter.ts';

export interface SsOptions {
  readonly numeric: boolean;
  readonly timers: boolean;
  readonly info: boolean;
  readonly memory: boolean;
  readonly extended: boolean;
  readonly header: boolean;
  readonly oneline: boolean;
}

interface Parsed {
  options: { -readonly [K in keyof SsOptions]: SsOptions[K] };
  protocols: Set<SocketInfo['protocol']>;
  families: Set<SocketInfo['family']>;
  /** `-0`: packet sockets have no states to choose from. */
  packet: boolean;
  all: boolean;
  listening: boolean;
  summary: boolean;
  words: string[];
}

/** Connections without listeners and what is half open or over (ss's default). */
const DEFAULT_STATES: readonly SocketState[] = ALL_STATES.filter(
  (s) => s !== 'LISTEN' && s !== 'UNCONN' && s !== 'TIME-WAIT' && s !== 'SYN-RECV',
);

const LONG: Readonly<Record<string, string>> = {
  '--tcp': 't',
  '--udp': 'u',
  '--raw': 'w',
  '--packet': '0',
  '--all': 'a',
  '--listening': 'l',
  '--numeric': 'n',
  '--info': 'i',
  '--memory': 'm',
  '--options': 'o',
  '--extended': 'e',
  '--summary': 's',
  '--no-header': 'H',
  '--oneline': 'O',
  '--ipv4': '4',
  '--ipv6': '6',
};

/** Runs `ss` with the words that follow its name. */
export function ssTool(ctx: ToolContext, argv: readonly string[]): ToolResult {
  try {
    const p = parse(argv);
    const sockets = ctx.ns.sockets.list();
    if (p.summary) return { stdout: summary(sockets), stderr: '', code: 0 };
    const { states, filter } = parseFilter(p.words);
    const usual = p.packet && p.protocols.size === 2 ? PACKET_STATES : DEFAULT_STATES;
    const wanted = states ?? (p.all ? ALL_STATES : p.listening ? LISTENING : usual);
    const protocols = p.protocols.size > 0 ? p.protocols : ALL_PROTOCOLS;
    const chosen = inOrder(sockets).filter(
      (s) =>
        protocols.has(s.protocol) &&
        (p.families.size === 0 || p.families.has(s.family)) &&
        wanted.includes(s.state) &&
        filter(s),
    );
    const stdout = ssTable(chosen, p.options, {
      netid: protocols.size > 1,
      state: wanted.length > 1,
    });
    return { stdout, stderr: '', code: 0 };
  } catch (e) {
    return failure(e, '');
  }
}

/** Of each protocol those of IPv4 first, as the kernel dumps them. */
function inOrder(sockets: readonly SocketInfo[]): SocketInfo[] {
  const packet = sockets.filter((s) => s.family === 'link');
  const rest = sockets.filter((s) => s.family !== 'link');
  const protocols = [...new Set(rest.map((s) => s.protocol))];
  const inet = protocols.flatMap((protocol) => {
    const own = rest.filter((s) => s.protocol === protocol);
    return [...own.filter((s) => s.family === 'inet'), ...own.filter((s) => s.family === 'inet6')];
  });
  return [...packet, ...inet];
}

const LISTENING: readonly SocketState[] = ['LISTEN', 'UNCONN'];
/** With `-0` alone. */
const PACKET_STATES: readonly SocketState[] = ['UNCONN'];
const ALL_PROTOCOLS: ReadonlySet<SocketInfo['protocol']> = new Set([
  'p_raw',
  'p_dgr',
  'raw',
  'icmp',
  'udp',
  'tcp',
]);

function parse(argv: readonly string[]): Parsed {
  const p: Parsed = {
    options: {
      numeric: false,
      timers: false,
      info: false,
      memory: false,
      extended: false,
      header: true,
      oneline: false,
    },
    protocols: new Set(),
    families: new Set(),
    packet: false,
    all: false,
    listening: false,
    summary: false,
    words: [],
  };
  for (const word of argv) {
    if (!word.startsWith('-') || p.words.length > 0) p.words.push(word);
    else {
      const letters = LONG[word] ?? (word.startsWith('--') ? word : word.slice(1));
      for (const letter of LONG[word] === undefined && word.startsWith('--') ? [word] : letters)
        setOption(p, letter);
    }
  }
  return p;
}

function setOption(p: Parsed, letter: string): void {
  const { options } = p;
  switch (letter) {
    case 't':
      p.protocols.add('tcp');
      return;
    case 'u':
      p.protocols.add('udp');
      return;
    case 'w':
      p.protocols.add('raw').add('icmp');
      return;
    case '0':
      p.protocols.add('p_raw').add('p_dgr');
      p.packet = true;
      return;
    case 'a':
      p.all = true;
      return;
    case 'l':
      p.listening = true;
      return;
    case 's':
      p.summary = true;
      return;
    case 'n':
      options.numeric = true;
      return;
    case 'i':
      options.info = true;
      return;
    case 'm':
      options.memory = true;
      return;
    case 'o':
      options.timers = true;
      return;
    case 'e':
      options.extended = true;
      options.timers = true;
      return;
    case 'H':
      options.header = false;
      return;
    case 'O':
      options.oneline = true;
      return;
    case '4':
      p.families.add('inet');
      return;
    case '6':
      p.families.add('inet6');
      return;
    case 'r':
      return;
    default:
      throw new CommandError(
        `ss: ${letter.startsWith('-') ? letter : `-${letter}`} is not implemented here; the options are -t -u -w -0 -a -l -n -i -m -o -e -s -H -O -4 -6`,
        EXIT_USAGE,
      );
  }
}

function summary(sockets: readonly SocketInfo[]): string {
  const live = sockets.filter((s) => s.state !== 'TIME-WAIT');
  const count = (protocol: string): number => live.filter((s) => s.protocol === protocol).length;
  const inState = (state: SocketState): number =>
    sockets.filter((s) => s.protocol === 'tcp' && s.state === state).length;
  const [tcp, udp, raw] = [count('tcp'), count('udp'), count('raw')];
  const timeWait = inState('TIME-WAIT');
  const closed = inState('UNCONN') + timeWait;
  const line = (name: string, counted: readonly SocketInfo[]): string => {
    const inet6 = counted.filter((s) => s.family === 'inet6').length;
    const columns = [counted.length, counted.length - inet6, inet6];
    return `${name}\t  ${columns.map((n) => String(n).padEnd(9)).join(' ')}\n`;
  };
  const of = (...names: readonly string[]): SocketInfo[] =>
    live.filter((s) => names.includes(s.protocol));
  return (
    `Total: ${tcp + udp + raw}\n` +
    `TCP:   ${tcp + timeWait} (estab ${inState('ESTAB')}, closed ${closed}, orphaned 0, timewait ${timeWait})\n\n` +
    'Transport Total     IP        IPv6\n' +
    line('RAW', of('raw')) +
    line('UDP', of('udp')) +
    line('TCP', of('tcp')) +
    line('INET', of('raw', 'udp', 'tcp')) +
    `${line('FRAG', [])}\n`
  );
}
