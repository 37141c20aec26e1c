import type { CredentialsIssued } from '../../schemas/events/credentialsEvents.ts';
import type { Recorded } from '../../src/event.ts';
import type { TestService } from '../startService.ts';

/** The recorded credentials of a service, oldest first. */
export async function issued(
  { service }: Pick<TestService, 'service'>,
  name: string,
): Promise<Recorded<CredentialsIssued>[]> {
  const { events } = await service.core.eventStore.read(`credentials-${name}`);
  return events as Recorded<CredentialsIssued>[];
}
