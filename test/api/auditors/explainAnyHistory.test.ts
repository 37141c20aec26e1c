import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import pino from 'pino';
import { updateRole } from '../../../commands/updateRole.ts';
import type { ClientRow } from '../../../projections/clients.ts';
import type { RoleRow } from '../../../projections/roles.ts';
import { explain } from '../../../src/api/auditors/explain.ts';
import type { ExplainedPath, ExplainedStep, Subject } from '../../../src/domain/explainedPath.ts';
import type { Grantable } from '../../../src/domain/grantable.ts';
import { grantingScope } from '../../../src/domain/roleDefinition.ts';
import { RoleGraph } from '../../../src/domain/roleGraph.ts';
import { type ConcreteExpression, missingScopes } from '../../../src/domain/scopeExpression.ts';
import { satisfies } from '../../../src/domain/scopes.ts';
import { runToCompletion, type TimeSliced } from '../../../src/domain/timeSliced.ts';
import { WorkBudget } from '../../../src/domain/workBudget.ts';
import type { Position, Recorded } from '../../../src/event.ts';
import { memoryEventStore } from '../../../src/eventStore/memoryEventStore.ts';
import { clientStream, ROLES_STREAM } from '../../../src/eventStore/streams.ts';
import { validateEvent } from '../../../src/eventStore/validateEvent.ts';
import type { EndpointRequest } from '../../../src/http/endpoint.ts';
import { makeRequestedState } from '../../../src/http/requestedState.ts';
import { apiValidator } from '../../../src/http/validator.ts';
import { makeLongWork } from '../../../src/process/longWork.ts';
import { makeFormerStates } from '../../../src/readSide/formerStates.ts';
import type { LastUsed } from '../../../src/readSide/lastUsed.ts';
import { makeMoments } from '../../../src/readSide/moments.ts';
import { startProjector } from '../../../src/readSide/projector.ts';
import { presentState } from '../../../src/readSide/state.ts';
import { memoryReadStore } from '../../../src/readStore/memoryReadStore.ts';
import { anyHistory, historyWriter, type PlainState, plainStateAt } from '../../anyHistory.ts';
import { isValidPath } from '../../domain/isValidPath.ts';
import { plainExpansion, type PlainRole } from '../../domain/plainExpansion.ts';
import { histories } from '../../histories.ts';

const log = pino({ level: 'silent' });

type Answer = {
  position: Position;
  at: string;
  satisfied: boolean;
  scopes: {
    scope: string;
    satisfied: boolean;
    paths: ExplainedPath[];
    pathCount: number;
    complete: boolean;
  }[];
  missing: string[];
  grantable: Grantable;
  blockedBy: { by: string }[];
};

/** A node on stores of its own, which answers questions. */
async function startNode() {
  const eventStore = memoryEventStore({ validate: validateEvent });
  const projector = await startProjector({ eventStore, readStore: memoryReadStore(), log, holder: 'one' });
  await projector.untilComplete;
  const longWork = makeLongWork({ log });
  const requestedState = makeRequestedState({
    present: presentState(projector, {} as LastUsed),
    formerStates: makeFormerStates({ projector, eventStore, longWork }),
    moments: makeMoments({ eventStore, projector }),
  });
  const { handle, input, output } = explain({ requestedState, longWork, projector, eventStore });
  return {
    eventStore,
    projector,
    async ask(body: { subject: Subject; expression: ConcreteExpression; at?: Position }): Promise<Answer> {
      apiValidator.checkInput(input!, body);
      const reply = await handle({
        now: new Date(),
        body,
        query: {},
        caller: { clientId: 'an auditor', scopes: ['*'] },
        origin: { requestId: randomUUID() },
        signed: { payload: Buffer.alloc(0) },
      } as unknown as EndpointRequest);
      apiValidator.checkOutput(output!, reply.body);
      return reply.body as Answer;
    },
  };
}

/** The events of a client or role up to a position. */
function eventsOf(events: readonly Recorded[], { via, id }: ExplainedStep, upTo: Position): Recorded[] {
  return events.filter(({ stream, position, data }) => {
    if (position > upTo) return false;
    if (via === 'client') return stream === clientStream(id!);
    return stream === ROLES_STREAM && (data as { roleId: string }).roleId === id;
  });
}

/** The last event that added the grant of a step, by a look at all events. */
function lastThatAdded(
  events: readonly Recorded[],
  step: ExplainedStep,
  upTo: Position,
): Position | undefined {
  let added: Position | undefined;
  for (const { type, data, position } of eventsOf(events, step, upTo)) {
    const { scopes } = data as { scopes?: string[] };
    if (type.endsWith('Created')) added = undefined;
    if (type.endsWith('Deleted') || type.endsWith('Expired')) added = undefined;
    else if (scopes?.includes(step.grant)) added ??= position;
    else if (scopes) added = undefined;
  }
  return added;
}

