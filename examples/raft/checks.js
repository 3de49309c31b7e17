// What must hold of the cluster. Each run loads this anew, so that what is remembered is the run's.
const leaders = new Map();

const raftsOf = (nodes) => [...nodes.values()].flatMap((n) => n.module?.node ?? []);

export function atMostOneLeaderPerTerm({ nodes }) {
  for (const { name, role, term } of raftsOf(nodes)) {
    if (role !== 'leader') continue;
    const known = leaders.get(term) ?? name;
    if (known !== name) throw new Error(`term ${term} has two leaders, ${known} and ${name}`);
    leaders.set(term, name);
  }
}

/** All follow one, whose term is the highest. */
export function oneLeader({ nodes }) {
  const rafts = raftsOf(nodes);
  const leader = rafts.find((r) => r.role === 'leader');
  return (
    leader !== undefined && rafts.every((r) => r.term === leader.term && r.leader === leader.name)
  );
}
