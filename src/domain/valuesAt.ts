import { type EntityEvent, type EntityValues, isCreation, type ValueName, valuesSetBy } from './changes.ts';

/**
 * Some values of a client or role at a moment, as far as they are known when its events are looked at, newest first: those
 * after the moment first, from the one on that made the later values, and then those up to it.
 */
export class ValuesAt {
  #names: readonly ValueName[];
  #values: EntityValues | undefined;
  #unknown: Set<ValueName>;

  /** `later` are values from some time after the moment; without them, events after the moment need not be looked at. */
  constructor(names: readonly ValueName[], later?: EntityValues) {
    this.#names = names;
    this.#values = { ...later };
    this.#unknown = new Set(later ? [] : names);
  }

  /** Whether earlier events make no difference. */
  get areKnown(): boolean {
    return this.#unknown.size === 0;
  }

  /** The values, once they are known; undefined if there was no such client or role. */
  get values(): EntityValues | undefined {
    return this.#values;
  }

  /** Looks at an event after the moment. */
  undo(event: EntityEvent): void {
    if (isCreation(event)) {
      this.#values = undefined;
      this.#unknown.clear();
      return;
    }
    const set = valuesSetBy(event);
    this.#values ??= {};
    for (const name of this.#names) if (!set || name in set) this.#unknown.add(name);
  }

  /** Looks at an event up to the moment. */
  learnFrom(event: EntityEvent): void {
    if (this.areKnown) return;
    const set = valuesSetBy(event);
    if (!set) return this.reachStart();
    for (const name of this.#unknown) {
      if (set[name] === undefined) continue;
      this.#values = { ...this.#values, [name]: set[name] };
      this.#unknown.delete(name);
    }
    if (isCreation(event)) this.#unknown.clear();
  }

  /** Notes that there are no earlier events. */
  reachStart(): void {
    if (this.areKnown) return;
    this.#values = undefined;
    this.#unknown.clear();
  }
}
