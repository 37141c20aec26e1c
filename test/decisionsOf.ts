import { expect } from '@jest/globals';
import { clients, type ClientRow } from '../projections/clients.ts';
import { roles, type RoleRow } from '../projections/roles.ts';
import type { Command } from '../src/command.ts';
import { ApiError } from '../src/domain/errors.ts';
import { RoleGraph } from '../src/domain/roleGraph.ts';
import type { RolesState } from '../src/domain/role.ts';
import { WorkBudget } from '../src/domain/workBudget.ts';
import { runToCompletion } from '../src/domain/timeSliced.ts';
import type { Event, Recorded } from '../src/event.ts';
import { fold, type Projection } from '../src/projection.ts';

export const NOW = new Date('2026-01-01T12:00:00.000Z');

/** Events as a log would hold them, one second after another. */
export function recorded<E extends Event>(events: E[], actor = 'someone'): Recorded<E>[] {
  return events.map((event, revision) => ({
    ...event,
    id: `00000000-0000-4000-8000-${String(revision).padStart(12, '0')}`,
    stream: 'a stream',
    revision,
    position: `log.${String(revision + 1).padStart(20, '0')}`,
    metadata: { actor, at: new Date(NOW.getTime() + revision * 1000).toJSON(), requestId: 'a request' },
  }));
}

/** The row that a projection has after events of one key. */
export function rowAfter<R, E extends Event>(projection: Projection<R, E>, ...events: E[]): R | undefined {
  return fold(projection, undefined, recorded(events));
}

type Specification<I> = { when(input: I, now?: Date): Decision };
type Decision = {
  then(...events: Event[]): void;
  needsScopesFor(params: Record<string, unknown>): void;
  isRefused(code: string, details?: Record<string, unknown>): void;
};

/** Sentences about a command on a client: `given(created).when(input).then(event)`. */
export function decisionsOf<I>(command: Command<I, ClientRow | undefined, Event>) {
  return {
    given: (...events: Event[]): Specification<I> =>
      specify(command, rowAfter(clients as Projection<ClientRow, Event>, ...events)),
  };
}

/** The same about a command on a role, given all events of all roles. */
export function roleDecisionsOf<I>(command: Command<I, RolesState, Event>) {
  return {
    given(...events: Event[]): Specification<I> {
      const graph = new RoleGraph<RoleRow>();
      for (const event of recorded(events)) {
        const { roleId } = event.data as { roleId: string };
        const row = fold(roles as Projection<RoleRow, Event>, graph.get(roleId), [event]);
        if (row) graph.set(row);
        else graph.delete(roleId);
      }
      return specify(command, graph);
    },
  };
}

function specify<I, S>(command: Command<I, S, Event>, state: S): Specification<I> {
  return {
    when(input, now = NOW) {
      const decide = (): Event[] => {
        command.check?.(input);
        runToCompletion(command.authParams(input, state, new WorkBudget()));
        return runToCompletion(command.decide(input, state, { now, work: new WorkBudget() }));
      };
      return {
        then: (...events) => expect(decide()).toEqual(events),
        needsScopesFor: (params) =>
          expect(runToCompletion(command.authParams(input, state, new WorkBudget()))).toEqual(params),
        isRefused(code, details = {}) {
          const refusal = thrownBy(decide);
          expect(refusal).toBeInstanceOf(ApiError);
          expect(refusal).toMatchObject({ code, details });
        },
      };
    },
  };
}

function thrownBy(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error;
  }
}
