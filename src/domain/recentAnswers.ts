/** About how many characters and scopes the answers that are kept may hold together. */
const MOST = 2_000_000;

/** Lists that were just made, found again by the question; when they would grow too many, all are dropped. */
export class RecentAnswers {
  #answers = new Map<string, readonly string[]>();
  #held = 0;

  get(question: string): readonly string[] | undefined {
    return this.#answers.get(question);
  }

  keep(question: string, answer: readonly string[]): void {
    const size = question.length + answer.length;
    if (this.#held + size > MOST) this.clear();
    this.#answers.set(question, answer);
    this.#held += size;
  }

  clear(): void {
    this.#answers.clear();
    this.#held = 0;
  }
}
