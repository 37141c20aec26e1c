import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ClientEvent } from '../../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../../schemas/events/roleEvents.ts';
import { GrantSearch } from '../../src/domain/grantSearch.ts';
import type { Recorded } from '../../src/event.ts';
import { recorded } from '../decisionsOf.ts';
import { histories } from '../histories.ts';

const role = (type: 'RoleCreated' | 'RoleUpdated', ...scopes: string[]): RoleEvent => ({
  type,
  data: { roleId: 'r', description: '', scopes },
});
const deleted: RoleEvent = { type: 'RoleDeleted', data: { roleId: 'r' } };

/** The search after it looked at events, newest first, as far as it needs. */
function searched(events: Recorded<RoleEvent | ClientEvent>[], ...scopes: string[]) {
  const search = new GrantSearch(scopes);
  let lookedAt = 0;
  for (const event of events.toReversed()) {
    if (search.isDone) break;
    search.lookAt(event);
    lookedAt += 1;
  }
  return { search, lookedAt };
}

test('a scope that was taken away and added again is from the later event, and one that stayed from the first', () => {
  const events = recorded([
    role('RoleCreated', 'a', 'b'),
    role('RoleUpdated', 'b'),
    role('RoleUpdated', 'a', 'b', 'c'),
  ]);
  const sources = searched(events, 'a', 'b', 'c', 'd').search.sources();
  const positions = ['a', 'b', 'c', 'd'].map((scope) => sources.get(scope)?.position);
  expect(positions).toEqual([events[2]!.position, events[0]!.position, events[2]!.position, undefined]);
  expect(sources.get('a')).toEqual({
    position: events[2]!.position,
    at: events[2]!.metadata.at,
    actor: 'someone',
    requestId: 'a request',
  });
});

test('an update that leaves the scopes of a client as they are adds none', () => {
  const settings = { clientId: 'c', description: '', expires: '', deleteOnExpiration: false };
  const events = recorded([
    { type: 'ClientCreated', data: { ...settings, scopes: ['a'] } } as ClientEvent,
    { type: 'ClientUpdated', data: { ...settings, scopes: ['a', 'b'] } } as ClientEvent,
    { type: 'ClientUpdated', data: settings } as ClientEvent,
  ]);
  const sources = searched(events, 'a', 'b').search.sources();
  expect([...sources].map(([scope, { position }]) => [scope, position])).toEqual(
    expect.arrayContaining([
      ['a', events[0]!.position],
      ['b', events[1]!.position],
    ]),
  );
});

test('it goes back no further than to where each scope was absent', () => {
  const events = recorded([role('RoleCreated'), role('RoleUpdated', 'b'), role('RoleUpdated', 'a', 'b')]);
  expect(searched(events, 'a').lookedAt).toBe(2);
  const again = recorded([role('RoleCreated', 'a'), deleted, role('RoleCreated', 'a')]);
  expect(searched(again, 'a').lookedAt).toBe(1);
});

test('over any history, each present scope names the last event that added it', () => {
  const scopes = fc.subarray(['a', 'b', 'c', 'd', 'e']);
  fc.assert(
    fc.property(fc.array(fc.option(scopes, { freq: 6 }), { maxLength: 12 }), (history) => {
      let exists = false;
      const events = recorded(
        history.map((each) => {
          const event = each === null ? deleted : role(exists ? 'RoleUpdated' : 'RoleCreated', ...each);
          exists = each !== null;
          return event;
        }),
      );
      const last = new Map<string, string>();
      for (const [i, event] of events.entries()) {
        const present = event.type === 'RoleDeleted' ? [] : event.data.scopes;
        for (const scope of last.keys()) if (!present.includes(scope)) last.delete(scope);
        for (const scope of present) if (!last.has(scope)) last.set(scope, event.position);
        const { search } = searched(events.slice(0, i + 1), 'a', 'b', 'c', 'd', 'e');
        const named = [...search.sources()].map(([scope, { position }]) => [scope, position] as const);
        expect(new Map(named)).toEqual(last);
      }
    }),
    histories(300),
  );
});
