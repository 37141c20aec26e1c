import type { Logger } from 'pino';
import { trustFunction } from './api/forwarded.ts';
import { listen } from './api/httpServer.ts';
import { makeListener } from './api/listener.ts';
import { makeCountRequest } from './api/rateLimits.ts';
import { makeServe } from './api/serve.ts';
import { makeSignatureRules } from './api/signatureRules.ts';
import { openNonces, type Service, startService, type Stores } from './compose.ts';
import type { Config } from './config.ts';
import { destroyUnreferenced } from './destroyUnreferenced.ts';
import { startJobs } from './jobs.ts';
import { purgeExpired } from './purgeExpired.ts';
import { watchPurgeGap } from './purgeGap.ts';
import { startedOnSoundReadModels } from './storeDamage.ts';
import { type Administrator, synchroniseStaticClients } from './staticClients.ts';
import type { FileGone } from './watchFiles.ts';

const MINUTE = 60_000;

/** A service that answers. */
export type Serving = Administrator & {
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
export async function serve(
  config: Config,
  {
    log,
    prepared = false,
    checkReplies = false,
    stores,
  }: { log: Logger; prepared?: boolean; checkReplies?: boolean; stores?: Stores },
): Promise<Serving> {
  const isFirst = !prepared && !stores;
  const service = await (isFirst
    ? startFirst(config, log)
    : startService(config, log, { stores, mustExist: prepared }));
  const nonces = config.replayProtection ? openNonces(config) : undefined;
  try {
    const administrator = prepared ? {} : await prepareClients(service, config);
    const purgeGap = watchPurgeGap(service, config.purgeMaxGap);
    const { server, port, bodies, drain } = await listen(config, log);
    const rootUrl = rootUrlAt(config, port);
    server.on(
      'request',
      makeListener(
        makeServe({
          ...service,
          log,
          readAccess: config.readAccess,
          trustProxy: trustFunction(config.trustProxy),
          maxBodyBytes: config.maxBodyBytes,
          bodies,
          countRequest: makeCountRequest(config.rateLimits, {
            isTrusted: trustFunction(config.trustedAddresses),
          }),
          signatureRules: makeSignatureRules({
            allowedHosts: config.allowedHosts,
            requirePayloadHash: config.requirePayloadHash,
            nonces,
            mostNonces: config.maxNoncesPerClient,
            diskReserve: service.diskReserve,
          }),
          checkReplies,
        }),
        { endpoints: service.endpoints, config: { ...config, rootUrl } },
      ),
    );
    const stopJobs = startJobs(
      [
        {
          name: 'purge-expired',
          every: 15 * MINUTE,
          run: async (signal) => ((await purgeGap.waits()) ? 0 : purgeExpired(service, { signal })),
        },
        {
          name: 'destroy-unreferenced-secrets',
          every: 60 * MINUTE,
          run: (signal) => destroyUnreferenced(service, { signal }),
        },
        ...service.jobs,
      ],
      { isOurs: service.projector.writes, log },
    );
    const publisher = await service.publisher?.start();
    return {
      port,
      rootUrl,
      ...administrator,
      service,
      filesGone: nonces ? Promise.race([service.filesGone, nonces.gone]) : service.filesGone,
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
  return startedOnSoundReadModels({ dataDir: config.dataDir, log }, () => startService(config, log));
}

async function prepareClients(
  service: Service,
  { staticClients: configured, dataDir, purgeMaxGap }: Config,
): Promise<Administrator> {
  // Before this start changes something: with the clock that it has, that would look like a new change.
  await watchPurgeGap(service, purgeMaxGap).waitsSince();
  return synchroniseStaticClients(service, { configured, dataDir });
}

/** The address that callers use, of a service that listens at this port. */
export function rootUrlAt({ rootUrl, host }: Config, port: number): string {
  return rootUrl ?? `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
