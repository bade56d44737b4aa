/**
 * A snapshot of a project's own source files, read once into memory: what the demo serves, and the truth its results are
 * compared with. Read up front, so that a file saved while the demo runs cannot make two ways disagree.
 *
 * Walks the folder rather than asking git: an unpacked tarball has no git.
 */

import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

export interface ProjectFile {
  /** From the project's root, parts joined by `/` on every platform. */
  readonly path: string
  readonly bytes: Buffer
}

/** What is fetched or built, at any depth; the rest is source. */
const FOLDERS_LEFT_OUT = new Set(['.git', 'node_modules', 'target', 'dist', 'pkg', 'coverage'])

const FILE_BYTES_MAX = 256 * 1024

/** Every source file under `root`, in an order that is the same on every machine. */
export async function readProjectFiles(root: string): Promise<ProjectFile[]> {
  const files: ProjectFile[] = []
  for (const path of await walk(root, '')) {
    const { size } = await stat(join(root, path))
    if (size <= FILE_BYTES_MAX) files.push({ path, bytes: await readFile(join(root, path)) })
  }
  return files
}

/** Symbolic links are passed over: they could lead out of the project, or round in circles. */
async function walk(root: string, folder: string): Promise<string[]> {
  const paths: string[] = []
  const entries = await readdir(join(root, folder), { withFileTypes: true })
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isFile()) paths.push(path)
    else if (entry.isDirectory() && !FOLDERS_LEFT_OUT.has(entry.name)) paths.push(...(await walk(root, path)))
  }
  return paths
}
