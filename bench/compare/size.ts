/** What each adds to a bundle: what `rivals.ts` uses of it and all that needs, minified by esbuild, compressed as servers do. */

import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import type { Report } from './section.ts'

const USES: Readonly<Record<string, string>> = {
  sluice: `export { getCachedDataBatch } from '../../dist/index.js'`,
  'lru-cache': `export { LRUCache } from 'lru-cache'`,
  'quick-lru': `export { default } from 'quick-lru'`,
  DataLoader: `export { default } from 'dataloader'`,
  'p-map': `export { default } from 'p-map'`,
  'p-limit': `export { default } from 'p-limit'`,
  'p-queue': `export { default } from 'p-queue'`,
  'async-cache-dedupe': `export { createCache } from 'async-cache-dedupe'`,
  cacheable: `export { Cacheable, createKeyv } from 'cacheable'`,
  cachified: `export { cachified } from '@epic-web/cachified'`,
  'layered-loader': `export { Loader } from 'layered-loader'`,
  'bentocache, memory': `export { BentoCache, bentostore } from 'bentocache'; export { memoryDriver } from 'bentocache/drivers/memory'`,
  'p-limit + lru-cache + DataLoader': `export { default } from 'p-limit'; export * from 'lru-cache'; export * from 'dataloader'`,
}
const KB = 1_000

export async function size(): Promise<Report> {
  const figures = {
    minified: {} as Record<string, number>,
    gzip: {} as Record<string, number>,
    brotli: {} as Record<string, number>,
  }
  for (const [name, contents] of Object.entries(USES)) {
    const bundle = await bundled(contents)
    figures.minified[name] = bundle.length / KB
    figures.gzip[name] = gzipSync(bundle, { level: 9 }).length / KB
    figures.brotli[name] = brotliCompressSync(bundle).length / KB
  }
  return {
    tables: [
      {
        id: 'size',
        title: 'Size of a bundle',
        unit: 'KB',
        digits: 1,
        isTurned: true,
        rows: [
          { title: 'gzip', figures: figures.gzip },
          { title: 'brotli', figures: figures.brotli },
          { title: 'minified', figures: figures.minified },
        ],
      },
    ],
  }
}

async function bundled(contents: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'error',
    // Optional peers, which a bundle of what is used here does not need.
    external: ['ioredis', 'redis'],
  })
  return (outputFiles[0] as { contents: Uint8Array }).contents
}
