import type { Logger } from 'pino';
import { trustFunction } from '../http/forwarded.ts';
import { listen } from '../http/httpServer.ts';
import { makeListener } from '../http/listener.ts';
import { makeCountRequest } from '../http/rateLimits.ts';
import { makePipeline } from '../http/pipeline.ts';
import { makeSignatureRules } from '../authentication/signatureRules.ts';
import { openNonces, type Service, startService, type Stores } from '../compose.ts';
import { bodySchemas } from '../api/documents/bodySchemas.ts';
import { makeDocuments } from '../api/documents/documents.ts';
import { type Config, DEFAULT_PREFIX } from '../config/config.ts';
import { makeValidator } from '../http/validate.ts';
import { deleteOrphanedSecrets } from '../jobs/deleteOrphanedSecrets.ts';
import { schedule } from '../process/schedule.ts';
import { purgeExpired } from '../jobs/purgeExpired.ts';
import { watchPurgeGap } from '../jobs/purgeGap.ts';
import { startRepairingReadModels } from '../storage/storeDamage.ts';
import { type Administrator, synchroniseStaticClients } from '../staticClients/staticClients.ts';
import type { FileGone } from '../storage/watchFiles.ts';

const MINUTE = 60_000;

/** A service that answers. */
export type RunningServer = Administrator & {
  /** Where it listens. */
  port: number;
  rootUrl: string;
  service: Service;
  /** Resolves once a file of its stores was removed or replaced: it answers 503 from then on, and is to be stopped. */
  filesGone: Promise<FileGone>;
  /** Takes no further request, answers those under way, then writes and closes everything. */
  stop(): Promise<void>;
};

/**
 * Starts the whole service; where it is `prepared`, what a start does once is done already, and its files are there.
 * For tests, `checkReplies` checks every reply against its schema, and `stores` are used in the place of the configured ones.
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
    ? startFirst(config, log)
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
    server.on(
      'request',
      makeListener(
        makePipeline({
          ...service.answering,
          intake: {
            maxBodyBytes: config.maxBodyBytes,
            bodies,
            countRequest: makeCountRequest(config.rateLimits, {
              isTrusted: trustFunction(config.trustedAddresses),
            }),
          },
          access: {
            readAccess: config.readAccess,
            trustProxy: trustFunction(config.trustProxy),
            signatureRules: makeSignatureRules({
              allowedHosts: config.allowedHosts,
              requirePayloadHash: config.requirePayloadHash,
              nonces,
              mostNonces: config.maxNoncesPerClient,
              diskReserve: service.diskReserve,
            }),
          },
          checks: { validator: makeValidator(bodySchemas), checkReplies },
        }),
        {
          allowedCorsOrigin: config.allowedCorsOrigin,
          documents: makeDocuments(service.answering.endpoints, {
            rootUrl,
            topicPrefix: config.kafka?.topicPrefix ?? DEFAULT_PREFIX,
          }),
        },
      ),
    );
    const stopJobs = schedule(
      [
        {
          name: 'purge-expired',
          every: 15 * MINUTE,
          run: async (signal) => ((await purgeGap.waits()) ? 0 : purgeExpired(service.core, { signal })),
        },
        {
          name: 'destroy-unreferenced-secrets',
          every: 60 * MINUTE,
          run: (signal) => deleteOrphanedSecrets(service.core, { signal }),
        },
        ...service.jobs,
      ],
      { isLeader: service.core.projector.writes, log },
    );
    const publisher = service.publisher?.start();
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

/** What a start does once, however many processes serve then. */
export async function prepare(config: Config, log: Logger): Promise<Administrator> {
  const service = await startFirst(config, log);
  try {
    return await prepareClients(service, config);
  } finally {
    await service.close();
  }
}

/** Of several processes that serve together, the first one alone: it may put a file aside. */
function startFirst(config: Config, log: Logger): Promise<Service> {
  return startRepairingReadModels({ dataDir: config.dataDir, log }, () => startService(config, log));
}

async function prepareClients(
  service: Service,
  { staticClients: configured, dataDir, purgeMaxGap }: Config,
): Promise<Administrator> {
  // Before this start changes something: with the clock that it has, that would look like a new change.
  await watchPurgeGap({ ...service.core, readStore: service.stores.readStore }, purgeMaxGap).waitsSince();
  return synchroniseStaticClients(service.core, { configured, dataDir });
}

/** The address that callers use, of a service that listens at this port. */
export function rootUrlAt({ rootUrl, host }: Config, port: number): string {
  return rootUrl ?? `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
