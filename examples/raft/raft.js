/**
 * A small Raft (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", figure 2)
 * over UDP: elections, log replication, commit. What must survive a crash is in `disk`.
 */
import { createSocket } from 'node:dgram';

const PORT = 7000;
const HEARTBEAT_MS = 100;
const ELECTION_MS = 500;
/** Entries in one message. */
const BATCH = 20;

/** What a real server would keep in a file. */
export function newDisk() {
  return { term: 0, votedFor: null, log: [] };
}

export class Raft {
  /**
   * @param {string} name of this node, by which its peers know it
   * @param {string[]} peers names of the others
   * @param {ReturnType<typeof newDisk>} disk
   */
  constructor(name, peers, disk) {
    this.name = name;
    this.peers = peers;
    this.disk = disk;
    this.role = 'follower';
    this.leader = null;
    this.votes = new Set();
    this.commitIndex = 0;
    this.nextIndex = new Map();
    this.matchIndex = new Map();
    this.socket = createSocket('udp4');
    this.socket.on('message', (bytes) => this.receive(JSON.parse(bytes.toString())));
    this.socket.bind(PORT);
    this.waitForLeader();
  }

  get term() {
    return this.disk.term;
  }

  /** Entries that are committed. */
  get committed() {
    return this.disk.log.slice(0, this.commitIndex);
  }

  /** Appends a command if this node is the leader; false otherwise. */
  propose(command) {
    if (this.role !== 'leader') return false;
    this.disk.log.push({ term: this.term, command });
    this.replicate();
    return true;
  }

  stop() {
    clearTimeout(this.timer);
    this.socket.close();
  }

  waitForLeader() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.campaign(), ELECTION_MS * (1 + Math.random()));
  }

  campaign() {
    this.role = 'candidate';
    this.leader = null;
    this.disk.term++;
    this.disk.votedFor = this.name;
    this.votes = new Set([this.name]);
    this.waitForLeader();
    const { log } = this.disk;
    for (const peer of this.peers)
      this.send(peer, { type: 'vote?', lastIndex: log.length, lastTerm: log.at(-1)?.term ?? 0 });
    this.countVotes();
  }

  countVotes() {
    if (this.role !== 'candidate' || this.votes.size <= (this.peers.length + 1) / 2) return;
    this.role = 'leader';
    this.leader = this.name;
    for (const peer of this.peers) {
      this.nextIndex.set(peer, this.disk.log.length);
      this.matchIndex.set(peer, 0);
    }
    this.heartbeat();
  }

  heartbeat() {
    if (this.role !== 'leader') return;
    this.replicate();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.heartbeat(), HEARTBEAT_MS);
  }

  replicate() {
    const { log } = this.disk;
    for (const peer of this.peers) {
      const prev = this.nextIndex.get(peer);
      this.send(peer, {
        type: 'append',
        prevIndex: prev,
        prevTerm: log[prev - 1]?.term ?? 0,
        entries: log.slice(prev, prev + BATCH),
        commit: this.commitIndex,
      });
    }
  }

  send(to, message) {
    const bytes = Buffer.from(JSON.stringify({ from: this.name, term: this.term, ...message }));
    this.socket.send(bytes, PORT, to, () => {});
  }

  stepDown(term) {
    this.disk.term = term;
    this.disk.votedFor = null;
    this.role = 'follower';
    this.waitForLeader();
  }

  receive(m) {
    if (m.term > this.term) this.stepDown(m.term);
    if (m.type === 'vote?') this.onVoteRequest(m);
    else if (m.type === 'vote' && m.term === this.term && m.granted) {
      this.votes.add(m.from);
      this.countVotes();
    } else if (m.type === 'append') this.onAppend(m);
    else if (m.type === 'appended' && m.term === this.term) this.onAppended(m);
  }

  onVoteRequest(m) {
    const { disk } = this;
    const lastTerm = disk.log.at(-1)?.term ?? 0;
    const upToDate =
      m.lastTerm > lastTerm || (m.lastTerm === lastTerm && m.lastIndex >= disk.log.length);
    const free = disk.votedFor === null || disk.votedFor === m.from;
    const granted = m.term === this.term && upToDate && free;
    if (granted) {
      disk.votedFor = m.from;
      this.waitForLeader();
    }
    this.send(m.from, { type: 'vote', granted });
  }

  onAppend(m) {
    if (m.term < this.term) {
      this.send(m.from, { type: 'appended', ok: false, index: 0 });
      return;
    }
    const { log } = this.disk;
    this.role = 'follower';
    this.leader = m.from;
    this.waitForLeader();
    const fits = m.prevIndex === 0 || log[m.prevIndex - 1]?.term === m.prevTerm;
    if (!fits) {
      this.send(m.from, {
        type: 'appended',
        ok: false,
        index: Math.min(log.length, m.prevIndex - 1),
      });
      return;
    }
    m.entries.forEach((entry, i) => {
      const at = m.prevIndex + i;
      if (log[at]?.term !== entry.term) log.splice(at, log.length - at, entry);
    });
    const index = m.prevIndex + m.entries.length;
    this.commitIndex = Math.max(this.commitIndex, Math.min(m.commit, index));
    this.send(m.from, { type: 'appended', ok: true, index });
  }

  onAppended(m) {
    if (this.role !== 'leader') return;
    if (!m.ok) {
      this.nextIndex.set(m.from, Math.max(0, m.index));
      return;
    }
    this.nextIndex.set(m.from, Math.max(this.nextIndex.get(m.from), m.index));
    this.matchIndex.set(m.from, Math.max(this.matchIndex.get(m.from), m.index));
    const { log } = this.disk;
    const matched = [log.length, ...this.matchIndex.values()].sort((a, b) => b - a);
    const index = matched[Math.floor(matched.length / 2)];
    // Only an entry of the own term is committed by counting (§5.4.2).
    if (index > this.commitIndex && log[index - 1]?.term === this.term) this.commitIndex = index;
  }
}
