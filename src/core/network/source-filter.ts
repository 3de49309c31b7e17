/**
 * Source filters of multicast groups, for IGMPv3 and MLDv2 alike (RFC 3376 §3 and §5, RFC 3810 §4 and §6; Linux
 * `ip_mc_add_src`, `sf_setstate`, `is_in` and their twins of IPv6): what one socket wants, what an interface
 * wants on behalf of its sockets, and what of it routers are still to be told. `A` is an address; the
 * protocol says when two are the same.
 */

/** Filter modes (`include/uapi/linux/in.h`). */
export const MCAST_EXCLUDE = 0;
export const MCAST_INCLUDE = 1;
export type FilterMode = typeof MCAST_EXCLUDE | typeof MCAST_INCLUDE;

/** Types of group records (RFC 3376 §4.2.12, RFC 3810 §5.2.12). */
export const MODE_IS_INCLUDE = 1;
export const MODE_IS_EXCLUDE = 2;
export const CHANGE_TO_INCLUDE = 3;
export const CHANGE_TO_EXCLUDE = 4;
export const ALLOW_NEW_SOURCES = 5;
export const BLOCK_OLD_SOURCES = 6;

/** What one socket wants of a group: these senders alone, or all but these. */
export interface SourceFilter<A> {
  readonly mode: FilterMode;
  readonly sources: readonly A[];
}

/** From all: what joining without sources means. */
export const ANY_SOURCE: SourceFilter<never> = Object.freeze({
  mode: MCAST_EXCLUDE,
  sources: Object.freeze([]) as readonly never[],
});

/** What a report says of a group. */
export interface GroupRecord<A> {
  readonly type: number;
  readonly sources: readonly A[];
}

export type Same<A> = (a: A, b: A) => boolean;

/** May a socket with this filter have what `source` sent (`ip_mc_sf_allow`)? */
export function filterAllows<A>(filter: SourceFilter<A>, source: A, same: Same<A>): boolean {
  const { sources } = filter;
  for (let i = 0; i < sources.length; i++)
    if (same(sources[i] as A, source)) return filter.mode === MCAST_INCLUDE;
  return filter.mode === MCAST_EXCLUDE;
}

/** One sender that sockets of the interface named (`struct ip_sf_list`). */
interface Source<A> {
  readonly addr: A;
  /** Sockets that want it, and that do not. */
  including: number;
  excluding: number;
  /** It was in the interface's list when that was last looked at (`sf_oldin`). */
  listed: boolean;
  /** Reports that still have to say that it came into the list, or left it (`sf_crcount`). */
  left: number;
}

/**
 * What an interface wants of one group. `robustness` in the methods is how often a change is told
 * (`igmp_qrv`, `mldv2_qrv`).
 */
export class GroupFilter<A> {
  /** Sockets, and the host itself, by the mode of their filters. */
  includers = 0;
  excluders = 0;
  private sources: Source<A>[] = [];
  /** Reports that still have to tell the whole filter (`crcount`). */
  private modeLeft = 0;
  private readonly same: Same<A>;

  constructor(same: Same<A>) {
    this.same = same;
  }

  get users(): number {
    return this.includers + this.excluders;
  }

  get mode(): FilterMode {
    return this.excluders > 0 ? MCAST_EXCLUDE : MCAST_INCLUDE;
  }

  /** One more user, one less, or one that changed its mind; true: there is something to tell. */
  change(from: SourceFilter<A> | null, to: SourceFilter<A> | null, robustness: number): boolean {
    const before = this.users === 0 ? MCAST_INCLUDE : this.mode;
    if (from !== null) this.count(from, -1);
    if (to !== null) this.count(to, 1);
    if (this.mode !== before) {
      this.modeLeft = robustness;
      for (const s of this.sources) {
        s.listed = this.isListed(s);
        s.left = 0;
      }
      this.sweep();
      return true;
    }
    return this.noteSources(robustness);
  }

  private count(filter: SourceFilter<A>, step: number): void {
    const include = filter.mode === MCAST_INCLUDE;
    if (include) this.includers += step;
    else this.excluders += step;
    for (const addr of filter.sources) {
      let s = this.find(addr);
      if (s === undefined) {
        s = { addr, including: 0, excluding: 0, listed: false, left: 0 };
        this.sources.push(s);
      }
      if (include) s.including += step;
      else s.excluding += step;
    }
  }

  private find(addr: A): Source<A> | undefined {
    const { sources } = this;
    for (let i = 0; i < sources.length; i++) {
      const s = sources[i] as Source<A>;
      if (this.same(s.addr, addr)) return s;
    }
    return undefined;
  }

  /** RFC 3376 §3.2: wanted by somebody; or wanted by nobody, and unwanted by all. */
  private isListed(s: Source<A>): boolean {
    if (this.excluders === 0) return s.including > 0;
    return s.including === 0 && s.excluding === this.excluders;
  }

