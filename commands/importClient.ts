import type { ClientRow } from '../projections/clients.ts';
import type { ClientCreated, ClientEvent, ImportedClient } from '../schemas/events/clientEvents.ts';
import type { Command } from '../src/command.ts';
import { runToCompletion } from '../src/domain/timeSliced.ts';
import { createClient } from './createClient.ts';

export type ImportClientInput = ClientCreated['data'] & { imported: ImportedClient; disabled: boolean };

/** createClient and disableClient in one append: a client that is disabled in the other deployment never works here. */
export const importClient: Command<ImportClientInput, ClientRow | undefined, ClientEvent> = {
  check: createClient.check,
  authParams: createClient.authParams,
  decide({ disabled, ...input }, client, context) {
    const events: ClientEvent[] = runToCompletion(createClient.decide(input, client, context));
    if (disabled) {
      const { clientId, imported } = input;
      const { lastModified } = imported;
      events.push({ type: 'ClientDisabled', data: { clientId, imported: { lastModified } } });
    }
    return events;
  },
};
