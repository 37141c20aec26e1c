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
  EventTooLarge,
  InvalidEvent,
  nextRevision,
  type Revision,
  type Write,
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
 * Runs commands. It is the only place that retries and authorizes: authorize, decide, append at the state's revision
 * (optimistic concurrency). The first state is the read side's. Unless the append succeeds there, the outcome is decided
 * on the stream, at most 10 times, then ServiceUnavailable: no refusal and no "nothing to change" rests on a state that
 * lags. Commands on one stream queue. Resolves once this node's read models hold the change, or after 5 s all the same: a
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
    const attempt: Attempt = { ids: [], secret: run.secret && storeOnce(run.secret) };
    const { secret } = attempt;
    try {
      const outcome = (await tryOnHeldState(run, attempt)) ?? (await tryOnStream(run, attempt));
      if (!secret?.isNamedIn(outcome.events)) await secret?.discard();
      return outcome;
    } catch (error) {
      if (!secret?.mayBeNamed) await secret?.discard();
      if (error instanceof StoreUnavailable || error instanceof OutcomeUnknown)
        log.warn({ err: error, requestId: run.context.metadata.requestId }, 'a change could not be written');
      throw refusalOf(error);
    }
  };

  /**
   * Judges the state that the read side holds, which may lag behind the stream. It ends the command only if an append at
   * its revision succeeds, or if the stream turns out to be at that revision still. Else the result is undefined.
   */
  async function tryOnHeldState<Input, State, R, E extends Event>(
    run: CommandRun<Input, State, R, E>,
    attempt: Attempt,
  ): Promise<Outcome<R> | undefined> {
    const { subject } = run;
    const { held, judgement, outcome } = await runExclusive(subject.stream, async () => {
      await freshness.ensureFresh();
      const held = await subject.held();
      const judgement = await judge(run, held);
      const appending = tryAppend(run, { at: held, judgement, attempt });
      return { held, judgement, outcome: await appending.catch(unlessScopesAreMissing) };
    });
    const isConflict = 'events' in judgement && judgement.events.length > 0;
    if (outcome || isConflict) return outcome;
    // Outside the queue: other commands on the stream do not wait for this read.
    const { revision } = await subject.load();
    if (revision !== held.revision) return undefined;
    if ('refusal' in judgement) throw judgement.refusal;
    return unchanged(run, { row: subject.row(held.state), authParams: judgement.authParams });
  }

  /** Judges the stream's state and appends, again whenever another change came first. */
  function tryOnStream<Input, State, R, E extends Event>(
    run: CommandRun<Input, State, R, E>,
    attempt: Attempt,
  ): Promise<Outcome<R>> {
    const { subject } = run;
    return runExclusive(subject.stream, async () => {
      for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
        const loaded = await subject.load();
        const judgement = await judge(run, loaded);
        if ('refusal' in judgement) throw judgement.refusal;
        const { authParams, events } = judgement;
        if (events.length === 0) return unchanged(run, { row: subject.row(loaded.state), authParams });
        const outcome = await tryAppend(run, { at: loaded, judgement, attempt });
        if (outcome) return outcome;
        await sleep(Math.random() * 10 * tries);
      }
      throw new ApiError(
        'ServiceUnavailable',
        'too many others changed the same at the same time: try again',
      );
    });
  }

  /** Authorizes and decides. Refusals that depend on the state are returned, other errors thrown. */
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
      if (error instanceof ApiError && !mayPass(error)) return { refusal: error };
      throw error;
    }
  }

  /** Appends the events that were decided on, if any; returns undefined if another change came first. */
  async function tryAppend<Input, State, R, E extends Event>(
    { subject, context }: CommandRun<Input, State, R, E>,
    { at, judgement, attempt }: { at: StateAt<State>; judgement: Judgement; attempt: Attempt },
  ): Promise<Outcome<R> | undefined> {
    if ('refusal' in judgement || judgement.events.length === 0) return undefined;
    const { state, revision } = at;
    const { ids, secret } = attempt;
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
        return appendNaming(secret, [write], context.metadata);
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

  /** Notes whether the events, which name the secret, may have been appended. */
  async function appendNaming(
    secret: PendingSecret | undefined,
    writes: Write[],
    metadata: Metadata,
  ): Promise<{ position: Position }> {
    if (secret) secret.mayBeNamed = true;
    try {
      return await eventStore.append(writes, metadata);
    } catch (error) {
      if (secret && NOT_APPENDED.some((kind) => error instanceof kind)) secret.mayBeNamed = false;
      throw error;
    }
  }

  /** The outcome of a command that has nothing to change. Meanwhile the caller may have lost the right. */
  async function unchanged<Input, State, R, E extends Event>(
    { context }: CommandRun<Input, State, R, E>,
    { row, authParams }: { row: R | undefined; authParams: Record<string, unknown> },
  ): Promise<Outcome<R>> {
    // Another node may have made this change just now.
    await projector.catchUp();
    await context.authorize(authParams);
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
      mayBeNamed: false,
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

/** What all tries of a command share: the ids of its events, and its secret. */
type Attempt = { ids: string[]; secret: PendingSecret | undefined };

/** Errors of an append after which its events are certainly not in the log. */
const NOT_APPENDED = [WrongExpectedRevision, EventTooLarge, InvalidEvent, StoreUnavailable];

/** Whether the same state may be judged otherwise a moment later. */
function mayPass({ status }: ApiError): boolean {
  return status === 429 || status >= 500;
}

function unlessScopesAreMissing(error: unknown): undefined {
  if (!(error instanceof ApiError) || error.code !== 'InsufficientScopes') throw error;
}

type PendingSecret = {
  /** An event that names it may be in the log. */
  mayBeNamed: boolean;
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
