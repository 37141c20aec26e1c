/** The largest response body (bytes). Expected bodies are much smaller. */
const MAX_ANSWER = 4 * 1024 * 1024;

/** Node's fetch, except that reading a body of more than 4 MiB fails with a RangeError. */
export async function boundedFetch(url: string | URL, init?: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  let size = 0;
  const bounded = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      size += chunk.length;
      if (size > MAX_ANSWER) throw new RangeError('an answer of a third party is too large');
      controller.enqueue(chunk);
    },
  });
  return new Response(response.body && response.body.pipeThrough(bounded), response);
}
