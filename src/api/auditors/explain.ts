import { blockedBy, type Block, type Limits } from '../../domain/blockedBy.ts';
import { ApiError } from '../../domain/errors.ts';
import { expandIn } from '../../domain/expandIn.ts';
import { explain as explainExpression, type Explanation, nearestTo, scopesIn } from '../../domain/explain.ts';
import { explainedPath, type Subject } from '../../domain/explainedPath.ts';
import { enoughChanges, type GivingRole, givingRoles, type Grantable } from '../../domain/grantable.ts';
import { grantPatternOf } from '../../domain/grantPattern.ts';
import type { Path } from '../../domain/paths.ts';
import type { RolesSnapshot } from '../../domain/rolesSnapshot.ts';
import type { ConcreteExpression } from '../../domain/scopeExpression.ts';
import { satisfies } from '../../domain/scopes.ts';
import { ANONYMOUS } from '../../domain/temporaryCredentials.ts';
import type { TimeSliced } from '../../domain/timeSliced.ts';
import type { WorkBudget } from '../../domain/workBudget.ts';
import type { EventStore } from '../../eventStore/eventStore.ts';
import { type Endpoint, type EndpointRequest, PAST_EXPANSION } from '../../http/endpoint.ts';
import { DATE_TIME, isDateTime } from '../../http/isDateTime.ts';
import type { RequestedState } from '../../http/requestedState.ts';
import { workFor } from '../../http/workFor.ts';
import type { LongWork, WorkFor } from '../../process/longWork.ts';
import { makeGrantSources } from '../../readSide/grantSources.ts';
import type { Projector } from '../../readSide/projector.ts';
import type { State } from '../../readSide/state.ts';
import { auditorsMethod } from './auditorsMethod.ts';
import { type ExplainedSubject, explainedSubject } from './explainedSubject.ts';
import { givenExpression } from './givenExpression.ts';
import { sourcesOfPaths } from './sourcesOfPaths.ts';

/** The dependencies of `explain`. */
export type ExplainParts = {
  requestedState: RequestedState;
  longWork: LongWork;
  projector: Pick<Projector, 'position' | 'roleGraph' | 'roleHistory'>;
  eventStore: Pick<EventStore, 'readBackwards'>;
};

/** A validated body. */
type Body = Limits & { subject: Subject; expression: ConcreteExpression; at?: string; limit: number };

/** How often a question is judged, while roles change meanwhile. */
const MAX_ROUNDS = 5;
/** Characters of the steps of all paths that are shown. */
const MAX_SHOWN = 500_000;
/** Characters, approximately, of a step besides its scopes. */
const STEP_LENGTH = 300;

/** `explain`: whether somebody has scopes, by which ways and by whose doing; or what is missing, and what would help. */
export function explain(parts: ExplainParts): Endpoint {
  const { requestedState, longWork, projector } = parts;
  const grantSources = makeGrantSources(parts);
  return {
    ...auditorsMethod,
    name: 'explain',
    method: 'post',
    route: '/explain',
    title: 'Explain Scopes',
    description:
      'Whether a client, a role or given scopes satisfy a scope or a scope expression, now or at a past moment. ' +
      'If so, by which paths, with the event that added each grant. If not, what is missing, and what would help.',
    scopes: {
      AllOf: [
        {
          if: 'isClient',
          then: 'authledger:explain:client/<id>',
          else: { if: 'isRole', then: 'authledger:explain:role/<id>', else: 'auth:expand-scopes' },
        },
        { if: 'isPast', then: { AllOf: [...PAST_EXPANSION] } },
      ],
    },
    scopeParams({ body }) {
      const { subject, at } = body as Body;
      const { clientId, roleId } = subject as { clientId?: string; roleId?: string };
      return {
        isClient: clientId !== undefined,
        isRole: roleId !== undefined,
        id: clientId ?? roleId ?? '',
        isPast: at !== undefined,
      };
    },
    input: 'explain-request',
    output: 'explain-response',
    async handle(request) {
      const body = request.body as Body;
      const { subject, expression, at } = body;
      givenExpression(expression);
      requireDates(body);
      const state = await requestedState(request, { at });
      const { time, position, judged, grantable } = await judgeAtOnce(body, state, request);
      const { explanation, nearest } = judged;
      const { shown, wasCut } = withinSize(explanation);
      const sourceOf = mayReadSources(subject, request)
        ? await sourcesOfPaths(subject, [...shown.values()].flat(), (wanted) =>
            grantSources(wanted, position, workFor(request)),
          )
        : () => undefined;
      return {
        body: {
          position,
          at: time.toJSON(),
          subject,
          expression,
          satisfied: explanation.satisfied && judged.blocks.length === 0,
          scopes: explanation.scopes.map((each) => ({
            scope: each.scope,
            ...(each.scope.endsWith('*') && { note: patternNote(each.scope) }),
            satisfied: each.satisfied,
            paths: shown.get(each.scope)!.map((path) => explainedPath(subject, path, sourceOf)),
            pathCount: each.satisfied ? each.pathCount : 0,
            complete: each.satisfied ? each.complete && !wasCut.has(each.scope) : true,
            ...(!each.satisfied && { nearest: nearest.get(each.scope)! }),
          })),
          missing: explanation.missing,
          everyoneHas: judged.everyoneHas,
          grantable,
          blockedBy: judged.blocks,
        },
        moment: state.moment,
      };
    },
  };

  /** Judges by the roles of one position. Throws ServiceUnavailable if roles keep changing meanwhile. */
  async function judgeAtOnce(body: Body, state: State, request: EndpointRequest) {
    const { subject, expression, limit, certificate, authorizedScopes = [] } = body;
    // To add one of these to a role may make a cycle.
    const asked = [...scopesIn(expression)].filter(grantPatternOf);
    const owner = workFor(request);
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const found = await explainedSubject(subject, state);
      const reached = [
        ...found.held,
        ...authorizedScopes,
        ...(certificate?.scopes ?? []),
        ...asked,
        ANONYMOUS,
      ];
      const roles = await state.rolesReachedBy(reached);
      const moment = momentOf(state, request, projector);
      const { version } = projector.roleGraph;
      const judged = await longWork.run(owner, (work) =>
        roles.inSnapshot((snapshot) =>
          judge({ ...body, found, time: moment.time }, snapshot, { limit, work }),
        ),
      );
      const { missing } = judged.explanation;
      const isForRoles = missing.length > 0 && mayAskWhoCan(request);
      const giving = isForRoles
        ? await rolesGiving(missing, state, owner)
        : { roles: [], complete: missing.length === 0 };
      // They are looked for among the roles of now, not of the snapshot.
      if (isForRoles && !state.moment && projector.roleGraph.version !== version) continue;
      const { changes, complete } = judged.changes;
      const grantable = { roles: giving.roles, changes, complete: giving.complete && complete };
      return { ...moment, judged, grantable };
    }
    throw new ApiError('ServiceUnavailable', 'roles kept changing while this was computed: try again', {
      retryAfter: 1,
    });
  }

  async function rolesGiving(
    missing: readonly string[],
    state: Pick<State, 'roleScopes'>,
    owner: WorkFor,
  ): Promise<{ roles: GivingRole[]; complete: boolean }> {
    const roleScopes = await state.roleScopes();
    return longWork.run(owner, (work) => givingRoles(missing, roleScopes, work));
  }
}