function heldOf(subject: Subject, state: PlainState): readonly string[] {
  if ('clientId' in subject) return state.clients.get(subject.clientId)!.scopes;
  return 'roleId' in subject ? [grantingScope(subject.roleId)] : subject.scopes;
}

function isSatisfied(expression: ConcreteExpression, roles: PlainRole[], held: readonly string[]): boolean {
  const expanded = plainExpansion(roles, held);
  return runToCompletion(missingScopes(expression, expanded, new WorkBudget())) === undefined;
}

function blocksOf({ disabled, expires }: ClientRow, at: string): object[] {
  const isExpired = Date.parse(expires) < Date.parse(at);
  return [...(disabled ? [{ by: 'disabled' }] : []), ...(isExpired ? [{ by: 'expired', expires }] : [])];
}

type Question = { subject: Subject; expression: ConcreteExpression };

function expectAnswer(answer: Answer, { subject, expression }: Question, events: readonly Recorded[]): void {
  const state = plainStateAt(events, answer.position);
  const roles = [...state.roles.values()];
  const held = heldOf(subject, state);
  const expanded = plainExpansion(roles, held);
  const own = isSatisfied(expression, roles, held);
  const blocks = 'clientId' in subject ? blocksOf(state.clients.get(subject.clientId)!, answer.at) : [];
  expect(answer.blockedBy).toEqual(blocks);
  expect(answer.satisfied).toBe(own && blocks.length === 0);
  for (const { scope, satisfied, paths, pathCount, complete } of answer.scopes) {
    const isCovered = satisfies(expanded, scope);
    expect({ scope, satisfied, hasPaths: paths.length > 0, isCounted: pathCount > 0 }).toEqual({
      scope,
      satisfied: isCovered,
      hasPaths: isCovered,
      isCounted: isCovered,
    });
    expect(complete || pathCount >= paths.length).toBe(true);
    for (const { steps, text } of paths) {
      const [first, ...others] = steps;
      const path = { held: first!.grant, steps: others.map((step) => ({ ...step, roleId: step.id! })) };
      expect([path, isValidPath(path as never, { roles, held, target: scope })]).toEqual([path, true]);
      expect(text).toHaveLength(steps.length);
      for (const step of steps)
        expect([step, step.source?.position]).toEqual([
          step,
          step.via === 'scopes' ? undefined : lastThatAdded(events, step, answer.position),
        ]);
    }
  }
  expectHelp(answer, { expression, roles, held });
}

/** Each change that is proposed is tried, and each role that gives something. */
function expectHelp(
  { missing, grantable }: Answer,
  {
    expression,
    roles,
    held,
  }: { expression: ConcreteExpression; roles: PlainRole[]; held: readonly string[] },
): void {
  if (missing.length === 0) expect(grantable).toEqual({ roles: [], changes: [], complete: true });
  for (const { scope, gives } of grantable.roles) {
    const expanded = plainExpansion(roles, [scope]);
    expect([scope, gives.filter((each) => !satisfies(expanded, each))]).toEqual([scope, []]);
  }
  if (grantable.complete)
    for (const each of missing)
      expect([
        each,
        grantable.roles
          .filter(({ gives }) => gives.includes(each))
          .map(({ roleId }) => roleId)
          .sort(),
      ]).toEqual([
        each,
        roles
          .map(({ roleId }) => roleId)
          .filter((roleId) => satisfies(plainExpansion(roles, [grantingScope(roleId)]), each))
          .sort(),
      ]);
  for (const { to, add } of grantable.changes) {
    const changed =
      'clientId' in to
        ? isSatisfied(expression, roles, [...held, ...add])
        : isSatisfied(
            expression,
            roles.map((role) =>
              role.roleId === to.roleId ? { ...role, scopes: [...role.scopes, ...add] } : role,
            ),
            held,
          );
    expect([to, add, changed]).toEqual([to, add, true]);
    if ('roleId' in to) expectUpdate(to.roleId, { add, roles });
  }
}

/**
 * The service takes the change of a role, unless one parameter would make too much of it, for which explain does not look.
 * Roles of any history may be such that nothing at all can be added to them.
 */
