import type { RoleDefinition } from '../domain/roleDefinition.ts';
import { scopesAfter } from '../domain/changes.ts';
import type { FormerRoles } from '../domain/formerRoles.ts';
import type { ScopeChange } from '../domain/scopeChange.ts';
import { type ShortestPath, ShortestPaths } from '../domain/shortestPaths.ts';
import { ExpansionTooLarge } from '../domain/workBudget.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import type { Paced } from '../process/paced.ts';
import type { Subject } from './changedSubjects.ts';
import type { HolderBetween } from './holderBetween.ts';
import type { HolderEvent } from './holderEvents.ts';

/** Scopes of a change whose causes are looked for, gained and lost ones each. */
const MAX_EXPLAINED = 20;
/** Scopes in the events of roles that are remembered for the next change. */
const MAX_REMEMBERED = 400_000;

/** What a client or role expands at a moment: none of its own scopes while it is missing, disabled or expired. */
export type Side = { isEffective: boolean; scopes: readonly string[]; roles: FormerRoles<RoleDefinition> };

/** A change with all that is known of whose it is. */
export type KnownChange = {
  subject: Subject;
  own: HolderBetween;
  before: Side;
  after: Side;
  change: ScopeChange;
};

/** The events that gave or took away a scope, in log order. */
export type Causes = {
  causes: HolderEvent[];
  /** The time at which a client expired, if that took its scopes away. */
  expired?: string;
  /** Whether all causes were looked for. */
  isExplained: boolean;
};

type Parts = {
  /** A client or role at the two moments, page by page of its events. */
  between: (subject: Subject) => AsyncGenerator<void, HolderBetween>;
  longWork: LongWork;
  owner: WorkFor;
  paced: Paced;
};

/** A scope that a client or role has of its own. */
type Grant = { holder: Subject; scope: string };
type Finder = (history: HolderBetween, scope: string) => HolderEvent | undefined;

/** Makes the search for the causes of changes between two moments. It remembers what several changes have in common. */
export function makeChangeCauses({ between, longWork, owner, paced }: Parts) {
  const paths = { before: new ShortestPaths(), after: new ShortestPaths() };
  const histories = new Map<string, HolderBetween>();
  let remembered = 0;

  async function historyOf(role: Subject): Promise<HolderBetween> {
    const known = histories.get(role.id);
    // A step as well: what is remembered is looked through for each change.
    if (known) return paced(async () => known);
    const history = await readOn(between(role), paced);
    if (remembered > MAX_REMEMBERED) {
      histories.clear();
      remembered = 0;
    }
    histories.set(role.id, history);
    remembered += history.scopes + (history.before?.scopes?.length ?? 0);
    return history;
  }

  /** The shortest paths to some scopes; undefined if the roles that are reached are too many. */
  async function pathsTo(
    scopes: readonly string[],
    moment: 'before' | 'after',
    { scopes: held, roles }: Side,
  ): Promise<Map<string, ShortestPath> | undefined> {
    try {
      return await paced(async () =>
        longWork.run(owner, (work) =>
          roles.inSnapshot((snapshot) => paths[moment].find({ held, scopes }, snapshot, work)),
        ),
      );
    } catch (error) {
      if (error instanceof ExpansionTooLarge) return undefined;
      throw error;
    }
  }

  return async function causesOf(known: KnownChange): Promise<Causes> {
    const { subject, own, before, after, change } = known;
    const causes = new Map<string, HolderEvent>();
    let isExplained = change.gained.length <= MAX_EXPLAINED && change.lost.length <= MAX_EXPLAINED;

    async function add(all: readonly string[], moment: 'before' | 'after', find: Finder): Promise<void> {
      if (all.length === 0) return;
      const scopes = all.slice(0, MAX_EXPLAINED);
      const found = await pathsTo(scopes, moment, known[moment]);
      isExplained &&= found !== undefined;
      const looked = new Set<string>();
      for (const scope of scopes) {
        const path = found?.get(scope);
        for (const { holder, scope: grant } of path ? grantsOn(path, subject) : []) {
          const key = `${holder.kind}/${holder.id}\n${grant}`;
          if (looked.has(key)) continue;
          looked.add(key);
          const history = holder === subject ? own : await historyOf(holder);
          isExplained &&= history.isWhole;
          const cause = await paced(async () => find(history, grant));
          if (cause) causes.set(cause.position, cause);
        }
      }
    }

    const isSwitchedOff = !after.isEffective;
    const expired = isSwitchedOff && own.after && !own.after.disabled ? own.after.expires : undefined;
    const became =
      isSwitchedOff || !before.isEffective
        ? lastSwitch(own, { hasExpired: expired !== undefined })
        : undefined;
    if (became) causes.set(became.position, became);
    await add(change.gained, 'after', lastThatAdded);
    if (!isSwitchedOff || (!became && expired === undefined))
      await add(change.lost, 'before', lastThatRemoved);
    return {
      causes: [...causes.values()].sort((a, b) => (a.position < b.position ? -1 : 1)),
      isExplained,
      ...(expired !== undefined && { expired }),
    };
  };
}

/** Reads a client or role to the end. */
export async function readOn(
  reading: AsyncGenerator<void, HolderBetween>,
  paced: Paced,
): Promise<HolderBetween> {
  for (;;) {
    const { value, done } = await paced(() => reading.next());
    if (done) return value;
  }
}

function grantsOn({ held, grants }: ShortestPath, subject: Subject): Grant[] {
  const ofRoles = grants.map(({ roleId, grant }) => ({
    holder: { kind: 'role' as const, id: roleId },
    scope: grant,
  }));
  return subject.kind === 'role' ? ofRoles : [{ holder: subject, scope: held }, ...ofRoles];
}

/** The event since which a scope is there without a break; undefined if it was there all the time, or is not there. */
function lastThatAdded(history: HolderBetween, scope: string): HolderEvent | undefined {
  return lastThatTurned(history, (scopes) => scopes.includes(scope));
}

/** The event since which a scope is gone; undefined if it was gone all the time, or is there. */
function lastThatRemoved(history: HolderBetween, scope: string): HolderEvent | undefined {
  return lastThatTurned(history, (scopes) => !scopes.includes(scope));
}

function lastThatTurned(
  { before, events, isWhole }: HolderBetween,
  isOfKind: (scopes: readonly string[]) => boolean,
): HolderEvent | undefined {
  let turned: HolderEvent | undefined;
  // What was before the first of the latest events is not known.
  let isNow = isWhole ? isOfKind(before?.scopes ?? []) : undefined;
  for (const event of events) {
    const scopes = scopesAfter(event);
    if (!scopes) continue;
    const isAfter = isOfKind(scopes);
    if (isNow !== undefined && isAfter !== isNow) turned = event;
    isNow = isAfter;
  }
  return isNow ? turned : undefined;
}

/**
 * The last event that created or deleted a client or role, or that enabled or disabled a client, or moved its expiration;
 * only the latter for a client that expired.
 */
function lastSwitch(
  { before, events }: HolderBetween,
  { hasExpired }: { hasExpired: boolean },
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
