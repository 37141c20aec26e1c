import { isExpired } from '../domain/client.ts';
import { grantingScope } from '../domain/roleDefinition.ts';
import { type ScopeChange, ScopeChanges } from '../domain/scopeChange.ts';
import { covers } from '../domain/scopes.ts';
import type { TimeSliced } from '../domain/timeSliced.ts';
import { ExpansionTooLarge, type WorkBudget } from '../domain/workBudget.ts';
import { type Causes, makeChangeCauses, readOn, type Side } from './changeCauses.ts';
import type { Subject } from './changedSubjects.ts';
import type { FormerState } from './formerStates.ts';
import type { HolderBetween } from './holderBetween.ts';
import type { Moment } from './moments.ts';
import { rolesToExpand } from './state.ts';

/** Clients and roles that are read at a time. */
const READ_AT_A_TIME = 4;

/** What changed for a client or role between two moments. */
export type EffectiveChange = ScopeChange &
  Causes & {
    subject: Subject;
    /** Its scopes are too large to expand at one of the moments: what changed is not known. */
    isTooLarge?: true;
  };

type PastState = Pick<FormerState, 'rolesReachedBy' | 'moment'>;
type Parts = Parameters<typeof makeChangeCauses>[0] & { before: PastState; after: PastState };

/**
 * Finds the changes of the effective scopes of clients and roles between two moments; none for those without a change.
 * `only` limits them to scopes that one of these covers, or that cover one of them.
 */
export type EffectiveChanges = (
  subjects: readonly Subject[],
  only?: readonly string[],
) => Promise<EffectiveChange[]>;

/** Makes a comparison of two moments, which may be asked for some clients and roles after others. */
export function makeEffectiveChanges(parts: Parts): EffectiveChanges {
  const { before, after, between, longWork, owner, paced } = parts;
  const causesOf = makeChangeCauses(parts);
  const scopeChanges = new ScopeChanges();

  async function read(subjects: readonly Subject[]): Promise<HolderBetween[]> {
    const readings = subjects.map((subject) => between(subject));
    const begun = await paced(() => Promise.all(readings.map((reading) => reading.next())));
    const all: HolderBetween[] = [];
    for (const [i, { value, done }] of begun.entries())
      all.push(done ? value : await readOn(readings[i]!, paced));
    return all;
  }

  function* changeOf(
    { before: had, after: has }: { before: Side; after: Side },
    only: readonly string[] | undefined,
    work: WorkBudget,
  ): TimeSliced<ScopeChange | 'too large' | undefined> {
    try {
      const { gained, lost } = yield* scopeChanges.between(
        yield* had.roles.listsInSlices(had.scopes, work),
        yield* has.roles.listsInSlices(has.scopes, work),
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

  return async (subjects, only) => {
    const all: HolderBetween[] = [];
    for (let from = 0; from < subjects.length; from += READ_AT_A_TIME)
      all.push(...(await read(subjects.slice(from, from + READ_AT_A_TIME))));
    const heldBefore = all.map((own, i) => heldBy(subjects[i]!, own.before, before.moment));
    const heldAfter = all.map((own, i) => heldBy(subjects[i]!, own.after, after.moment));
    const scopesOf = ({ scopes }: Held): readonly string[] => scopes;
    const [rolesBefore, rolesAfter] = await Promise.all([
      rolesToExpand(before, heldBefore.map(scopesOf)),
      rolesToExpand(after, heldAfter.map(scopesOf)),
    ]);
    const changes: EffectiveChange[] = [];
    for (const [i, subject] of subjects.entries()) {
      const sides = {
        before: { ...heldBefore[i]!, roles: rolesBefore },
        after: { ...heldAfter[i]!, roles: rolesAfter },
      };
      // Also what fits into a first slice, which nobody else counts.
      const change = await paced(async () => longWork.run(owner, (work) => changeOf(sides, only, work)));
      if (change === 'too large')
        changes.push({ subject, gained: [], lost: [], causes: [], isExplained: false, isTooLarge: true });
      else if (change)
        changes.push({
          subject,
          ...change,
          ...(await causesOf({ subject, own: all[i]!, ...sides, change })),
        });
    }
    return changes;
  };
}

type Held = Omit<Side, 'roles'>;

function heldBy({ kind, id }: Subject, values: HolderBetween['before'], { time }: Moment): Held {
  if (!values) return { isEffective: false, scopes: [] };
  if (kind === 'role') return { isEffective: true, scopes: [grantingScope(id)] };
  const { disabled, expires, scopes = [] } = values;
  const isEffective = !disabled && !isExpired({ expires: expires! }, time);
  return { isEffective, scopes: isEffective ? scopes : [] };
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
