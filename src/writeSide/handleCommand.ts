import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { v7 as uuid } from 'uuid';
import type { Credential } from '../../schemas/events/clientEvents.ts';
import { refusalOf } from './appendRefusal.ts';
import type { Command } from '../command.ts';
import type { DiskReserve } from '../storage/diskReserve.ts';
import { ApiError } from '../domain/errors.ts';
import type { WorkBudget } from '../domain/workBudget.ts';
import { type MaybeTimeSliced, asTimeSliced } from '../domain/timeSliced.ts';
import type { Event, Metadata, NewEvent, Position, Recorded } from '../event.ts';
import {
  type EventStore,
  nextRevision,
  type Revision,
  WrongExpectedRevision,
} from '../eventStore/eventStore.ts';
import { OutcomeUnknown, StoreUnavailable } from '../storage/storeErrors.ts';
import type { Freshness } from '../readSide/freshness.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import { isRevocation } from './isRevocation.ts';
import type { Projector } from '../readSide/projector.ts';
import type { NewSecret } from '../secretStore/newSecret.ts';
import type { SecretRef, SecretStore } from '../secretStore/secretStore.ts';
import type { StateAt, Subject } from './subjects.ts';
import { keyedMutex } from '../process/keyedMutex.ts';

const MAX_TRIES = 10;

/** Who runs a command. `authorize` is called on every try, so that it always judges the state that is changed. */
export type CommandContext = {
  now: Date;
  metadata: Metadata;
  authorize(params: Record<string, unknown>): Promise<void>;
  /** On whose behalf long work is done; left out if no request asked for it. */
  workFor?: WorkFor;
};

export type CommandRun<Input, State, R, E extends Event> = {
  command: Command<Input, State, E>;
  subject: Subject<State, R>;
  input: Input;
  context: CommandContext;
  /**
   * A token that the command may issue. It is put into the secret store just before the events that name it are
   * appended.
   */
  secret?: NewSecret;
};

/** The result of a command: its events (none if nothing had to change) and the row after it. */
export type Outcome<R> = { events: Event[]; row: R | undefined; position: Position };

export type HandleCommand = ReturnType<typeof makeHandleCommand>;

/**
 * Runs commands. It is the only place that retries and authorizes: authorize, decide, append at the revision of the
 * state (optimistic concurrency). The first state is the read side's. Unless an append at its revision succeeds, the
 * stream is read and the command judged again, at most 10 times, then ServiceUnavailable: only what is judged on the
 * stream is answered as a refusal, or as being so already. Commands on one stream queue. Resolves once this node's read models hold the change, or after 5 s all the same: a
 * durable change is never answered with an error. Throws what check, authorize and decide throw; then nothing was
 * changed.
 */
