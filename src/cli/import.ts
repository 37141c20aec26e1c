import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { type Entries, readEntries } from '../transfer/importEntries.ts';
import { importOrder } from '../transfer/importOrder.ts';
import { type ImportParts, planClient, planRole, type Step } from '../transfer/importPlan.ts';
import { progressBar } from './progress.ts';
import { withService } from './withService.ts';

/** Clients that are imported concurrently, so that their events share commits. */
const CONCURRENCY = 64;

/** `authledger import`. */
export function importCommand(): Command {
  return new Command('import')
    .description(
      'take over roles and clients from Taskcluster exports; running it again changes nothing that is so already',
    )
    .argument('<file...>', 'roles or clients in JSON, as listRoles, listRoles2 and listClients give them')
    .option('--dry-run', 'only say what would happen')
    .action(async (files: string[], { dryRun = false }: { dryRun?: boolean }) => {
      const entries = readEntries(
        files.map((name) => ({ name, content: readFileSync(name) })),
        new Date(),
      );
      const done = await withService(async ({ core }) => {
        const { ordered, problems } = importOrder(core.projector.roleGraph, entries.roles);
        const all = [...entries.problems, ...problems];
        if (all.length > 0) return refuse(all);
        return importAll(core, { entries: { ...entries, roles: ordered }, dryRun });
      });
      if (done) console.log(report(done, { entries, dryRun }));
    });
}

function refuse(problems: string[]): undefined {
  const shown = problems.slice(0, 20);
  if (problems.length > shown.length) shown.push(`… and ${problems.length - shown.length} more`);
  console.error(`authledger: nothing was imported, as these entries cannot be:\n  ${shown.join('\n  ')}`);
  process.exitCode = 1;
  return undefined;
}

type Counts = Record<'role' | 'client', Record<Step['action'], number>>;

async function importAll(
  parts: ImportParts,
  { entries, dryRun }: { entries: Entries; dryRun: boolean },
): Promise<Counts> {
  const counts: Counts = {
    role: { create: 0, update: 0, unchanged: 0 },
    client: { create: 0, update: 0, unchanged: 0 },
  };
  const bar = progressBar('importing', entries.roles.length + entries.clients.length);
  let finished = 0;
  async function apply(kind: 'role' | 'client', step: Step): Promise<void> {
    if (dryRun && step.action !== 'unchanged') console.log(`would ${step.action} ${step.what}`);
    if (step.note !== undefined) console.error(`${step.what} ${step.note}`);
    if (!dryRun) await step.run?.();
    counts[kind][step.action] += 1;
    bar.update((finished += 1));
  }
  try {
    for (const entry of entries.roles) await apply('role', planRole(parts, entry));
    const waiting = [...entries.clients];
    const worker = async (): Promise<void> => {
      for (let entry = waiting.shift(); entry; entry = waiting.shift())
        await apply('client', await planClient(parts, entry));
    };
    // After a failure no further client is started, and those in flight finish before the stores are closed.
    const workers = Array.from({ length: CONCURRENCY }, () => worker().finally(() => (waiting.length = 0)));
    await Promise.allSettled(workers);
    await Promise.all(workers);
  } catch (error) {
    bar.stop();
    console.error(
      `authledger: what was imported until now stays (${finished} entries): run it again, and it goes on`,
    );
    throw error;
  } finally {
    bar.stop();
  }
  return counts;
}

function report(
  { role, client }: Counts,
  { entries, dryRun }: { entries: Entries; dryRun: boolean },
): string {
  const changed = role.create + role.update + client.create + client.update;
  const [created, updated] = dryRun ? ['to create', 'to update'] : ['created', 'updated'];
  const line = (name: string, { create, update, unchanged }: Counts['role']): string =>
    `${name}: ${create} ${created}, ${update} ${updated}, ${unchanged} unchanged`;
  return [
    line('roles', role),
    line('clients', client),
    ...(entries.skippedStatic > 0
      ? [`static clients skipped, as they belong to configuration: ${entries.skippedStatic}`]
      : []),
    ...(changed === 0 ? ['nothing to change: everything is so already'] : []),
  ].join('\n');
}
