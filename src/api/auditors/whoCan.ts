import { type Goal, goalOf, Holders, type Leaves, type SatisfyingWay } from '../../domain/holders.ts';
import type { ConcreteExpression } from '../../domain/scopeExpression.ts';
import type { Position } from '../../event.ts';
import {
  type Endpoint,
  type EndpointReply,
  type EndpointRequest,
  PAST_EXPANSION,
} from '../../http/endpoint.ts';
import { continuationTokenFor, invalidContinuationToken, pageStart } from '../../http/pagination.ts';
import type { RequestedState } from '../../http/requestedState.ts';
import { workFor } from '../../http/workFor.ts';
import type { LongWork, WorkFor } from '../../process/longWork.ts';
import type { FormerStates } from '../../readSide/formerStates.ts';
import type { Projector } from '../../readSide/projector.ts';
import { makeFindClients, type SatisfyingClient } from '../../readSide/satisfyingClients.ts';
import type { State } from '../../readSide/state.ts';
import { auditorsMethod } from './auditorsMethod.ts';
import { givenExpression } from './givenExpression.ts';
import { type Grantors, grantorsAmong, grantorsGoal } from './grantors.ts';
import { cursorInToken, questionToken } from './questionToken.ts';

/** How often it is looked who satisfies an expression now, while roles change meanwhile. */
const MAX_ROUNDS = 2;
/** The most clients that could give the scopes, of which the first page tells. */
const MAX_GRANTORS = 100;
/** A page ends once the ways of its roles have about so many characters. */
const MAX_CHARACTERS = 1_000_000;

type Body = {
  expression: ConcreteExpression;
  at?: string;
  limit: number;
  continuationToken?: string;
  includeDisabled: boolean;
};

type Parts = {
  projector: Pick<Projector, 'position' | 'roleGraph' | 'clientScopes'>;
  requestedState: RequestedState;
  formerStates: FormerStates;
  longWork: LongWork;
};

/** A question about one state. `after` is the client or role that the page before ended with. */
type Question = {
  goal: Goal;
  page: { kind: 'client' | 'role'; after: string | undefined; limit: number };
  withGrantors: boolean;
  time: Date;
  includeDisabled: boolean;
};

/** `next` is the key of the next page; undefined behind the last role. */
type Answer = {
  clients: SatisfyingClient[];
  roles: RoleView[];
  grantors: Grantors | undefined;
  next: string | undefined;
};