  private noteSources(robustness: number): boolean {
    let changed = false;
    for (const s of this.sources) {
      const listed = this.isListed(s);
      if (listed === s.listed) continue;
      s.listed = listed;
      s.left = robustness;
      changed = true;
    }
    this.sweep();
    return changed;
  }

  /** Forgets senders that nobody names and of which nothing is to be told. */
  private sweep(): void {
    this.sources = this.sources.filter((s) => s.including + s.excluding + s.left > 0);
  }

  /** The interface's list: what it wants, or does not, as its mode says. */
  list(): A[] {
    return this.sources.filter((s) => this.isListed(s)).map((s) => s.addr);
  }

  /** Senders that sockets named, with their numbers: for listings. */
  named(): { readonly addr: A; readonly including: number; readonly excluding: number }[] {
    return this.sources.filter((s) => s.including + s.excluding > 0);
  }

  /** Does anybody here want what `source` sends (`ip_check_mc_rcu`)? */
  allows(source: A): boolean {
    if (this.sources.length === 0) return this.excluders > 0;
    const s = this.find(source);
    if (s === undefined) return this.excluders > 0;
    return s.including > 0 || s.excluding !== this.excluders;
  }

  /** Something is still to be told. */
  get pending(): boolean {
    return this.modeLeft > 0 || this.sources.some((s) => s.left > 0);
  }

  /** The whole filter is to be told again: the interface came up, or has an address now. */
  tellAll(robustness: number): void {
    this.modeLeft = robustness;
    for (const s of this.sources) s.left = 0;
  }

  /** Nothing is to be told any more: another version of the protocol took over. */
  tellNothing(): void {
    this.modeLeft = 0;
    for (const s of this.sources) s.left = 0;
    this.sweep();
  }

  /** The records of the next report of changes; what they say has to be said once less (`igmpv3_send_cr`). */
  takeChanges(): GroupRecord<A>[] {
    const excludes = this.excluders > 0;
    const records: GroupRecord<A>[] = [];
    // Who excludes has blocked what came into the list.
    const came = this.takeSources(true);
    const went = this.takeSources(false);
    const allowed = excludes ? went : came;
    const blocked = excludes ? came : went;
    if (excludes) add(records, BLOCK_OLD_SOURCES, blocked);
    add(records, ALLOW_NEW_SOURCES, allowed);
    if (!excludes) add(records, BLOCK_OLD_SOURCES, blocked);
    if (this.modeLeft > 0) {
      this.modeLeft--;
      if (excludes) records.push({ type: CHANGE_TO_EXCLUDE, sources: this.list() });
      else records.push({ type: CHANGE_TO_INCLUDE, sources: this.list() });
    }
    this.sweep();
    return records;
  }

  private takeSources(listed: boolean): A[] {
    const out: A[] = [];
    for (const s of this.sources) {
      if (s.left === 0 || s.listed !== listed) continue;
      s.left--;
      out.push(s.addr);
    }
    return out;
  }

  /** The answer to a query; `asked`: of these senders only. Null: there is nothing to say (RFC 3376 §5.2). */
  currentState(asked: readonly A[] | null): GroupRecord<A> | null {
    if (asked === null) {
      const type = this.excluders > 0 ? MODE_IS_EXCLUDE : MODE_IS_INCLUDE;
      const sources = this.list();
      return type === MODE_IS_INCLUDE && sources.length === 0 ? null : { type, sources };
    }
    const wanted = asked.filter((a) => this.allows(a));
    return wanted.length === 0 ? null : { type: MODE_IS_INCLUDE, sources: wanted };
  }
}

function add<A>(records: GroupRecord<A>[], type: number, sources: readonly A[]): void {
  if (sources.length > 0) records.push({ type, sources });
}

/** The record that tells that nobody here wants the group any more; null: that was no news to anybody. */
export function leaveRecord<A>(last: SourceFilter<A>): GroupRecord<A> | null {
  if (last.mode === MCAST_EXCLUDE) return { type: CHANGE_TO_INCLUDE, sources: [] };
  return last.sources.length === 0 ? null : { type: BLOCK_OLD_SOURCES, sources: last.sources };
}

/** A socket's filter with `source` added or taken away; an errno-free half of IP_BLOCK_SOURCE and its kin. */
export function withSource<A>(filter: SourceFilter<A>, source: A): SourceFilter<A> {
  return { mode: filter.mode, sources: [...filter.sources, source] };
}

export function withoutSource<A>(
  filter: SourceFilter<A>,
  source: A,
  same: Same<A>,
): SourceFilter<A> {
  return { mode: filter.mode, sources: filter.sources.filter((s) => !same(s, source)) };
}
