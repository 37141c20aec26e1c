import {
  Metadata,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  status,
} from '@grpc/grpc-js';
import any from 'google-protobuf/google/protobuf/any_pb.js';
import empty from 'google-protobuf/google/protobuf/empty_pb.js';
import shared from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/shared_pb.js';
import statuses from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/status_pb.js';
import v1 from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js';
import errors from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v2/streams/errors_pb.js';
import v2 from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v2/streams/streams_pb.js';
import { type Access, accessDenied, isDenied } from './access.ts';
import {
  type DoubleLog,
  type Expected,
  type Held,
  type Proposed,
  type Write,
  WrongVersion,
} from './doubleLog.ts';

/**
 * Called around each append, before each subscription, and before each event of a forwards read of the log, with the number of those that were sent. If one
 * returns 'silence', the server never replies.
 */
export type Faults = {
  beforeWrite?: (() => 'silence' | void) | undefined;
  beforeReply?: (() => 'silence' | void) | undefined;
  beforeSubscription?: (() => void) | undefined;
  duringLogRead?: ((sent: number) => 'silence' | void) | undefined;
  /** The same for a read of the log backwards, also before each event that its filter leaves out. */
  duringBackwardsRead?: ((sent: number) => 'silence' | void) | undefined;
};

/** What clients called so far, and how many events they were sent by reads of the log and by subscriptions. */
export type Calls = {
  appends: number;
  streamReads: number;
  logReads: number;
  subscriptions: number;
  eventsRead: number;
  eventsFollowed: number;
};

type Appending = {
  log: DoubleLog;
  faults: Faults;
  calls: Calls;
  maxAppendSize: number;
  access?: Access | undefined;
};

class Denied extends Error {}

class TooLarge extends Error {
  readonly limit: number;
  constructor(limit: number) {
    super('too large');
    this.limit = limit;
  }
}

function appendWithFaults(
  { log, faults, calls, maxAppendSize }: Appending,
  writes: Write[],
): Held[] | undefined {
  calls.appends += 1;
  if (faults.beforeWrite?.() === 'silence') return undefined;
  const size = writes
    .flatMap(({ events }) => events)
    .reduce((sum, { data, custom }) => sum + data.length + custom.length, 0);
  if (size > maxAppendSize) throw new TooLarge(maxAppendSize);
  const held = log.append(writes);
  return faults.beforeReply?.() === 'silence' ? undefined : held;
}

/** Appends to one stream each, many in turn over one call, as clients do since 21.10. */
export function makeBatchAppend(appending: Appending) {
  return (call: ServerDuplexStream<v1.BatchAppendReq, v1.BatchAppendResp>): void => {
    const parts = new Map<string, { options: v1.BatchAppendReq.Options; events: Proposed[] }>();
    call.on('data', (request: v1.BatchAppendReq) => {
      const id = request.getCorrelationId()!;
      const part = parts.get(id.getString()) ?? { options: request.getOptions()!, events: [] };
      parts.set(id.getString(), part);
      part.events.push(...request.getProposedMessagesList().map(proposedV1));
      if (!request.getIsFinal()) return;
      parts.delete(id.getString());
      const identifier = part.options.getStreamIdentifier()!;
      const stream = Buffer.from(identifier.getStreamName_asU8()).toString();
      const response = new v1.BatchAppendResp().setCorrelationId(id).setStreamIdentifier(identifier);
      try {
        if (isDenied(appending.access, 'append', call.metadata)) throw new Denied();
        const held = appendWithFaults(appending, [
          { stream, expected: expectedV1(part.options), events: part.events },
        ]);
        if (held) call.write(response.setSuccess(successV1(held.at(-1)!)));
      } catch (error) {
        call.write(response.setError(refusedV1(error)));
      }
    });
    call.on('end', () => call.end());
    call.on('error', () => undefined);
  };
}

function proposedV1(message: v1.BatchAppendReq.ProposedMessage): Proposed {
  return {
    id: message.getId()!.getString(),
    metadata: [...message.getMetadataMap().entries()] as [string, string][],
    custom: message.getCustomMetadata_asU8(),
    data: message.getData_asU8(),
  };
}

function expectedV1(options: v1.BatchAppendReq.Options): Expected {
  if (options.hasNoStream()) return 'no_stream';
  if (options.hasAny()) return 'any';
  return options.hasStreamExists() ? 'stream_exists' : Number(options.getStreamPosition());
}

function successV1({ revision, position }: Held): v1.BatchAppendResp.Success {
  const place = new shared.AllStreamPosition()
    .setCommitPosition(String(position))
    .setPreparePosition(String(position));
  return new v1.BatchAppendResp.Success().setCurrentRevision(String(revision)).setPosition(place);
}