/** `whoCan`: the clients and roles that satisfy an expression, and who could give it. */
export function whoCan(parts: Parts): Endpoint {
  const { projector, requestedState, formerStates, longWork } = parts;
  const findClients = makeFindClients(parts);

  return {
    ...auditorsMethod,
    name: 'whoCan',
    method: 'post',
    route: '/who-can',
    scopes: { AllOf: ['authledger:who-can', { if: 'at', then: { AllOf: [...PAST_EXPANSION] } }] },
    scopeParams: ({ body }) => ({ at: (body as Body).at }),
    input: 'who-can-request',
    output: 'who-can-response',
    title: 'Who can',
    description:
      'The clients, and behind them the roles, that satisfy a scope or a scope expression, now or `at` a position or a time, ' +
      'each in the order of their ids. `ways` has the scope that each holds, with its star if it has one, and the roles ' +
      'on a shortest path from there, none if that scope is enough by itself. Of an `AnyOf`, it is the first part that is ' +
      'satisfied. A page has at most `limit` clients and roles together and may be shorter, even empty: go on with the ' +
      '`continuationToken` until `complete` is true. Clients that are disabled or had expired are left out unless ' +
      '`includeDisabled`. The first page names `grantors`: clients that satisfy the expression and may create or update some ' +
      'client or role, so that they could give it. Who satisfies it through the role `anonymous` only is not named: everybody ' +
      'does, if that role is.',
    handle,
  };

  async function handle(request: EndpointRequest): Promise<EndpointReply> {
    const { at, limit, continuationToken, includeDisabled, ...body } = request.body as Body;
    const expression = givenExpression(body.expression);
    // The moment is not of what was asked: the first page may name it by a time, and others by its position.
    const asked = { expression, includeDisabled };
    const page = cursorInToken(continuationToken, asked, isCursor)?.page;
    const { paged, ...state } = await requestedState(request, { at, continuationToken: page });
    const time = state.moment?.time ?? request.now;
    const owner = workFor(request);
    const question = {
      goal: goalOf(expression),
      page: { ...startOf(page), limit },
      withGrantors: page === undefined,
      time,
      includeDisabled,
    };
    const { position, clients, roles, grantors, next } = await answerOf(question, state, owner);
    const nextPage = continuationTokenFor(next, paged);
    const token = nextPage && questionToken(asked, { page: nextPage });
    return {
      body: {
        position,
        at: time.toJSON(),
        expression,
        clients: clients.map(clientView),
        roles,
        ...(grantors && { grantors }),
        complete: token === undefined,
        ...(token !== undefined && { continuationToken: token }),
      },
      moment: state.moment,
    };
  }

  /**
   * Answers of the roles as of one position. If they change while it is looked which clients satisfy the goal now, it is
   * looked again, and finally as of a moment, which nothing changes any more.
   */
  async function answerOf(
    question: Question,
    state: State,
    owner: WorkFor,
  ): Promise<Answer & { position: Position }> {
    if (state.moment) return { ...(await answerIn(question, state, owner)), position: state.moment.position };
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const { position, roleGraph } = projector;
      const { version } = roleGraph;
      const answer = await answerIn(question, state, owner);
      if (roleGraph.version === version) return { ...answer, position };
    }
    const { position } = projector;
    const former = formerStates({ position, at: undefined, time: question.time }, owner);
    return { ...(await answerIn(question, former, owner)), position };
  }

  async function answerIn(
    { goal, page, withGrantors, ...rest }: Question,
    state: State,
    owner: WorkFor,
  ): Promise<Answer> {
    const { kind, after, limit } = page;
    const goals = withGrantors ? [goal, grantorsGoal(goal)] : [goal];
    const [holders, ofGrantors] = (await findHolders(goals, state, owner)) as [Holders, Holders?];
    const question = { ...rest, state };
    const { clients, last } =
      kind === 'client'
        ? await findClients({ ...question, holders, after, limit }, owner)
        : { clients: [], last: undefined };
    const left = last === undefined ? limit - clients.length : 0;
    const ids = last === undefined ? await longWork.run(owner, (work) => holders.roleIds(work)) : [];
    const roles = rolesPage(holders, ids, { after: kind === 'role' ? after : undefined, limit: left });
    const grantors =
      ofGrantors &&
      (await grantorsAmong(
        await findClients({ ...question, holders: ofGrantors, after: undefined, limit: MAX_GRANTORS }, owner),
        { state, longWork, owner },
      ));
    return { clients, roles: roles.page, grantors, next: last === undefined ? roles.next : `client/${last}` };
  }

  async function findHolders(goals: readonly Goal[], state: State, owner: WorkFor): Promise<Holders[]> {
    const roles = await state.roleScopes();
    return longWork.run(owner, function* (work) {
      const leaves: Leaves = new Map();
      const all: Holders[] = [];
      for (const goal of goals) all.push(yield* Holders.of(goal, { roles, leaves }, work));
      return all;
    });
  }
}

/** Where the next page goes on: the token of a list. */
type Cursor = { page: string };

function isCursor({ page }: Partial<Cursor>): boolean {
  return typeof page === 'string';
}

/** Where a page begins: after which client or role. Tokens name the kind. */
function startOf(token: string | undefined): { kind: 'client' | 'role'; after: string | undefined } {
  const { key } = pageStart(token);
  if (key === undefined) return { kind: 'client', after: undefined };
  const [, kind, after] = /^(client|role)\/(.*)$/.exec(key) ?? invalidContinuationToken();
  return { kind: kind as 'client' | 'role', after };
}

type RoleView = { roleId: string; ways: SatisfyingWay[] };

/** `next` is the key of the next page; undefined behind the last role. */
function rolesPage(
  holders: Holders,
  all: readonly string[],
  { after = '', limit }: { after: string | undefined; limit: number },
): { page: RoleView[]; next: string | undefined } {
  const ids = all.filter((id) => id > after);
  const page: RoleView[] = [];
  let characters = 0;
  for (const roleId of ids.slice(0, limit)) {
    const ways = holders.waysOfRole(roleId);
    page.push({ roleId, ways });
    characters += JSON.stringify(ways).length;
    if (characters > MAX_CHARACTERS) break;
  }
  const last = page.at(-1)?.roleId ?? after;
  return { page, next: page.length < ids.length ? `role/${last}` : undefined };
}

function clientView({ client, expired, ways }: SatisfyingClient): object {
  const { clientId, disabled, expires } = client;
  return { clientId, disabled, expired, expires, ways };
}
