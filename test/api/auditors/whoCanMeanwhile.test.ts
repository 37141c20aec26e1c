import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import pino from 'pino';
import { whoCan } from '../../../src/api/auditors/whoCan.ts';
import { memoryEventStore } from '../../../src/eventStore/memoryEventStore.ts';
import { clientStream, ROLES_STREAM } from '../../../src/eventStore/streams.ts';
import { validateEvent } from '../../../src/eventStore/validateEvent.ts';
import type { EndpointRequest } from '../../../src/http/endpoint.ts';
import { makeRequestedState } from '../../../src/http/requestedState.ts';
import { makeLongWork } from '../../../src/process/longWork.ts';
import { makeFormerStates } from '../../../src/readSide/formerStates.ts';
import type { LastUsed } from '../../../src/readSide/lastUsed.ts';
import { makeMoments } from '../../../src/readSide/moments.ts';
import { startProjector } from '../../../src/readSide/projector.ts';
import { presentState, type State } from '../../../src/readSide/state.ts';
import { memoryReadStore } from '../../../src/readStore/memoryReadStore.ts';

const log = pino({ level: 'silent' });
const NOW = new Date('2030-01-01T00:00:00Z');

type Page = {
  position: string;
  clients: { clientId: string }[];
  roles: { roleId: string }[];
  grantors: { clients: { clientId: string; rights: string[] }[] };
};

/** A node where a role `r` and a client `c` change whenever clients, or the index of their scopes, are about to be read. */
async function startNode(changeBeforeRead: (change: Change, read: number) => Promise<void>) {
  const eventStore = memoryEventStore({ validate: validateEvent });
  const projector = await startProjector({ eventStore, readStore: memoryReadStore(), log, holder: 'one' });
  await projector.untilComplete;
  const longWork = makeLongWork({ log });
  const formerStates = makeFormerStates({ projector, eventStore, longWork });
  const present = presentState(projector, {} as LastUsed);
  const write = async (stream: string, type: string, data: object): Promise<void> => {
    const events = [{ id: randomUUID(), type, data }];
    await eventStore.append([{ stream, expectedRevision: 'any', events }], {
      actor: 'static/root',
      at: NOW.toJSON(),
      requestId: 'r',
    });
    await projector.catchUp();
  };
  const change: Change = {
    role: (scopes) =>
      write(ROLES_STREAM, projector.roleGraph.get('r') ? 'RoleUpdated' : 'RoleCreated', {
        roleId: 'r',
        description: '',
        scopes,
      }),
    async client(scopes) {
      const settings = {
        clientId: 'c',
        description: '',
        expires: '2031-01-01T00:00:00.000Z',
        deleteOnExpiration: false,
        scopes,
      };
      const credential = { id: randomUUID(), fingerprint: '0123456789abcdef' };
      if (await projector.clients.get('c')) await write(clientStream('c'), 'ClientUpdated', settings);
      else await write(clientStream('c'), 'ClientCreated', { ...settings, credential });
    },
  };
  let reads = 0;
  /** The same reads, before each of which something changes. */
  const afterChange =
    <Wanted, Found>(read: (wanted: Wanted) => Promise<Found>) =>
    async (wanted: Wanted): Promise<Found> => {
      await changeBeforeRead(change, (reads += 1));
      return read(wanted);
    };
  const clients: State['clients'] = afterChange((page) => present.clients(page));
  const { clientScopes } = projector;
  const list = afterChange((page: Parameters<typeof clientScopes.list>[0]) => clientScopes.list(page));
  const changing = Object.create(projector, { clientScopes: { value: { list } } }) as typeof projector;
  const requestedState = makeRequestedState({
    present: { ...present, clients },
    formerStates,
    moments: makeMoments({ eventStore, projector }),
  });
  const { handle } = whoCan({ projector: changing, requestedState, formerStates, longWork });
  return {
    change,
    async ask(): Promise<Page> {
      const body = { expression: 'x', limit: 100, includeDisabled: false };
      const request = { now: NOW, query: {}, body, caller: { clientId: 'auditor', scopes: ['*'] } };
      const origin = { requestId: 'r' };
      const signed = { payload: Buffer.alloc(0) };
      return (await handle({ ...request, origin, signed } as unknown as EndpointRequest)).body as Page;
    },
    stop: () => projector.stop(),
  };
}

type Change = { role(scopes: string[]): Promise<void>; client(scopes: string[]): Promise<void> };

const shown = ({ clients, roles }: Page) => ({
  clients: clients.map(({ clientId }) => clientId),
  roles: roles.map(({ roleId }) => roleId),
});

test('a client that is given a role after this lost a scope does not have that scope', async () => {
  const node = await startNode(async ({ role, client }, read) => {
    if (read !== 1) return;
    await role(['y']);
    await client(['assume:r']);
  });
  await node.change.role(['x']);
  await node.change.client(['z']);
  expect(shown(await node.ask())).toEqual({ clients: [], roles: [] });
  await node.stop();
});

test('nor does one that could give it, whose rights change', async () => {
  const node = await startNode(async ({ role, client }, read) => {
    // The second read is the first for those who could give it.
    if (read !== 2) return;
    await role(['y', 'auth:create-role:*']);
    await client(['assume:r']);
  });
  await node.change.role(['x', 'auth:create-role:*']);
  await node.change.client(['z']);
  expect((await node.ask()).grantors.clients).toEqual([]);
  await node.stop();
});

test('while roles keep changing, the answer is as of a moment', async () => {
  // Each time, the role loses the scope before the client is given the role.
  const node = await startNode(async ({ role, client }) => {
    await client(['z']);
    await role(['x']);
    await role(['y']);
    await client(['assume:r']);
  });
  await node.change.role(['x']);
  expect(shown(await node.ask())).toEqual({ clients: [], roles: [] });
  await node.change.role(['x']);
  const { position, ...page } = await node.ask();
  expect(shown(page as Page)).toEqual({ clients: [], roles: [] });
  expect(position).not.toBe('');
  await node.stop();
});