function refusedV1(error: unknown): statuses.Status {
  const details = new any.Any();
  if (error instanceof WrongVersion) {
    const wrong = new shared.WrongExpectedVersion().setExpectedAny(new empty.Empty());
    if (error.current === undefined) wrong.setCurrentNoStream(new empty.Empty());
    else wrong.setCurrentStreamRevision(String(error.current));
    details.pack(wrong.serializeBinary(), 'event_store.client.WrongExpectedVersion');
  } else if (error instanceof TooLarge) {
    const tooLarge = new shared.MaximumAppendSizeExceeded().setMaxappendsize(error.limit);
    details.pack(tooLarge.serializeBinary(), 'event_store.client.MaximumAppendSizeExceeded');
  } else if (error instanceof Denied) {
    details.pack(new shared.AccessDenied().serializeBinary(), 'event_store.client.AccessDenied');
  } else throw error;
  return new statuses.Status().setMessage('refused').setDetails(details);
}

/** An append to several streams at once, which servers have since 25.1. */
export function makeAppendSession(appending: Appending) {
  return (
    call: ServerReadableStream<v2.AppendRequest, v2.AppendSessionResponse>,
    reply: sendUnaryData<v2.AppendSessionResponse>,
  ): void => {
    const writes: Write[] = [];
    const names = new Set<string>();
    call.on('data', (request: v2.AppendRequest) => {
      names.add(request.getStream().toLowerCase());
      const events = request.getRecordsList().map(proposedV2);
      writes.push({ stream: request.getStream(), expected: expectedV2(request), events });
    });
    call.on('error', () => undefined);
    call.on('end', () => {
      try {
        if (names.size < writes.length)
          return reply({
            code: status.ABORTED,
            details: 'a stream may appear only once in an append session',
          });
        if (isDenied(appending.access, 'append', call.metadata)) return reply(accessDenied());
        const held = appendWithFaults(appending, writes);
        if (!held) return;
        const outputs = writes.map(({ stream }) =>
          new v2.AppendResponse()
            .setStream(stream)
            .setStreamRevision(String(held.findLast((event) => event.stream === stream)!.revision)),
        );
        const position = held.reduce((last, event) => (event.position > last ? event.position : last), 0n);
        reply(null, new v2.AppendSessionResponse().setOutputList(outputs).setPosition(String(position)));
      } catch (error) {
        reply(refusedV2(error, writes));
      }
    });
  };
}

function proposedV2(record: v2.AppendRecord): Proposed {
  const properties = [...record.getPropertiesMap().entries()] as [string, { getStringValue(): string }][];
  const custom = Object.fromEntries(properties.map(([key, value]) => [key, value.getStringValue()]));
  return {
    id: record.getRecordId()!,
    metadata: [
      ['type', record.getSchema()!.getName()],
      ['content-type', 'application/json'],
    ],
    custom: Buffer.from(JSON.stringify(custom)),
    data: record.getData_asU8(),
  };
}

function expectedV2(request: v2.AppendRequest): Expected {
  const expected = Number(request.getExpectedRevision());
  if (expected >= 0) return expected;
  return expected === -1 ? 'no_stream' : expected === -2 ? 'any' : 'stream_exists';
}

function refusedV2(error: unknown, writes: Write[]) {
  if (error instanceof TooLarge) {
    const details = new errors.AppendTransactionSizeExceededErrorDetails().setMaxSize(error.limit);
    return withDetails(
      status.ABORTED,
      'AppendTransactionSizeExceededErrorDetails',
      details.serializeBinary(),
    );
  }
  if (!(error instanceof WrongVersion)) throw error;
  if (error.stream === undefined) return { code: status.INTERNAL, details: 'index out of range' };
  const expected = writes.find(({ stream }) => stream === error.stream)!.expected;
  const details = new errors.StreamRevisionConflictErrorDetails()
    .setStream(error.stream)
    .setExpectedRevision(String(expected === 'no_stream' ? -1 : expected))
    .setActualRevision(String(error.current ?? -1));
  return withDetails(
    status.FAILED_PRECONDITION,
    'StreamRevisionConflictErrorDetails',
    details.serializeBinary(),
  );
}

function withDetails(code: status, type: string, value: Uint8Array) {
  const details = new any.Any();
  details.pack(value, `kurrentdb.protocol.v2.streams.errors.${type}`);
  const metadata = new Metadata();
  const packed = new statuses.Status().setMessage('refused').setDetails(details);
  metadata.set('grpc-status-details-bin', Buffer.from(packed.serializeBinary()));
  return { code, details: 'refused', metadata };
}
