#!/usr/bin/env node
import { Command } from 'commander';
import { handleOutputErrors } from './cli/output.ts';
import { honourNoColor } from './config/honourNoColor.ts';
import { SERVICE_VERSION } from './process/version.ts';

/** A command's file, with all that the command works with, is loaded where it is asked for: that takes most of a start. */
const COMMANDS = new Map<string, () => Promise<Command>>([
  ['serve', async () => (await import('./cli/serve.ts')).serveCommand()],
  ['demo', async () => (await import('./cli/demo.ts')).demoCommand()],
  ['import', async () => (await import('./cli/import.ts')).importCommand()],
  ['export', async () => (await import('./cli/export.ts')).exportCommand()],
  ['history', async () => (await import('./cli/history.ts')).historyCommand()],
  ['explain', async () => (await import('./cli/explain.ts')).explainCommand()],
  ['who-can', async () => (await import('./cli/whoCan.ts')).whoCanCommand()],
  ['show', async () => (await import('./cli/show.ts')).showCommand()],
  ['diff', async () => (await import('./cli/diff.ts')).diffCommand()],
  ['copy', async () => (await import('./cli/copy.ts')).copyCommand()],
  ['projections', async () => (await import('./cli/projections.ts')).projectionsCommand()],
  ['keys', async () => (await import('./cli/keys.ts')).keysCommand()],
  ['root', async () => (await import('./cli/root.ts')).rootCommand()],
  ['publish', async () => (await import('./cli/publish.ts')).publishCommand()],
  ['purge-expired', async () => (await import('./cli/purgeExpired.ts')).purgeExpiredCommand()],
  ['config', async () => (await import('./cli/config.ts')).configCommand()],
]);

const program = new Command('authledger')
  .description(
    'An auth service that speaks the Taskcluster Auth API and whose database is a log.\n' +
      'Settings come from the environment; `authledger config` prints them. Every command works on a DATA_DIR while a\n' +
      'service runs on it.',
  )
  .version(SERVICE_VERSION)
  .showHelpAfterError();

handleOutputErrors();
honourNoColor();
try {
  const asked = COMMANDS.get(process.argv[2] ?? '');
  // The help shows all of them.
  for (const load of asked ? [asked] : COMMANDS.values()) program.addCommand(await load());
  await program.parseAsync();
} catch (error) {
  const { describeFailure } = await import('./cli/failure.ts');
  console.error(describeFailure(error));
  process.exitCode = 1;
}