function expectUpdate(roleId: string, { add, roles }: { add: string[]; roles: PlainRole[] }): void {
  const graph = new RoleGraph<RoleRow>();
  const row = { description: '', created: '', lastModified: '' };
  graph.load(roles.map((role) => ({ ...row, ...role, scopes: [...role.scopes] })));
  const own = graph.get(roleId)!.scopes;
  const update = (scopes: string[]): unknown[] =>
    runToCompletion(
      updateRole.decide({ roleId, description: '', scopes }, graph, {
        work: new WorkBudget(),
      } as never) as TimeSliced<unknown[]>,
    );
  if (runToCompletion(graph.limitViolation({ roleId, scopes: [...own, ...add] }, new WorkBudget()))) return;
  try {
    update([...own, 'a scope that grants nothing']);
  } catch {
    return;
  }
  expect(update([...own, ...add])).toHaveLength(1);
}

const expressions = fc.letrec<{ any: ConcreteExpression }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 2, depthSize: 'small' },
    fc.constantFrom(
      'x:',
      'x:a',
      'x:ab',
      'x:b*',
      'x:<..>',
      'x:ab:y',
      'assume:a',
      'assume:sab',
      'assume:q*',
      'x',
    ),
    fc.record({ AllOf: fc.array(tie('any'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ AnyOf: fc.array(tie('any'), { minLength: 1, maxLength: 3 }) }),
  ),
})).any;

test('at every position of any history: a path if and only if it is satisfied, each valid, with the last event that added each grant; and each proposed change is enough', async () => {
  const seen = { satisfied: 0, refused: 0, cycles: 0, changes: 0 };
  await fc.assert(
    fc.asyncProperty(
      anyHistory(14),
      fc.array(expressions, { minLength: 14, maxLength: 14 }),
      async (steps, asked) => {
        const node = await startNode();
        const { write, log: written } = historyWriter(node.eventStore);
        const ask = async (at: Position | undefined, expression: ConcreteExpression, held: string[]) => {
          const state = plainStateAt(written, at ?? node.projector.position);
          const subjects: Subject[] = [
            ...[...state.clients.keys()].slice(0, 2).map((clientId) => ({ clientId })),
            ...[...state.roles.keys()].slice(-2).map((roleId) => ({ roleId })),
            { scopes: [...new Set(held)] },
          ];
          for (const subject of subjects) {
            const answer = await node.ask({ subject, expression, ...(at !== undefined && { at }) });
            expect(answer.position).toBe(at ?? written.at(-1)?.position ?? node.eventStore.start);
            expectAnswer(answer, { subject, expression }, written);
            seen[answer.satisfied ? 'satisfied' : 'refused'] += 1;
            seen.changes += answer.grantable.changes.length;
            if (JSON.stringify(answer).includes('returnsTo')) seen.cycles += 1;
          }
        };
        try {
          for (const [i, step] of steps.entries()) {
            const event = await write(step);
            if (event) expect(await node.projector.waitFor(event.position)).toBe(true);
            await ask(undefined, asked[i]!, step.held);
          }
          for (const [i, { position }] of written.entries()) await ask(position, asked[i]!, steps[i]!.held);
        } finally {
          await node.projector.stop();
        }
      },
    ),
    histories(25),
  );
  expect(Object.values(seen).every((count) => count > 0)).toBe(true);
});

describe('while roles change', () => {
  const question = { subject: { roleId: 'big' }, expression: 'x' };
  let node: Awaited<ReturnType<typeof startNode>>;
  let written: readonly Recorded[];
  let put: (roleId: string, scopes: string[]) => Promise<void>;

  beforeEach(async () => {
    node = await startNode();
    const { write, log: all } = historyWriter(node.eventStore);
    written = all;
    put = async (roleId, scopes) => {
      const event = await write({ roleId, scopes, isImported: false, minute: 0, held: [] });
      expect(await node.projector.waitFor(event!.position)).toBe(true);
    };
    // It takes many turns of the event loop to explain this one.
    await put(
      'big',
      Array.from({ length: 20_000 }, (_, i) => `s:${i}`),
    );
    await put('giver', ['x']);
  });
  afterEach(() => node.projector.stop());

  test('the roles that would help are of the same position as the answer', async () => {
    const asked = node.ask(question);
    await nextTurn();
    await put('giver', ['y']);
    const { position, grantable } = await asked;
    const givers = [...plainStateAt(written, position).roles.values()].filter(({ scopes }) =>
      scopes.includes('x'),
    );
    expect(grantable.roles.map(({ roleId }) => roleId)).toEqual(givers.map(({ roleId }) => roleId));
  });

  test('without end, it is 503 that the question could not be answered', async () => {
    let isAnswered = false;
    const asked = node.ask(question).finally(() => (isAnswered = true));
    const refused = expect(asked).rejects.toMatchObject({ code: 'ServiceUnavailable' });
    for (let i = 0; !isAnswered; i += 1) {
      await put('other', [`z:${i}`]);
      await nextTurn();
    }
    await refused;
  });
});
