import type { GrantSource } from './grantSearch.ts';
import type { Path, Step } from './paths.ts';

/** Whose scopes an explanation is about: a client's, a role's (whoever has it), or given ones. */
export type Subject = { clientId: string } | { roleId: string } | { scopes: readonly string[] };

/**
 * One step of a path: a holder, and its own scope that the path goes on with, as it is stored (`grant`) and with the
 * parameter (`scope`). A role has `matched`, the scope before, which grants it. `source` is the event that added the
 * grant; scopes that are given in the question have none.
 */
export type ExplainedStep = {
  via: 'client' | 'role' | 'scopes';
  id?: string;
  matched?: string;
  grant: string;
  scope: string;
  source?: GrantSource;
} & Partial<Pick<Step, 'match' | 'parameter' | 'returnsTo'>>;

/** A path with all its steps, and one line for each of them, as people read it. */
export type ExplainedPath = { text: string[]; steps: ExplainedStep[] };

/** All steps of a path, from the subject on. `sourceOf` finds the event that added a grant of a client or role. */
export function explainedPath(
  subject: Subject,
  { held, steps }: Path,
  sourceOf: (holder: 'client' | 'role', id: string, grant: string) => GrantSource | undefined,
): ExplainedPath {
  const explained: ExplainedStep[] = [
    'clientId' in subject
      ? { via: 'client', id: subject.clientId, grant: held, scope: held }
      : { via: 'scopes', grant: held, scope: held },
  ];
  for (const { roleId, ...step } of steps)
    explained.push({ via: 'role', id: roleId, matched: explained.at(-1)!.scope, ...step });
  for (const step of explained) {
    const source = step.via === 'scopes' ? undefined : sourceOf(step.via, step.id!, step.grant);
    if (source) step.source = source;
  }
  return { text: explained.map((step) => describeStep(step, subject)), steps: explained };
}

function describeStep(step: ExplainedStep, subject: Subject): string {
  const { via, id, match, parameter, grant, scope, returnsTo, source } = step;
  const since = source ? `, since ${source.at} by ${source.actor}` : '';
  if (via !== 'role') return `${describeSubject(subject)} has ${grant}${since}`;
  const what = parameter === undefined || grant === scope ? grant : `${grant} with ${parameter}: ${scope}`;
  const cycle = returnsTo ? ` (it also grants ${returnsTo.join(', ')} again)` : '';
  return `→ grants the role ${id}${HOW[match!]}, which has ${what}${since}${cycle}`;
}

const HOW = { exact: '', 'role-star': ', by the star of its id', 'held-star': ', by the star of the scope' };

function describeSubject(subject: Subject): string {
  if ('clientId' in subject) return `client ${subject.clientId}`;
  return 'roleId' in subject ? `whoever has the role ${subject.roleId}` : 'whoever has these scopes';
}
