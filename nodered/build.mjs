// Makes flows.json, and the examples of the import menu, of the files in src/: `node build.mjs`; `--check` says whether the
// committed files are what they give.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import pages from './src/pages/index.mjs'
import site from './src/site.mjs'

const here = new URL('.', import.meta.url)
const EXAMPLES = 'packages/node-red-contrib-pems/examples/'

const modules = (folder) => Promise.all(
  readdirSync(new URL(folder, here)).filter((name) => name.endsWith('.mjs')).sort().map((name) => import(new URL(folder + name, here)))
)

/** Flows as text. */
function text (nodes) {
  const twice = nodes.map(({ id }) => id).filter((id, at, all) => all.indexOf(id) !== at)
  if (twice.length > 0) throw new Error(`two nodes have the same name: ${nodes.filter(({ id }) => twice.includes(id)).map(({ name }) => name).join(', ')}`)
  const ids = new Set(nodes.map(({ id }) => id))
  for (const node of nodes) {
    for (const to of (node.wires || []).flat()) {
      if (!ids.has(to)) throw new Error(`${node.name} is wired to a node that is not there`)
    }
  }
  return JSON.stringify(nodes, null, 2) + '\n'
}

const tabs = await modules('src/tabs/')
const examples = await modules('src/examples/')
const files = {
  'flows.json': text([...site, ...tabs.flatMap((module) => module.default), ...pages]),
  ...Object.fromEntries(examples.map((module) => [`${EXAMPLES}${module.file}.json`, text([...site, ...module.default])]))
}
const found = (name) => { try { return readFileSync(new URL(name, here), 'utf8') } catch { return '' } }
for (const [name, said] of Object.entries(files)) {
  if (!process.argv.includes('--check')) {
    writeFileSync(new URL(name, here), said)
  } else if (found(name) !== said) {
    console.error(`${name} is not what src/ gives; run: npm run build`)
    process.exitCode = 1
  }
}
