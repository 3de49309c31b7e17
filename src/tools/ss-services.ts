/** Well-known ports by name, as `/etc/services` of a Debian system has them (IANA's registry). */

const SERVICES: readonly (readonly [number, string, ('tcp' | 'udp')?])[] = [
  [7, 'echo'],
  [9, 'discard'],
  [13, 'daytime'],
  [20, 'ftp-data', 'tcp'],
  [21, 'ftp', 'tcp'],
  [22, 'ssh', 'tcp'],
  [23, 'telnet', 'tcp'],
  [25, 'smtp', 'tcp'],
  [53, 'domain'],
  [67, 'bootps', 'udp'],
  [68, 'bootpc', 'udp'],
  [69, 'tftp', 'udp'],
  [79, 'finger', 'tcp'],
  [80, 'http', 'tcp'],
  [88, 'kerberos'],
  [110, 'pop3', 'tcp'],
  [111, 'sunrpc'],
  [119, 'nntp', 'tcp'],
  [123, 'ntp', 'udp'],
  [143, 'imap2', 'tcp'],
  [161, 'snmp'],
  [162, 'snmp-trap'],
  [179, 'bgp', 'tcp'],
  [389, 'ldap'],
  [443, 'https'],
  [445, 'microsoft-ds'],
  [465, 'submissions', 'tcp'],
  [514, 'syslog', 'udp'],
  [587, 'submission', 'tcp'],
  [631, 'ipp', 'tcp'],
  [636, 'ldaps'],
  [853, 'domain-s'],
  [873, 'rsync', 'tcp'],
  [993, 'imaps', 'tcp'],
  [995, 'pop3s', 'tcp'],
  [1080, 'socks', 'tcp'],
  [1194, 'openvpn'],
  [1883, 'mqtt', 'tcp'],
  [2049, 'nfs'],
  [3306, 'mysql', 'tcp'],
  [5432, 'postgresql', 'tcp'],
  [5672, 'amqp'],
  [6379, 'redis', 'tcp'],
  [8080, 'http-alt'],
  [8883, 'secure-mqtt', 'tcp'],
];

/** `'http'` for 80 over TCP, or the number. */
export function portName(port: number, protocol: string): string {
  const found = SERVICES.find(
    ([n, , only]) => n === port && (only === undefined || only === protocol),
  );
  return found?.[1] ?? String(port);
}

/** The port that a number or a name stands for. */
export function portNumber(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) <= 65535 ? Number(text) : undefined;
  return SERVICES.find(([, name]) => name === text)?.[0];
}

/** The only protocol that a name is registered for; undefined: both, or none. */
export function portProtocol(name: string): 'tcp' | 'udp' | undefined {
  return SERVICES.find(([, known]) => known === name)?.[2];
}
