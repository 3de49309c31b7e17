/** What a run is told by options, in the script and on the command line; packetdrill's names and defaults. */
import { ScriptError } from './scanner.ts';
import type { Script, ScriptOption } from './script.ts';
import type { TargetConfig } from './target.ts';

export interface Config extends TargetConfig {
  readonly bindPort: number;
  readonly connectPort: number;
  /** Least tolerance of times, µs. */
  readonly toleranceUs: number;
  /** Tolerance as a part of the time since the event before, in per cent. */
  readonly tolerancePercent: number;
  /** µs per tick of the outbound timestamps; 0: `TS val` of outbound packets is not compared. */
  readonly tsTickUs: number;
  /** Inbound segments with more payload stand for several with so much each, as GRO joins them; 0: none does. */
  readonly mss: number;
  /** Segments are compared one by one, not joined. */
  readonly strictSegments: boolean;
  /** No RST to what is left at the end. */
  readonly sendOmitFree: boolean;
}

type Fields = { -readonly [K in keyof Config]: Config[K] };

const V4: Partial<Config> = {
  localIp: '192.168.0.1',
  prefixLength: 16,
  gatewayIp: '192.168.0.2',
  remoteIp: '192.0.2.1',
  mtu: 1500,
};

const V6: Partial<Config> = {
  localIp: 'fd3d:0a0b:17d6::1',
  prefixLength: 48,
  gatewayIp: 'fd3d:0a0b:17d6:8888::1',
  remoteIp: 'fd3d:fa7b:d17d::1',
  mtu: 1520,
};

/** Options that change nothing here: both kernels are set up the same way without them. */
const IGNORED: readonly string[] = [
  'wire_client',
  'persistent_tun_dev',
  'init_scripts',
  'code_command',
  'code_format',
  'code_sockopt',
  'speed',
  'non_fatal',
  'fm',
  'debug',
  'local_linux_mtu',
  // An echo of a time that was never sent is as far from the last one sent as the script says.
  'tcp_ts_ecr_scaled',
];

/** Options of packetdrill that mean something this runner does not do. */
const REFUSED: readonly string[] = [
  'wire_server',
  'wire_client_dev',
  'wire_server_dev',
  'wire_server_ip',
  'wire_server_port',
  'so_filename',
  'so_flags',
  'psp_udp_port',
  'udp_encapsulation',
];

/** Options of a script, then those of the command line, which rule. */
export function configure(
  script: Script,
  commandLine: readonly ScriptOption[],
  seed: number,
): Config {
  const fields: Partial<Fields> = {
    ipVersion: 'ipv4',
    bindPort: 8080,
    connectPort: 8080,
    toleranceUs: 4000,
    tolerancePercent: 12.5,
    tsTickUs: 0,
    strictSegments: false,
    sendOmitFree: false,
    mss: 0,
    seed,
  };
  const all = [...script.options, ...commandLine];
  fields.ipVersion = versionOf(script.file, all);
  Object.assign(fields, fields.ipVersion === 'ipv6' ? V6 : V4);
  for (const option of all) setOption(script.file, fields, option);
  return fields as Config;
}

/** What the last of the options says. */
export function versionOf(file: string, options: readonly ScriptOption[]): Config['ipVersion'] {
  const option = options.findLast((o) => o.name === 'ip_version');
  if (option === undefined) return 'ipv4';
  // The kernel's own runner writes it with underscores in places.
  const value = option.value?.replaceAll('_', '-');
  if (value === 'ipv4' || value === 'ipv4-mapped-ipv6' || value === 'ipv6') return value;
  throw new ScriptError(file, option.position, '--ip_version is ipv4, ipv4-mapped-ipv6 or ipv6');
}

function setOption(file: string, fields: Partial<Fields>, option: ScriptOption): void {
  const { name, position } = option;
  const value = (): string => {
    if (option.value === null) throw new ScriptError(file, position, `--${name} needs a value`);
    return option.value;
  };
  const number = (min: number, max: number): number => {
    const n = Number(value());
    if (value() === '' || !(n >= min && n <= max))
      throw new ScriptError(file, position, `--${name} must be between ${min} and ${max}`);
    return n;
  };
  switch (name) {
    case 'ip_version':
      return;
    case 'bind_port':
      fields.bindPort = number(0, 65535);
      return;
    case 'connect_port':
      fields.connectPort = number(1, 65535);
      return;
    case 'tolerance_usecs':
      fields.toleranceUs = number(0, 1e9);
      return;
    case 'tolerance_percent':
      fields.tolerancePercent = number(0, 1000);
      return;
    case 'mtu':
      fields.mtu = number(68, 65535);
      return;
    case 'tcp_ts_tick_usecs':
      fields.tsTickUs = number(0, 1e6);
      return;
    case 'strict_segments':
      fields.strictSegments = isOn(option);
      return;
    case 'send_omit_free':
      fields.sendOmitFree = isOn(option);
      return;
    case 'mss':
      fields.mss = number(0, 65535);
      return;
    default:
      setAddress(file, fields, option, value);
  }
}

function isOn(option: ScriptOption): boolean {
  return !['0', 'false', 'no'].includes(option.value ?? '1');
}

function setAddress(
  file: string,
  fields: Partial<Fields>,
  option: ScriptOption,
  value: () => string,
): void {
  const { name, position } = option;
  const [address = '', length] = ['local_ip', 'gateway_ip', 'remote_ip', 'connect_ip'].includes(
    name,
  )
    ? value().split('/')
    : [];
  switch (name) {
    case 'local_ip':
      fields.localIp = address;
      if (length !== undefined) fields.prefixLength = Number(length);
      return;
    case 'gateway_ip':
      fields.gatewayIp = address;
      return;
    case 'remote_ip':
      // A whole network may be remote: the first address after its own is meant.
      fields.remoteIp = isHost(address, length) ? address : firstOf(address);
      return;
    case 'netmask_ip':
      fields.prefixLength = prefixOf(file, option, value());
      return;
    default:
      if (IGNORED.includes(name)) return;
      throw new ScriptError(
        file,
        position,
        REFUSED.includes(name)
          ? `--${name} is not supported`
          : `--${name} is no option of packetdrill`,
      );
  }
}

/** Is it one address, and not a network's? */
function isHost(address: string, length: string | undefined): boolean {
  return length === undefined || length === (address.includes(':') ? '128' : '32');
}

function firstOf(address: string): string {
  return address.replace(/\.0$/, '.1').replace(/::$/, '::1');
}

function prefixOf(file: string, option: ScriptOption, mask: string): number {
  const bits = mask
    .split('.')
    .map((part) => Number(part).toString(2).padStart(8, '0'))
    .join('');
  if (!/^1*0*$/.test(bits) || bits.length !== 32)
    throw new ScriptError(file, option.position, '--netmask_ip is no mask');
  return bits.replaceAll('0', '').length;
}
