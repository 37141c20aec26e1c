import { Command, InvalidArgumentError } from 'commander';
import { acceptRewrittenHistory } from './acceptRewrittenHistory.ts';
import { isLoopback, readConfig } from '../config/config.ts';
import { makeLogger } from '../process/logger.ts';
import { startServer } from './startServer.ts';
import { FileGone } from '../storage/watchFiles.ts';
import { untilSignal } from './untilSignal.ts';
import { welcome } from './welcome.ts';
import { isWorker, serveWithWorkers, runWorker } from './workers.ts';
import { guardedServices } from '../services/guardedServices.ts';

/** The longest reason (characters). */
const MAX_REASON_LENGTH = 1000;

/** `authledger serve`, which `npm start` runs. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('start the service')
    .option(
      '--accept-rewritten-history <reason>',
      'go on with a log that lacks changes, as an older backup of it was restored: it gets a new id, so that the positions that ' +
        'were given before are refused. The reason is logged, and kept in the log',
      parseReason,
    )
    .action(({ acceptRewrittenHistory: reason }: { acceptRewrittenHistory?: string }) => start(reason));
}

async function start(reason: string | undefined): Promise<void> {
  const config = readConfig(guardedServices);
  const log = makeLogger({ level: config.logLevel });
  if (isWorker(config)) return runWorker(config, log);
  if (config.readAccess === undefined && !isLoopback(config.host)) {
    log.warn(
      'anybody who reaches this service can read clients and roles at /v1: READ_ACCESS=guarded asks for scopes there too',
    );
  }
  if (config.allowedHosts === undefined && !isLoopback(config.host)) {
    log.warn(
      'requests that were signed for any host are taken: whoever they were sent to can send them on to this service. ' +
        'ALLOWED_HOSTS names the hosts of this one',
    );
  }
  if (reason !== undefined) await acceptRewrittenHistory(config, { reason, log });
  const serving = await (config.workers > 1 ? serveWithWorkers : startServer)(config, { log });
  log.info({ port: serving.port, rootUrl: serving.rootUrl, dataDir: config.dataDir }, 'serving');
  // To standard error as plain text, so that the log on standard output holds no secret. Output that is not a terminal
  // may be stored.
  const showsToken = process.stderr.isTTY;
  process.stderr.write(welcome(serving.rootUrl, config, { ...serving, showsToken }));
  const ending = await Promise.race([untilSignal(), serving.filesGone]);
  if (ending instanceof FileGone) {
    process.exitCode = 1;
    log.fatal({ file: ending.file }, ending.message);
  } else log.info({ signal: ending }, 'stopping: no further request is taken, those under way are answered');
  await serving.stop();
  log.info('stopped');
}

function parseReason(text: string): string {
  const reason = text.trim();
  if (reason === '' || reason.length > MAX_REASON_LENGTH)
    throw new InvalidArgumentError(`It must say why, in at most ${MAX_REASON_LENGTH} characters.`);
  return reason;
}