export function makeHandleCommand(parts: {
  eventStore: EventStore;
  secretStore: SecretStore;
  projector: Projector;
  freshness: Pick<Freshness, 'ensureFresh' | 'assertStillFresh'>;
  longWork: LongWork;
  diskReserve: Pick<DiskReserve, 'runWrite'>;
  log: Logger;
}) {
  const { eventStore, secretStore, projector, freshness, longWork, diskReserve, log } = parts;
  const runExclusive = keyedMutex();

  return async function handleCommand<Input, State, R, E extends Event>(
    run: CommandRun<Input, State, R, E>,
  ): Promise<Outcome<R>> {
    run.command.check?.(run.input);
    const { workFor } = run.context;
    if (workFor) await longWork.untilReady(workFor);
    return runExclusive(run.subject.stream, async () => {
      const secret = run.secret && storeOnce(run.secret);
      try {
        const outcome = await tryUntilAppended(run, secret);
        if (!secret?.isNamedIn(outcome.events)) await secret?.discard();
        return outcome;
      } catch (error) {
        if (error instanceof ApiError) await secret?.discard();
        if (error instanceof StoreUnavailable || error instanceof OutcomeUnknown)
          log.warn(
            { err: error, requestId: run.context.metadata.requestId },
            'a change could not be written',
          );
        throw refusalOf(error);
      }
    });
  };

  async function tryUntilAppended<Input, State, R, E extends Event>(
    run: CommandRun<Input, State, R, E>,
    secret: PendingSecret | undefined,
  ): Promise<Outcome<R>> {
    const { subject } = run;
    const ids: string[] = [];
    await freshness.ensureFresh();
    // The read side may lag behind the stream. So its state ends a command only if an append at its revision succeeds.
    const held = await subject.held();
    const early = await judge(run, held);
    const appended = await tryAppend(run, { at: held, judgement: early, ids, secret }).catch(unlessRefused);
    if (appended) return appended;
    for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
      const loaded = await subject.load();
      const judgement = loaded.revision === held.revision ? early : await judge(run, loaded);
      if ('refusal' in judgement) throw judgement.refusal;
      if (judgement.events.length === 0) return unchanged(subject.row(loaded.state));
      const outcome = await tryAppend(run, { at: loaded, judgement, ids, secret });
      if (outcome) return outcome;
      await sleep(Math.random() * 10 * tries);
    }
    throw new ApiError('ServiceUnavailable', 'too many others changed the same at the same time: try again');
  }

  /** Authorizes and decides. Only refusals are returned; other errors are thrown. */
  async function judge<Input, State, R, E extends Event>(
    { command, input, context }: CommandRun<Input, State, R, E>,
    { state }: StateAt<State>,
  ): Promise<Judgement> {
    const { now } = context;
    try {
      const authParams = await inSlices(context, (work) => command.authParams(input, state, work));
      await context.authorize(authParams);
      const events = await inSlices(context, (work) => command.decide(input, state, { now, work }));
      return { authParams, events };
    } catch (error) {
      if (error instanceof ApiError) return { refusal: error };
      throw error;
    }
  }

  /** Appends the events that were decided on, if any; returns undefined if another change came first. */
  async function tryAppend<Input, State, R, E extends Event>(
    { subject, context }: CommandRun<Input, State, R, E>,
    {
      at: { state, revision },
      judgement,
      ids,
      secret,
    }: {
      at: StateAt<State>;
      judgement: Judgement;
      /** The ids of the events; the same for every try. */
      ids: string[];
      secret: PendingSecret | undefined;
    },
  ): Promise<Outcome<R> | undefined> {
    if ('refusal' in judgement || judgement.events.length === 0) return undefined;
    const before = subject.row(state);
    const events = judgement.events.map((event, i): NewEvent => ({ ...event, id: (ids[i] ??= uuid()) }));
    const write = { stream: subject.stream, expectedRevision: revision, events };
    try {
      const { position } = await diskReserve.runWrite(isRevocation(events), async () => {
        if (secret?.isNamedIn(events)) {
          await secret.store();
          // The caller may have lost the right while the secret was stored.
          await context.authorize(judgement.authParams);
        }
        // If this process was frozen, the caller may have lost all rights meanwhile.
        freshness.assertStillFresh();
        return eventStore.append([write], context.metadata);
      });
      const row = subject.fold(before, asRecorded(write, { revision, position, context }));
      const released = subject.releasedSecret?.(before, row);
      await Promise.all([released && destroy(released), projector.waitFor(position)]);
      return { events, row, position };
    } catch (error) {
      if (error instanceof WrongExpectedRevision) return undefined;
      throw error;
    }
  }

  async function unchanged<R>(row: R | undefined): Promise<Outcome<R>> {
    // Another node may have made this change just now.
    await projector.catchUp();
    freshness.assertStillFresh();
    return { events: [], row, position: projector.position };
  }

  /** Urgent, because other commands on the stream queue behind it. */
  function inSlices<Result>(
    { workFor }: CommandContext,
    compute: (work: WorkBudget) => MaybeTimeSliced<Result>,
  ): Promise<Result> | Result {
    return longWork.run({ caller: workFor?.caller ?? 'inside', kind: 'urgent' }, (work) =>
      asTimeSliced(compute(work)),
    );
  }

  /** If this fails, the job that deletes orphaned secrets does it later. */
  async function destroy(ref: SecretRef): Promise<void> {
    await secretStore
      .destroy(ref)
      .catch((error: unknown) => log.warn({ err: error, ...ref }, 'a token was not destroyed yet'));
  }

  /** A new secret that is stored at most once, and discarded if no event names it in the end. */
  function storeOnce({ ref, token }: NewSecret): PendingSecret {
    let stored = false;
    return {
      isNamedIn: (events) =>
        events.some(({ data }) => (data as { credential?: Credential }).credential?.id === ref.credentialId),
      async store() {
        if (stored) return;
        await secretStore.put(ref, token);
        stored = true;
      },
      async discard() {
        if (stored) await destroy(ref);
      },
    };
  }
}

/** What authorize and decide say of a state; no events if it is already as requested. */
type Judgement = { authParams: Record<string, unknown>; events: Event[] } | { refusal: ApiError };

function unlessRefused(error: unknown): undefined {
  if (!(error instanceof ApiError) || error.code !== 'InsufficientScopes') throw error;
}

type PendingSecret = {
  isNamedIn(events: Event[]): boolean;
  store(): Promise<void>;
  discard(): Promise<void>;
};

function asRecorded(
  { stream, events }: { stream: string; events: NewEvent[] },
  { revision, position, context }: { revision: Revision; position: Position; context: CommandContext },
): Recorded[] {
  const first = nextRevision(revision);
  const { metadata } = context;
  return events.map((event, i) => ({ ...event, stream, revision: first + i, position, metadata }));
}
