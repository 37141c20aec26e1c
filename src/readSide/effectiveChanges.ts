import type { ClientRow } from '../../projections/clients.ts';
import { isExpired } from '../domain/client.ts';
import { findPaths } from '../domain/paths.ts';
import { grantingScope } from '../domain/roleDefinition.ts';
import { scopeChange, type ScopeChange } from '../domain/scopeChange.ts';
import { covers } from '../domain/scopes.ts';
import type { TimeSliced } from '../domain/timeSliced.ts';
import { ExpansionTooLarge, type WorkBudget } from '../domain/workBudget.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import type { Paced } from '../process/paced.ts';
import type { Subject } from './changedSubjects.ts';
import type { HolderEvent } from './holderEvents.ts';
import type { Moment } from './moments.ts';
import { type RoleDefinitions, rolesToExpand, type State } from './state.ts';

/** Scopes of a change whose causes are looked for, gained and lost ones each. */
const MAX_EXPLAINED = 20;
/** Events of one client or role that are looked at for causes, and scopes in them. */
const MAX_EVENTS_OF_HOLDER = 1000;
const MAX_SCOPES_OF_HOLDER = 200_000;
/** Clients and roles that are read at a time. */
const READ_AT_A_TIME = 4;

/** What changed for a client or role between two moments. */
export type EffectiveChange = ScopeChange & {
  subject: Subject;
  /** The events that gave or took away a scope, in log order. */
  causes: HolderEvent[];
  /** The time at which a client expired, if that took its scopes away. */
  expired?: string;
  /** Whether all causes were looked for. */
  isExplained: boolean;
  /** Its scopes are too large to expand at one of the moments: what changed is not known. */
  isTooLarge?: true;
};

type PastState = State & { moment: Moment };
type Parts = {
  before: PastState;
  after: PastState;
  /** The events of a client or role up to the later moment, newest first. */
  events(subject: Subject): AsyncIterable<HolderEvent[]>;
  longWork: LongWork;
  owner: WorkFor;
  paced: Paced;
};

/** What a client or role held at a moment: none of its own scopes while it is missing, disabled or expired. */
type Held = { isEffective: boolean; scopes: readonly string[]; client?: ClientRow };

/**
 * The changes of the effective scopes of clients and roles between two moments; none for those without a change. `only`
 * limits them to scopes that one of these covers, or that cover one of them.
 */
export async function effectiveChanges(
  parts: Parts,
  subjects: readonly Subject[],
  only: readonly string[] | undefined,
): Promise<EffectiveChange[]> {
  const { before, after, longWork, owner, paced } = parts;
  const held: (readonly [Held, Held])[] = [];
  for (let from = 0; from < subjects.length; from += READ_AT_A_TIME) {
    const some = subjects.slice(from, from + READ_AT_A_TIME);
    const read = (subject: Subject): Promise<[Held, Held]> =>
      Promise.all([heldBy(subject, before), heldBy(subject, after)]);
    held.push(...(await paced(() => Promise.all(some.map(read)))));
  }
  const [rolesBefore, rolesAfter] = await Promise.all([
    rolesToExpand(
      before,
      held.map(([{ scopes }]) => scopes),
    ),
    rolesToExpand(
      after,
      held.map(([, { scopes }]) => scopes),
    ),
  ]);
  const changes: EffectiveChange[] = [];
  for (const [i, subject] of subjects.entries()) {
    const [had, has] = held[i]!;
    const sides = [
      { held: had, roles: rolesBefore },
      { held: has, roles: rolesAfter },
    ] as const;
    // Also what fits into a first slice, which nobody else counts.
    const change = await paced(async () => longWork.run(owner, (work) => changeOf(sides, only, work)));
    if (change === 'too large')
      changes.push({ subject, gained: [], lost: [], causes: [], isExplained: false, isTooLarge: true });
    else if (change)
      changes.push({ subject, ...change, ...(await causesOf(parts, { subject, sides, change })) });
  }
  return changes;
}

async function heldBy({ kind, id }: Subject, state: PastState): Promise<Held> {
  if (kind === 'role') {
    const isEffective = (await state.role(id)) !== undefined;
    return { isEffective, scopes: isEffective ? [grantingScope(id)] : [] };
  }
  const client = await state.client(id);
  if (!client) return { isEffective: false, scopes: [] };
  const isEffective = !client.disabled && !isExpired(client, state.moment.time);
  return { isEffective, client, scopes: isEffective ? client.scopes : [] };
}

type Side = { held: Held; roles: RoleDefinitions };

function* changeOf(
  [before, after]: readonly [Side, Side],
  only: readonly string[] | undefined,
  work: WorkBudget,
): TimeSliced<ScopeChange | 'too large' | undefined> {
  try {
    const former = yield* before.roles.expandInSlices(before.held.scopes, work);
    const { gained, lost } = yield* scopeChange(
      former,
      yield* after.roles.expandInSlices(after.held.scopes, work),
      work,
    );
    const change = {
      gained: yield* thoseAsked(gained, only, work),
      lost: yield* thoseAsked(lost, only, work),
    };
    return change.gained.length + change.lost.length > 0 ? change : undefined;
  } catch (error) {
    if (error instanceof ExpansionTooLarge) return 'too large';
    throw error;
  }
}

function* thoseAsked(
  scopes: string[],
  only: readonly string[] | undefined,
  work: WorkBudget,
): TimeSliced<string[]> {
  if (!only) return scopes;
  const asked: string[] = [];
  for (const scope of scopes) {
    if (work.spendUnlimited(only.length)) yield;
    if (only.some((each) => covers(each, scope) || covers(scope, each))) asked.push(scope);
  }
  return asked;
}

/** A scope that a client or role has of its own. */
type Grant = { holder: Subject; scope: string };

