type Closable = { close(): Promise<void> };

/**
 * Opens several resources that are only useful together. `open` passes each one that it has opened to `opened`. If a later step
 * fails, all of them are closed, and the error is thrown.
 */
export async function openTogether<T>(
  open: (opened: <Resource extends Closable>(resource: Resource) => Resource) => Promise<T>,
): Promise<T> {
  const resources: Closable[] = [];
  try {
    return await open((resource) => {
      resources.push(resource);
      return resource;
    });
  } catch (error) {
    await Promise.all(resources.map((resource) => resource.close()));
    throw error;
  }
}
