import { randomUUID } from 'node:crypto';
import { Server, ServerCredentials, type sendUnaryData } from '@grpc/grpc-js';
import featuresService from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/serverfeatures_grpc_pb.js';
import features from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/serverfeatures_pb.js';
import gossipService from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/gossip_grpc_pb.js';
import gossip from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/gossip_pb.js';
import shared from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/shared_pb.js';
import streamsService from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_grpc_pb.js';
import streamsV2Service from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v2/streams/streams_grpc_pb.js';
import { type Access, checkAccess } from './access.ts';
import { type Calls, type Faults, makeAppendSession, makeBatchAppend } from './appending.ts';
import { DoubleLog } from './doubleLog.ts';
import { makeRead } from './reading.ts';

const { StreamsService } = streamsService;
const { StreamsServiceService } = streamsV2Service;

/** What kind of server it is; of the newest kind where nothing is said. */
export type DoubleOptions = {
  port?: number;
  /** Since 25.1. */
  multiStreamAppend?: boolean;
  /** Whether a stream's events are read with their position in the log; since 22.6. */
  positionsInStreams?: boolean;
  /** The most bytes of data and metadata in one append; by default what servers before 25.1 take. */
  maxAppendSize?: number;
  /** Who may use it; everybody when left out. Clients show a user over TLS only. */
  access?: Access;
  /** The key and the certificate for TLS, with that of the authority; without TLS when left out. */
  tls?: { key: Buffer; cert: Buffer };
  /** Where clients who ask for the members of the cluster are sent; here when left out. */
  leaderPort?: number;
};
export type KurrentDouble = Awaited<ReturnType<typeof startKurrentDouble>>;

/**
 * A stand-in for a KurrentDB server of one node on loopback, for what this project asks of one. It keeps its log in memory
 * and answers as the server's published source does; `faults` make it fail, `calls` count what it was asked for.
 */
export async function startKurrentDouble(options: DoubleOptions = {}) {
  const { multiStreamAppend = true, positionsInStreams = true, maxAppendSize = 1024 * 1024 } = options;
  const { access, tls } = options;
  const log = new DoubleLog();
  const faults: Faults = {};
  const calls: Calls = {
    appends: 0,
    streamReads: 0,
    logReads: 0,
    subscriptions: 0,
    eventsRead: 0,
    eventsFollowed: 0,
  };
  const appending = { log, faults, calls, maxAppendSize, access };
  const server = new Server({
    'grpc.max_receive_message_length': 17 * 1024 * 1024,
    ...(access && { interceptors: [checkAccess(access)] }),
  });
  let port = options.port ?? 0;
  const methods: { path: string }[] = [StreamsService.read, StreamsService.batchAppend];
  if (multiStreamAppend) methods.push(StreamsServiceService.appendSession);
  server.addService(StreamsService, {
    read: makeRead({ log, faults, calls, positionsInStreams }),
    batchAppend: makeBatchAppend(appending),
  });
  if (multiStreamAppend)
    server.addService(StreamsServiceService, { appendSession: makeAppendSession(appending) });
  server.addService(featuresService.ServerFeaturesService, {
    getSupportedMethods: (_: unknown, reply: sendUnaryData<features.SupportedMethods>) =>
      reply(null, supportedMethods(methods, multiStreamAppend ? '25.1.0' : '24.10.0')),
  });
  server.addService(gossipService.GossipService, {
    read: (_: unknown, reply: sendUnaryData<gossip.ClusterInfo>) =>
      reply(null, clusterOf(options.leaderPort ?? port)),
  });
  const credentials = tls
    ? ServerCredentials.createSsl(null, [{ private_key: tls.key, cert_chain: tls.cert }])
    : ServerCredentials.createInsecure();
  port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return { port, log, faults, calls, close: () => server.forceShutdown() };
}

function supportedMethods(methods: { path: string }[], version: string): features.SupportedMethods {
  const supported = methods.map(({ path }) => {
    const [, service, method] = path.split('/') as [string, string, string];
    return new features.SupportedMethod()
      .setServiceName(service.toLowerCase())
      .setMethodName(method.toLowerCase())
      .setFeaturesList([]);
  });
  return new features.SupportedMethods().setMethodsList(supported).setEventStoreServerVersion(version);
}

function clusterOf(port: number): gossip.ClusterInfo {
  const leader = new gossip.MemberInfo()
    .setInstanceId(new shared.UUID().setString(randomUUID()))
    .setTimeStamp('0')
    .setState(gossip.MemberInfo.VNodeState.LEADER)
    .setIsAlive(true)
    .setHttpEndPoint(new gossip.EndPoint().setAddress('127.0.0.1').setPort(port));
  return new gossip.ClusterInfo().setMembersList([leader]);
}
