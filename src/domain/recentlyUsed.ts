/**
 * What was used lately, found by its key. It lies in two halves: what is found in the older one moves to the newer; when
 * that is full, it becomes the older one, and what was in that is forgotten. So finding what is used often changes nothing.
 * The two together hold at most `most`: a count, or what `sizeOf` adds up to, which must not change while a value is kept.
 * What is larger than one half is not kept.
 */
export class RecentlyUsed<Value> {
  #newer = new Map<string, Value>();
  #older = new Map<string, Value>();
  #held = 0;
  #mostInHalf: number;
  #sizeOf: (key: string, value: Value) => number;

  constructor(most: number, sizeOf: (key: string, value: Value) => number = () => 1) {
    this.#mostInHalf = most / 2;
    this.#sizeOf = sizeOf;
  }

  get(key: string): Value | undefined {
    const newer = this.#newer.get(key);
    if (newer !== undefined) return newer;
    const older = this.#older.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: string, value: Value): void {
    this.#leaveNewer(key);
    const size = this.#sizeOf(key, value);
    if (size > this.#mostInHalf) return void this.#older.delete(key);
    if (this.#held + size > this.#mostInHalf) {
      this.#older = this.#newer;
      this.#newer = new Map();
      this.#held = 0;
    }
    this.#newer.set(key, value);
    this.#held += size;
  }

  delete(key: string): void {
    this.#leaveNewer(key);
    this.#older.delete(key);
  }

  clear(): void {
    this.#newer.clear();
    this.#older.clear();
    this.#held = 0;
  }

  #leaveNewer(key: string): void {
    const value = this.#newer.get(key);
    if (value === undefined) return;
    this.#newer.delete(key);
    this.#held -= this.#sizeOf(key, value);
  }
}
