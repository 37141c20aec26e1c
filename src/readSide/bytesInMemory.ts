/** What a string, or an array or object, takes by itself on V8's heap, and what each element takes, and each property. */
const STRING_BYTES = 24;
const OBJECT_BYTES = 56;
const ELEMENT_BYTES = 8;
const PROPERTY_BYTES = 24;

/** About how many bytes a JSON value takes in memory, and rather more than it does: for caches, to count what they keep. */
export function bytesInMemory(value: unknown): number {
  if (typeof value === 'string') return STRING_BYTES + 2 * value.length;
  if (typeof value !== 'object' || value === null) return ELEMENT_BYTES;
  if (Array.isArray(value))
    return value.reduce(
      (bytes: number, element) => bytes + ELEMENT_BYTES + bytesInMemory(element),
      OBJECT_BYTES,
    );
  return Object.entries(value).reduce(
    (bytes, [key, property]) => bytes + PROPERTY_BYTES + bytesInMemory(key) + bytesInMemory(property),
    OBJECT_BYTES,
  );
}
