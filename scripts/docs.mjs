/**
 * `npm run docs`: writes the option tables of README.md, each between its two markers, from the declarations of the options
 * (js/options/declarations.ts). `npm run docs -- --check` writes nothing, and fails where a table is out of date.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { ensureInstalled } from './setup.mjs'
import { root } from './steps.mjs'

const readme = path.join(root, 'README.md')
const code = (text) => `\`${text.replaceAll('|', '\\|')}\``

await ensureInstalled()
const { tsImport } = await import('tsx/esm/api')
const { BATCH_OPTIONS, BULK_OPTIONS, CONFIG_OPTIONS, LOAD_MANY_OPTIONS, REQUEST_FIELDS } = await tsImport(
  '../js/options/declarations.ts',
  import.meta.url,
)

// A default of batches is not explained twice.
const isInherited = ({ name }) => BATCH_OPTIONS.some(({ from }) => from === name)
const inherited = CONFIG_OPTIONS.filter(isInherited)
const own = CONFIG_OPTIONS.filter((option) => !isInherited(option))
const tables = {
  request: tableOf('Field', REQUEST_FIELDS),
  batch: tableOf('Option', BATCH_OPTIONS),
  bulk: `${bulkSentence()}\n\n${tableOf('Option', BULK_OPTIONS)}`,
  config: `${sentenceOf(inherited)}\n\n${tableOf('Option', own)}`,
}

const before = readFileSync(readme, 'utf8')
const after = Object.entries(tables).reduce((text, [name, table]) => replaceBetween(text, name, table), before)
if (!process.argv.includes('--check')) {
  if (after !== before) writeFileSync(readme, after)
} else if (after !== before) {
  console.error('The option tables of README.md are out of date: npm run docs')
  process.exitCode = 1
}

function replaceBetween(text, name, table) {
  const [start, end] = [`<!-- ${name}: written by npm run docs -->`, `<!-- end of ${name} -->`]
  const [from, to] = [text.indexOf(start), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`README.md has no place for the table "${name}": ${start} … ${end}`)
  return `${text.slice(0, from + start.length)}\n${table}\n${text.slice(to)}`
}

function sentenceOf(options) {
  const names = options.map(({ name }) => {
    const { name: meant } = BATCH_OPTIONS.find(({ from }) => from === name)
    return meant === name ? code(name) : `${code(name)} (a batch's ${code(meant)})`
  })
  return `Defaults for the options of batches: ${names.join(', ')}. And:`
}

function bulkSentence() {
  const own = new Set(BULK_OPTIONS.map(({ name }) => name))
  const names = (among) =>
    LOAD_MANY_OPTIONS.filter((option) => !own.has(option.name) && among.includes(option)).map(({ name }) => code(name))
  return `As a request's: ${names(REQUEST_FIELDS).join(', ')}. As a batch's: ${names(BATCH_OPTIONS).join(', ')} (the last three for \`loadMany\` alone). And:`
}

function tableOf(head, declarations) {
  const rows = declarations.map(({ name, type, defaultProse, default: value, prose }) => {
    const shown = defaultProse ?? (value === undefined ? 'none' : code(show(value)))
    return `| ${code(name)} | ${code(type)} | ${shown} | ${prose.replaceAll('|', '\\|')} |`
  })
  return [`| ${head} | Type | Default | Meaning |`, '| --- | --- | --- | --- |', ...rows].join('\n')
}

function show(value) {
  if (typeof value === 'string') return `'${value}'`
  return typeof value === 'number' && Number.isFinite(value) ? value.toLocaleString('en') : String(value)
}
