import type { Position } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { isPositionOf } from '../eventStore/position.ts';
import type { MessageBus } from '../messageBus/messageBus.ts';
import { messageBatches, PUBLISHER_TABLE } from './publish.ts';
import type { ReadStore } from '../readStore/readStore.ts';

/** A replay from this position is not possible. */
export class ReplayRefused extends Error {}

/**
 * Publishes the events after a position again (all of them without one), up to the present end of the log. It does not
 * affect the publisher, which may be running, or its checkpoint. `onProgress` is called after each acknowledgement.
 * Throws ReplayRefused if the position is not one of this log, or if it is beyond the checkpoint: consumers would get
 * later events first.
 */
export async function replay(
  { eventStore, readStore, bus }: { eventStore: EventStore; readStore: ReadStore; bus: MessageBus },
  after: Position | undefined,
  onProgress: (position: Position, events: number) => void,
): Promise<void> {
  const published = (await readStore.checkpoint(PUBLISHER_TABLE)) ?? eventStore.start;
  if (after !== undefined) refuseUnpublished(after, { published, start: eventStore.start });
  const head = await eventStore.head();
  const done = new AbortController();
  let count = 0;
  await bus.publish([]);
  for await (const batch of eventStore.subscribe({ after, signal: done.signal })) {
    const events = batch.events.filter(({ position }) => position <= head);
    for (const { messages, position } of messageBatches(events)) {
      await bus.publish(messages);
      onProgress(position, (count += new Set(messages.map((each) => each.headers['event-id'])).size));
    }
    if (batch.live || batch.position >= head) done.abort();
  }
}

function refuseUnpublished(
  after: Position,
  { published, start }: { published: Position; start: Position },
): void {
  if (!isPositionOf(after, start))
    throw new ReplayRefused(
      `${after.slice(0, 100)} is no position of this log: give one as the header \`position\` of a message has it, or \`start\``,
    );
  if (after > published)
    throw new ReplayRefused(
      `the publisher has only come to ${published}: it publishes what comes after that itself, so give that position or an earlier one`,
    );
}
