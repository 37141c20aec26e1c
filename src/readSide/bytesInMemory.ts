/**
 * Bytes on V8's heap of a string, of an array or object, of each element and of each property, besides their contents.
 */
const STRING_BYTES = 24;
const OBJECT_BYTES = 56;
const ELEMENT_BYTES = 8;
const PROPERTY_BYTES = 24;

/** Estimates, rather too high, how many bytes a JSON value takes in memory. Caches count their contents with it. */
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
