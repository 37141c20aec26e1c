import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { grants, type GrantsRow, sourceOf } from '../../projections/grants.ts';
import type { RoleEvent } from '../../schemas/events/roleEvents.ts';
import { fold } from '../../src/projection.ts';
import { recorded } from '../decisionsOf.ts';
import { histories } from '../histories.ts';

const role = (type: 'RoleCreated' | 'RoleUpdated', ...scopes: string[]): RoleEvent => ({
  type,
  data: { roleId: 'r', description: '', scopes },
});
const deleted: RoleEvent = { type: 'RoleDeleted', data: { roleId: 'r' } };

test('a scope that was taken away and added again is from the later event, and one that stayed from the first', () => {
  const events = recorded([
    role('RoleCreated', 'a', 'b'),
    role('RoleUpdated', 'b'),
    role('RoleUpdated', 'a', 'b', 'c'),
  ]);
  const row = fold(grants, undefined, events)!;
  const positions = ['a', 'b', 'c', 'd'].map((scope) => sourceOf(row, scope)?.position);
  expect(positions).toEqual([events[2]!.position, events[0]!.position, events[2]!.position, undefined]);
  expect(sourceOf(row, 'a')).toEqual({
    position: events[2]!.position,
    at: events[2]!.metadata.at,
    actor: 'someone',
    requestId: 'a request',
  });
});

test('over any history, each present scope names the last event that added it', () => {
  const scopes = fc.subarray(['a', 'b', 'c', 'd', 'e']);
  fc.assert(
    fc.property(fc.array(fc.option(scopes, { freq: 6 }), { maxLength: 12 }), (history) => {
      let exists = false;
      const events = history.map((each) => {
        const event = each === null ? deleted : role(exists ? 'RoleUpdated' : 'RoleCreated', ...each);
        exists = each !== null;
        return event;
      });
      let row: GrantsRow | undefined;
      const last = new Map<string, string>();
      for (const event of recorded(events)) {
        row = fold(grants, row, [event]);
        const present = event.type === 'RoleDeleted' ? [] : event.data.scopes;
        for (const scope of last.keys()) if (!present.includes(scope)) last.delete(scope);
        for (const scope of present) if (!last.has(scope)) last.set(scope, event.position);
        const named = (row?.added ?? []).flatMap(({ position, scopes: added }) =>
          added.map((scope) => [scope, position] as const),
        );
        expect(new Map(named)).toEqual(last);
        expect(named).toHaveLength(last.size);
      }
    }),
    histories(300),
  );
});