async function causesOf(
  parts: Parts,
  { subject, sides, change }: { subject: Subject; sides: readonly [Side, Side]; change: ScopeChange },
): Promise<Pick<EffectiveChange, 'causes' | 'isExplained' | 'expired'>> {
  const [before, after] = sides;
  const causes = new Map<string, HolderEvent>();
  const histories = new Map<string, Promise<History>>();
  const historyOf = (holder: Subject): Promise<History> => {
    const key = `${holder.kind}/${holder.id}`;
    const known = histories.get(key) ?? readHistory(parts, holder);
    histories.set(key, known);
    return known;
  };
  let isExplained = change.gained.length <= MAX_EXPLAINED && change.lost.length <= MAX_EXPLAINED;

  async function add(scopes: readonly string[], side: Side, find: Finder): Promise<void> {
    for (const scope of scopes.slice(0, MAX_EXPLAINED)) {
      for (const { holder, scope: grant } of await shortestPath(parts, { subject, scope, side })) {
        const history = await historyOf(holder);
        isExplained &&= history.isWhole;
        const cause = await parts.paced(async () => find(history, grant));
        if (cause) causes.set(cause.position, cause);
      }
    }
  }

  const isSwitchedOn = !before.held.isEffective;
  const isSwitchedOff = !after.held.isEffective;
  const { client } = after.held;
  const expired = isSwitchedOff && client && !client.disabled ? client.expires : undefined;
  const became =
    isSwitchedOn || isSwitchedOff
      ? lastSwitch((await historyOf(subject)).events, before.held.client, expired !== undefined)
      : undefined;
  if (became) causes.set(became.position, became);
  await add(change.gained, after, lastThatAdded);
  if (!isSwitchedOff || (!became && expired === undefined)) await add(change.lost, before, lastThatRemoved);
  return {
    causes: [...causes.values()].sort((a, b) => (a.position < b.position ? -1 : 1)),
    isExplained,
    ...(expired !== undefined && { expired }),
  };
}

/** The grants on a shortest path to a scope. */
async function shortestPath(
  { longWork, owner, paced }: Parts,
  { subject, scope, side: { held, roles } }: { subject: Subject; scope: string; side: Side },
): Promise<Grant[]> {
  const { paths } = await paced(async () =>
    longWork.run(owner, (work) =>
      roles.inSnapshot((snapshot) => findPaths({ held: held.scopes, scope }, snapshot, { limit: 1, work })),
    ),
  );
  const [path] = paths;
  if (!path) return [];
  const ofRoles = path.steps.map(({ roleId, grant }) => ({
    holder: { kind: 'role', id: roleId } as const,
    scope: grant,
  }));
  return subject.kind === 'role' ? ofRoles : [{ holder: subject, scope: path.held }, ...ofRoles];
}

/** The own scopes of a client or role at the earlier moment, and its events up to the later one, in log order. */
type History = { initial: readonly string[]; events: HolderEvent[]; isWhole: boolean };
type Finder = (history: History, scope: string) => HolderEvent | undefined;

async function readHistory({ before, events }: Parts, holder: Subject): Promise<History> {
  const { kind, id } = holder;
  const initial = (await (kind === 'client' ? before.client(id) : before.role(id)))?.scopes ?? [];
  const found: HolderEvent[] = [];
  let scopes = 0;
  const historyOf = (isWhole: boolean): History => ({ initial, events: found.reverse(), isWhole });
  for await (const page of events(holder)) {
    for (const event of page) {
      if (event.position <= before.moment.position) return historyOf(true);
      if ('scopes' in event.data) scopes += event.data.scopes?.length ?? 0;
      if (found.push(event) === MAX_EVENTS_OF_HOLDER || scopes > MAX_SCOPES_OF_HOLDER)
        return historyOf(false);
    }
  }
  return historyOf(true);
}

/** The own scopes after an event; undefined if it leaves them as they are. */
function scopesAfter({ type, data }: HolderEvent): readonly string[] | undefined {
  if (type === 'ClientDeleted' || type === 'ClientExpired' || type === 'RoleDeleted') return [];
  return 'scopes' in data ? data.scopes : undefined;
}

/** The event since which a scope is there without a break; undefined if it was there all the time, or is not there. */
function lastThatAdded(history: History, scope: string): HolderEvent | undefined {
  return lastThatTurned(history, (scopes) => scopes.includes(scope));
}

/** The event since which a scope is gone; undefined if it was gone all the time, or is there. */
function lastThatRemoved(history: History, scope: string): HolderEvent | undefined {
  return lastThatTurned(history, (scopes) => !scopes.includes(scope));
}

function lastThatTurned(
  { initial, events }: History,
  isOfKind: (scopes: readonly string[]) => boolean,
): HolderEvent | undefined {
  let turned: HolderEvent | undefined;
  let isNow = isOfKind(initial);
  for (const event of events) {
    const scopes = scopesAfter(event);
    if (!scopes || isOfKind(scopes) === isNow) continue;
    isNow = !isNow;
    turned = event;
  }
  return isNow ? turned : undefined;
}

/**
 * The last event that created or deleted a client or role, or that enabled or disabled a client, or moved its expiration;
 * only the latter for a client that expired.
 */
function lastSwitch(
  events: readonly HolderEvent[],
  before: ClientRow | undefined,
  hasExpired: boolean,
): HolderEvent | undefined {
  let found: HolderEvent | undefined;
  let expires = before?.expires;
  for (const event of events) {
    const { type, data } = event;
    const moves = 'expires' in data && data.expires !== expires;
    if ('expires' in data) expires = data.expires;
    if (moves || (!hasExpired && /Created|Deleted|Expired|Enabled|Disabled/.test(type))) found = event;
  }
  return found;
}