/** Whoever may ask about a client or role is told who added each grant; for given scopes, it takes a scope of its own. */
function mayReadSources(subject: Subject, { caller }: Pick<EndpointRequest, 'caller'>): boolean {
  return !('scopes' in subject) || satisfies(caller.scopes, 'auth:audit-history:role');
}

/** Which roles give a scope is a question of `whoCan`. */
function mayAskWhoCan({ caller }: Pick<EndpointRequest, 'caller'>): boolean {
  return satisfies(caller.scopes, 'authledger:who-can');
}

type Question = Body & { found: ExplainedSubject; time: Date };

type Judged = {
  explanation: Explanation;
  blocks: Block[];
  /** What the subject has that comes nearest to each scope that it has not. */
  nearest: Map<string, string[]>;
  /** Scopes that it has not, but that each request has through the role `anonymous`. */
  everyoneHas: string[];
  changes: { changes: Grantable['changes']; complete: boolean };
};

/** All that the roles of one moment say to a question. */
function* judge(
  { subject, expression, found, time, certificate, authorizedScopes }: Question,
  roles: RolesSnapshot,
  { limit, work }: { limit: number; work: WorkBudget },
): TimeSliced<Judged> {
  const { held } = found;
  const explanation = yield* explainExpression({ expression, held }, roles, { limit, work });
  const blocks = yield* blockedBy(
    { signer: found, limits: { certificate, authorizedScopes }, expression },
    { roles, time },
    work,
  );
  const { missing } = explanation;
  const lacking = explanation.scopes.filter(({ satisfied }) => !satisfied).map(({ scope }) => scope);
  const ofAnyone = lacking.length > 0 ? yield* expandIn(roles, [ANONYMOUS], work) : [];
  const expanded = lacking.length > 0 ? yield* expandIn(roles, held, work) : [];
  const changes =
    missing.length > 0
      ? yield* enoughChanges({ subject, held, missing }, roles, work)
      : { changes: [], complete: true };
  return {
    explanation,
    blocks,
    nearest: new Map(lacking.map((scope) => [scope, nearestTo(scope, expanded)])),
    everyoneHas: lacking.filter((scope) => satisfies(ofAnyone, scope)),
    changes,
  };
}

/** Where and when the answer is true. Of the present, call it in the same turn as the roles are looked at. */
function momentOf(
  { moment }: Pick<State, 'moment'>,
  { now }: EndpointRequest,
  { position }: Pick<Projector, 'position'>,
): { time: Date; position: string } {
  return moment ?? { time: now, position };
}

/**
 * The paths of each scope as far as they are shown, and the scopes some of whose paths are not. The first path of each
 * scope comes before further ones.
 */
function withinSize({ scopes }: Explanation): { shown: Map<string, Path[]>; wasCut: Set<string> } {
  const shown = new Map<string, Path[]>(scopes.map(({ scope }) => [scope, []]));
  const wasCut = new Set<string>();
  const found = scopes.flatMap((each) =>
    each.satisfied ? each.paths.map((path, rank) => ({ scope: each.scope, path, rank })) : [],
  );
  let left = MAX_SHOWN;
  for (const { scope, path } of found.toSorted((one, other) => one.rank - other.rank)) {
    left -= lengthOf(path);
    if (left >= 0) shown.get(scope)!.push(path);
    else wasCut.add(scope);
  }
  return { shown, wasCut };
}

function lengthOf({ held, steps }: Path): number {
  let length = held.length;
  for (const { grant, scope, returnsTo = [] } of steps)
    length += STEP_LENGTH + 2 * (grant.length + scope.length) + returnsTo.join().length;
  return length;
}

function patternNote(scope: string): string {
  return `it ends in *, so it is asked as a pattern: every scope that begins with ${scope.slice(0, -1)} is needed`;
}

/** Dates of the right form may still not exist. */
function requireDates({ certificate: { start, expiry } = { scopes: [] } }: Limits): void {
  for (const [name, date] of Object.entries({ start, expiry }))
    if (date !== undefined && !isDateTime(date))
      throw new ApiError('InputValidationError', `body.certificate.${name} must be ${DATE_TIME}`);
}
