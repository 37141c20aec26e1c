import { once } from 'node:events';
import type { ServerWritableStream } from '@grpc/grpc-js';
import timestamps from 'google-protobuf/google/protobuf/timestamp_pb.js';
import shared from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/shared_pb.js';
import v1 from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js';
import type { Calls, Faults } from './appending.ts';
import type { DoubleLog, Held } from './doubleLog.ts';

/** Events that a server looks at in one go, and so the least between two checkpoints, where a client sets no other window. */
const WINDOW = 32;
const UNKNOWN = String(2n ** 64n - 1n);

type Call = ServerWritableStream<v1.ReadReq, v1.ReadResp>;
type Reading = { log: DoubleLog; faults: Faults; calls: Calls; positionsInStreams: boolean };

/** Reads a stream or the log in either direction, or follows the log; with a filter on the names of streams or without. */
export function makeRead(reading: Reading) {
  return (call: Call): void => {
    call.on('error', () => undefined);
    const options = call.request.getOptions()!;
    const answering = options.hasSubscription() ? follow(reading, call) : readOnce(reading, call);
    answering.catch((error: Error) => call.destroy(error));
  };
}

async function readOnce({ log, faults, calls, positionsInStreams }: Reading, call: Call): Promise<void> {
  const options = call.request.getOptions()!;
  const isForwards = options.getReadDirection() === v1.ReadReq.Options.ReadDirection.FORWARDS;
  const matches = matcherOf(options);
  const stream = options.getStream();
  calls[stream ? 'streamReads' : 'logReads'] += 1;
  const events = stream ? streamOf(log, stream) : log.events;
  if (stream && events.length === 0) {
    const notFound = new v1.ReadResp.StreamNotFound().setStreamIdentifier(stream.getStreamIdentifier());
    call.write(new v1.ReadResp().setStreamNotFound(notFound));
    return void call.end();
  }
  const start = stream
    ? startInStream(stream, events.length)
    : startInAll(log, options.getAll()!, isForwards);
  let left = BigInt(options.getCount());
  let sent = 0;
  for (let i = start; events[i] && !call.cancelled; i += isForwards ? 1 : -1) {
    if (!stream && !isForwards && faults.duringBackwardsRead?.(sent) === 'silence')
      return once(call, 'cancelled').then(() => undefined);
    if (!matches(events[i]!)) continue;
    // As a server does, which searches for one more event than was asked for before it ends the read.
    if (left === 0n) break;
    left -= 1n;
    if (!stream && isForwards && faults.duringLogRead?.(sent) === 'silence')
      return once(call, 'cancelled').then(() => undefined);
    sent += 1;
    if (!stream) calls.eventsRead += 1;
    await send(call, new v1.ReadResp().setEvent(eventOf(events[i]!, !stream || positionsInStreams)));
  }
  call.end();
}

function streamOf(log: DoubleLog, options: v1.ReadReq.Options.StreamOptions): readonly Held[] {
  return log.streamOf(Buffer.from(options.getStreamIdentifier()!.getStreamName_asU8()).toString());
}

function startInStream(options: v1.ReadReq.Options.StreamOptions, length: number): number {
  if (options.hasRevision()) return Number(options.getRevision());
  return options.hasStart() ? 0 : length - 1;
}

/** Forwards a position is where to begin; backwards it lies after the first event that is read. */
function startInAll(log: DoubleLog, options: v1.ReadReq.Options.AllOptions, isForwards: boolean): number {
  if (options.hasPosition()) {
    const count = log.countBefore(BigInt(options.getPosition()!.getCommitPosition()));
    return isForwards ? count : count - 1;
  }
  return options.hasStart() ? 0 : log.events.length - 1;
}

/** First what is there, with checkpoints; then, once caught up, what comes. A position is the one after which to begin. */
async function follow({ log, faults, calls }: Reading, call: Call): Promise<void> {
  calls.subscriptions += 1;
  faults.beforeSubscription?.();
  const options = call.request.getOptions()!;
  const matches = matcherOf(options);
  const filter = options.getFilter();
  const interval = filter
    ? (filter.hasMax() ? filter.getMax() : WINDOW) * filter.getCheckpointintervalmultiplier()
    : Infinity;
  const from = options.getAll()!;
  let next = from.hasPosition()
    ? log.countBefore(BigInt(from.getPosition()!.getCommitPosition()) + 1n)
    : from.hasEnd()
      ? log.events.length
      : 0;
  let considered = 0;
  let isLive = false;
  let wake = (): void => undefined;
  const cancelled = once(call, 'cancelled').then(() => wake());
  const forget = log.onAppend(() => wake());
  const checkpoint = (): Promise<void> => {
    considered = 0;
    const position = String(log.events[next - 1]!.position);
    const reached = new v1.ReadResp.Checkpoint().setCommitPosition(position).setPreparePosition(position);
    return send(call, new v1.ReadResp().setCheckpoint(reached));
  };
  await send(
    call,
    new v1.ReadResp().setConfirmation(new v1.ReadResp.SubscriptionConfirmation().setSubscriptionId('double')),
  );
  while (!call.cancelled) {
    for (; next < log.events.length && !call.cancelled; considered += 1) {
      const event = log.events[next]!;
      next += 1;
      if (matches(event)) {
        calls.eventsFollowed += 1;
        await send(call, new v1.ReadResp().setEvent(eventOf(event, true)));
      }
      if (considered + 1 >= interval) await checkpoint();
    }
    if (next < log.events.length) continue;
    const more = new Promise<void>((resolve) => (wake = resolve));
    if (!isLive) {
      if (filter && next > 0) await checkpoint();
      const now = new timestamps.Timestamp();
      now.fromDate(new Date());
      await send(call, new v1.ReadResp().setCaughtUp(new v1.ReadResp.CaughtUp().setTimestamp(now)));
      isLive = true;
    }
    if (next === log.events.length && !call.cancelled) await more;
  }
  forget();
  await cancelled;
}

function matcherOf(options: v1.ReadReq.Options): (event: Held) => boolean {
  const prefixes = options.getFilter()?.getStreamIdentifier()?.getPrefixList();
  return ({ stream }) => prefixes === undefined || prefixes.some((prefix) => stream.startsWith(prefix));
}

/** Waits for a slow reader, as a server does. */
async function send(call: Call, response: v1.ReadResp): Promise<void> {
  if (call.cancelled || call.write(response)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      for (const name of ['drain', 'cancelled']) call.off(name, done);
      resolve();
    };
    for (const name of ['drain', 'cancelled']) call.on(name, done);
  });
}

function eventOf(event: Held, hasPosition: boolean): v1.ReadResp.ReadEvent {
  const position = hasPosition ? String(event.position) : UNKNOWN;
  const recorded = new v1.ReadResp.ReadEvent.RecordedEvent()
    .setId(new shared.UUID().setString(event.id))
    .setStreamIdentifier(
      new shared.StreamIdentifier().setStreamName(Buffer.from(event.stream).toString('base64')),
    )
    .setStreamRevision(String(event.revision))
    .setCommitPosition(position)
    .setPreparePosition(position)
    .setCustomMetadata(event.custom)
    .setData(event.data);
  for (const [key, value] of [...event.metadata, ['created', '17000000000000000'] as const])
    recorded.getMetadataMap().set(key, value);
  const read = new v1.ReadResp.ReadEvent().setEvent(recorded);
  return hasPosition ? read.setCommitPosition(position) : read.setNoPosition(new shared.Empty());
}
