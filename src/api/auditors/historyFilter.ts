import { clientEventSchemas } from '../../../schemas/events/clientEvents.ts';
import { credentialsEventSchemas } from '../../../schemas/events/credentialsEvents.ts';
import { roleEventSchemas } from '../../../schemas/events/roleEvents.ts';
import { refuseArguments } from '../../domain/errors.ts';
import type { Position } from '../../event.ts';
import { isPositionOf } from '../../eventStore/position.ts';
import { DATE_TIME, isDateTime } from '../../http/isDateTime.ts';
import type { HistoryEntity } from '../../readSide/historyEntity.ts';
import type { HistorySelection } from '../../readSide/historyEvents.ts';
import type { HistoryFilter } from '../../readSide/historyPage.ts';

type Query = Record<string, string | undefined>;
type Kind = HistoryEntity['kind'];

const TYPES: Record<Kind, readonly string[]> = {
  client: Object.keys(clientEventSchemas),
  role: Object.keys(roleEventSchemas),
  credentials: Object.keys(credentialsEventSchemas),
};
const KINDS = Object.keys(TYPES) as Kind[];
/** The parameters that name one entity, each with its kind. */
const ENTITY_PARAMETERS = { client: 'client', role: 'role', service: 'credentials' } as const;

/**
 * The filter in the query parameters of a request. Throws InvalidRequestArguments for those that exclude each other, and
 * for positions that are not of the log that begins at `start` and has come to `head`.
 */
export function historyFilter(
  query: Query,
  { start, head }: { start: Position; head: Position },
): HistoryFilter {
  const entity = entityIn(query);
  const { kind, prefix, actor, type, from, to, since, until } = query;
  if (entity && prefix !== undefined)
    refuseArguments('prefix is for several clients or roles: it goes without client, role and service');
  if (entity && kind !== undefined)
    refuseArguments('kind is for several clients or roles: it goes without client, role and service');
  const after = positionIn('from', from, { start, head });
  const upTo = positionIn('to', to, { start, head });
  if (after !== undefined && upTo !== undefined && after > upTo) refuseArguments('from must not be after to');
  const [earliest, latest] = [timeIn('since', since), timeIn('until', until)];
  if (earliest !== undefined && latest !== undefined && earliest > latest)
    refuseArguments('since must not be after until');
  return withoutUndefined({
    entity,
    kind: kind as Kind | undefined,
    prefix,
    actor,
    types:
      type === undefined
        ? undefined
        : typesIn(type, kindsOf({ entity, kind: kind as Kind | undefined, prefix })),
    after,
    upTo,
    since: earliest,
    until: latest,
  });
}

function entityIn(query: Query): HistoryEntity | undefined {
  const given = Object.entries(ENTITY_PARAMETERS).filter(([name]) => query[name] !== undefined);
  if (given.length > 1)
    refuseArguments(
      `only one of client, role and service can be given, not ${given.map(([name]) => name).join(' and ')}`,
    );
  const [name, kind] = given[0] ?? [];
  return kind && { kind, id: query[name!]! };
}

/** The kinds of what a filter selects. Without a kind, a prefix is one of clients and roles. */
export function kindsOf({ entity, kind, prefix }: HistorySelection): Kind[] {
  if (entity) return [entity.kind];
  if (kind) return [kind];
  return prefix === undefined ? KINDS : KINDS.filter((kind) => kind !== 'credentials');
}

function typesIn(text: string, kinds: readonly Kind[]): string[] {
  const possible = kinds.flatMap((kind) => TYPES[kind]);
  const types = [...new Set(text.split(','))].sort();
  const wrong = types.filter((type) => !possible.includes(type));
  if (wrong.length > 0)
    refuseArguments(
      `type must be one or several of ${possible.join(', ')} for what is asked about, not ${wrong.join(', ')}`,
    );
  return types;
}

function positionIn(
  name: string,
  position: string | undefined,
  { start, head }: { start: Position; head: Position },
): Position | undefined {
  if (position === undefined) return undefined;
  if (!isPositionOf(position, start))
    refuseArguments(`${name} must be a position of this log, as an earlier reply gave it`);
  if (position > head) refuseArguments(`the log has not come to the position ${position} in ${name}`);
  return position;
}

function timeIn(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return isDateTime(text) ? Date.parse(text) : refuseArguments(`${name} must be ${DATE_TIME}`);
}

/** Without what was not given, so that equal filters have equal texts. */
function withoutUndefined<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
