import { INTERNAL_PREFIX, STATIC_PREFIX } from '../../schemas/constants.ts';
import type { ClientSettings } from '../../schemas/events/clientEvents.ts';
import type { Position } from '../event.ts';
import { ApiError, refuseMissing } from './errors.ts';
import { sameList } from './sameList.ts';

/** The expiration date of static clients, which only the configuration removes. */
export const STATIC_EXPIRES = '3000-01-01T00:00:00.000Z';

/** Whether the client is managed by the configuration, not by the API. */
export function isStatic(clientId: string): boolean {
  return clientId.startsWith(STATIC_PREFIX);
}

/** Whether the clientId names a part of this service. Such a client can neither authenticate nor be configured. */
export function isInternal(clientId: string): boolean {
  return clientId.startsWith(INTERNAL_PREFIX);
}

/** Throws InputError for a client that only the configuration may change. */
export function refuseStatic(clientId: string): void {
  if (!isStatic(clientId)) return;
  throw new ApiError(
    'InputError',
    `clientId "${clientId}" starts with "${STATIC_PREFIX}", which is reserved for clients from this service's ` +
      'configuration (STATIC_CLIENTS): ask its administrator to change them',
    { clientId },
  );
}

/** Throws InputError for scopes that end in two stars, which are ambiguous. */
export function refuseDoubleStars(scopes: readonly string[] = []): void {
  const scope = scopes.find((each) => each.endsWith('**'));
  if (scope !== undefined) throw new ApiError('InputError', 'scopes must not end with `**`', { scope });
}

/** The stored client. Throws ResourceNotFound if there is none, or was none at a past position. */
export function existingClient<Row>(row: Row | undefined, clientId: string, position?: Position): Row {
  return row ?? refuseMissing(`client ${clientId}`, { clientId, position });
}

type SettingsToCompare = Omit<ClientSettings, 'scopes'> & Partial<Pick<ClientSettings, 'scopes'>>;

/** Whether a client already has these settings. Omitted scopes count as equal. Both dates must be in toJSON form. */
export function hasSettings(
  client: ClientSettings,
  { description, expires, deleteOnExpiration, scopes = client.scopes }: SettingsToCompare,
): boolean {
  return (
    description === client.description &&
    expires === client.expires &&
    deleteOnExpiration === client.deleteOnExpiration &&
    sameList(scopes, client.scopes)
  );
}

/** Whether a client has expired. At the exact time of `expires` it is still valid. */
export function isExpired({ expires }: { expires: string }, now: Date): boolean {
  return new Date(expires) < now;
}
