/**
 * Publishes changes to other systems. Every adapter passes test/contracts/messageBus.ts.
 *
 * - Messages of one topic and key are read in the order in which they were published.
 * - At least once: after `publish` threw, any of its messages may have been published, or may still be.
 */
export type MessageBus = {
  /**
   * Resolves when all messages are acknowledged and can be read. Call it with one list at a time: order is kept if the
   * next list is published after this one resolved, or this one again after it threw. An empty list checks that the bus
   * can be used. Throws BusUnavailable.
   */
  publish(messages: readonly Message[]): Promise<void>;

  close(): Promise<void>;
};

/** `events` has whole events; `messages` only says what changed, in the form that Taskcluster's subscribers know. */
export type Topic = 'events' | 'messages';
export type Message = { topic: Topic; key: string; value: string; headers: Record<string, string> };

/** The name of a topic on the bus. */
export function topicName(prefix: string, topic: Topic): string {
  return prefix + topic;
}

/** The bus cannot be used right now. `kind` says why in a word or two, and may be shown to anybody. */
export class BusUnavailable extends Error {
  kind: string;
  constructor(message: string, { kind }: { kind: string }) {
    super(message);
    this.kind = kind;
  }
}
