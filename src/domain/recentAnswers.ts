type Scopes = readonly string[];

/** An answer with the lists that it was merged from, and the version of the roles at which these were looked at. */
export type Answer = { scopes: Scopes; from: readonly Scopes[]; version: number };

/** About how many characters of questions and scopes of answers each of the two halves may hold. */
const MOST = 500_000;

/**
 * Answers that were just made, found again by the question. They lie in two halves: what is found in the older one moves to
 * the newer; when that is full, it becomes the older one, and what was in that is forgotten.
 */
export class RecentAnswers {
  #newer = new Map<string, Answer>();
  #older = new Map<string, Answer>();
  #held = 0;

  get(question: string): Answer | undefined {
    const newer = this.#newer.get(question);
    if (newer) return newer;
    const older = this.#older.get(question);
    if (older) this.keep(question, older);
    return older;
  }

  keep(question: string, answer: Answer): void {
    const size = question.length + answer.scopes.length;
    if (this.#held + size > MOST) {
      this.#older = this.#newer;
      this.#newer = new Map();
      this.#held = 0;
    }
    this.#newer.set(question, answer);
    this.#held += size;
  }

  clear(): void {
    this.#newer.clear();
    this.#older.clear();
    this.#held = 0;
  }
}
