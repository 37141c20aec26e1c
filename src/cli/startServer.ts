import type { Logger } from 'pino';
import { makeTrustProxy } from '../http/requestOrigin.ts';
import { listen } from '../http/httpServer.ts';
import { makeListener } from '../http/listener.ts';
import { makeCountRequest } from '../http/rateLimits.ts';
import { makePipeline } from '../http/pipeline.ts';
import { makeSignatureRules } from '../authentication/signatureRules.ts';
import { openNonces, type Service, startService, type Stores } from '../compose.ts';
import { bodySchemas } from '../api/documents/bodySchemas.ts';
import { makeDocuments } from '../api/documents/documents.ts';
import { type Config, DEFAULT_PREFIX } from '../config/config.ts';
import { makeValidator } from '../http/validator.ts';
import { deleteOrphanedSecrets } from '../jobs/deleteOrphanedSecrets.ts';
import { type Job, schedule } from '../process/schedule.ts';
import { purgeExpired } from '../jobs/purgeExpired.ts';
import { type PurgeGap, watchPurgeGap } from '../jobs/purgeGap.ts';
import { startWithRepair } from '../storage/storeDamage.ts';
import { type Administrator, synchronizeStaticClients } from '../staticClients/staticClients.ts';
import type { FileGone } from '../storage/watchFiles.ts';

const MINUTE = 60_000;

/** A service that listens for requests. */
export type RunningServer = Administrator & {
  /** The port that it listens on. */
  port: number;
  rootUrl: string;
  service: Service;
  /** Resolves once a file of its stores was removed or replaced. From then on it answers 503 and must be stopped. */
  filesGone: Promise<FileGone>;
  /** Accepts no further request, answers those in flight, then flushes and closes everything. */
  stop(): Promise<void>;
};

/**
 * Starts the whole service. `prepared` means that another process has called `prepare()`, so that the files exist.
 * For tests, `checkReplies` checks every reply against its schema, and `stores` replace the configured ones.
 */
export async function startServer(
  config: Config,
  {
    log,
    prepared = false,
    checkReplies = false,
    stores,
  }: { log: Logger; prepared?: boolean; checkReplies?: boolean; stores?: Stores },
): Promise<RunningServer> {
  const isFirst = !prepared && !stores;
  const service = await (isFirst
    ? startRepairing(config, log)
    : startService(config, log, { stores, mustExist: prepared }));
  const nonces = config.replayProtection ? openNonces(config) : undefined;
  try {
    const administrator = prepared ? {} : await prepareClients(service, config);
    const purgeGap = watchPurgeGap(
      { ...service.core, readStore: service.stores.readStore },
      config.purgeMaxGap,
    );
    const { server, port, bodies, drain } = await listen(config, log);
    const rootUrl = rootUrlAt(config, port);
    const pipeline = makePipeline({
      ...service.answering,
      intake: {
        maxBodyBytes: config.maxBodyBytes,
        bodies,
        countRequest: makeCountRequest(config.rateLimits, {
          isTrusted: makeTrustProxy(config.trustedAddresses),
        }),
      },
      access: {
        readAccess: config.readAccess,
        trustProxy: makeTrustProxy(config.trustProxy),
        signatureRules: makeSignatureRules({
          allowedHosts: config.allowedHosts,
          requirePayloadHash: config.requirePayloadHash,
          nonces,
          maxNonces: config.maxNoncesPerClient,
          diskReserve: service.diskReserve,
        }),
      },
      checks: { validator: makeValidator(bodySchemas), checkReplies },
    });
    const documents = makeDocuments(
      { endpoints: service.answering.endpoints, schemas: bodySchemas },
      {
        rootUrl,
        topicPrefix: config.kafka?.topicPrefix ?? DEFAULT_PREFIX,
      },
    );
    const { allowedCorsOrigin } = config;
    server.on('request', makeListener(pipeline, { allowedCorsOrigin, documents }));
    const publisher = await service.publisher?.start();
    const stopJobs = schedule(jobsOf(service, purgeGap), { isLeader: service.core.projector.isWriter, log });
    return {
      port,
      rootUrl,
      ...administrator,
      service,
      filesGone: nonces ? Promise.race([service.stores.filesGone, nonces.gone]) : service.stores.filesGone,
      async stop() {
        await drain();
        await stopJobs();
        await publisher?.stop();
        await nonces?.close();
        await service.close();
      },
    };
  } catch (error) {
    await nonces?.close();
    await service.close();
    throw error;
  }
}

function jobsOf({ core, jobs }: Service, purgeGap: PurgeGap): Job[] {
  return [
    {
      name: 'purge-expired',
      every: 15 * MINUTE,
      run: async (signal) => ((await purgeGap.isPaused()) ? 0 : purgeExpired(core, { signal })),
    },
    {
      name: 'destroy-unreferenced-secrets',
      every: 60 * MINUTE,
      run: (signal) => deleteOrphanedSecrets(core, { signal }),
    },
    ...jobs,
  ];
}

/** Does the work of a start that is done once, however many processes serve. */
export async function prepare(config: Config, log: Logger): Promise<Administrator> {
  const service = await startRepairing(config, log);
  try {
    return await prepareClients(service, config);
  } finally {
    await service.close();
  }
}

/**
 * Starts the service, and moves a damaged file of read models aside. Of several processes, only the first one may do
 * so.
 */
function startRepairing(config: Config, log: Logger): Promise<Service> {
  return startWithRepair({ dataDir: config.dataDir, log }, () => startService(config, log));
}

async function prepareClients(
  service: Service,
  { staticClients: configured, dataDir, purgeMaxGap }: Config,
): Promise<Administrator> {
  // First: the clock is compared with the newest event, and this start may append one.
  await watchPurgeGap({ ...service.core, readStore: service.stores.readStore }, purgeMaxGap).pausedSince();
  return synchronizeStaticClients(service.core, { configured, dataDir });
}

/** The root URL for callers of a service that listens on this port. */
export function rootUrlAt({ rootUrl, host }: Config, port: number): string {
  return rootUrl ?? `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
