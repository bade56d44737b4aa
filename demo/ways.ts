/**
 * The same job done three ways: get the metadata and content of every file in a list of paths. Each answers in the order of the
 * list. The first two are what one writes without sluice; the third is `getCachedDataBatch`.
 */

import type { BatchOptions, BatchProcessor, BatchRequest } from 'sluice'
import type { ContentsClient } from './contents-client.js'
import type { ContentsFile } from './contents-server.js'

/** What the batch may have in flight: as much as the server takes at once. */
export const MAX_CONCURRENCY = 10

/** The old way: each call waits for the one before it. */
export async function oneByOne(client: ContentsClient, paths: readonly string[], onFile: () => void): Promise<ContentsFile[]> {
  const files: ContentsFile[] = []
  for (const path of paths) {
    files.push(await client.file(path))
    onFile()
  }
  return files
}

/** All calls at once: quick, but as many of them, and nothing spares the server. */
export function allAtOnce(client: ContentsClient, paths: readonly string[], onFile: () => void): Promise<ContentsFile[]> {
  return Promise.all(
    paths.map(async (path) => {
      const file = await client.file(path)
      onFile()
      return file
    }),
  )
}

/** One request per path, each with its own way to fetch it: what a directory with a single file missing uses. */
export function requestsFor(client: ContentsClient, paths: readonly string[]): BatchRequest<ContentsFile>[] {
  return paths.map((path) => ({ key: keyOf(path), fetchFunction: ({ signal }) => client.file(path, signal) }))
}

/** A bounded number of calls at a time, and one call for all the files wanted of a directory. */
export function throughSluice(
  processor: BatchProcessor,
  client: ContentsClient,
  requests: BatchRequest<ContentsFile>[],
): Promise<ContentsFile[]> {
  const options: BatchOptions<ContentsFile> = {
    maxConcurrency: MAX_CONCURRENCY,
    groupingStrategy: 'prefix',
    maxBatchSize: DIRECTORY_FILES_MAX,
    groupFetch: async ({ groupKey, signal }) => {
      const files = await client.directory(directoryOf(groupKey), signal)
      return new Map(files.map((file) => [keyOf(file.path), file]))
    },
  }
  return processor.getCachedDataBatch(requests, options)
}

/** GitHub's own limit of one directory listing. The default of 50 keys would ask for a larger directory more than once. */
const DIRECTORY_FILES_MAX = 1000

/** `contents:<directory>:<file name>`: its first two parts, by which sluice groups, name the directory. */
function keyOf(path: string): string {
  const nameStart = path.lastIndexOf('/') + 1
  const directory = path.slice(0, Math.max(0, nameStart - 1))
  // A colon in a directory's name must not end the part it stands in.
  return `contents:${directory.replaceAll('%', '%25').replaceAll(':', '%3A')}:${path.slice(nameStart)}`
}

function directoryOf(groupKey: string): string {
  return decodeURIComponent(groupKey.slice('contents:'.length))
}
