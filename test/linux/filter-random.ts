/** Filters at random, of all parts of the grammar. */

type Below = (n: number) => number;

const PROTOCOLS = ['ip', 'ip6', 'tcp', 'udp', 'icmp', 'icmp6', 'arp', 'rarp', 'ether', 'igmp'];
// Not / % << >>: libpcap 1.10.3 takes the index of an access for a constant divisor.
const OPERATORS = ['+', '-', '*', '&', '|', '^'];

function number(below: Below, depth: number): string {
  const pick = (list: readonly string[]): string => list[below(list.length)] as string;
  if (depth <= 0 || below(4) === 0)
    return pick(['1', '0x40', 'len', '6', '80', 'tcp-syn', 'icmp-echo', '13']);
  switch (below(4)) {
    case 0:
      return `${pick(PROTOCOLS)}[${number(below, depth - 2)}${pick(['', ':2', ':4', ':1'])}]`;
    case 1:
      return `${pick(PROTOCOLS)}[${below(20)}${pick(['', ':2', ':4'])}]`;
    case 2:
      return `(${number(below, depth - 1)})`;
    default:
      return `${number(below, depth - 1)} ${pick(OPERATORS)} ${number(below, depth - 1)}`;
  }
}

function primitive(below: Below): string {
  const pick = (list: readonly string[]): string => list[below(list.length)] as string;
  switch (below(9)) {
    case 0:
      return pick([
        'tcp',
        'udp',
        'ip',
        'ip6',
        'arp',
        'icmp',
        'vlan',
        'multicast',
        'vlan 5',
        'igmp',
      ]);
    case 1:
      return `${pick(['', 'tcp ', 'udp '])}${pick(['', 'src ', 'dst '])}port ${pick(['80', '(80 or 53)', 'http', 'not 80'])}`;
    case 2:
      return `${pick(['', 'src ', 'dst '])}host ${pick(['10.0.0.1', '10.0.0.2', 'fd00::1'])}`;
    case 3:
      return `${pick(['', 'ip '])}${pick(['src ', 'dst ', ''])}net ${pick(['10', '192.168.0.0/16', '10.0.0'])}`;
    case 4:
      return `${pick(['ip ', 'ip6 ', ''])}proto ${pick(['6', '17', '\\tcp', '1', '58'])}`;
    case 5:
      return `${pick(['less', 'greater'])} ${below(120)}`;
    case 6:
      return `port 80 ${pick(['or', 'and'])} ${pick(['443', 'not 53', '! (53 or 22)'])}`;
    default:
      return `${number(below, 3)} ${pick(['=', '==', '!=', '<', '>', '<=', '>='])} ${number(below, 3)}`;
  }
}

/** @param depth of the joints */
export function randomFilter(below: Below, depth: number): string {
  if (depth <= 0) return primitive(below);
  switch (below(5)) {
    case 0:
      return `not ${randomFilter(below, depth - 1)}`;
    case 1:
      return `(${randomFilter(below, depth - 1)})`;
    case 2:
      return primitive(below);
    default: {
      const join = ['and', 'or', '&&', '||'][below(4)];
      return `${randomFilter(below, depth - 1)} ${join} ${randomFilter(below, depth - 1)}`;
    }
  }
}
