/** States of a neighbour, and the rules by which they change (Linux `include/uapi/linux/neighbour.h`). */

export const NUD_NONE = 0x00;
export const NUD_INCOMPLETE = 0x01;
export const NUD_REACHABLE = 0x02;
export const NUD_STALE = 0x04;
export const NUD_DELAY = 0x08;
export const NUD_PROBE = 0x10;
export const NUD_FAILED = 0x20;
export const NUD_NOARP = 0x40;
export const NUD_PERMANENT = 0x80;
/** States in which the address may be used without doubt. */
export const NUD_CONNECTED: number = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE;
/** States in which there is an address. */
export const NUD_VALID: number = NUD_CONNECTED | NUD_STALE | NUD_DELAY | NUD_PROBE;
/** States that end by themselves. */
export const NUD_IN_TIMER: number = NUD_INCOMPLETE | NUD_REACHABLE | NUD_DELAY | NUD_PROBE;

/** Flags of `Neighbour.update` (Linux `NEIGH_UPDATE_F_*`): another address replaces the known one. */
export const NEIGH_UPDATE_OVERRIDE = 0x1;
/** Another address makes a trusted entry STALE, and does not replace it. */
export const NEIGH_UPDATE_WEAK_OVERRIDE = 0x2;
/** Said by the administrator: holds for PERMANENT and NOARP entries too. */
export const NEIGH_UPDATE_ADMIN = 0x80000000;
