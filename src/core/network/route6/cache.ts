/** A small direct-mapped table of IPv6 routing decisions (as `network/route/cache.ts`). */
import type { Ip6Addr } from '../../util/ip6-addr.ts';
import type { Route6 } from './route.ts';

/** Entries at first, and at most; powers of two. */
const FIRST_SIZE = 4;
const LAST_SIZE = 256;

class Entry {
  readonly dst: Ip6Addr;
  readonly src: Ip6Addr;
  readonly ifindex: number;
  readonly route: Route6;

  constructor(dst: Ip6Addr, src: Ip6Addr, ifindex: number, route: Route6) {
    this.dst = dst;
    this.src = src;
    this.ifindex = ifindex;
    this.route = route;
  }
}

/** A decision is kept when it is wanted for the second time: until then its place holds the hash of who asked. */
type Place = Entry | number | null;

export class Route6Cache {
  /** Null before the first one. */
  private places: Place[] | null = null;
  private readonly key: number;

  constructor(key: number) {
    this.key = key;
  }

  /** Null when it is not there or `generation` is past. */
  find(dst: Ip6Addr, src: Ip6Addr, ifindex: number, generation: number): Route6 | null {
    const { places } = this;
    if (places === null) return null;
    const e = places[this.hash(dst, src) & (places.length - 1)] as Place;
    if (e === null || typeof e === 'number') return null;
    if (e.ifindex !== ifindex || e.route.generation !== generation) return null;
    return e.dst.equals(dst) && e.src.equals(src) ? e.route : null;
  }

  add(dst: Ip6Addr, src: Ip6Addr, ifindex: number, route: Route6): void {
    let places = this.places ?? this.grow(FIRST_SIZE);
    const hash = this.hash(dst, src);
    const old = places[hash & (places.length - 1)] as Place;
    if (old === null) {
      places[hash & (places.length - 1)] = hash;
      return;
    }
    if (this.hashOf(old) !== hash && places.length < LAST_SIZE)
      places = this.grow(places.length * 4);
    places[hash & (places.length - 1)] = new Entry(dst, src, ifindex, route);
  }

  private grow(size: number): Place[] {
    const places = new Array<Place>(size).fill(null);
    for (const e of this.places ?? []) if (e !== null) places[this.hashOf(e) & (size - 1)] = e;
    this.places = places;
    return places;
  }

  private hashOf(place: Entry | number): number {
    return typeof place === 'number' ? place : this.hash(place.dst, place.src);
  }

  private hash(dst: Ip6Addr, src: Ip6Addr): number {
    return dst.hash(src.d ^ this.key);
  }
}
