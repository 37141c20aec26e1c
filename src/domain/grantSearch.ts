import type { ClientEvent } from '../../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../../schemas/events/roleEvents.ts';
import type { Position, Recorded } from '../event.ts';
import { scopesAfter } from './changes.ts';

/** The event that added a grant, as explanations name it. */
export type GrantSource = {
  position: Position;
  at: string;
  actor: string;
  issuer?: string;
  requestId: string;
  reason?: string;
};

/** An event of a client or role, of any stream. */
type GrantEvent = Pick<Recorded<ClientEvent | RoleEvent>, 'type' | 'data' | 'position' | 'metadata'>;

/**
 * The search for the events that added some of a client's or role's own scopes: looks at its events, newest first, until
 * each scope was absent before. A scope that was taken away and added again is from the later event, as is every scope of
 * what was deleted and created again.
 */
export class GrantSearch {
  /** The scopes whose beginning is not reached. */
  #open: Set<string>;
  #earliest = new Map<string, GrantEvent>();

  constructor(scopes: Iterable<string>) {
    this.#open = new Set(scopes);
  }

  /** Whether earlier events make no difference. */
  get isDone(): boolean {
    return this.#open.size === 0;
  }

  /** Looks at the event before the last one that was looked at. */
  lookAt(event: GrantEvent): void {
    const scopes = scopesAfter(event);
    if (!scopes) return;
    const present = new Set(scopes);
    for (const scope of this.#open) {
      if (present.has(scope)) this.#earliest.set(scope, event);
      else this.#open.delete(scope);
    }
    if (event.type === 'ClientCreated' || event.type === 'RoleCreated') this.#open.clear();
  }

  /** The sources that were found, by scope. Before the search is done, they may be too late. */
  sources(): Map<string, GrantSource> {
    const found = [...this.#earliest].filter(([scope]) => !this.#open.has(scope));
    return new Map(found.map(([scope, event]) => [scope, sourceFrom(event)]));
  }
}

/** Who made an event, when, and why. */
export function sourceFrom({
  position,
  metadata: { at, actor, issuer, requestId, reason },
}: GrantEvent): GrantSource {
  return {
    position,
    at,
    actor,
    ...(issuer !== undefined && { issuer }),
    requestId,
    ...(reason !== undefined && { reason }),
  };
}
